//! What machine this is, and what time: for the report, so that a figure is never read without them.

use std::{
    fs, thread,
    time::{SystemTime, UNIX_EPOCH},
};

use crate::results::Machine;

/// The facts that a report prints. What cannot be found out is empty or 0.
pub fn facts(generator_processors: &[u32], files_max: u64) -> Machine {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let after = |text: &str, key: &str| {
        let line = text.lines().find(|line| line.starts_with(key));
        let value = line.and_then(|line| line.split_once(':'));
        value
            .map(|(_, value)| value.trim().to_owned())
            .unwrap_or_default()
    };
    let memory = after(&read("/proc/meminfo"), "MemTotal");
    let kibibytes = memory
        .split_whitespace()
        .next()
        .and_then(|number| number.parse().ok());
    Machine {
        processors: thread::available_parallelism()
            .map_or(0, |number| u32::try_from(number.get()).unwrap_or(u32::MAX)),
        processor_model: after(&read("/proc/cpuinfo"), "model name"),
        memory_bytes: kibibytes.map_or(0, |number: u64| number.saturating_mul(1024)),
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        files_max,
        generator_processors: generator_processors.to_vec(),
        target_processors: Vec::new(),
    }
}

/// The most memory that this process has had (`VmHWM`, proc(5)); 0 when it is not known.
pub fn memory_max_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    kibibytes.map_or(0, |number: u64| number.saturating_mul(1024))
}

/// Now in UTC, as RFC 3339 with seconds.
pub fn now() -> String {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    rfc3339(seconds)
}

/// The civil date by Hinnant's `civil_from_days` ("chrono-Compatible Low-Level Date Algorithms", 2014).
fn rfc3339(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments_are_written_as_they_were() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_795_593_599, "2026-11-25T07:59:59Z"),
            (4_102_444_800, "2100-01-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(seconds), text);
        }
    }
}
