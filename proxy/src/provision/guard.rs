//! The parent of one replica: `schleuse replica-guard -- COMMAND`, not for people.
//!
//! No replica may outlive Schleuse, also when that is killed and can do nothing about it. The kernel's parent-death
//! signal reaches the direct child only, and a shell or a server with workers has grandchildren. So each replica has a
//! parent that does nothing but hold on to a socket: when Schleuse's end closes, for whatever reason, it kills the
//! replica's process group and then everything that was started below, which the kernel hands to it because it is their
//! subreaper (prctl(2), `PR_SET_CHILD_SUBREAPER`). Should the guard itself be killed, the replica gets SIGKILL by the
//! parent-death signal, and Schleuse kills its process group.
//!
//! One line each way, on standard input: `started PID`, `failed WHY`, `exited CODE` and `killed SIGNAL` go to Schleuse;
//! `signal NUMBER` (to the process group) and `kill` come from it. Signals to the guard are ignored: a terminal or an
//! init system that signals every process must not end replicas behind Schleuse's back.

use std::{
    ffi::OsString,
    io::{self, Read as _, Write as _},
    os::{
        fd::AsFd as _,
        unix::{net::UnixStream, process::CommandExt as _},
    },
    process::{Child, Command, ExitCode, Stdio},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        prctl,
        signal::{SigSet, Signal, kill, killpg},
        signalfd::{SfdFlags, SignalFd},
        wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid},
    },
    unistd::{Pid, getpid, getppid},
};

/// Between two rounds of killing what is left, ms.
const ROUND_MILLIS: u8 = 50;
/// What survives SIGKILL this long (5 s) waits for a device or belongs to somebody else.
const ROUNDS_MAX: usize = 100;
/// A longer line is none of ours.
const LINE_BYTES_MAX: usize = 64;

/// What to run.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Program and arguments.
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

