//! One replica: from its start to the last process of its group.

use std::{
    io,
    net::SocketAddr,
    os::{fd::OwnedFd, unix::net::UnixStream as StdStream},
    path::Path,
    process::Stdio,
    str::FromStr as _,
    sync::Arc,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};
use schleuse_config::ProcessTemplate;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    net::{
        TcpStream, UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    process::{Child, Command},
    sync::{mpsc, oneshot},
    time::{sleep, timeout},
};

use super::{
    Event,
    guard::{KILL_LINE, signal_line},
    output::{Allowance, Output},
    port::Port,
};
use crate::tasks::spawn;

/// What a replica gets of our own environment; the rest may hold secrets that are none of its business.
const INHERITED: [&str; 7] = ["PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR"];
/// Between the first two looks whether it listens; each further pause is half as long again.
const LOOK_PAUSE: Duration = Duration::from_millis(2);
/// A refused connection on this machine costs 20 µs: 1,000 starting replicas cost less than half a core at this pause.
const LOOK_PAUSE_MAX: Duration = Duration::from_millis(50);
/// A connect on this machine takes longer than this only when the replica's backlog is full: it listens, then.
const CONNECT_MAX: Duration = Duration::from_secs(1);

/// A guard that was told to kill everything needs five seconds at most.
const GUARD_MAX: Duration = Duration::from_secs(6);

/// What is needed to start one.
#[derive(Debug)]
pub struct Replica {
    /// The pool's name.
    pub pool: Arc<str>,
    /// Unique in the pool.
    pub number: u32,
    /// What to run.
    pub template: Arc<ProcessTemplate>,
    /// Where the events go.
    pub events: mpsc::Sender<Event>,
    /// Told once when it listens.
    pub listening: mpsc::Sender<u32>,
    /// Bounds what it writes.
    pub allowance: Arc<Allowance>,
}

/// How a replica is told to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// When it has nothing left to do.
    Drained,
    /// By force, as one that crashed: it has not answered its probe for so long.
    Hung(Duration),
}

/// How a replica ended.
#[derive(Debug)]
pub struct Ended {
    /// Its number.
    pub number: u32,
    /// Where it listened, if it did.
    pub address: Option<SocketAddr>,
    /// In words.
    pub status: String,
    /// It was told to, and not because it hung.
    pub asked: bool,
}

impl Replica {
    /// Runs it until it has ended, by itself or because `asked` resolves; dropped, that says [`End::Drained`].
    pub async fn run(self, guard: &Path, mut asked: oneshot::Receiver<End>) -> Ended {
        let ended = |address, status: String, asked| Ended {
            number: self.number,
            address,
            status,
            asked,
        };
        let Some(port) = Port::take() else {
            return ended(None, "there is no free port".to_owned(), false);
        };
        let mut process = match Process::start(&self, guard, &port) {
            Ok(process) => process,
            Err(error) => return ended(None, format!("cannot be started: {error}"), false),
        };
        let start_max = self.template.start_max;
        tokio::select! {
            status = process.ended() => return ended(None, status, false),
            _ = &mut asked => {} // it has no requests yet
            listens = timeout(start_max, listens(port.address())) => if listens.is_ok() {
                let address = port.address();
                return self.serve(process, address, asked).await;
            } else {
                let status = process.kill().await;
                let status = format!("did not listen within {start_max:?}, {status}");
                return ended(None, status, false);
            },
        }
        let status = process.stop(&self.template).await;
        ended(None, status, true)
    }

    async fn serve(
        &self,
        mut process: Process,
        address: SocketAddr,
        asked: oneshot::Receiver<End>,
    ) -> Ended {
        let _ = self.listening.send(self.number).await;
        let listening = Event::Listening {
            replica: self.number,
            address,
        };
        let _ = self.events.send(listening).await;
        let (status, was_asked) = tokio::select! {
            status = process.ended() => (status, false),
            end = asked => match end {
                Ok(End::Hung(lasting)) => {
                    let status = process.kill().await;
                    let lasting = lasting.as_millis();
                    (format!("did not answer its probe for {lasting} ms, {status}"), false)
                }
                Ok(End::Drained) | Err(_) => (self.drain(process, address).await, true),
            },
        };
        Ended {
            number: self.number,
            address: Some(address),
            status,
            asked: was_asked,
        }
    }

    async fn drain(&self, mut process: Process, address: SocketAddr) -> String {
        let (idle, is_idle) = oneshot::channel();
        let draining = Event::Draining {
            replica: self.number,
            address,
            idle,
        };
        let _ = self.events.send(draining).await;
        tokio::select! {
            status = process.ended() => return status,
            _ = timeout(self.template.drain_max, is_idle) => {}
        }
        process.stop(&self.template).await
    }
}

/// Waits until somebody listens.
async fn listens(address: SocketAddr) {
    let mut pause = LOOK_PAUSE;
    loop {
        match timeout(CONNECT_MAX, TcpStream::connect(address)).await {
            Ok(Ok(_)) | Err(_) => return,
            Ok(Err(_)) => {}
        }
        sleep(pause).await;
        pause = (pause * 3 / 2).min(LOOK_PAUSE_MAX);
    }
}

