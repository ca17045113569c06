//! Typed access to one section of the file. Which keys it may have, what they hold, their bounds and their defaults come
//! from [`mod@crate::reference`]; what is wrong is noted, and reading goes on with the default so that all is found at once.

mod bounded;
mod names;
mod scalar;

use std::time::Duration;

use crate::{
    problem::{Place, Report},
    reference::{DefaultValue, KeyDoc, Kind, home_of, keys_of},
    snapshot::Burst,
    spelling::did_you_mean,
    tree::{Node, Value},
    units::{Fault, parse_burst, parse_request_rate, quoted},
};

pub(crate) use names::{Entry, entries};
pub(crate) use scalar::{text_of, written};

/// One mapping of the file whose keys are known, unique and not empty.
#[derive(Debug)]
pub(crate) struct Section<'n, 't> {
    /// As the reference names it.
    pattern: &'static str,
    keys: &'static [&'static KeyDoc],
    /// The path for messages, as `pools.wohngeld`.
    pub(crate) at: String,
    pub(crate) place: Place,
    /// Not written, or not as a mapping: nothing in it is missed.
    absent: bool,
    found: Vec<Found<'n, 't>>,
}

#[derive(Debug)]
struct Found<'n, 't> {
    doc: &'static KeyDoc,
    node: &'n Node<'t>,
}

/// A value with its place and key path.
#[derive(Debug, Clone)]
pub(crate) struct Placed<T> {
    pub(crate) value: T,
    pub(crate) place: Place,
    pub(crate) at: String,
}

impl<'n, 't> Section<'n, 't> {
    /// Reads `node` as the section `pattern` of the reference. Whatever is no key of it is noted.
    pub(crate) fn open(
        node: &'n Node<'t>,
        pattern: &'static str,
        at: String,
        report: &mut Report,
    ) -> Self {
        let mut section = Self {
            pattern,
            keys: keys_of(pattern),
            at,
            place: node.place,
            absent: !matches!(node.value, Value::Mapping(_)),
            found: Vec::new(),
        };
        for Entry {
            name,
            place,
            node,
            at,
        } in entries(node, &section.at, report)
        {
            match section.keys.iter().find(|doc| doc.key() == name) {
                Some(_) if node.is_null() => {
                    report.wrong(place, at, "has no value", "write one, or remove the key");
                }
                Some(doc) => section.found.push(Found { doc, node }),
                None => section.note_unknown(&name, place, at, report),
            }
        }
        section
    }

    /// A section that was not written: all defaults.
    pub(crate) fn absent(pattern: &'static str, at: String, place: Place) -> Self {
        Self {
            pattern,
            keys: keys_of(pattern),
            at,
            place,
            absent: true,
            found: Vec::new(),
        }
    }

    fn note_unknown(&self, name: &str, place: Place, at: String, report: &mut Report) {
        let remedy = if name == "<<" {
            "write the keys out: merge keys are no part of YAML 1.2".to_owned()
        } else {
            let known = self.keys.iter().map(|doc| doc.key());
            let likely = home_of(name, self.pattern);
            let likely = likely.or_else(|| did_you_mean(name, known.clone()));
            likely.unwrap_or_else(|| {
                format!(
                    "remove it; known here: {}",
                    known.collect::<Vec<_>>().join(", ")
                )
            })
        };
        report.wrong(place, at, "unknown key", remedy);
    }

