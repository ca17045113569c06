//! Requests per time, and how many may come at once.
//!
//! A rate may have decimals (`0.2/s` per 1,000 inhabitants is a usual one) and one of three times behind the slash. `m`
//! is not among them: beside durations it would be read as minutes by one and as months or milli by another.

use super::{Fault, parse_duration, quoted, whole};
use crate::snapshot::{Burst, RATE_PER_SECOND_MAX, RATE_PER_SECOND_MIN};

/// Names of the times behind the slash, and their seconds.
const TIMES: [(&str, f64); 3] = [("s", 1.0), ("min", 60.0), ("h", 3600.0)];

/// A burst above it admits a whole city at once.
pub(crate) const BURST_REQUESTS_MAX: u32 = 1_000_000;

/// A number, `/` and `s`, `min` or `h`; in requests per second.
///
/// # Errors
///
/// What is wrong and what to write instead.
pub fn parse_request_rate(text: &str) -> Result<f64, Fault> {
    let Some((number, time)) = text.split_once('/') else {
        return Err(rate_fault(text));
    };
    let seconds = TIMES.iter().find(|(name, _)| *name == time);
    let (Some(count), Some((_, seconds))) = (decimal(number), seconds) else {
        return Err(rate_fault(text));
    };
    let rate = count / seconds;
    if count == 0.0 {
        let wrong = format!("{} lets nothing through", quoted(text));
        Err(Fault::new(
            wrong,
            "write a rate above 0, or remove the limit",
        ))
    } else if rate > RATE_PER_SECOND_MAX {
        Err(Fault::new(
            format!("{} is too large", quoted(text)),
            format!("write at most {}", spell_rate(RATE_PER_SECOND_MAX)),
        ))
    } else if rate < RATE_PER_SECOND_MIN * (1.0 - 1e-9) {
        Err(Fault::new(
            format!("{} is too small", quoted(text)),
            format!("write at least {}", spell_rate(RATE_PER_SECOND_MIN)),
        ))
    } else {
        Ok(rate)
    }
}

/// A whole number of requests, or a duration: what the rate gives in that time.
pub(crate) fn parse_burst(text: &str) -> Result<Burst, Fault> {
    match whole(text) {
        Ok(0) => return Err(no_burst(text)),
        Ok(count) => {
            return match u32::try_from(count) {
                Ok(count) if count <= BURST_REQUESTS_MAX => Ok(Burst::Requests(count)),
                _ => Err(Fault::new(
                    format!("{} is too large", quoted(text)),
                    format!("write at most {BURST_REQUESTS_MAX}"),
                )),
            };
        }
        Err(Some(fault)) => return Err(fault),
        Err(None) => {}
    }
    match parse_duration(text) {
        Ok(time) if time.is_zero() => Err(no_burst(text)),
        Ok(time) => Ok(Burst::Time(time)),
        Err(fault) => Err(burst_fault(text, fault)),
    }
}

/// The shortest spelling of a rate with at most three decimals, in the time that shows its digits.
pub fn spell_rate(per_second: f64) -> String {
    let (name, seconds) = TIMES
        .iter()
        .find(|(_, seconds)| {
            let count = per_second * seconds;
            count >= 1.0 || count >= 0.1 && is_short(count)
        })
        .unwrap_or(&("h", 3600.0));
    format!("{}/{name}", spell_decimal(per_second * seconds))
}

