//! One mapping of a scenario: its keys are known and stand once, its values are typed; whatever is wrong is noted with its
//! place, and reading goes on.

use std::time::Duration;

use schleuse_config::yaml::{
    Fault, Node, Place, Report, Value, did_you_mean, parse_duration, parse_integer, quoted,
};

use super::keys::{Kind, keys_of};

/// See the head of this file.
pub(super) struct Section<'n, 't> {
    pub(super) at: String,
    pub(super) place: Place,
    found: Vec<(&'n str, &'n Node<'t>)>,
}

impl<'n, 't> Section<'n, 't> {
    /// Reads `node` as the section `path` of the table of keys; `at` is its path in messages.
    pub(super) fn open(node: &'n Node<'t>, path: &str, at: &str, report: &mut Report) -> Self {
        let mut section = Self {
            at: at.to_owned(),
            place: node.place,
            found: Vec::new(),
        };
        let Value::Mapping(entries) = &node.value else {
            if !matches!(node.value, Value::Broken) {
                let known: Vec<&str> = keys_of(path).map(|key| key.name).collect();
                let remedy = format!("write keys behind it: {}", known.join(", "));
                report.wrong(node.place, at, "is not a section", remedy);
            }
            return section;
        };
        for (key, value) in entries {
            let Value::Scalar { text: name, .. } = &key.value else {
                report.wrong(key.place, at, "has a key that is no word", "write a word");
                continue;
            };
            let below = section.path(name);
            if section.node(name).is_some() {
                report.wrong(key.place, below, "stands twice", "keep one of them");
            } else if !keys_of(path).any(|known| known.name == name.as_ref()) {
                note_unknown(path, name, key.place, below, report);
            } else if value.is_null() {
                let remedy = "write one, or remove the key";
                report.wrong(key.place, below, "has no value", remedy);
            } else {
                section.found.push((name.as_ref(), value));
            }
        }
        section
    }

