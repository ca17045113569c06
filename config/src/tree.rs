//! YAML text to a tree whose every node knows its line and column, with all scalars as they were written.
//!
//! Nothing is turned into a number, a boolean or a date here: `010010000000` stays the twelve digits of Flensburg
//! (YAML 1.2 §10.3.2 would make it an integer, YAML 1.1 tools an octal one). What a scalar means is decided where the
//! key is known. Aliases are expanded, but only so far: a small file must not become a large tree.

use std::{borrow::Cow, collections::HashMap};

use granit_parser::{ErrorKind, Event, Marker, Parser, ScalarStyle, ScanError, Tag};

use crate::problem::{Place, Report};
use crate::units::quoted;

/// Nodes of a tree, those that stand for an alias included: ten blocks for each municipality of Germany.
const NODES_MAX: usize = 500_000;

const TAB: &str = "a tab in the indentation";
const TAB_REMEDY: &str = "indent with spaces";

/// One value of the file.
#[derive(Debug, Clone)]
pub struct Node<'t> {
    /// Where it begins.
    pub place: Place,
    /// What it is.
    pub value: Value<'t>,
}

/// What a node is.
#[derive(Debug, Clone)]
pub enum Value<'t> {
    /// A text.
    Scalar {
        /// As written, without quotes and escapes.
        text: Cow<'t, str>,
        /// Written without quotes, so that other tools may take it for something else.
        plain: bool,
    },
    /// A list.
    Sequence(Vec<Node<'t>>),
    /// In the order written; repeated keys are still there.
    Mapping(Vec<(Node<'t>, Node<'t>)>),
    /// Something that a problem was noted for already.
    Broken,
}

impl Node<'_> {
    /// Nothing was written: `key:`, `~` or `null`.
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true } if matches!(&**text, "" | "~" | "null" | "Null" | "NULL"))
    }
}

/// Parses the one document of `text`; none: not YAML, or nothing in it, which was noted.
pub(crate) fn parse<'t>(text: &'t str, report: &mut Report) -> Option<Node<'t>> {
    let root = parse_value(text, report)?;
    if root.is_null() {
        report.wrong(
            Place::default(),
            "",
            "is empty",
            "a config starts with `version: 1`",
        );
        return None;
    }
    Some(root)
}

/// The same, whatever it is; null where there is nothing.
pub fn parse_value<'t>(text: &'t str, report: &mut Report) -> Option<Node<'t>> {
    let mut options =
        granit_parser::options! { emit_unresolved_aliases: true, disallow_directives: true };
    options.set_emit_comments(false);
    let mut builder = Builder::default();
    for event in Parser::new_from_str_with_options(text, options) {
        let outcome = match event {
            Ok((event, span)) => {
                if event.is_node() {
                    builder.check_indentation(text, &span.start, report);
                }
                builder.take(event, place(&span.start), report)
            }
            Err(error) => {
                note_syntax(text, &error, report);
                return None;
            }
        };
        outcome?;
    }
    let nothing = Value::Scalar {
        text: Cow::Borrowed(""),
        plain: true,
    };
    Some(builder.root.unwrap_or(Node {
        place: Place::default(),
        value: nothing,
    }))
}

fn place(mark: &Marker) -> Place {
    Place {
        line: u32::try_from(mark.line()).unwrap_or(u32::MAX),
        column: u32::try_from(mark.col() + 1).unwrap_or(u32::MAX),
    }
}

/// A collection whose end was not seen yet.
#[derive(Debug)]
struct Open<'t> {
    node: Node<'t>,
    anchor: usize,
    /// A key that waits for its value.
    key: Option<Node<'t>>,
    /// Nodes when it was opened, to know its size at its end.
    nodes_before: usize,
}

#[derive(Debug, Default)]
struct Builder<'t> {
    open: Vec<Open<'t>>,
    /// Finished nodes by anchor, with the number of their nodes.
    anchored: HashMap<usize, (Node<'t>, usize)>,
    root: Option<Node<'t>>,
    nodes: usize,
    documents: usize,
    /// The last line whose tabs were noted.
    tab_line: u32,
}

