//! How long an answer asks to wait before coming again (RFC 9110 §10.2.3): seconds, or a date.
//!
//! A date counts from the answer's own `Date`, so that the clocks of two machines need not agree; from our clock only where
//! an answer has none.

use std::time::SystemTime;

use httpdate::parse_http_date;

/// Seconds that the value of `Retry-After` asks for, in an answer with this `Date`; a date that is past asks for none. None
/// where it is neither number nor date.
pub(crate) fn seconds(value: &[u8], date: Option<&[u8]>) -> Option<u32> {
    let text = text(value)?;
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More than a u32 holds is 136 years.
        return Some(text.parse().unwrap_or(u32::MAX));
    }
    let until = parse_http_date(text).ok()?;
    let now = date
        .and_then(self::text)
        .and_then(|date| parse_http_date(date).ok())
        .unwrap_or_else(SystemTime::now);
    let wait = until.duration_since(now).unwrap_or_default();
    Some(u32::try_from(wait.as_secs()).unwrap_or(u32::MAX))
}

fn text(value: &[u8]) -> Option<&str> {
    str::from_utf8(value.trim_ascii()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: Option<&[u8]> = Some(b"Wed, 25 Nov 2026 12:00:00 GMT");

    #[test]
    fn seconds_are_taken_as_they_are() {
        for (value, expected) in [
            (&b"17"[..], Some(17)),
            (b" 0 ", Some(0)),
            (b"99999999999", Some(u32::MAX)),
            (b"-1", None),
            (b"1.5", None),
            (b"", None),
            (b"soon", None),
            (b"\xff", None),
        ] {
            assert_eq!(seconds(value, DATE), expected, "{value:?}");
        }
    }

    #[test]
    fn a_date_in_any_of_the_three_formats_counts_from_the_answers_own() {
        for value in [
            &b"Wed, 25 Nov 2026 12:02:05 GMT"[..],
            b"Wednesday, 25-Nov-26 12:02:05 GMT",
            b"Wed Nov 25 12:02:05 2026",
        ] {
            assert_eq!(seconds(value, DATE), Some(125), "{value:?}");
        }
    }

    #[test]
    fn a_date_that_is_past_asks_for_no_wait_and_without_a_date_our_clock_counts() {
        assert_eq!(seconds(b"Wed, 25 Nov 2026 11:00:00 GMT", DATE), Some(0));
        assert_eq!(seconds(b"Sun, 06 Nov 1994 08:49:37 GMT", None), Some(0));
        assert!(seconds(b"Fri, 31 Dec 9999 23:59:59 GMT", None).is_some_and(|wait| wait > 0));
    }
}