    /// `key` of this section, for messages.
    pub(super) fn path(&self, key: &str) -> String {
        if self.at.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.at)
        }
    }

    /// Where to point at for `key`: at its value, or at the section that lacks it.
    pub(super) fn place_of(&self, key: &str) -> Place {
        self.node(key).map_or(self.place, |node| node.place)
    }

    /// Where the items of a list stand, in its order.
    pub(super) fn places_of_items(&self, key: &str) -> Vec<Place> {
        match self.node(key).map(|node| &node.value) {
            Some(Value::Sequence(items)) => items.iter().map(|item| item.place).collect(),
            _ => Vec::new(),
        }
    }

    pub(super) fn node(&self, key: &str) -> Option<&'n Node<'t>> {
        let found = self.found.iter().find(|(name, _)| *name == key);
        found.map(|(_, node)| *node)
    }

    /// The value of a key; notes its absence.
    pub(super) fn required(&self, key: &str, report: &mut Report) -> Option<&'n Node<'t>> {
        let node = self.node(key);
        if node.is_none() {
            let example = super::keys::KEYS.iter().find(|known| known.name == key);
            let example = example.map_or("", |known| known.example);
            let wrong = format!("`{key}` is missing");
            report.wrong(
                self.place,
                self.at.clone(),
                wrong,
                format!("write {key}: {example}"),
            );
        }
        node
    }

    pub(super) fn text(&self, key: &str, report: &mut Report) -> Option<&'n str> {
        text_of(self.node(key)?, &self.path(key), report)
    }

    /// A text that `read` must accept.
    pub(super) fn parsed<T>(
        &self,
        key: &str,
        report: &mut Report,
        read: impl FnOnce(&str) -> Result<T, Fault>,
    ) -> Option<T> {
        let node = self.node(key)?;
        let text = text_of(node, &self.path(key), report)?;
        read(text)
            .map_err(|Fault { wrong, remedy }| {
                report.wrong(node.place, self.path(key), wrong, remedy);
            })
            .ok()
    }

    pub(super) fn duration(&self, key: &str, report: &mut Report) -> Option<Duration> {
        self.parsed(key, report, parse_duration)
    }

    pub(super) fn integer(&self, key: &str, max: u64, report: &mut Report) -> Option<u64> {
        self.parsed(key, report, |text| match parse_integer(text)? {
            number if number > max => Err(Fault::new(
                format!("{number} is too large"),
                format!("write at most {max}"),
            )),
            number => Ok(number),
        })
    }

    pub(super) fn flag(&self, key: &str, report: &mut Report) -> Option<bool> {
        self.parsed(key, report, |text| match text {
            "true" => Ok(true),
            "false" => Ok(false),
            other => Err(Fault::new(
                format!("{} is neither", quoted(other)),
                "write true or false",
            )),
        })
    }

    /// A number above 0.
    pub(super) fn number(&self, key: &str, report: &mut Report) -> Option<f64> {
        self.parsed(key, report, |text| {
            let number = text.parse().ok();
            number
                .filter(|number: &f64| number.is_finite() && *number > 0.0)
                .ok_or_else(|| {
                    let wrong = format!("{} is not a number above 0", quoted(text));
                    Fault::new(wrong, "write a number, as 1.5")
                })
        })
    }

    /// The items of a list.
    pub(super) fn list(&self, key: &str, report: &mut Report) -> &'n [Node<'t>] {
        match self.node(key).map(|node| (&node.value, node.place)) {
            Some((Value::Sequence(items), _)) => items,
            Some((Value::Broken, _)) | None => &[],
            Some((_, place)) => {
                report.wrong(place, self.path(key), "is not a list", "write it in [ ]");
                &[]
            }
        }
    }

    /// The texts of a list, with their places.
    pub(super) fn texts(&self, key: &str, report: &mut Report) -> Vec<(&'n str, Place, String)> {
        let mut texts = Vec::new();
        for (index, item) in self.list(key, report).iter().enumerate() {
            let at = format!("{}[{index}]", self.path(key));
            if let Some(text) = text_of(item, &at, report) {
                texts.push((text, item.place, at));
            }
        }
        texts
    }

    /// Names and texts, in the order written.
    pub(super) fn pairs(&self, key: &str, report: &mut Report) -> Vec<(String, String)> {
        let Some(node) = self.node(key) else {
            return Vec::new();
        };
        let Value::Mapping(entries) = &node.value else {
            let remedy = "write { name: value }";
            report.wrong(node.place, self.path(key), "is not a mapping", remedy);
            return Vec::new();
        };
        let mut pairs = Vec::new();
        for (name, value) in entries {
            let at = self.path(key);
            if let (Some(name), Some(value)) =
                (text_of(name, &at, report), text_of(value, &at, report))
            {
                pairs.push((name.to_owned(), value.to_owned()));
            }
        }
        pairs
    }
}

/// A scalar as written.
pub(super) fn text_of<'n>(node: &'n Node<'_>, at: &str, report: &mut Report) -> Option<&'n str> {
    match &node.value {
        Value::Scalar { text, .. } => Some(text),
        Value::Broken => None,
        Value::Sequence(_) | Value::Mapping(_) => {
            let remedy = "write one value; in quotes if it begins with { or [";
            report.wrong(node.place, at, "is not a single value", remedy);
            None
        }
    }
}

fn note_unknown(path: &str, name: &str, place: Place, at: String, report: &mut Report) {
    let known = keys_of(path).map(|key| key.name);
    let remedy = did_you_mean(name, known.clone())
        .or_else(|| elsewhere(name))
        .unwrap_or_else(|| {
            let known: Vec<&str> = known.collect();
            format!("remove it; known here: {}", known.join(", "))
        });
    report.wrong(place, at, "unknown key", remedy);
}

/// Where else a key of this name belongs.
fn elsewhere(name: &str) -> Option<String> {
    let key = super::keys::KEYS.iter().find(|key| key.name == name)?;
    let home = match (key.section, key.kind) {
        ("", _) | (_, Kind::Section(_)) => "the top of the file",
        (section, _) => section,
    };
    Some(format!("it belongs to {home}"))
}
