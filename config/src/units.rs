//! Durations, sizes, rates, shares and whole numbers as an operator writes them: always with their unit.
//!
//! A bare number is refused with its likely spellings, because whoever guesses a unit guesses wrong once: elsewhere a
//! default without one became nanoseconds. There is one spelling per quantity, so that two configs compare by eye.

mod rate;

use std::time::Duration;

pub use rate::parse_request_rate;
pub use rate::spell_rate;
pub(crate) use rate::{BURST_REQUESTS_MAX, parse_burst, spell_decimal};

/// What is wrong with a value, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong.
    pub wrong: String,
    /// What to write instead.
    pub remedy: String,
}

impl Fault {
    /// From two texts.
    pub fn new(wrong: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            wrong: wrong.into(),
            remedy: remedy.into(),
        }
    }
}

const DURATION_UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];
const SIZE_UNITS: [(&str, u64); 4] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// A whole number of `ms`, `s`, `m` or `h`.
///
/// # Errors
///
/// What is wrong and what to write instead.
pub fn parse_duration(text: &str) -> Result<Duration, Fault> {
    let (number, unit) = split_unit(text);
    let Some((_, millis)) = DURATION_UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err(duration_fault(text, number, unit));
    };
    match whole(number) {
        Ok(count) => count
            .checked_mul(*millis)
            .map(Duration::from_millis)
            .ok_or_else(|| too_large(text)),
        Err(fault) => Err(fault.unwrap_or_else(|| duration_fault(text, number, unit))),
    }
}

/// A duration as the config has them, for tools beside it.
///
/// # Errors
///
/// What is wrong and what to write instead.
pub fn read_duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|Fault { wrong, remedy }| format!("{wrong}; {remedy}"))
}

/// A whole number of `B`, `KiB`, `MiB` or `GiB`.
///
/// # Errors
///
/// What is wrong and what to write instead.
pub fn parse_size(text: &str) -> Result<u64, Fault> {
    let (number, unit) = split_unit(text);
    let Some((_, bytes)) = SIZE_UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err(size_fault(text, number, unit, ""));
    };
    match whole(number) {
        Ok(count) => count.checked_mul(*bytes).ok_or_else(|| too_large(text)),
        Err(fault) => Err(fault.unwrap_or_else(|| size_fault(text, number, unit, ""))),
    }
}

/// A size per second, as `1KiB/s`; in bytes per second.
pub(crate) fn parse_byte_rate(text: &str) -> Result<u64, Fault> {
    if let Some(size) = text.strip_suffix("/s") {
        return parse_size(size).map_err(|_| {
            let (number, unit) = split_unit(size);
            size_fault(text, number, unit, "/s")
        });
    }
    let (number, unit) = split_unit(text);
    Err(size_fault(text, number, unit, "/s"))
}

/// A share, as `20%`; in percent.
pub(crate) fn parse_percent(text: &str) -> Result<u64, Fault> {
    let fault = || {
        let likely = match text.parse::<f64>() {
            Ok(share) if share > 0.0 && share < 1.0 => format!("{}%", (share * 100.0).round()),
            _ if whole(text).is_ok() => format!("{text}%"),
            _ => "20%".to_owned(),
        };
        Fault::new(
            format!("{} is not a share", quoted(text)),
            format!("write whole percent, as {likely}"),
        )
    };
    let number = text.strip_suffix('%').ok_or_else(fault)?;
    whole(number).map_err(|_| fault())
}

/// A whole number in plain decimal digits.
///
/// # Errors
///
/// What is wrong and what to write instead.
pub fn parse_integer(text: &str) -> Result<u64, Fault> {
    whole(text).map_err(|fault| fault.unwrap_or_else(|| integer_fault(text)))
}