impl<'t> Builder<'t> {
    /// The parser lets some tabs pass that YAML forbids (YAML 1.2 §6.1), and other tools then read another tree.
    fn check_indentation(&mut self, text: &str, mark: &Marker, report: &mut Report) {
        let before = mark
            .byte_offset()
            .and_then(|offset| text.get(..offset))
            .unwrap_or_default();
        let indentation = before.rsplit('\n').next().unwrap_or_default();
        let place = place(mark);
        let Some(column) = indentation.find('\t') else {
            return;
        };
        if place.line != self.tab_line
            && indentation
                .chars()
                .all(|letter| matches!(letter, ' ' | '\t' | '-'))
        {
            self.tab_line = place.line;
            let place = Place {
                column: u32::try_from(column + 1).unwrap_or(u32::MAX),
                ..place
            };
            report.wrong(place, "", TAB, TAB_REMEDY);
        }
    }

    /// None: going on makes no sense, the reason was noted.
    fn take(&mut self, event: Event<'t>, place: Place, report: &mut Report) -> Option<()> {
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    report.wrong(
                        place,
                        "",
                        "a second YAML document starts here",
                        "put everything into one document and remove the line `---`",
                    );
                    return None;
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && tag.is_none();
                let value = check_tag(tag.as_deref(), Value::Scalar { text, plain }, place, report);
                self.count(1, place, report)?;
                let node = Node { place, value };
                if anchor > 0 {
                    self.anchored.insert(anchor, (node.clone(), 1));
                }
                self.put(node);
            }
            Event::SequenceStart(_, anchor, tag) => {
                let value = check_tag(tag.as_deref(), Value::Sequence(Vec::new()), place, report);
                self.begin(Node { place, value }, anchor, report)?;
            }
            Event::MappingStart(_, anchor, tag) => {
                let value = check_tag(tag.as_deref(), Value::Mapping(Vec::new()), place, report);
                self.begin(Node { place, value }, anchor, report)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => self.expand(anchor, place, report)?,
            Event::UnresolvedAlias(name) => {
                let written = format!("*{name}");
                report.wrong(
                    place,
                    "",
                    format!(
                        "{} is a YAML alias without an anchor, because of its *",
                        quoted(&written)
                    ),
                    format!("quote it: \"{written}\""),
                );
                self.put(Node {
                    place,
                    value: Value::Broken,
                });
            }
            _ => {}
        }
        Some(())
    }

    fn count(&mut self, more: usize, place: Place, report: &mut Report) -> Option<()> {
        self.nodes += more;
        if self.nodes > NODES_MAX {
            report.wrong(
                place,
                "",
                format!("more than {NODES_MAX} values, aliases expanded"),
                "write fewer, or use fewer aliases (*name)",
            );
            return None;
        }
        Some(())
    }

    fn begin(&mut self, node: Node<'t>, anchor: usize, report: &mut Report) -> Option<()> {
        self.count(1, node.place, report)?;
        self.open.push(Open {
            node,
            anchor,
            key: None,
            nodes_before: self.nodes,
        });
        Some(())
    }

    fn end(&mut self) {
        if let Some(open) = self.open.pop() {
            if open.anchor > 0 {
                let size = 1 + self.nodes - open.nodes_before;
                self.anchored.insert(open.anchor, (open.node.clone(), size));
            }
            self.put(open.node);
        }
    }

    fn expand(&mut self, anchor: usize, place: Place, report: &mut Report) -> Option<()> {
        let Some(size) = self.anchored.get(&anchor).map(|(_, size)| *size) else {
            report.wrong(
                place,
                "",
                "a YAML alias inside of what it stands for",
                "write the value out",
            );
            self.put(Node {
                place,
                value: Value::Broken,
            });
            return Some(());
        };
        self.count(size, place, report)?;
        if let Some((node, _)) = self.anchored.get(&anchor) {
            let node = node.clone();
            self.put(node);
        }
        Some(())
    }

    fn put(&mut self, node: Node<'t>) {
        let Some(open) = self.open.last_mut() else {
            self.root.get_or_insert(node);
            return;
        };
        match &mut open.node.value {
            Value::Sequence(items) => items.push(node),
            Value::Mapping(entries) => match open.key.take() {
                Some(key) => entries.push((key, node)),
                None => open.key = Some(node),
            },
            Value::Scalar { .. } | Value::Broken => {}
        }
    }
}

