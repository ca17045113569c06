//! What the demo writes to its terminal: 80 columns, colour only where a person looks and `NO_COLOR` does not forbid it.
//!
//! A reader that left (`schleuse demo | head`) is no reason to fail, so errors of stdout end here.

use std::io::{IsTerminal, Write};

/// Columns that fit everywhere.
const COLUMNS: usize = 80;
/// Between what was seen.
const SEPARATOR: &str = ", ";

/// The terminal, or whatever stdout is.
#[derive(Debug, Clone, Copy)]
pub struct Terminal {
    colour: bool,
}

/// SGR codes (ECMA-48 §8.3.117).
#[derive(Debug, Clone, Copy)]
enum Style {
    Bold = 1,
    Red = 31,
    Green = 32,
    Cyan = 36,
}

impl Terminal {
    /// For this process's stdout.
    pub fn stdout() -> Self {
        let forbidden = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            colour: !forbidden && std::io::stdout().is_terminal(),
        }
    }

    /// A line as it is.
    pub fn line(self, text: &str) {
        let mut stdout = std::io::stdout().lock();
        let _ = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
    }

    /// The start of a chapter.
    pub fn heading(self, text: &str) {
        self.line("");
        self.line(&self.styled(Style::Bold, text));
    }

    /// Prose, wrapped and indented.
    pub fn prose(self, indent: usize, text: &str) {
        for line in wrap(text, COLUMNS - indent, "") {
            self.line(&format!("{:indent$}{line}", ""));
        }
    }

    /// A numbered step.
    pub fn step(self, number: usize, title: &str) {
        self.line("");
        for (position, line) in wrap(title, COLUMNS - 4, "").iter().enumerate() {
            let label = if position == 0 {
                format!("{number}.")
            } else {
                String::new()
            };
            self.line(&format!("{label:>3} {line}"));
        }
    }

    /// A command as it would be typed, continued with `\` where it is long.
    pub fn command(self, indent: usize, command: &str) {
        let lines = wrap(command, COLUMNS - indent - 4, " \\");
        for (number, line) in lines.iter().enumerate() {
            let prompt = if number == 0 { "$" } else { " " };
            let line = self.styled(Style::Cyan, line);
            self.line(&format!("{:indent$}{prompt} {line}", ""));
        }
    }

    /// These were as they should be. As many on a line as fit, none split without need.
    pub fn good(self, indent: usize, texts: &[String]) {
        let width = COLUMNS - indent - 2;
        let mut line = String::new();
        let mut mark = self.styled(Style::Green, "✓");
        for text in texts {
            if !line.is_empty()
                && line.chars().count() + SEPARATOR.len() + text.chars().count() > width
            {
                self.marked(indent, &mark, &line);
                line.clear();
                " ".clone_into(&mut mark);
            }
            if !line.is_empty() {
                line.push_str(SEPARATOR);
            }
            line.push_str(text);
        }
        if !line.is_empty() {
            self.marked(indent, &mark, &line);
        }
    }

    /// Something was not.
    pub fn bad(self, indent: usize, text: &str) {
        self.marked(indent, &self.styled(Style::Red, "✗"), text);
    }

    fn marked(self, indent: usize, mark: &str, text: &str) {
        for (number, line) in wrap(text, COLUMNS - indent - 2, "").iter().enumerate() {
            let mark = if number == 0 { mark } else { " " };
            self.line(&format!("{:indent$}{mark} {line}", ""));
        }
    }

    fn styled(self, style: Style, text: &str) -> String {
        if self.colour {
            format!("\x1b[{}m{text}\x1b[0m", style as u8)
        } else {
            text.to_owned()
        }
    }
}

/// Breaks at spaces so that lines have at most `width` characters where words allow it; every line but the last ends
/// with `continuation`, which is not counted.
fn wrap(text: &str, width: usize, continuation: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        let length = line.chars().count() + 1 + word.chars().count();
        if !line.is_empty() && length > width {
            lines.push(std::mem::take(&mut line) + continuation);
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_command_is_continued_and_can_be_pasted() {
        let lines = wrap("curl -i http://a.example/ -H 'Accept: b'", 24, " \\");
        assert_eq!(
            lines,
            ["curl -i \\", "http://a.example/ -H \\", "'Accept: b'"]
        );
    }

    #[test]
    fn a_word_longer_than_the_line_stays_whole() {
        assert_eq!(wrap("aa bbbbbbbb c", 4, ""), ["aa", "bbbbbbbb", "c"]);
    }
}