fn integer_fault(text: &str) -> Fault {
    let remedy = |likely: &str| format!("write digits only, as {likely}");
    if let Some(amount) = text.strip_prefix('-')
        && whole(amount).is_ok()
    {
        return Fault::new(format!("{} is below 0", quoted(text)), remedy("20"));
    }
    let wrong = format!("{} is not a whole number", quoted(text));
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let mut groups = text.split(['_', '.', ',', '\'', ' ']);
    let first = groups.next().is_some_and(|first| whole(first).is_ok());
    let in_thousands =
        |group: &str| group.len() == 3 && group.bytes().all(|byte| byte.is_ascii_digit());
    if first && digits != text && groups.all(in_thousands) {
        return Fault::new(wrong, remedy(&digits));
    }
    match text.replace(',', ".").parse::<f64>() {
        Ok(number) if text.contains(['.', ',']) && (0.0..1e9).contains(&number) => {
            Fault::new(wrong, remedy(&number.ceil().to_string()))
        }
        _ => Fault::new(wrong, remedy("20")),
    }
}

/// A text in a message: quoted, invisible characters made visible, cut when long.
pub fn quoted(text: &str) -> String {
    const CHARACTERS_MAX: usize = 60;
    let mut shown: String = text
        .chars()
        .take(CHARACTERS_MAX)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().nth(CHARACTERS_MAX).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}

/// The shortest spelling of a duration.
pub fn spell_duration(duration: Duration) -> String {
    if duration.is_zero() {
        return "0s".to_owned();
    }
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    spell(millis, &DURATION_UNITS)
}

/// The shortest spelling of a size.
pub fn spell_size(bytes: u64) -> String {
    spell(bytes, &SIZE_UNITS)
}

fn spell(amount: u64, units: &[(&str, u64)]) -> String {
    let fitting = units
        .iter()
        .rev()
        .find(|(_, size)| amount >= *size && amount.is_multiple_of(*size));
    match fitting.or(units.first()) {
        Some((name, size)) => format!("{}{name}", amount / size),
        None => amount.to_string(),
    }
}

/// Splits behind the last digit of the number, `.`, `,` and `_` counted as part of it.
fn split_unit(text: &str) -> (&str, &str) {
    let end = text
        .find(|letter: char| {
            !(letter.is_ascii_digit() || matches!(letter, '.' | ',' | '_' | '-' | '+'))
        })
        .unwrap_or(text.len());
    text.split_at(end)
}

/// Digits only. `Err(None)`: not of that form; `Err(Some)`: of that form and still wrong.
fn whole(text: &str) -> Result<u64, Option<Fault>> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(None);
    }
    if text.len() > 1 && text.starts_with('0') {
        let plain = text.trim_start_matches('0');
        let plain = if plain.is_empty() { "0" } else { plain };
        return Err(Some(Fault::new(
            format!(
                "{} has a leading zero, which some YAML tools read as octal",
                quoted(text)
            ),
            format!("write {plain}"),
        )));
    }
    text.parse().map_err(|_| Some(too_large(text)))
}

fn too_large(text: &str) -> Fault {
    Fault::new(
        format!("{} is too large", quoted(text)),
        "write a smaller number",
    )
}

fn duration_fault(text: &str, number: &str, unit: &str) -> Fault {
    let unit = unit.trim();
    let meant = match unit.to_ascii_lowercase().as_str() {
        "ms" | "msec" | "millis" | "millisecond" | "milliseconds" => Some("ms"),
        "s" | "sec" | "secs" | "second" | "seconds" => Some("s"),
        "m" | "min" | "mins" | "minute" | "minutes" => Some("m"),
        "h" | "hr" | "hrs" | "hour" | "hours" => Some("h"),
        _ => None,
    };
    let count = whole(number).ok();
    let (wrong, remedy) = match (count, unit, meant) {
        (Some(_), "", _) => (
            "has no unit".to_owned(),
            format!("write {number}s, or {number}ms for milliseconds"),
        ),
        (Some(_), _, Some(meant)) => (
            "is not a duration".to_owned(),
            format!("write {number}{meant}"),
        ),
        (Some(days), "d" | "day" | "days", _) => (
            "is not a duration: days are not always 24 hours".to_owned(),
            format!("write {}h", days.saturating_mul(24)),
        ),
        (Some(_), "us" | "µs" | "μs" | "ns", _) => (
            "is finer than the clock used here".to_owned(),
            "write at least 1ms".to_owned(),
        ),
        _ => compound_or_unknown(number, unit, meant),
    };
    Fault::new(format!("{} {wrong}", quoted(text)), remedy)
}

