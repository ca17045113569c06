//! When to come back, in words: the same time that `Retry-After` says to programs. Rounded up, so that who comes then passes.

use std::time::Duration;

use schleuse_core::refusal::Language;

/// Up to which time which unit is used, in seconds: who reads "in 70 seconds" or "in 70 minutes" has to reckon.
const SECONDS_MIN: u64 = 10;
const SECONDS_MAX: u64 = 45;
const MINUTES_MAX: u64 = 55 * 60;
const HOURS_MAX: u64 = 36 * 3_600;

/// A sentence for the page.
pub(super) fn try_again(language: Language, after: Duration) -> String {
    let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
    match language {
        Language::German => format!(
            "Bitte versuchen Sie es in {} noch einmal.",
            spell(
                seconds,
                "wenigen Sekunden",
                ("etwa einer Minute", "Minuten"),
                ("etwa einer Stunde", "Stunden"),
                ("etwa", "Sekunden", "Tagen"),
            )
        ),
        Language::English => format!(
            "Please try again in {}.",
            spell(
                seconds,
                "a few seconds",
                ("about a minute", "minutes"),
                ("about an hour", "hours"),
                ("about", "seconds", "days"),
            )
        ),
    }
}

fn spell(
    seconds: u64,
    soon: &str,
    (minute, minutes): (&str, &str),
    (hour, hours): (&str, &str),
    (about, some_seconds, days): (&str, &str, &str),
) -> String {
    let several = |unit: u64, name: &str| format!("{about} {} {name}", seconds.div_ceil(unit));
    if seconds < SECONDS_MIN {
        soon.to_owned()
    } else if seconds <= SECONDS_MAX {
        format!("{about} {} {some_seconds}", seconds.next_multiple_of(5))
    } else if seconds <= 60 {
        minute.to_owned()
    } else if seconds <= MINUTES_MAX {
        several(60, minutes)
    } else if seconds <= 3_600 {
        hour.to_owned()
    } else if seconds <= HOURS_MAX {
        several(3_600, hours)
    } else {
        several(86_400, days)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_in_the_unit_that_people_would_use_and_never_too_short() {
        for (seconds, german, english) in [
            (1, "wenigen Sekunden", "a few seconds"),
            (31, "etwa 35 Sekunden", "about 35 seconds"),
            (60, "etwa einer Minute", "about a minute"),
            (61, "etwa 2 Minuten", "about 2 minutes"),
            (180, "etwa 3 Minuten", "about 3 minutes"),
            (3_400, "etwa einer Stunde", "about an hour"),
            (3_601, "etwa 2 Stunden", "about 2 hours"),
            (360_000, "etwa 5 Tagen", "about 5 days"),
        ] {
            let after = Duration::from_secs(seconds);
            assert_eq!(
                try_again(Language::German, after),
                format!("Bitte versuchen Sie es in {german} noch einmal.")
            );
            assert_eq!(
                try_again(Language::English, after),
                format!("Please try again in {english}.")
            );
        }
    }
}