/// A replica's guard, seen from outside.
#[derive(Debug)]
struct Process {
    child: Child,
    told: Lines<BufReader<OwnedReadHalf>>,
    tell: OwnedWriteHalf,
    /// The replica's process group, once the guard has said it.
    group: Option<Pid>,
}

impl Process {
    fn start(replica: &Replica, guard: &Path, port: &Port) -> io::Result<Self> {
        let (ours, theirs) = StdStream::pair()?;
        ours.set_nonblocking(true)?;
        let (told, tell) = UnixStream::from_std(ours)?.into_split();
        let mut child = command(&replica.template, guard, port)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let output = |stream| Output {
            pool: replica.pool.clone(),
            replica: replica.number,
            stream,
            allowance: replica.allowance.clone(),
        };
        if let Some(stdout) = child.stdout.take() {
            spawn(output("stdout").copy(stdout));
        }
        if let Some(stderr) = child.stderr.take() {
            spawn(output("stderr").copy(stderr));
        }
        Ok(Self {
            child,
            told: BufReader::new(told).lines(),
            tell,
            group: None,
        })
    }

    /// Waits until everything of it is gone; how the replica ended. May be dropped and called again.
    async fn ended(&mut self) -> String {
        let status = loop {
            let line = self.told.next_line().await.ok().flatten();
            let Some(line) = line else {
                break self.lost();
            };
            match line.split_once(' ') {
                Some(("started", pid)) => self.group = pid.parse().ok().map(Pid::from_raw),
                Some(("exited", code)) => break format!("exited with {code}"),
                Some(("killed", signal)) => break format!("was killed by {signal}"),
                Some(("failed", why)) => break why.to_owned(),
                _ => {}
            }
        };
        let _ = self.child.wait().await;
        status
    }

    /// The guard is gone without a word: somebody killed it, and nobody else ends what it guarded.
    fn lost(&self) -> String {
        if let Some(group) = self.group {
            let _ = killpg(group, Signal::SIGKILL);
        }
        "lost its guard".to_owned()
    }

    /// By the stop signal, and by force when that takes too long.
    async fn stop(&mut self, template: &ProcessTemplate) -> String {
        let signal = Signal::from_str(template.stop_signal).unwrap_or(Signal::SIGTERM);
        let _ = self.tell.write_all(signal_line(signal).as_bytes()).await;
        match timeout(template.stop_max, self.ended()).await {
            Ok(status) => status,
            Err(_) => self.kill().await,
        }
    }

    async fn kill(&mut self) -> String {
        let _ = self.tell.write_all(KILL_LINE.as_bytes()).await;
        // One that somebody has stopped reads nothing, but it alone finds all that the replica has started.
        let guard = self.child.id().and_then(|id| i32::try_from(id).ok());
        if let Some(guard) = guard {
            let _ = kill(Pid::from_raw(guard), Signal::SIGCONT);
        }
        match timeout(GUARD_MAX, self.ended()).await {
            Ok(status) => status,
            Err(_) => self.kill_guard().await,
        }
    }

    /// The guard does not do its work. The kernel kills the replica with it, and its process group is killed from here;
    /// what has left that group lives on.
    async fn kill_guard(&mut self) -> String {
        let _ = self.child.start_kill(); // fails when it has just ended
        let status = self.lost();
        let _ = timeout(GUARD_MAX, self.child.wait()).await; // longer only when it waits for a device
        status
    }
}

fn command(template: &ProcessTemplate, guard: &Path, port: &Port) -> Command {
    let number = port.number().to_string();
    let mut command = Command::new(guard);
    command
        .arg0("schleuse")
        .args(["replica-guard", "--"])
        .args(
            template
                .command
                .iter()
                .map(|word| word.replace("{port}", &number)),
        )
        .env_clear()
        .envs(
            INHERITED
                .iter()
                .filter_map(|name| Some((name, std::env::var_os(name)?))),
        )
        .envs(template.env.iter().map(|(name, value)| (name, value)))
        .env("PORT", &number)
        .process_group(0);
    if let Some(directory) = &template.directory {
        command.current_dir(directory);
    }
    command
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_guard_that_does_nothing_is_killed() {
        let directory = tempfile::tempdir().unwrap();
        let guard = directory.path().join("guard");
        fs::write(&guard, "#!/bin/sh\nexec sleep 3600\n").unwrap();
        fs::set_permissions(&guard, fs::Permissions::from_mode(0o700)).unwrap();
        let replica = Replica {
            pool: "any".into(),
            number: 0,
            template: Arc::new(ProcessTemplate {
                command: vec!["true".to_owned()],
                env: Vec::new(),
                directory: None,
                start_max: Duration::from_mins(1),
                drain_max: Duration::from_mins(1),
                stop_signal: "SIGTERM",
                stop_max: Duration::from_secs(10),
            }),
            events: mpsc::channel(8).0,
            listening: mpsc::channel(8).0,
            allowance: Arc::default(),
        };
        let (end, asked) = oneshot::channel();
        end.send(End::Drained).unwrap();
        // In virtual time: nothing else happens here than that times pass.
        let ended = timeout(Duration::from_hours(1), replica.run(&guard, asked)).await;
        let ended = ended.expect("it ends");
        assert!(ended.asked);
        assert_eq!(ended.status, "lost its guard");
    }
}
