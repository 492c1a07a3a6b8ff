//! Lines counted on a terminal while they go elsewhere.

use std::io::{self, IsTerminal};

use indicatif::{ProgressBar, ProgressStyle};

/// For an input of unknown length.
pub fn endless(quiet: bool) -> ProgressBar {
    visible(quiet, ProgressBar::new_spinner(), "{spinner} {human_pos} lines, {per_sec}")
}

/// For so many lines.
pub fn of(lines: usize, quiet: bool) -> ProgressBar {
    visible(quiet, ProgressBar::new(lines as u64), "{bar:30} {human_pos} of {human_len} lines, {per_sec}, {eta} left")
}

/// Invisible where it would mix with the output.
fn visible(quiet: bool, bar: ProgressBar, template: &str) -> ProgressBar {
    if quiet || !io::stderr().is_terminal() || io::stdout().is_terminal() {
        return ProgressBar::hidden();
    }
    bar.with_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner()))
}
