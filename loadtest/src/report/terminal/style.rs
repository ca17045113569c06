//! What a terminal can do, and drawing in place on it.

use std::{
    io::{self, IsTerminal, Write},
    os::fd::AsFd,
};

/// Columns when nobody tells.
const COLUMNS_DEFAULT: usize = 80;
/// Narrower is treated as this.
const COLUMNS_MIN: usize = 20;

/// What may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Whether frames may be redrawn in place; otherwise one plain line per second.
    pub is_live: bool,
    /// Whether escape sequences for colour may be written.
    pub has_colour: bool,
    /// Width that nothing may exceed.
    pub columns: usize,
}

impl Style {
    /// For a place that is no terminal: plain lines of any length.
    pub const PLAIN: Self = Self {
        is_live: false,
        has_colour: false,
        columns: 120,
    };

    /// What standard error can do, with the environment's wishes: the live view goes there.
    pub fn detect() -> Self {
        Self::of(&io::stderr())
    }

    /// What standard output can do: the summary goes there.
    pub fn of_output() -> Self {
        Self::of(&io::stdout())
    }

    fn of(stream: &(impl IsTerminal + AsFd)) -> Self {
        let columns = rustix::termios::tcgetwinsize(stream)
            .ok()
            .map(|size| usize::from(size.ws_col));
        Self::decide(stream.is_terminal(), columns, |name| {
            std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
        })
    }

    /// The decision itself, from what is known about stream and environment.
    pub fn decide(
        is_terminal: bool,
        columns: Option<usize>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Self {
        if !is_terminal {
            return Self::PLAIN;
        }
        let is_dumb = variable("TERM").is_some_and(|term| term == "dumb");
        let refuses = variable("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            is_live: !is_dumb,
            has_colour: !is_dumb && !refuses,
            columns: columns
                .filter(|columns| *columns > 0)
                .unwrap_or(COLUMNS_DEFAULT)
                .max(COLUMNS_MIN),
        }
    }

    /// `text` cut to the width, the cut shown by `…`.
    pub(super) fn fit(self, text: &str) -> String {
        if text.chars().count() <= self.columns {
            return text.to_owned();
        }
        let mut cut: String = text.chars().take(self.columns.saturating_sub(1)).collect();
        cut.push('…');
        cut
    }

    /// `text` broken at spaces into lines of the width, later ones indented by two.
    pub(super) fn wrap(self, text: &str) -> Vec<String> {
        let mut lines = Vec::new();
        let mut line = String::new();
        for word in text.split(' ') {
            let longer = line.chars().count() + 1 + word.chars().count();
            if !line.trim().is_empty() && longer > self.columns {
                lines.push(self.fit(&line));
                "  ".clone_into(&mut line);
            }
            if !line.is_empty() && !line.ends_with("  ") {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(self.fit(&line));
        lines
    }

    /// `text` in green, red or yellow where there is colour.
    pub(super) fn paint(self, colour: Colour, text: &str) -> String {
        if !self.has_colour {
            return text.to_owned();
        }
        let code = match colour {
            Colour::Good => 32,
            Colour::Bad => 31,
            Colour::Doubtful => 33,
        };
        format!("\u{1b}[{code};1m{text}\u{1b}[0m")
    }
}

/// What a colour says again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colour {
    Good,
    Bad,
    Doubtful,
}

/// A frame that is redrawn in place.
#[derive(Debug)]
pub struct Screen<W> {
    out: W,
    drawn: usize,
}

impl<W: Write> Screen<W> {
    /// Draws onto `out`.
    pub const fn new(out: W) -> Self {
        Self { out, drawn: 0 }
    }

    /// Puts `lines` in the place of the last ones, in one write so that nothing flickers.
    ///
    /// # Errors
    /// Those of the terminal; the run goes on without a view.
    pub fn draw(&mut self, lines: &[String]) -> io::Result<()> {
        let mut text = String::new();
        if self.drawn > 0 {
            // CSI n F: up n lines to their start; CSI 0 J: erase from there (ECMA-48).
            text = format!("\u{1b}[{}F\u{1b}[0J", self.drawn);
        }
        for line in lines {
            text.push_str(line);
            text.push('\n');
        }
        self.drawn = lines.len();
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }
}