/// `!!str` makes a text of anything; other tags ask for types that no key has.
fn check_tag<'t>(
    tag: Option<&Tag>,
    value: Value<'t>,
    place: Place,
    report: &mut Report,
) -> Value<'t> {
    match tag {
        None => value,
        Some(tag) if tag.core_suffix() == Some("str") => value,
        Some(tag) => {
            report.wrong(
                place,
                "",
                format!(
                    "the YAML tag {} has no meaning here",
                    quoted(&tag.original())
                ),
                "remove it",
            );
            Value::Broken
        }
    }
}

/// One problem for text that is not YAML: the parser cannot go on behind it.
fn note_syntax(text: &str, error: &ScanError, report: &mut Report) {
    let place = place(error.marker());
    if let Some(tab) = tab_in_indentation(text, place.line) {
        report.wrong(tab, "", TAB, TAB_REMEDY);
        return;
    }
    let line = text
        .lines()
        .nth(place.line.saturating_sub(1) as usize)
        .unwrap_or_default();
    report.wrong(
        place,
        "",
        format!("is not YAML: {}", error.info()),
        syntax_remedy(error.kind(), line),
    );
}

/// Tabs are looked for around the place where the parser stopped: it notices them a line early or late.
fn tab_in_indentation(text: &str, line: u32) -> Option<Place> {
    let above = line.saturating_sub(1).max(1);
    for (index, content) in
        (above..=line + 1).zip(text.lines().skip(above.saturating_sub(1) as usize))
    {
        let indentation = content
            .split(|letter: char| !matches!(letter, ' ' | '\t' | '-'))
            .next()
            .unwrap_or_default();
        if let Some(column) = indentation.find('\t') {
            return Some(Place {
                line: index,
                column: u32::try_from(column + 1).unwrap_or(u32::MAX),
            });
        }
    }
    None
}

fn syntax_remedy(kind: &ErrorKind, line: &str) -> &'static str {
    if line.contains("[::") || line.contains("]:") {
        return "quote IPv6 addresses: \"[::]:8080\"";
    }
    match kind {
        ErrorKind::InvalidIndentation
        | ErrorKind::ExpectedBlockMappingKey
        | ErrorKind::ExpectedBlockSequenceEntry
        | ErrorKind::BlockSequenceEntryNotAllowed => {
            "give the keys of one block the same indentation"
        }
        ErrorKind::MappingValueNotAllowed | ErrorKind::MappingKeyNotAllowed => {
            "check the indentation, and quote a text that contains `: `"
        }
        ErrorKind::SimpleKeyExpected | ErrorKind::InvalidSimpleKey => {
            "write `key: value`, with a blank behind the colon"
        }
        ErrorKind::UnclosedQuotedScalar
        | ErrorKind::InvalidTrailingDoubleQuotedScalar
        | ErrorKind::InvalidTrailingSingleQuotedScalar => "check where the quotes open and close",
        ErrorKind::UnclosedFlowCollection { .. }
        | ErrorKind::MismatchedFlowCollectionEnd { .. }
        | ErrorKind::MisplacedFlowCollectionEnd
        | ErrorKind::ExpectedFlowMappingSeparator
        | ErrorKind::ExpectedFlowSequenceSeparator => "check brackets and commas",
        ErrorKind::UnknownQuotedScalarEscape => {
            "in double quotes \\ starts an escape: write \\\\, or use single quotes"
        }
        ErrorKind::UnexpectedCharacter { .. } | ErrorKind::MissingAnchorOrAliasName => {
            "quote a text that starts with one of @ ` * & ! % | > { ["
        }
        ErrorKind::DirectiveDisallowed => "remove the line that starts with %",
        ErrorKind::RecursionLimitExceeded => "nest less deeply",
        _ => "check the line and the one above",
    }
}

#[cfg(test)]
mod tests;
