//! For who watches: a live view that redraws in place, plain lines where there is no terminal, a summary at the end.
//!
//! The generator's own lag and the run's validity are in every frame and every line: whoever looks at a latency sees beside
//! it whether to believe it. Nothing is wider than the terminal, down to 40 columns. Colour only says again what words say
//! already, and is off with `NO_COLOR` (no-color.org), `TERM=dumb` or without a terminal.

mod live;
mod style;
mod summary;
mod watch;

pub use live::{Progress, frame, line};
pub use style::{Screen, Style};
pub use summary::summary;
pub use watch::Watch;

#[cfg(test)]
mod tests;
