//! The target of all generators: nginx that answers 125 bytes, one port for HTTP/1.1 and one for HTTP/2, and that can be
//! frozen by a signal, as no gate inside a program can freeze it.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    Outcome,
    backend::BODY_BYTES,
    machine::PROXY_CORE,
    nginx,
    peer::{Peer, Settings, free_address},
};

/// A running target.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) http2: SocketAddr,
    pub(super) peer: Peer,
}

impl Target {
    /// Starts it on the proxies' core.
    ///
    /// # Errors
    ///
    /// When nginx does not start.
    pub(super) fn start(program: &str, directory: &Path) -> Outcome<Self> {
        let (http1, http2) = (free_address()?, free_address()?);
        let file = directory.join("target.conf");
        let config = format!(
            "{globals}
http {{
  access_log off;
  keepalive_timeout 3600s;
  keepalive_requests 1000000000;
{paths}
  server {{
    listen {http1} backlog=16384;
    listen {http2} http2 backlog=16384;
    location / {{ return 200 \"{body}\"; }}
  }}
}}
",
            // A citizen's connection and the listeners: more than this process itself may have open.
            globals = nginx::globals(directory, "target").replace("16000", "19500"),
            paths = nginx::paths(directory),
            body = "x".repeat(BODY_BYTES),
        );
        fs::write(&file, config)?;
        let command = nginx::command(program, &file, directory);
        let peer = Peer::start("target", PROXY_CORE, http1, &command, Settings::default())?;
        Ok(Self { http2, peer })
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/", self.peer.address)
    }

    pub(super) fn http2_url(&self) -> String {
        format!("http://{}/", self.http2)
    }

    /// Freezes it `after` from now, and thaws it `length` later. The handle gives the times that both really happened.
    pub(super) fn freeze(&self, after: Duration, length: Duration) -> JoinHandle<Outcome<Frozen>> {
        let pid = self.peer.pid();
        thread::spawn(move || {
            let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
            let pid = pid.ok_or("no such process")?;
            thread::sleep(after);
            kill_process(pid, Signal::STOP)?;
            let stopped = Instant::now();
            thread::sleep(length);
            kill_process(pid, Signal::CONT)?;
            Ok(Frozen {
                length: stopped.elapsed(),
            })
        })
    }
}

/// How long it was frozen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frozen {
    pub(super) length: Duration,
}
