//! Single values: what YAML users write without quotes, and what other tools make of it.

use std::time::Duration;

use crate::{
    problem::Report,
    reference::Kind,
    spelling::closest,
    tree::{Node, Value},
    units::{
        Fault, parse_byte_rate, parse_duration, parse_integer, parse_percent, parse_size, quoted,
        spell_duration, spell_size,
    },
};

/// Words that YAML 1.1 tools read as booleans, and YAML 1.2 ones partly.
const BOOLEAN_WORDS: [&str; 8] = ["true", "false", "yes", "no", "on", "off", "y", "n"];

/// The scalar as written, whatever it looks like; notes everything that is no scalar.
pub(crate) fn written<'n>(node: &'n Node<'_>, at: &str, report: &mut Report) -> Option<&'n str> {
    match &node.value {
        Value::Scalar { .. } if node.is_null() => {
            report.wrong(
                node.place,
                at,
                "has no value",
                "write one, or remove the key",
            );
            None
        }
        Value::Scalar { text, .. } => Some(text),
        Value::Sequence(_) => {
            report.wrong(
                node.place,
                at,
                "is a list where one value is wanted",
                "write one value, without [ ] or `- `",
            );
            None
        }
        Value::Mapping(entries) => {
            let remedy = match unquoted_braces(entries) {
                Some(text) => format!("quote it: \"{{{text}}}\""),
                None => "write one value behind the key".to_owned(),
            };
            report.wrong(
                node.place,
                at,
                "is a mapping where one value is wanted",
                remedy,
            );
            None
        }
        Value::Broken => None,
    }
}

/// A scalar that is meant as a text: `no` without quotes is noted, because some tools read it as `false`.
pub(crate) fn text_of<'n>(node: &'n Node<'_>, at: &str, report: &mut Report) -> Option<&'n str> {
    let text = written(node, at, report)?;
    let plain = matches!(node.value, Value::Scalar { plain: true, .. });
    if plain
        && BOOLEAN_WORDS
            .iter()
            .any(|word| text.eq_ignore_ascii_case(word))
    {
        let wrong = format!(
            "{} without quotes is a boolean to some YAML tools",
            quoted(text)
        );
        report.wrong(node.place, at, wrong, format!("quote it: \"{text}\""));
        return None;
    }
    Some(text)
}

/// `{tenant.ars}` without quotes is a mapping with one key and no value.
fn unquoted_braces<'n>(entries: &'n [(Node<'_>, Node<'_>)]) -> Option<&'n str> {
    match entries {
        [(key, value)] if value.is_null() => match &key.value {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        },
        _ => None,
    }
}

pub(super) fn parse_flag(text: &str) -> Result<bool, Fault> {
    match text {
        "true" | "True" | "TRUE" => Ok(true),
        "false" | "False" | "FALSE" => Ok(false),
        _ => {
            let likely = match text.to_ascii_lowercase().as_str() {
                "yes" | "on" | "y" | "1" | "enabled" => "write true",
                "no" | "off" | "n" | "0" | "disabled" => "write false",
                _ => "write true or false",
            };
            Err(Fault::new(
                format!("{} is neither true nor false", quoted(text)),
                likely,
            ))
        }
    }
}

pub(super) fn parse_choice(text: &str, kind: Kind) -> Result<&'static str, Fault> {
    let (Kind::Choice(words) | Kind::Choices(words)) = kind else {
        return Err(Fault::new(format!("{} is not known", quoted(text)), ""));
    };
    words
        .iter()
        .find(|word| **word == text)
        .copied()
        .ok_or_else(|| {
            let likely =
                closest(text, words.iter().copied()).map(|word| format!("did you mean `{word}`?"));
            let remedy = likely.unwrap_or_else(|| format!("write one of {}", words.join(", ")));
            Fault::new(format!("{} is not known", quoted(text)), remedy)
        })
}

pub(super) fn parse_bounded_integer(text: &str, kind: Kind) -> Result<u64, Fault> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match kind {
        Kind::Integer(min, max) => match parse_integer(text) {
            // More than 64 bits hold.
            Err(_) if digits && !text.starts_with('0') => Err(Fault::new(
                format!("{} is too large", quoted(text)),
                format!("write at most {max}"),
            )),
            parsed => within(parsed?, min, max, |value| value.to_string()),
        },
        _ => parse_integer(text),
    }
}

pub(super) fn parse_bounded_duration(text: &str, kind: Kind) -> Result<Duration, Fault> {
    let value = parse_duration(text)?;
    match kind {
        Kind::Duration(min, max) => within(value, min, max, spell_duration),
        _ => Ok(value),
    }
}

pub(super) fn parse_bounded_size(text: &str, kind: Kind) -> Result<u64, Fault> {
    let value = parse_size(text)?;
    match kind {
        Kind::Size(min, max) => within(value, min, max, spell_size),
        _ => Ok(value),
    }
}

pub(super) fn parse_bounded_rate(text: &str, kind: Kind) -> Result<u64, Fault> {
    let value = parse_byte_rate(text)?;
    match kind {
        Kind::Rate(min, max) => within(value, min, max, |value| format!("{}/s", spell_size(value))),
        _ => Ok(value),
    }
}

pub(super) fn parse_bounded_percent(text: &str, kind: Kind) -> Result<u64, Fault> {
    let value = parse_percent(text)?;
    match kind {
        Kind::Percent(min, max) => within(value, min, max, |value| format!("{value}%")),
        _ => Ok(value),
    }
}

fn within<T: PartialOrd + Copy>(
    value: T,
    min: T,
    max: T,
    spell: impl Fn(T) -> String,
) -> Result<T, Fault> {
    if value < min {
        Err(Fault::new(
            format!("{} is too small", spell(value)),
            format!("write at least {}", spell(min)),
        ))
    } else if value > max {
        Err(Fault::new(
            format!("{} is too large", spell(value)),
            format!("write at most {}", spell(max)),
        ))
    } else {
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        reference::{DefaultValue, reference},
        units::{parse_burst, parse_request_rate},
    };

    #[test]
    fn p23_every_default_passes_the_parser_of_its_key() {
        for doc in reference() {
            let DefaultValue::Value(text) = doc.default else {
                continue;
            };
            let kind = doc.kind;
            let fault = match kind {
                Kind::Integer(..) => parse_bounded_integer(text, kind).err(),
                Kind::Duration(..) => parse_bounded_duration(text, kind).err(),
                Kind::Size(..) => parse_bounded_size(text, kind).err(),
                Kind::Rate(..) => parse_bounded_rate(text, kind).err(),
                Kind::Percent(..) => parse_bounded_percent(text, kind).err(),
                Kind::RequestRate => parse_request_rate(text).err(),
                Kind::Burst => parse_burst(text).err(),
                Kind::Flag => parse_flag(text).err(),
                Kind::Choice(_) => parse_choice(text, kind).err(),
                Kind::Choices(_) => {
                    let mut words = text.trim_matches(['[', ']']).split(", ");
                    words.find_map(|word| parse_choice(word, kind).err())
                }
                Kind::Texts(_) | Kind::Sections => (text != "[]").then(|| Fault::new(text, "")),
                Kind::Section | Kind::Named(_) | Kind::Pairs(_) => {
                    (text != "{}").then(|| Fault::new(text, ""))
                }
                Kind::Text(_) => (!text.is_empty()).then(|| Fault::new(text, "")),
            };
            assert_eq!(fault, None, "{}", doc.path);
        }
    }
}
