//! Text of a page under construction: escaping, tables, figures. No element is written by hand elsewhere with a value in it
//! that was not escaped.

use std::fmt::{Arguments, Write};

/// A growing piece of HTML.
#[derive(Debug, Default)]
pub(super) struct Markup {
    text: String,
}

impl Markup {
    /// Appends; the arguments' values must be escaped or numbers.
    pub(super) fn put(&mut self, arguments: Arguments<'_>) {
        // Writing to a String has no failure.
        self.text.write_fmt(arguments).unwrap_or_default();
    }

    /// The finished text.
    pub(super) fn into_text(self) -> String {
        self.text
    }
}

/// For text and for quoted attributes.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// A table whose first column heads its rows.
#[derive(Debug)]
pub(super) struct Table<'a> {
    /// What it shows; read out before it.
    pub(super) caption: &'a str,
    /// Heads of the columns.
    pub(super) heads: &'a [&'a str],
    /// Cells by row; not yet escaped.
    pub(super) rows: Vec<Vec<String>>,
}

impl Table<'_> {
    /// The HTML; without rows a sentence that says so.
    pub(super) fn render(&self) -> String {
        let mut markup = Markup::default();
        let caption = escape(self.caption);
        if self.rows.is_empty() {
            markup.put(format_args!("<p class=none>{caption}: none.</p>\n"));
            return markup.into_text();
        }
        // A region that takes the focus can be scrolled by keyboard on a narrow screen (WCAG 2.1.1).
        markup.put(format_args!(
            "<div class=scroll role=region tabindex=0 aria-label=\"{caption}\"><table><caption>{caption}</caption>\n<thead><tr>"
        ));
        for head in self.heads {
            markup.put(format_args!("<th scope=col>{}</th>", escape(head)));
        }
        markup.put(format_args!("</tr></thead>\n<tbody>\n"));
        for row in &self.rows {
            markup.put(format_args!("<tr>"));
            for (column, cell) in row.iter().enumerate() {
                let cell = escape(cell);
                if column == 0 {
                    markup.put(format_args!("<th scope=row>{cell}</th>"));
                } else {
                    markup.put(format_args!("<td>{cell}</td>"));
                }
            }
            markup.put(format_args!("</tr>\n"));
        }
        markup.put(format_args!("</tbody></table></div>\n"));
        markup.into_text()
    }
}

/// A heading with what belongs under it.
pub(super) fn section(id: &str, heading: &str, inside: &str) -> String {
    format!(
        "<section aria-labelledby=\"{id}\"><h2 id=\"{id}\">{}</h2>\n{inside}</section>\n",
        escape(heading)
    )
}
