//! Every key of the config in one table: what the checker allows, bounds and falls back to, and what the documentation
//! says. Neither can drift from the other, because both read this.
//!
//! A path names a key: `services.NAME.timeout`. Capital parts stand for names that the operator chooses, `[]` for the
//! items of a list.

mod document;
mod launches;
mod limits;
mod pools;
mod scale_policy;
mod services;
mod sources;
mod top;

use std::{collections::HashMap, fmt, sync::LazyLock, time::Duration};

pub use document::document;

use crate::{
    snapshot::{RATE_PER_SECOND_MAX, RATE_PER_SECOND_MIN},
    units::{BURST_REQUESTS_MAX, spell_duration, spell_rate, spell_size},
};

/// One key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyDoc {
    /// Where it stands, as `pools.NAME.timeouts.connect`.
    pub path: &'static str,
    /// What may stand behind it.
    pub kind: Kind,
    /// What holds when it is left out.
    pub default: DefaultValue,
    /// What it does, in one or two sentences.
    pub meaning: &'static str,
    /// A value as it may be written; for a section its shortest form.
    pub example: &'static str,
}

/// What may stand behind a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The keys that this table lists below it.
    Section,
    /// Names that the operator chooses, each with a section; says what the names are.
    Named(&'static str),
    /// Names that the operator chooses, each with a text; says what both are.
    Pairs(&'static str),
    /// A list of sections.
    Sections,
    /// A list of texts; says of what.
    Texts(&'static str),
    /// A text; says of what.
    Text(&'static str),
    /// `true` or `false`.
    Flag,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A list of some of these words.
    Choices(&'static [&'static str]),
    /// A whole number between these bounds.
    Integer(u64, u64),
    /// A whole number and `ms`, `s`, `m` or `h`, between these bounds.
    Duration(Duration, Duration),
    /// A whole number and `B`, `KiB`, `MiB` or `GiB`, between these bounds of bytes.
    Size(u64, u64),
    /// A size per second, between these bounds of bytes per second.
    Rate(u64, u64),
    /// Whole percent, between these bounds.
    Percent(u64, u64),
    /// Requests per second, minute or hour, with decimals.
    RequestRate,
    /// A whole number of requests, or a duration: what the rate gives in that time.
    Burst,
}

/// What holds when a key is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefaultValue {
    /// The config is refused.
    Required,
    /// This value, as it would be written.
    Value(&'static str),
    /// Something that no value of the key says.
    Otherwise(&'static str),
}

impl fmt::Display for Kind {
    /// As in a table of the documentation: `duration, 100ms to 10m`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let range = |f: &mut fmt::Formatter<'_>, noun: &str, min: &str, max: &str| {
            write!(f, "{noun}, {min} to {max}")
        };
        match self {
            Self::Section => f.write_str("section"),
            Self::Named(names) => write!(f, "section per {names}"),
            Self::Pairs(what) => write!(f, "mapping, {what}"),
            Self::Sections => f.write_str("list of sections"),
            Self::Texts(what) => write!(f, "list of {what}"),
            Self::Text(what) => f.write_str(what),
            Self::Flag => f.write_str("`true` or `false`"),
            Self::Choice(words) => write!(f, "one of `{}`", words.join("`, `")),
            Self::Choices(words) => write!(f, "list of `{}`", words.join("`, `")),
            Self::Integer(min, max) => range(f, "whole number", &min.to_string(), &max.to_string()),
            Self::Duration(min, max) => {
                range(f, "duration", &spell_duration(*min), &spell_duration(*max))
            }
            Self::Size(min, max) => range(f, "size", &spell_size(*min), &spell_size(*max)),
            Self::Rate(min, max) => {
                let (min, max) = (spell_size(*min), spell_size(*max));
                range(f, "rate", &format!("{min}/s"), &format!("{max}/s"))
            }
            Self::Percent(min, max) => range(f, "share", &format!("{min}%"), &format!("{max}%")),
            Self::RequestRate => range(
                f,
                "requests per time",
                &spell_rate(RATE_PER_SECOND_MIN),
                &spell_rate(RATE_PER_SECOND_MAX),
            ),
            Self::Burst => write!(f, "whole number, 1 to {BURST_REQUESTS_MAX}, or duration"),
        }
    }
}

static KEYS: LazyLock<Vec<KeyDoc>> = LazyLock::new(|| {
    [
        top::KEYS,
        services::KEYS,
        limits::SERVICE_KEYS,
        pools::KEYS,
        sources::KEYS,
        scale_policy::KEYS,
        limits::POOL_KEYS,
        launches::KEYS,
        limits::PROCESS_KEYS,
        top::LAST_KEYS,
    ]
    .concat()
});

static CHILDREN: LazyLock<HashMap<&'static str, Vec<&'static KeyDoc>>> = LazyLock::new(|| {
    let mut children: HashMap<&'static str, Vec<&'static KeyDoc>> = HashMap::new();
    for doc in &*KEYS {
        children.entry(doc.section()).or_default().push(doc);
    }
    children
});

/// Every key, in the order of the documentation.
pub fn reference() -> &'static [KeyDoc] {
    &KEYS
}

