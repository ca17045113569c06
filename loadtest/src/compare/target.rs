//! A fresh target for each run, so that no round inherits the luck of the one before.
//!
//! Two ways: a command that launchday keeps running for the length of one run, or one that restarts what runs elsewhere and
//! comes back. Either learns the side from `LAUNCHDAY_SIDE` (`A` or `B`), so that one command can serve both. What a command
//! says on stderr goes to a file in memory, not to a pipe: a server left behind by it would hold a pipe open, and nobody would
//! come back.

use std::{
    fs::File,
    net::{SocketAddr, TcpStream},
    os::unix::{fs::FileExt as _, process::CommandExt as _},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    fs::{MemfdFlags, memfd_create},
    process::{Pid, Signal},
};

use super::{Side, groups::Group};

/// A target that takes longer to listen has failed to start.
const START_MAX: Duration = Duration::from_mins(1);
/// Time to end after SIGTERM.
const STOP_MAX: Duration = Duration::from_secs(10);
/// How often both are looked at.
const LOOK: Duration = Duration::from_millis(5);
/// Bytes of stderr's end in which the last line is looked for.
const WORDS_MAX: usize = 4096;
/// Of one attempt to connect.
const CONNECT_MAX: Duration = Duration::from_secs(1);

/// A running target; it and all that it started end when this is dropped.
#[derive(Debug)]
pub struct Started {
    child: Child,
    group: Group,
}

/// Starts `command`, which serves what is called `name`, with `sh -c`, and waits until `address` takes connections.
///
/// # Errors
/// In words: something listens there already, the command ends, or nobody listens within a minute.
pub fn start(command: &str, name: &str, address: SocketAddr) -> Result<Started, String> {
    if listens(address) {
        return Err(format!(
            "somebody listens on {address} already; stop that first, or do without a start command"
        ));
    }
    let (child, group, said) = spawn(command, name)?;
    let mut started = Started { child, group };
    let deadline = Instant::now() + START_MAX;
    while Instant::now() < deadline {
        if let Ok(Some(status)) = started.child.try_wait() {
            return Err(format!(
                "the start command `{command}` of {name} ended ({status}) instead of serving {address}: {}; it must stay in the \
                 foreground, and one that comes back is a restart command",
                last_words(&said)
            ));
        }
        if listens(address) {
            return Ok(started);
        }
        thread::sleep(LOOK);
    }
    Err(format!(
        "the start command `{command}` of {name} did not listen on {address} within {} s: {}",
        START_MAX.as_secs(),
        last_words(&said)
    ))
}

/// Runs `command` with `sh -c` and waits for its end; it has to come back once the target answers again.
///
/// # Errors
/// In words, when it cannot be started or does not exit with 0.
pub fn restart(command: &str, side: Side) -> Result<(), String> {
    let (mut child, group, said) = spawn(command, side.name())?;
    let status: ExitStatus = child
        .wait()
        .map_err(|error| format!("cannot wait for the restart command `{command}`: {error}"))?;
    // What it left behind is what it was to start.
    drop(group);
    if status.success() {
        return Ok(());
    }
    Err(format!(
        "the restart command `{command}` of {} failed ({status}): {}",
        side.name(),
        last_words(&said)
    ))
}

/// In a process group of its own: Ctrl-C is for launchday, which ends the target itself.
fn spawn(command: &str, name: &str) -> Result<(Child, Group, File), String> {
    let words = |error| format!("cannot start `{command}`: {error}");
    let said = memfd_create("launchday-command", MemfdFlags::CLOEXEC)
        .map_err(|error| words(error.into()))?;
    let said = File::from(said);
    let mut child = Command::new("sh")
        .args(["-c", command])
        .env("LAUNCHDAY_SIDE", name)
        .stdin(Stdio::null())
        // A proxy's access log is no matter of ours and may be long.
        .stdout(Stdio::null())
        .stderr(said.try_clone().map_err(words)?)
        .process_group(0)
        .spawn()
        .map_err(words)?;
    let leader = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let Some(group) = leader.and_then(Group::of) else {
        let _ = child.kill();
        let _ = child.wait();
        return Err(format!("too many commands run beside `{command}`"));
    };
    Ok((child, group, said))
}

fn listens(address: SocketAddr) -> bool {
    TcpStream::connect_timeout(&address, CONNECT_MAX).is_ok()
}

/// Read by position, since whoever still writes shares the file's cursor.
fn last_words(said: &File) -> String {
    let length = said.metadata().map_or(0, |known| known.len());
    let mut bytes = vec![0; WORDS_MAX];
    let read = said
        .read_at(&mut bytes, length.saturating_sub(WORDS_MAX as u64))
        .unwrap_or_default();
    bytes.truncate(read);
    let text = String::from_utf8_lossy(&bytes);
    let last = text.lines().rfind(|line| !line.trim().is_empty());
    last.map_or_else(
        || "it said nothing".to_owned(),
        |line| line.trim().to_owned(),
    )
}

impl Drop for Started {
    fn drop(&mut self) {
        self.group.kill(Signal::TERM);
        let deadline = Instant::now() + STOP_MAX;
        while Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
            thread::sleep(LOOK);
        }
        self.group.kill(Signal::KILL);
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn the_command_learns_the_side_and_its_failure_is_told_with_its_last_words() {
        assert_eq!(restart("test \"$LAUNCHDAY_SIDE\" = A", Side::A), Ok(()));
        let problem = restart("echo no such unit >&2; exit 3", Side::B).unwrap_err();
        assert!(
            problem.contains("no such unit") && problem.contains("of B"),
            "{problem}"
        );
    }

    #[test]
    fn a_restart_that_leaves_a_server_behind_comes_back() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let command = format!("sleep 600 & echo $! > {}", file.path().display());
        assert_eq!(restart(&command, Side::A), Ok(()));
        let left: i32 = std::fs::read_to_string(file.path())
            .unwrap()
            .trim()
            .parse()
            .unwrap();
        rustix::process::kill_process(Pid::from_raw(left).unwrap(), Signal::KILL).unwrap();
    }

    #[test]
    fn a_port_that_is_taken_is_told_before_anything_is_started() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let problem = start("exit 9", "A", taken.local_addr().unwrap()).unwrap_err();
        assert!(problem.contains("listens on"), "{problem}");
    }

    #[test]
    fn a_command_that_does_not_stay_is_told_with_its_last_words() {
        let address = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let problem = start("echo bad config; exit 1", "B", address).unwrap_err();
        assert!(
            problem.contains("bad config") && problem.contains("restart command"),
            "{problem}"
        );
    }
}
