//! The generators: how each is asked for the same load, and where it prints how many answers it got.

use std::process::{Command, Stdio};

use nix::sys::resource::{UsageWho, getrusage};

use crate::{Outcome, machine};

/// What a generator did and used.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Run {
    pub(super) answered: u64,
    pub(super) cpu_seconds: f64,
}

impl Run {
    pub(super) fn per_cpu_second(&self) -> f64 {
        crate::compare::count(self.answered) / self.cpu_seconds
    }
}

/// Another generator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tool {
    Oha,
    Wrk,
    Hey,
    Ab,
    H2load,
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load<'l> {
    pub(super) url: &'l str,
    pub(super) seconds: u32,
    pub(super) connections: u32,
    /// None: as fast as it goes.
    pub(super) per_second: Option<u32>,
}

impl Tool {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Oha => "oha",
            Self::Wrk => "wrk",
            Self::Hey => "hey",
            Self::Ab => "ab",
            Self::H2load => "h2load",
        }
    }

    pub(super) fn is_installed(self) -> bool {
        machine::found(self.name()).is_some()
    }

    /// The command line; one thread where it can be said. A rate is for all connections together, but for hey, whose rate
    /// is for each.
    fn command(self, load: &Load<'_>) -> Vec<String> {
        let Load {
            url,
            seconds,
            connections,
            per_second,
        } = *load;
        let words = match (self, per_second) {
            (Self::Oha, None) => format!("oha --no-tui -z {seconds}s -c {connections} {url}"),
            (Self::Oha, Some(rate)) => format!(
                "oha --no-tui --latency-correction -q {rate} -z {seconds}s -c {connections} {url}"
            ),
            (Self::Wrk, _) => {
                format!("wrk --latency -t 1 -c {connections} -d {seconds}s {url}")
            }
            (Self::Hey, None) => format!("hey -cpus 1 -z {seconds}s -c {connections} {url}"),
            (Self::Hey, Some(rate)) => {
                let each = (rate / connections).max(1);
                format!("hey -cpus 1 -q {each} -z {seconds}s -c {connections} {url}")
            }
            (Self::Ab, _) => {
                format!("ab -q -k -c {connections} -t {seconds} -n 100000000 {url}")
            }
            (Self::H2load, _) => {
                format!("h2load -t 1 -c 1 -m {connections} -D {seconds} {url}")
            }
        };
        words.split(' ').map(str::to_owned).collect()
    }

    /// Runs it and reads how many answers it got.
    ///
    /// # Errors
    ///
    /// When it cannot be run or prints something else.
    pub(super) fn load(self, load: &Load<'_>) -> Outcome<(Run, String)> {
        let (_, said, cpu_seconds) = run(&self.command(load))?;
        let answered = self.answered(&said);
        let answered = answered.ok_or_else(|| format!("{} says {said}", self.name()))?;
        let run = Run {
            answered,
            cpu_seconds,
        };
        Ok((run, said))
    }

    fn answered(self, said: &str) -> Option<u64> {
        let (before, after) = match self {
            Self::Oha | Self::Hey => ("[200]", "responses"),
            Self::Wrk => ("\n", "requests in"),
            Self::Ab => ("Complete requests:", "\n"),
            Self::H2load => ("started,", "done,"),
        };
        number_between(said, before, after)
    }
}

/// The first number that stands alone between the two.
pub(super) fn number_between<N: std::str::FromStr>(
    text: &str,
    before: &str,
    after: &str,
) -> Option<N> {
    let mut starts = text.match_indices(before);
    starts.find_map(|(at, _)| {
        let rest = text.get(at + before.len()..)?;
        rest.split_once(after)?.0.trim().parse().ok()
    })
}

/// Runs a command to its end: exit code, what it wrote, and the CPU seconds that its process used.
///
/// # Errors
///
/// When it cannot be started.
pub(super) fn run(command: &[String]) -> Outcome<(i32, String, f64)> {
    let before = children_seconds()?;
    let output = Command::new("setpriv")
        .args(["--pdeathsig", "KILL"])
        .args(command)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .output()?;
    let cpu_seconds = children_seconds()? - before;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    Ok((output.status.code().unwrap_or(-1), said, cpu_seconds))
}

/// CPU seconds of all children that have ended: to the scheduler's nanosecond, unlike the ticks of `/proc`.
fn children_seconds() -> Outcome<f64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let seconds = |time: nix::sys::time::TimeVal| {
        use nix::sys::time::TimeValLike as _;
        std::time::Duration::from_micros(u64::try_from(time.num_microseconds()).unwrap_or(0))
            .as_secs_f64()
    };
    Ok(seconds(usage.user_time()) + seconds(usage.system_time()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_found_in_what_each_prints() {
        for (tool, said) in [
            (
                Tool::Oha,
                "Status code distribution:\n  [200] 12 responses\n",
            ),
            (
                Tool::Hey,
                "Status code distribution:\n  [200]\t12 responses\n",
            ),
            (
                Tool::Wrk,
                "Running\n  1 threads\n  12 requests in 1.00s, 2MB read\n",
            ),
            (Tool::Ab, "Complete requests:      12\nFailed requests: 0\n"),
            (
                Tool::H2load,
                "requests: 13 total, 13 started, 12 done, 12 succeeded, 0 failed\n",
            ),
        ] {
            assert_eq!(tool.answered(said), Some(12), "{tool:?}");
            assert_eq!(tool.answered("cannot connect"), None);
        }
    }

    #[test]
    fn the_cpu_time_of_a_child_is_counted() {
        let script = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; exit 3";
        let command = ["sh", "-c", script].map(str::to_owned);
        let (code, _, cpu_seconds) = run(&command).unwrap();
        assert_eq!(code, 3);
        assert!(cpu_seconds > 0.0);
    }
}
