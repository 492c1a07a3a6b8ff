//! Progress bars that count lines on a terminal.

use std::io::{self, IsTerminal};

use indicatif::{ProgressBar, ProgressStyle};

/// A spinner, for an input of unknown length.
pub fn spinner(quiet: bool) -> ProgressBar {
    unless_hidden(quiet, ProgressBar::new_spinner(), "{spinner} {human_pos} lines, {per_sec}")
}

/// A bar, for a known number of lines.
pub fn bar(lines: usize, quiet: bool) -> ProgressBar {
    let template = "{bar:30} {human_pos} of {human_len} lines, {per_sec}, {eta} left";
    unless_hidden(quiet, ProgressBar::new(lines as u64), template)
}

/// Hides the bar if standard error is not a terminal, or if results go to the same terminal.
fn unless_hidden(quiet: bool, bar: ProgressBar, template: &str) -> ProgressBar {
    if quiet || !io::stderr().is_terminal() || io::stdout().is_terminal() {
        return ProgressBar::hidden();
    }
    bar.with_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner()))
}