    /// `key` below this section, for messages.
    pub(crate) fn path(&self, key: &str) -> String {
        if self.at.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.at)
        }
    }

    /// The value of `key` if it was written.
    pub(crate) fn node(&self, key: &str) -> Option<&'n Node<'t>> {
        self.found
            .iter()
            .find(|found| found.doc.key() == key)
            .map(|found| found.node)
    }

    /// Whether `key` was written.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.node(key).is_some()
    }

    /// Whether it is not there or no mapping, which was noted.
    pub(crate) fn is_broken(&self) -> bool {
        self.absent
    }

    /// Where to point at for `key`: at its value, or at the section that lacks it.
    pub(crate) fn place_of(&self, key: &str) -> Place {
        self.node(key).map_or(self.place, |node| node.place)
    }

    /// The value of `key`; notes its absence if it is required.
    pub(crate) fn required(&self, key: &str, report: &mut Report) -> Option<&'n Node<'t>> {
        let node = self.node(key);
        let doc = self.keys.iter().find(|doc| doc.key() == key);
        if let (None, Some(doc)) = (node, doc)
            && doc.default == DefaultValue::Required
            && !self.absent
        {
            let wrong = format!("`{key}` is missing");
            report.wrong(
                self.place,
                self.at.clone(),
                wrong,
                format!("write {key}: {}", doc.example),
            );
        }
        node
    }

    /// The section behind `key`; all defaults when it is not written.
    pub(crate) fn section(&self, key: &str, pattern: &'static str, report: &mut Report) -> Self {
        match self.required(key, report) {
            Some(node) => Self::open(node, pattern, self.path(key), report),
            None => Self::absent(pattern, self.path(key), self.place),
        }
    }

    /// The items of a list; a single text in place of a list is noted.
    pub(crate) fn list(&self, key: &str, report: &mut Report) -> &'n [Node<'t>] {
        let Some(node) = self.required(key, report) else {
            return &[];
        };
        match &node.value {
            Value::Sequence(items) => items,
            Value::Scalar { text, .. } => {
                report.wrong(
                    node.place,
                    self.path(key),
                    "is not a list",
                    format!("write [{text}]"),
                );
                &[]
            }
            Value::Mapping(_) => {
                let remedy = "put `- ` in front of each item";
                report.wrong(node.place, self.path(key), "is not a list", remedy);
                &[]
            }
            Value::Broken => &[],
        }
    }

    /// Whether `key` was written as `[]`.
    pub(crate) fn is_empty_list(&self, key: &str) -> bool {
        self.node(key)
            .is_some_and(|node| matches!(&node.value, Value::Sequence(items) if items.is_empty()))
    }

    /// The texts of a list, each with its place and `key[index]`.
    pub(crate) fn texts(&self, key: &str, report: &mut Report) -> Vec<Placed<String>> {
        let mut texts = Vec::new();
        for (index, item) in self.list(key, report).iter().enumerate() {
            let at = format!("{}[{index}]", self.path(key));
            if let Some(text) = text_of(item, &at, report) {
                texts.push(Placed {
                    value: text.to_owned(),
                    place: item.place,
                    at,
                });
            }
        }
        texts
    }

    /// Names that the operator chose, each with its node.
    pub(crate) fn named(&self, key: &str, report: &mut Report) -> Vec<Entry<'n, 't>> {
        match self.required(key, report) {
            Some(node) => entries(node, &self.path(key), report),
            None => Vec::new(),
        }
    }

    /// A text that may be anything.
    pub(crate) fn text(&self, key: &str, report: &mut Report) -> Option<Placed<String>> {
        let node = self.required(key, report)?;
        let at = self.path(key);
        let text = text_of(node, &at, report)?;
        Some(Placed {
            value: text.to_owned(),
            place: node.place,
            at,
        })
    }

    /// A text that `parse` must accept.
    pub(crate) fn parsed<T>(
        &self,
        key: &str,
        report: &mut Report,
        parse: impl FnOnce(&str) -> Result<T, Fault>,
    ) -> Option<Placed<T>> {
        let Placed { value, place, at } = self.text(key, report)?;
        match parse(&value) {
            Ok(value) => Some(Placed { value, place, at }),
            Err(Fault { wrong, remedy }) => {
                report.wrong(place, at, wrong, remedy);
                None
            }
        }
    }

    /// A word, `true` among them, that `parse` must accept.
    pub(crate) fn word<T>(
        &self,
        key: &str,
        report: &mut Report,
        parse: impl Fn(&str) -> Result<T, Fault>,
    ) -> Option<T> {
        self.value(key, report, |text, _| parse(text))
    }

    pub(crate) fn flag(&self, key: &str, report: &mut Report) -> bool {
        self.value(key, report, |text, _| scalar::parse_flag(text))
            .unwrap_or_default()
    }

    /// One of the words that the reference lists.
    pub(crate) fn choice(&self, key: &str, report: &mut Report) -> Option<&'static str> {
        self.value(key, report, scalar::parse_choice)
    }

    /// Some of the words that the reference lists; the default's when it is not written.
    pub(crate) fn choices(&self, key: &str, report: &mut Report) -> Vec<Placed<&'static str>> {
        let Some(doc) = self.keys.iter().find(|doc| doc.key() == key) else {
            return Vec::new();
        };
        let mut words = Vec::new();
        if !self.has(key) {
            let DefaultValue::Value(default) = doc.default else {
                return words;
            };
            let listed = default.trim_matches(['[', ']']).split(", ");
            words.extend(
                listed
                    .filter_map(|word| scalar::parse_choice(word, doc.kind).ok())
                    .map(|value| Placed {
                        value,
                        place: self.place,
                        at: self.path(key),
                    }),
            );
            return words;
        }
        for text in self.texts(key, report) {
            match scalar::parse_choice(&text.value, doc.kind) {
                Ok(value) => words.push(Placed {
                    value,
                    place: text.place,
                    at: text.at,
                }),
                Err(Fault { wrong, remedy }) => report.wrong(text.place, text.at, wrong, remedy),
            }
        }
        words
    }

    pub(crate) fn integer(&self, key: &str, report: &mut Report) -> u32 {
        self.optional_integer(key, report).unwrap_or_default()
    }

    /// None: not written, and its default is no number.
    pub(crate) fn optional_integer(&self, key: &str, report: &mut Report) -> Option<u32> {
        let number = self.value(key, report, scalar::parse_bounded_integer)?;
        u32::try_from(number).ok()
    }

    pub(crate) fn duration(&self, key: &str, report: &mut Report) -> Duration {
        self.optional_duration(key, report).unwrap_or_default()
    }

    pub(crate) fn size(&self, key: &str, report: &mut Report) -> u64 {
        self.optional_size(key, report).unwrap_or_default()
    }

    pub(crate) fn rate(&self, key: &str, report: &mut Report) -> u64 {
        self.value(key, report, scalar::parse_bounded_rate)
            .unwrap_or_default()
    }

    /// In requests per second; none: not written, and there is no default.
    pub(crate) fn request_rate(&self, key: &str, report: &mut Report) -> Option<f64> {
        self.value(key, report, |text, _| parse_request_rate(text))
    }

    pub(crate) fn burst(&self, key: &str, report: &mut Report) -> Option<Burst> {
        self.value(key, report, |text, _| parse_burst(text))
    }

    /// None: not written, and its default is no duration.
    pub(crate) fn optional_duration(&self, key: &str, report: &mut Report) -> Option<Duration> {
        self.value(key, report, scalar::parse_bounded_duration)
    }

    /// None: not written, and its default is no size.
    pub(crate) fn optional_size(&self, key: &str, report: &mut Report) -> Option<u64> {
        self.value(key, report, scalar::parse_bounded_size)
    }

    pub(crate) fn percent(&self, key: &str, report: &mut Report) -> u32 {
        let percent = self
            .value(key, report, scalar::parse_bounded_percent)
            .unwrap_or_default();
        u32::try_from(percent).unwrap_or_default()
    }

    /// What was written, or the default, through the same parser.
    fn value<T>(
        &self,
        key: &str,
        report: &mut Report,
        parse: impl Fn(&str, Kind) -> Result<T, Fault>,
    ) -> Option<T> {
        let doc = self.keys.iter().find(|doc| doc.key() == key);
        debug_assert!(
            doc.is_some(),
            "{key} of {} is not in the reference",
            self.at
        );
        let doc = doc?;
        let default = || match doc.default {
            DefaultValue::Value(text) => parse(text, doc.kind).ok(),
            DefaultValue::Required | DefaultValue::Otherwise(_) => None,
        };
        let Some(node) = self.required(key, report) else {
            return default();
        };
        let at = self.path(key);
        let Some(text) = written(node, &at, report) else {
            return default();
        };
        match parse(text, doc.kind) {
            Ok(value) => Some(value),
            Err(Fault { wrong, remedy }) => {
                report.wrong(node.place, at, wrong, remedy);
                default()
            }
        }
    }
}

/// `text` shown as the wrong part of a message.
pub(crate) fn unknown(noun: &str, text: &str) -> String {
    format!("there is no {noun} {}", quoted(text))
}