/// At most three decimals, no zeros at the end.
pub(crate) fn spell_decimal(number: f64) -> String {
    let text = format!("{number:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn is_short(number: f64) -> bool {
    let thousandths = number * 1000.0;
    (thousandths - thousandths.round()).abs() < 1e-9
}

/// Digits, with decimals behind a point if need be. No sign, exponent or leading zero.
fn decimal(text: &str) -> Option<f64> {
    let (integer, fraction) = text.split_once('.').unwrap_or((text, "0"));
    whole(integer).ok()?;
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

/// What people write, and what each is answered with.
fn rate_fault(text: &str) -> Fault {
    let trimmed = text.trim();
    let end = trimmed
        .find(|letter: char| !(letter.is_ascii_digit() || matches!(letter, '.' | ',' | '+' | '-')))
        .unwrap_or(trimmed.len());
    let (number, time) = trimmed.split_at(end);
    let number = number.replace(',', ".");
    let count = number.parse::<f64>().ok().filter(|count| count.is_finite());
    let wrong = |why: &str| format!("{} {why}", quoted(text));
    match (count, meant_time(time)) {
        (Some(count), _) if count < 0.0 => Fault::new(
            wrong("is negative"),
            "write a rate above 0, or remove the limit",
        ),
        (Some(_), Some(_)) if whole_part_is_huge(&number) => Fault::new(
            wrong("is too large"),
            format!("write at most {}", spell_rate(RATE_PER_SECOND_MAX)),
        ),
        (Some(count), _) if time.is_empty() => {
            let count = spell_decimal(count);
            Fault::new(
                wrong("has no unit"),
                format!("write {count}/s, or {count}/min, or {count}/h"),
            )
        }
        (Some(count), Some("day")) => Fault::new(
            wrong("is not a rate: days are not always 24 hours"),
            format!("write {}/h", spell_decimal(count / 24.0)),
        ),
        (Some(count), Some(meant)) => Fault::new(
            wrong("is not a rate"),
            format!("write {}/{meant}", spell_decimal(count)),
        ),
        _ => Fault::new(
            wrong("is not a rate"),
            "write a number and /s, /min or /h, as 5/s or 0.2/s",
        ),
    }
}

fn whole_part_is_huge(number: &str) -> bool {
    number
        .split('.')
        .next()
        .is_some_and(|integer| integer.len() > 15)
}

/// The time that `rps`, `req/sec`, `/m` and the like stand for.
fn meant_time(unit: &str) -> Option<&'static str> {
    let unit = unit.trim().to_ascii_lowercase();
    let unit = unit
        .trim_start_matches("requests")
        .trim_start_matches("reqs")
        .trim_start_matches("req")
        .trim_start_matches('r')
        .trim();
    let time = unit
        .strip_prefix('/')
        .or_else(|| unit.strip_prefix("per"))
        .or_else(|| unit.strip_prefix('p'))?
        .trim();
    match time {
        "s" | "sec" | "second" | "seconds" => Some("s"),
        "m" | "min" | "minute" | "minutes" => Some("min"),
        "h" | "hr" | "hour" | "hours" => Some("h"),
        "d" | "day" | "days" => Some("day"),
        _ => None,
    }
}

fn no_burst(text: &str) -> Fault {
    Fault::new(
        format!("{} lets nothing through", quoted(text)),
        "write at least 1, or a time's worth of the rate, as 2s",
    )
}

fn burst_fault(text: &str, as_duration: Fault) -> Fault {
    match text.parse::<f64>() {
        Ok(count) if count < 0.0 => no_burst(text),
        Ok(count) if count < 1.0 => Fault::new(
            format!("{} is below one request", quoted(text)),
            "write at least 1",
        ),
        Ok(count) if count.is_finite() => Fault::new(
            format!("{} is not a whole number of requests", quoted(text)),
            format!("write {}", count.min(f64::from(BURST_REQUESTS_MAX)).round()),
        ),
        _ if as_duration.remedy.contains(", as ") => Fault::new(
            format!(
                "{} is neither a number of requests nor a duration",
                quoted(text)
            ),
            "write a whole number of requests, as 20, or a time's worth of the rate, as 2s",
        ),
        _ => as_duration,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn remedy_of<T: std::fmt::Debug>(result: Result<T, Fault>) -> String {
        let fault = result.unwrap_err();
        format!("{}; {}", fault.wrong, fault.remedy)
    }

    #[test]
    fn a_rate_is_a_number_per_second_minute_or_hour() {
        for (text, per_second) in [
            ("5/s", 5.0),
            ("0.2/s", 0.2),
            ("30/min", 0.5),
            ("1.5/min", 0.025),
            ("36/h", 0.01),
            ("1000000/s", 1e6),
            ("0.01/h", 0.01 / 3600.0),
        ] {
            let rate = parse_request_rate(text).unwrap();
            assert!((rate - per_second).abs() < 1e-12, "{text}: {rate}");
        }
    }

    #[test]
    fn p23_a_bare_number_is_no_rate() {
        assert_eq!(
            remedy_of(parse_request_rate("5")),
            "`5` has no unit; write 5/s, or 5/min, or 5/h"
        );
        assert_eq!(
            remedy_of(parse_request_rate("0.5")),
            "`0.5` has no unit; write 0.5/s, or 0.5/min, or 0.5/h"
        );
    }

    #[test]
    fn other_spellings_of_a_rate_are_answered_with_ours() {
        const ELSE: &str = "write a number and /s, /min or /h, as 5/s or 0.2/s";
        for (written, wrong, remedy) in [
            (
                "0/s",
                "lets nothing through",
                "write a rate above 0, or remove the limit",
            ),
            (
                "0.0/min",
                "lets nothing through",
                "write a rate above 0, or remove the limit",
            ),
            (
                "-5/s",
                "is negative",
                "write a rate above 0, or remove the limit",
            ),
            (
                "-5",
                "is negative",
                "write a rate above 0, or remove the limit",
            ),
            ("5/m", "is not a rate", "write 5/min"),
            ("5 / s", "is not a rate", "write 5/s"),
            ("5/S", "is not a rate", "write 5/s"),
            ("5/sec", "is not a rate", "write 5/s"),
            ("5rps", "is not a rate", "write 5/s"),
            ("300rpm", "is not a rate", "write 300/min"),
            ("5r/s", "is not a rate", "write 5/s"),
            ("5 req/s", "is not a rate", "write 5/s"),
            ("5 requests per hour", "is not a rate", "write 5/h"),
            (
                "240/day",
                "is not a rate: days are not always 24 hours",
                "write 10/h",
            ),
            ("1,5/s", "is not a rate", "write 1.5/s"),
            (".5/s", "is not a rate", "write 0.5/s"),
            ("5./s", "is not a rate", "write 5/s"),
            ("05/s", "is not a rate", "write 5/s"),
            ("+5/s", "is not a rate", "write 5/s"),
            ("1000001/s", "is too large", "write at most 1000000/s"),
            (
                "99999999999999999999/s",
                "is too large",
                "write at most 1000000/s",
            ),
            ("0.009/h", "is too small", "write at least 0.01/h"),
            ("NaN/s", "is not a rate", ELSE),
            ("inf/s", "is not a rate", ELSE),
            ("1e3/s", "is not a rate", ELSE),
            ("5/fortnight", "is not a rate", ELSE),
            ("5KiB/s", "is not a rate", ELSE),
            ("fast", "is not a rate", ELSE),
            ("", "is not a rate", ELSE),
        ] {
            assert_eq!(
                remedy_of(parse_request_rate(written)),
                format!("{} {wrong}; {remedy}", quoted(written))
            );
        }
    }

    #[test]
    fn a_burst_is_a_number_of_requests_or_a_times_worth_of_the_rate() {
        const LEAST: &str = "write at least 1, or a time's worth of the rate, as 2s";
        assert_eq!(parse_burst("20"), Ok(Burst::Requests(20)));
        assert_eq!(parse_burst("2s"), Ok(Burst::Time(Duration::from_secs(2))));
        for (written, wrong, remedy) in [
            ("0", "lets nothing through", LEAST),
            ("0s", "lets nothing through", LEAST),
            ("-1", "lets nothing through", LEAST),
            ("0.5", "is below one request", "write at least 1"),
            ("2.6", "is not a whole number of requests", "write 3"),
            ("1000001", "is too large", "write at most 1000000"),
            (
                "99999999999999999999",
                "is too large",
                "write a smaller number",
            ),
            (
                "020",
                "has a leading zero, which some YAML tools read as octal",
                "write 20",
            ),
            ("2 seconds", "is not a duration", "write 2s"),
            (
                "20/s",
                "is neither a number of requests nor a duration",
                "write a whole number of requests, as 20, or a time's worth of the rate, as 2s",
            ),
            (
                "NaN",
                "is neither a number of requests nor a duration",
                "write a whole number of requests, as 20, or a time's worth of the rate, as 2s",
            ),
        ] {
            assert_eq!(
                remedy_of(parse_burst(written)),
                format!("{} {wrong}; {remedy}", quoted(written))
            );
        }
    }

    #[test]
    fn a_rate_is_spelled_in_the_time_that_shows_its_digits() {
        for (per_second, text) in [
            (5.0, "5/s"),
            (0.2, "0.2/s"),
            (742.053, "742.053/s"),
            (0.025, "1.5/min"),
            (0.001, "3.6/h"),
            (1e6, "1000000/s"),
        ] {
            assert_eq!(spell_rate(per_second), text);
        }
    }

    proptest! {
        #[test]
        fn a_spelled_rate_reads_back_as_itself(thousandths in 1_u32..1_000_000_000) {
            let rate = f64::from(thousandths) / 1000.0;
            let read = parse_request_rate(&spell_rate(rate)).unwrap();
            prop_assert!((read - rate).abs() <= rate * 1e-9, "{} {}", read, rate);
        }

        #[test]
        fn no_text_makes_a_parser_panic_and_nothing_but_a_rate_is_read(
            text in "\\PC{0,24}|[0-9.,e+-]{0,8}[a-zA-Z/ µ]{0,8}",
        ) {
            if let Ok(rate) = parse_request_rate(&text) {
                prop_assert!(rate > 0.0 && rate <= RATE_PER_SECOND_MAX);
            }
            let _ = parse_burst(&text);
        }
    }
}
