//! The entries of a mapping: keys are texts, and none stands twice.

use std::{borrow::Cow, collections::HashMap};

use super::text_of;
use crate::{
    problem::{Place, Report},
    tree::{Node, Value},
    units::quoted,
};

/// One key of a mapping with its value.
#[derive(Debug)]
pub(crate) struct Entry<'n, 't> {
    pub(crate) name: Cow<'n, str>,
    /// Of the key.
    pub(crate) place: Place,
    pub(crate) node: &'n Node<'t>,
    /// The path for messages, this key included.
    pub(crate) at: String,
}

/// The entries of `node` in the order written, without those that repeat a key.
pub(crate) fn entries<'n, 't>(
    node: &'n Node<'t>,
    at: &str,
    report: &mut Report,
) -> Vec<Entry<'n, 't>> {
    let pairs = match &node.value {
        Value::Mapping(pairs) => pairs,
        Value::Broken => return Vec::new(),
        Value::Scalar { .. } if node.is_null() => {
            report.wrong(
                node.place,
                at,
                "has no value",
                "write one, or remove the key",
            );
            return Vec::new();
        }
        Value::Scalar { text, .. } => {
            let wrong = format!("{} stands where keys are wanted", quoted(text));
            report.wrong(
                node.place,
                at,
                wrong,
                "write `key: value` lines below it, indented",
            );
            return Vec::new();
        }
        Value::Sequence(_) => {
            report.wrong(
                node.place,
                at,
                "is a list where keys are wanted",
                "write `key: value` without `- `",
            );
            return Vec::new();
        }
    };
    let mut first: HashMap<&str, Place> = HashMap::with_capacity(pairs.len());
    let mut entries = Vec::with_capacity(pairs.len());
    for (key, value) in pairs {
        let Some(name) = text_of(key, at, report) else {
            continue;
        };
        let at = if at.is_empty() {
            name.to_owned()
        } else {
            format!("{at}.{name}")
        };
        if let Some(earlier) = first.get(name) {
            let wrong = format!("written twice, first in line {}", earlier.line);
            report.wrong(key.place, at, wrong, "keep one of the two");
            continue;
        }
        first.insert(name, key.place);
        entries.push(Entry {
            name: Cow::Borrowed(name),
            place: key.place,
            node: value,
            at,
        });
    }
    entries
}
