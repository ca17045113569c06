//! A process of the run: started on one core, awaited until it answers, ended with us whatever happens.
//!
//! `setpriv --pdeathsig` asks the kernel to kill the process when the thread that started it dies, so that not even
//! SIGKILL of the benchmark leaves one behind; dropping a [`Peer`] kills it at once. Peers run without helper processes
//! for the same reason (nginx without its master).

use std::{
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::NamedTempFile;

use crate::{
    Outcome,
    procfs::{self, CpuTime},
};

/// A start that takes longer has failed.
const START_MAX: Duration = Duration::from_secs(20);

/// A running process that listens on loopback.
#[derive(Debug)]
pub(crate) struct Peer {
    /// For the table.
    pub(crate) name: String,
    /// Where it is asked.
    pub(crate) address: SocketAddr,
    child: Child,
    /// Keeps stdout's file alive, to be emptied between rounds.
    output: Option<File>,
    errors: NamedTempFile,
}

impl Peer {
    /// Starts `command` on `core`, and waits until `address` takes connections.
    ///
    /// # Errors
    ///
    /// When it ends or does not listen in time, with what it wrote on stderr.
    pub(crate) fn start(
        name: &str,
        core: usize,
        address: SocketAddr,
        command: &[String],
        settings: Settings,
    ) -> Outcome<Self> {
        let errors = NamedTempFile::new()?;
        let stdout = match &settings.output {
            Some(file) => Stdio::from(file.try_clone()?),
            None => Stdio::null(),
        };
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "taskset", "--cpu-list"])
            .arg(core.to_string())
            .args(command)
            .envs(
                settings
                    .environment
                    .iter()
                    .map(|(name, value)| (name, value)),
            )
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(Stdio::from(errors.reopen()?))
            .spawn()
            .map_err(|error| format!("{name}: cannot start setpriv and taskset: {error}"))?;
        let mut peer = Self {
            name: name.to_owned(),
            address,
            child,
            output: settings.output,
            errors,
        };
        peer.wait()?;
        Ok(peer)
    }

    fn wait(&mut self) -> Outcome<()> {
        let deadline = Instant::now() + START_MAX;
        while Instant::now() < deadline {
            if TcpStream::connect(self.address).is_ok() {
                return Ok(());
            }
            if self.child.try_wait()?.is_some() {
                break;
            }
            thread::sleep(Duration::from_millis(2));
        }
        Err(format!("does not listen on {}; {}", self.address, self.condition()).into())
    }

    /// Whether it still runs, and what it wrote on stderr: for messages about something that went wrong.
    pub(crate) fn condition(&self) -> String {
        let state = if procfs::ended(self.pid()) {
            "has ended"
        } else {
            "is running"
        };
        let said = fs::read_to_string(self.errors.path()).unwrap_or_default();
        format!("{} {state} {said}", self.name)
    }

    /// For `/proc`.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// CPU time of the process so far.
    ///
    /// # Errors
    ///
    /// When it has ended.
    pub(crate) fn cpu_time(&self) -> Outcome<CpuTime> {
        procfs::cpu_time(self.pid()).map_err(|error| format!("{}: {error}", self.name).into())
    }

    /// Throws away what it logged, so that a long run does not fill the memory its log lies in.
    pub(crate) fn forget_output(&self) {
        if let Some(file) = &self.output {
            // The file has no name and no reader; when it cannot be cut it grows, and nothing is measured wrongly.
            let _ = file.set_len(0);
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Fails only when the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What differs from one start to the next.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    /// Added to the environment.
    pub(crate) environment: Vec<(&'static str, String)>,
    /// Where stdout goes; none: nowhere.
    pub(crate) output: Option<File>,
}

/// An access log as both products write it here: stdout is a file in memory without a name. `/dev/null` would make the
/// writing free, and a pipe would charge the reader's work to the load's core.
///
/// # Errors
///
/// When `/dev/shm` cannot be written.
pub(crate) fn log_file() -> Outcome<File> {
    Ok(tempfile::tempfile_in("/dev/shm")?)
}

/// A free port on loopback. Another process could take it before the peer does; the peer then fails to start.
///
/// # Errors
///
/// When no port is free.
pub(crate) fn free_address() -> Outcome<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(script: &str) -> Vec<String> {
        ["sh", "-c", script].map(str::to_owned).to_vec()
    }

    #[test]
    fn a_process_that_ends_at_once_is_reported_with_its_last_words() {
        let address = free_address().unwrap();
        let failed = Peer::start(
            "x",
            0,
            address,
            &command("echo no luck >&2"),
            Settings::default(),
        );
        assert!(failed.unwrap_err().to_string().contains("no luck"));
    }

    #[test]
    fn a_dropped_peer_is_gone() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let peer = Peer::start(
            "x",
            0,
            address,
            &command("exec sleep 60"),
            Settings::default(),
        )
        .unwrap();
        let pid = peer.pid();
        assert!(peer.cpu_time().is_ok());
        drop(peer);
        assert!(procfs::cpu_time(pid).is_err());
    }
}
