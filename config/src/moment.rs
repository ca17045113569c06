//! Moments of the calendar as an operator writes and reads them: RFC 3339, always with an offset.

use std::time::{SystemTime, UNIX_EPOCH};

use schleuse_core::scale::plan::WallTime;
use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};

use crate::units::{Fault, quoted};

const EXAMPLE: &str = "2027-01-15T08:00:00+01:00";

/// This moment, for warnings of what has expired or begun.
pub(crate) fn now() -> WallTime {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    WallTime::from_unix_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// A moment with date and offset; fractions of a millisecond are cut off.
///
/// # Errors
///
/// What is wrong with the text, and what to write instead.
pub fn parse_moment(text: &str) -> Result<WallTime, Fault> {
    if let Ok(moment) = OffsetDateTime::parse(text, &Rfc3339) {
        let millis = moment.unix_timestamp_nanos() / 1_000_000;
        return i64::try_from(millis)
            .map(WallTime::from_unix_millis)
            .map_err(|_| Fault::new(format!("{} is too far away", quoted(text)), "check it"));
    }
    let lacks_offset = OffsetDateTime::parse(&format!("{text}Z"), &Rfc3339).is_ok();
    Err(if lacks_offset {
        Fault::new(
            format!("{} has no offset", quoted(text)),
            format!(
                "write {text}+01:00 for winter in Germany, {text}+02:00 for summer, {text}Z for UTC"
            ),
        )
    } else {
        Fault::new(
            format!("{} is no time with date and offset", quoted(text)),
            format!("write it as {EXAMPLE}"),
        )
    })
}

/// A moment in UTC to the second, as `2027-01-15T07:00:00Z`; its milliseconds where no calendar has it.
pub fn spell_moment(moment: WallTime) -> String {
    let millis = moment.unix_millis();
    OffsetDateTime::from_unix_timestamp(millis.div_euclid(1_000))
        .ok()
        .and_then(|time| time.to_offset(UtcOffset::UTC).format(&Rfc3339).ok())
        .unwrap_or_else(|| millis.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_the_same_in_every_offset_and_is_spelt_in_utc() {
        let winter = parse_moment(EXAMPLE).unwrap();
        assert_eq!(winter, parse_moment("2027-01-15T07:00:00Z").unwrap());
        assert_eq!(spell_moment(winter), "2027-01-15T07:00:00Z");
        let fraction = parse_moment("2027-01-15T07:00:00.25Z").unwrap();
        assert_eq!(fraction.unix_millis() - winter.unix_millis(), 250);
    }

    #[test]
    fn a_moment_without_offset_or_date_is_refused_with_its_likely_spelling() {
        let fault = parse_moment("2027-01-15T08:00:00").unwrap_err();
        assert_eq!(fault.wrong, "`2027-01-15T08:00:00` has no offset");
        assert!(fault.remedy.contains("2027-01-15T08:00:00+01:00"));
        for text in ["", "08:00", "2027-02-30T08:00:00Z", "15.01.2027 08:00"] {
            let fault = parse_moment(text).unwrap_err();
            assert!(fault.remedy.contains(EXAMPLE), "{text}: {fault:?}");
        }
    }
}
