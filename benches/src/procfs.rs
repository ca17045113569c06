//! What the kernel says about a process: CPU time of all its threads, and its memory.
//!
//! CPU comes from the scheduler's nanoseconds (`/proc/PID/task/*/schedstat`), summed over threads; the ticks of
//! `/proc/PID/stat` are ten milliseconds wide and serve only to split that sum into user and system.

use std::fs;

use crate::Outcome;

/// CPU time of a process since its start.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct CpuTime {
    /// All threads that are alive, nanoseconds.
    pub(crate) nanoseconds: u64,
    /// Time in which its threads could have run and others had their core, nanoseconds.
    pub(crate) waited_nanoseconds: u64,
    /// Clock ticks in user mode.
    pub(crate) user_ticks: u64,
    /// Clock ticks in the kernel.
    pub(crate) system_ticks: u64,
}

/// Reads the CPU time.
///
/// # Errors
///
/// When the process is gone.
pub(crate) fn cpu_time(pid: u32) -> Outcome<CpuTime> {
    let (mut nanoseconds, mut waited_nanoseconds) = (0, 0);
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end between the listing and the reading.
        let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) else {
            continue;
        };
        let (ran, waited) = two_numbers(&text).ok_or("schedstat lacks numbers")?;
        nanoseconds += ran;
        waited_nanoseconds += waited;
    }
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (user_ticks, system_ticks) = ticks(&stat).ok_or("stat lacks utime and stime")?;
    Ok(CpuTime {
        nanoseconds,
        waited_nanoseconds,
        user_ticks,
        system_ticks,
    })
}

fn two_numbers(text: &str) -> Option<(u64, u64)> {
    let mut numbers = text.split_ascii_whitespace();
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Fields 14 and 15 (proc(5)), counted from behind the name, which may hold spaces and parentheses.
fn ticks(stat: &str) -> Option<(u64, u64)> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().skip(11).collect();
    two_numbers(&fields.join(" "))
}

/// The process is gone, or only its exit status is left.
pub(crate) fn ended(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").map(|(_, rest)| rest);
    state.is_none_or(|state| state.starts_with(['Z', 'X']))
}

/// Private anonymous memory in bytes (`Anonymous` of `smaps_rollup`): what the process has written for itself, without
/// the pages of its program and libraries.
///
/// # Errors
///
/// When the process is gone.
pub(crate) fn anonymous_bytes(pid: u32) -> Outcome<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    kibibytes(&text, "Anonymous:").ok_or_else(|| "smaps_rollup lacks `Anonymous`".into())
}

/// The same figure from `status`, which is read without walking the process's pages: cheap enough for each millisecond.
///
/// # Errors
///
/// When the process is gone.
pub(crate) fn anonymous_bytes_quickly(pid: u32) -> Outcome<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    kibibytes(&text, "RssAnon:").ok_or_else(|| "status lacks `RssAnon`".into())
}

/// The bytes that a line `KEY 123 kB` tells.
pub(crate) fn kibibytes(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.starts_with(key))?;
    let number: u64 = line.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(number * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_found_behind_a_name_with_spaces_and_parentheses() {
        let stat = "12 (a) b) S 1 2 3 4 5 6 7 8 9 10 140 150 0 0";
        assert_eq!(ticks(stat), Some((140, 150)));
        assert_eq!(ticks("12 (short) S 1"), None);
    }

    #[test]
    fn kibibytes_become_bytes() {
        assert_eq!(
            kibibytes("Rss: 9 kB\nAnonymous:   112 kB\n", "Anonymous:"),
            Some(114_688)
        );
        assert_eq!(kibibytes("Rss: 9 kB\n", "Anonymous:"), None);
    }

    #[test]
    fn this_process_has_used_cpu_and_memory() {
        let pid = std::process::id();
        assert!(cpu_time(pid).unwrap().nanoseconds > 0);
        assert!(!ended(pid));
        assert!(anonymous_bytes(pid).unwrap() > 0);
        assert!(anonymous_bytes_quickly(pid).unwrap() > 0);
    }
}
