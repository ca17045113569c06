//! What the commands print: to a reader who may be gone, which must not end a run.

use std::{fmt::Display, io::Write as _};

/// A line of the result.
pub(super) fn say(line: impl Display) {
    drop(writeln!(std::io::stdout().lock(), "{line}"));
}

/// A line about the run, beside the result.
pub(super) fn remark(line: impl Display) {
    drop(writeln!(std::io::stderr().lock(), "{line}"));
}