/// Runs one replica to its end.
pub fn run(options: &Options) -> ExitCode {
    // Failing tells nobody: there is only the socket, and if that is broken Schleuse sees it closed.
    match Guard::start(options).and_then(|guard| guard.map_or(Ok(()), Guard::watch)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

struct Guard {
    schleuse: UnixStream,
    signals: SignalFd,
    replica: Pid,
    /// The start of a line.
    received: Vec<u8>,
}

impl Guard {
    /// None: the replica could not be run, which was told.
    fn start(options: &Options) -> io::Result<Option<Self>> {
        // Another name than Schleuse's: who kills all processes of that name still leaves the guards.
        prctl::set_name(c"replica-guard")?;
        prctl::set_child_subreaper(true)?;
        let mut schleuse = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
        let mut children = SigSet::empty();
        children.add(Signal::SIGCHLD);
        SigSet::all().thread_block()?;
        let signals =
            SignalFd::with_flags(&children, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        match spawn(options) {
            Ok(child) => {
                let replica = Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other)?);
                let _ = writeln!(schleuse, "started {replica}"); // a broken socket is noticed by `watch`
                Ok(Some(Self {
                    schleuse,
                    signals,
                    replica,
                    received: Vec::new(),
                }))
            }
            Err(error) => {
                let program = options.command.first().cloned().unwrap_or_default();
                writeln!(schleuse, "failed cannot run {}: {error}", program.display())?;
                Ok(None)
            }
        }
    }

    fn watch(mut self) -> io::Result<()> {
        loop {
            let mut ready = [
                PollFd::new(self.schleuse.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            ];
            match poll(&mut ready, PollTimeout::NONE) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
            let [told, children] = ready.map(|each| each.any().unwrap_or(true));
            if children {
                while self.signals.read_signal()?.is_some() {}
                if self.replica_ended() {
                    return self.finish();
                }
            }
            if told && !self.obey() {
                return self.finish();
            }
        }
    }

    /// Whether the replica itself has ended. It stays a zombie, so that its process group keeps its number; others that
    /// ended are buried.
    fn replica_ended(&self) -> bool {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        while let Ok(status) = waitid(Id::All, flags) {
            match status.pid() {
                Some(pid) if pid == self.replica => return true,
                Some(pid) => drop(waitpid(pid, Some(WaitPidFlag::WNOHANG))),
                None => return false,
            }
        }
        false
    }

    /// Does what Schleuse says; false when it is to end everything, or is gone.
    fn obey(&mut self) -> bool {
        let mut bytes = [0; LINE_BYTES_MAX];
        let count = match self.schleuse.read(&mut bytes) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return true,
            Err(_) => 0,
        };
        if count == 0 {
            return false;
        }
        self.received
            .extend_from_slice(bytes.get(..count).unwrap_or_default());
        while let Some(end) = self.received.iter().position(|byte| *byte == b'\n') {
            let line: Vec<_> = self.received.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            match line.trim_end().split_once(' ') {
                Some(("signal", number)) => {
                    let signal = number
                        .parse()
                        .ok()
                        .and_then(|number: i32| Signal::try_from(number).ok());
                    // Fails when it has just ended.
                    let _ = killpg(self.replica, signal);
                }
                _ => return false,
            }
        }
        self.received.len() <= LINE_BYTES_MAX
    }

    /// Kills what is left, and tells how the replica ended.
    fn finish(mut self) -> io::Result<()> {
        let _ = killpg(self.replica, Signal::SIGKILL);
        let status = waitpid(self.replica, None);
        self.kill_orphans()?;
        match status {
            Ok(WaitStatus::Exited(_, code)) => writeln!(self.schleuse, "exited {code}"),
            Ok(WaitStatus::Signaled(_, signal, _)) => writeln!(self.schleuse, "killed {signal}"),
            other => writeln!(self.schleuse, "failed lost it: {other:?}"),
        }
    }

    /// Whatever the replica started and put into another process group: each is handed to this process when its parent
    /// dies, so it is children all the way, round by round.
    fn kill_orphans(&self) -> io::Result<()> {
        for _ in 0..ROUNDS_MAX {
            for child in children_of(getpid()) {
                let _ = kill(child, Signal::SIGKILL);
            }
            loop {
                match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                    Ok(WaitStatus::StillAlive) => break,
                    Ok(_) | Err(Errno::EINTR) => {}
                    Err(_) => return Ok(()), // ECHILD: nobody is left
                }
            }
            let mut ready = [PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
            let _ = poll(&mut ready, ROUND_MILLIS);
            while self.signals.read_signal()?.is_some() {}
        }
        Ok(())
    }
}

/// The child in a process group of its own, with the signal mask that programs expect.
fn spawn(options: &Options) -> io::Result<Child> {
    let (program, arguments) = options
        .command
        .split_first()
        .ok_or(io::ErrorKind::InvalidInput)?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .process_group(0);
    let guard = getpid();
    let prepare = move || {
        SigSet::empty().thread_set_mask()?;
        prctl::set_pdeathsig(Signal::SIGKILL)?;
        // The guard may have died before the kernel knew what to do about it.
        if getppid() == guard {
            Ok(())
        } else {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    };
    #[expect(
        unsafe_code,
        reason = "the parent-death signal can be set by the child alone, between fork and exec; this process has one \
                  thread, and the closure makes three system calls and allocates nothing"
    )]
    // SAFETY: `prepare` is async-signal-safe, see the reason above.
    unsafe {
        command.pre_exec(prepare);
    }
    command.spawn()
}

/// The processes whose parent is `parent`, from /proc/PID/stat (`proc_pid_stat(5)`: field 4, behind the name in brackets,
/// which may hold anything).
fn children_of(parent: Pid) -> Vec<Pid> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let wanted = parent.to_string();
    let child = |entry: std::fs::DirEntry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read(entry.path().join("stat")).ok()?;
        let stat = String::from_utf8_lossy(&stat);
        let (_, behind_name) = stat.rsplit_once(')')?;
        let found = behind_name.split_ascii_whitespace().nth(1)?;
        (found == wanted).then_some(Pid::from_raw(pid))
    };
    entries.flatten().filter_map(child).collect()
}

/// `signal NUMBER` as [`Guard::obey`] reads it.
pub(super) fn signal_line(signal: Signal) -> String {
    format!("signal {}\n", signal as i32)
}

/// What ends everything at once.
pub(super) const KILL_LINE: &str = "kill\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_are_found_by_their_parent_whatever_their_name_is() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
        assert!(children_of(getpid()).contains(&pid));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!children_of(getpid()).contains(&pid));
    }
}
