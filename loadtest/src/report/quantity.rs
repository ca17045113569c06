//! Numbers as people read them: durations with three digits and their unit, grouped counts, percent; `≥` before a bound.
//!
//! One place, so that terminal, HTML, `JUnit` and the reasons of a verdict show the same number the same way.

/// A duration with about three significant digits: `87 µs`, `1.25 ms`, `14.7 s`, `2 min 5 s`.
#[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
pub fn duration(nanoseconds: u64) -> String {
    const MINUTE: u64 = 60_000_000_000;
    match nanoseconds {
        0..1_000 => format!("{nanoseconds} ns"),
        1_000..1_000_000 => format!("{} µs", three_digits(nanoseconds as f64 / 1e3)),
        1_000_000..1_000_000_000 => format!("{} ms", three_digits(nanoseconds as f64 / 1e6)),
        1_000_000_000..120_000_000_000 => {
            format!("{} s", three_digits(nanoseconds as f64 / 1e9))
        }
        _ => {
            let (minutes, rest) = (nanoseconds / MINUTE, nanoseconds % MINUTE / 1_000_000_000);
            let (hours, minutes) = if minutes >= 120 {
                (minutes / 60, minutes % 60)
            } else {
                (0, minutes)
            };
            match (hours, minutes, rest) {
                (0, _, 0) => format!("{minutes} min"),
                (0, _, _) => format!("{minutes} min {rest} s"),
                (_, 0, _) => format!("{hours} h"),
                _ => format!("{hours} h {minutes} min"),
            }
        }
    }
}

/// A duration, with `≥ ` before one of which only a lower bound is known.
pub fn bounded(nanoseconds: u64, is_bound: bool) -> String {
    let sign = if is_bound { "≥ " } else { "" };
    format!("{sign}{}", duration(nanoseconds))
}

/// Seconds as a duration; negative or not finite ones as 0.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, and 584 years are enough"
)]
pub fn seconds(seconds: f64) -> String {
    duration((seconds.max(0.0) * 1e9).round() as u64)
}

/// A count with its thousands set apart: `1,234,567`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A rate per second: `1,234/s`, `12.3/s`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "shown, and `as` saturates"
)]
pub fn rate(per_second: f64) -> String {
    if per_second >= 100.0 {
        format!("{}/s", count(per_second.round() as u64))
    } else {
        format!("{}/s", three_digits(per_second.max(0.0)))
    }
}

/// A share 0–1 as percent, small ones with more digits and never rounded to nothing: `12.3 %`, `0.012 %`, `< 0.001 %`.
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent > 0.0 && percent < 0.001 {
        "< 0.001 %".to_owned()
    } else if percent != 0.0 && percent.abs() < 0.1 {
        format!("{} %", trimmed(format!("{percent:.3}")))
    } else if percent.abs() < 10.0 {
        format!("{} %", trimmed(format!("{percent:.2}")))
    } else if percent < 100.0 && percent > 99.9 {
        // 99.97 must not become 100.
        format!(
            "{} %",
            trimmed(format!("{:.3}", (percent * 1e3).floor() / 1e3))
        )
    } else {
        format!("{} %", trimmed(format!("{percent:.1}")))
    }
}

/// Bytes in binary multiples: `812 B`, `1.5 KiB`, `2.31 GiB`.
#[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
pub fn bytes(number: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if number < 1_024 {
        return format!("{number} B");
    }
    let mut scaled = number as f64 / 1_024.0;
    let mut unit = "KiB";
    for larger in units.iter().skip(1) {
        if scaled < 1_024.0 {
            break;
        }
        scaled /= 1_024.0;
        unit = larger;
    }
    format!("{} {unit}", three_digits(scaled))
}

/// A quantile's name: `p50`, `p99.9`, `max`.
pub fn quantile(quantile: f64) -> String {
    if quantile >= 1.0 {
        return "max".to_owned();
    }
    format!("p{}", trimmed(format!("{:.4}", quantile * 100.0)))
}

/// About three significant digits without trailing zeros.
fn three_digits(value: f64) -> String {
    let text = if value >= 99.95 {
        format!("{value:.0}")
    } else if value >= 9.995 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    };
    trimmed(text)
}

/// Without zeros at the end of its decimals.
fn trimmed(text: String) -> String {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_three_digits_and_a_unit() {
        for (nanoseconds, text) in [
            (0, "0 ns"),
            (87_300, "87.3 µs"),
            (1_250_000, "1.25 ms"),
            (412_000_000, "412 ms"),
            (14_700_000_000, "14.7 s"),
            (99_500_000_000, "99.5 s"),
            (300_000_000_000, "5 min"),
            (125_000_000_000, "2 min 5 s"),
            (7_200_000_000_000, "2 h"),
            (7_260_000_000_000, "2 h 1 min"),
        ] {
            assert_eq!(duration(nanoseconds), text);
        }
        assert_eq!(bounded(14_700_000_000, true), "≥ 14.7 s");
    }

    #[test]
    fn a_small_share_is_never_shown_as_nothing_and_a_large_one_never_as_all() {
        assert_eq!(percent(0.0), "0 %");
        assert_eq!(percent(0.000_001), "< 0.001 %");
        assert_eq!(percent(0.000_12), "0.012 %");
        assert_eq!(percent(0.123), "12.3 %");
        assert_eq!(percent(0.999_999), "99.999 %");
        assert_eq!(percent(1.0), "100 %");
    }

    #[test]
    fn counts_are_grouped_and_quantiles_named() {
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(count(12), "12");
        assert_eq!(quantile(0.5), "p50");
        assert_eq!(quantile(0.999), "p99.9");
        assert_eq!(quantile(1.0), "max");
        assert_eq!(bytes(1_536), "1.5 KiB");
        assert_eq!(rate(1_234.4), "1,234/s");
    }
}