/// `1h30m` and `1.5s` have one spelling here: a whole number of the finer unit.
fn compound_or_unknown(number: &str, unit: &str, meant: Option<&str>) -> (String, String) {
    let size = |name: &str| {
        DURATION_UNITS
            .iter()
            .find(|(unit, _)| *unit == name)
            .map(|(_, millis)| *millis)
    };
    let fraction = number
        .replace(',', ".")
        .parse::<f64>()
        .ok()
        .zip(meant.and_then(size));
    if let Some((count, millis)) = fraction.filter(|(count, _)| *count > 0.0 && *count < 1e9) {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "below 4e15, positive"
        )]
        let exact = (count * millis as f64).round() as u64;
        return (
            "is not a whole number".to_owned(),
            format!("write {}", spell(exact, &DURATION_UNITS)),
        );
    }
    if let Some(sum) = compound(&format!("{number}{unit}")) {
        return (
            "has two units".to_owned(),
            format!("write {}", spell(sum, &DURATION_UNITS)),
        );
    }
    (
        "is not a duration".to_owned(),
        "write a whole number and ms, s, m or h, as 30s".to_owned(),
    )
}

/// Milliseconds of `1h30m` and the like.
fn compound(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut sum: u64 = 0;
    while !rest.is_empty() {
        let (number, tail) = split_unit(rest);
        let end = tail
            .find(|letter: char| letter.is_ascii_digit())
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        let (_, millis) = DURATION_UNITS
            .iter()
            .find(|(name, _)| *name == unit.trim())?;
        sum = sum.checked_add(whole(number).ok()?.checked_mul(*millis)?)?;
        rest = tail;
    }
    Some(sum)
}

/// `per` is the ending of a rate, as `/s`.
fn size_fault(text: &str, number: &str, unit: &str, per: &str) -> Fault {
    let noun = if per.is_empty() { "size" } else { "rate" };
    let unit = unit
        .trim()
        .trim_end_matches("ps")
        .trim_end_matches("/s")
        .trim();
    let meant = match unit.to_ascii_lowercase().as_str() {
        "b" | "byte" | "bytes" => Some(("B", "")),
        "k" | "kb" | "kib" | "ki" => Some(("KiB", " (1 KiB is 1,024 bytes)")),
        "m" | "mb" | "mib" | "mi" => Some(("MiB", " (1 MiB is 1,048,576 bytes)")),
        "g" | "gb" | "gib" | "gi" => Some(("GiB", " (1 GiB is 1,073,741,824 bytes)")),
        _ => None,
    };
    let likely_units = if per.is_empty() {
        ["MiB", "KiB", "B"]
    } else {
        ["KiB", "MiB", "B"]
    };
    match (whole(number).is_ok(), unit, meant) {
        (true, "", _) => Fault::new(
            format!("{} has no unit", quoted(text)),
            format!(
                "write {}",
                likely_units
                    .map(|unit| format!("{number}{unit}{per}"))
                    .join(", or ")
            ),
        ),
        (true, _, Some((meant, note))) => Fault::new(
            format!("{} is not a {noun}", quoted(text)),
            format!("write {number}{meant}{per}{note}"),
        ),
        _ => Fault::new(
            format!("{} is not a {noun}", quoted(text)),
            format!("write a whole number and B, KiB, MiB or GiB, as 64KiB{per}"),
        ),
    }
}

#[cfg(test)]
mod tests;