/// The keys of one section, as `pools.NAME`; the top level is empty.
pub(crate) fn keys_of(section: &str) -> &'static [&'static KeyDoc] {
    CHILDREN.get(section).map(Vec::as_slice).unwrap_or_default()
}

/// Where `key` belongs that somebody wrote into `section`, which has none: above it, beside it or below it.
pub(crate) fn home_of(key: &str, section: &str) -> Option<String> {
    let has_key = |section: &str| keys_of(section).iter().any(|doc| doc.key() == key);
    let above = match section.rsplit_once('.') {
        Some((above, _)) => above,
        None if section.is_empty() => return home_below(key, section, section),
        None => "",
    };
    if has_key(above) {
        let name = section.rsplit('.').next().unwrap_or(section);
        return Some(format!("write it beside `{name}`, not into it"));
    }
    home_below(key, section, section).or_else(|| home_below(key, above, section))
}

/// The sections right below `parent` that have `key`, `except` left out.
fn home_below(key: &str, parent: &str, except: &str) -> Option<String> {
    let homes: Vec<_> = keys_of(parent)
        .iter()
        .filter(|doc| doc.kind == Kind::Section && doc.path != except)
        .filter(|doc| keys_of(doc.path).iter().any(|inner| inner.key() == key))
        .map(|doc| format!("`{}`", doc.key()))
        .collect();
    (!homes.is_empty()).then(|| format!("write it into {}", homes.join(" or ")))
}

impl KeyDoc {
    /// The last part of the path: the key as it is written.
    pub fn key(&self) -> &'static str {
        self.path.rsplit('.').next().unwrap_or(self.path)
    }

    /// The path of the section it stands in.
    pub fn section(&self) -> &'static str {
        self.path
            .rsplit_once('.')
            .map_or("", |(section, _)| section)
    }
}

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

const fn key(
    path: &'static str,
    kind: Kind,
    default: DefaultValue,
    meaning: &'static str,
    example: &'static str,
) -> KeyDoc {
    KeyDoc {
        path,
        kind,
        default,
        meaning,
        example,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_section_that_has_keys_is_a_key_itself() {
        for doc in reference() {
            let section = doc.section();
            let named = section.trim_end_matches("[]");
            let parent = named
                .rsplit_once('.')
                .filter(|(_, last)| last.bytes().all(|byte| byte.is_ascii_uppercase()))
                .map_or(named, |(parent, _)| parent);
            let known = parent.is_empty() || reference().iter().any(|other| other.path == parent);
            assert!(known, "{} stands in {section}", doc.path);
        }
    }

    #[test]
    fn no_key_is_listed_twice() {
        let mut paths: Vec<&str> = reference().iter().map(|doc| doc.path).collect();
        paths.sort_unstable();
        let count = paths.len();
        paths.dedup();
        assert_eq!(paths.len(), count);
    }
}
