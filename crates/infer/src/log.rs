//! Messages on standard error, beside the results.

use std::fmt::Display;
use std::io::{self, Write};

/// Prints a line. A standard error that is closed is not a failure.
pub fn log_line(text: impl Display) {
    drop(writeln!(io::stderr(), "{text}"));
}
