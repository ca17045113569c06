//! A proxy that runs: where it listens, what it wrote, how it is told things.

use std::{
    fs,
    net::SocketAddr,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
};

use nix::{
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};
use serde_json::Value;
use tempfile::TempDir;

use crate::{Client, Edge, Response, binary, eventually, lines::Lines, metrics::Metrics};

/// A running binary. When dropped its process group is killed; a test that fails gets its log printed, and one that
/// passes must not have made it panic.
#[derive(Debug)]
pub struct RunningEdge {
    /// The config it was started with; change it and [`Self::write_config`] it.
    pub config: Edge,
    directory: PathBuf,
    temporary: Option<TempDir>,
    process: Child,
    log: Lines,
    errors: Lines,
    /// Of the first plain listener.
    http: Option<SocketAddr>,
    https: Option<SocketAddr>,
    admin: Option<SocketAddr>,
}

impl RunningEdge {
    /// Writes the config into a new directory and starts the binary there.
    ///
    /// # Panics
    ///
    /// When it does not become ready.
    pub fn start(config: Edge) -> Self {
        let directory = config.write();
        let path = directory.path().to_owned();
        let mut edge = Self::start_in(config, &path);
        edge.temporary = Some(directory);
        edge
    }

    /// Starts the binary with the `schleuse.yaml` that lies in `directory` already.
    ///
    /// # Panics
    ///
    /// When it does not become ready.
    pub fn start_in(config: Edge, directory: &Path) -> Self {
        let mut edge = Self::spawn(config, directory);
        edge.log.wait_event("ready");
        let address = |kind: &str| {
            let events = edge.log.events("listening");
            let event = events.iter().find(|event| event["listener"] == kind)?;
            event["address"].as_str()?.parse().ok()
        };
        (edge.http, edge.https, edge.admin) = (address("http"), address("https"), address("admin"));
        edge
    }

    /// The same without waiting for anything.
    ///
    /// # Panics
    ///
    /// When the binary cannot be run.
    pub fn spawn(config: Edge, directory: &Path) -> Self {
        let mut command = Command::new(binary::path());
        command
            .args(["run", "--config", "schleuse.yaml"])
            .current_dir(directory)
            .env("SCHLEUSE_WORKERS", "2")
            .env_remove("NOTIFY_SOCKET")
            .env_remove("RUST_BACKTRACE")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        for (name, value) in config.variables() {
            command.env(name, value);
        }
        let mut process = command.spawn().expect("the binary runs");
        Self {
            config,
            directory: directory.to_owned(),
            temporary: None,
            log: Lines::of(process.stdout.take().expect("its stdout")),
            errors: Lines::of(process.stderr.take().expect("its stderr")),
            process,
            http: None,
            https: None,
            admin: None,
        }
    }

    /// Where the first plain listener is.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub fn http(&self) -> SocketAddr {
        self.http.expect("a plain listener")
    }

    /// Where the first TLS listener is.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub fn https(&self) -> SocketAddr {
        self.https.expect("a TLS listener")
    }

    /// A new connection to the first plain listener.
    pub fn connect(&self) -> Client {
        Client::connect(self.http())
    }

    /// Asks for `target` over a connection of its own.
    pub fn get(&self, host: &str, target: &str) -> Response {
        self.connect().get(host, target)
    }

    /// Where the admin listener is.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin.expect("an admin listener")
    }

    /// A new connection to the admin listener.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub fn admin(&self) -> Client {
        Client::connect(self.admin_address())
    }

    /// An admin resource as JSON.
    ///
    /// # Panics
    ///
    /// When it does not answer 200.
    pub fn resource(&self, path: &str) -> Value {
        let answer = self.admin().get("admin", path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }

    /// Posts to the admin listener.
    pub fn post(&self, path: &str) -> Response {
        let mut admin = self.admin();
        admin.send(format!(
            "POST {path} HTTP/1.1\r\nHost: admin\r\nContent-Length: 0\r\n\r\n"
        ));
        admin.response()
    }

    /// Sets an endpoint to `drain`, `maintenance` or `ready`.
    ///
    /// # Panics
    ///
    /// When the proxy refuses.
    pub fn set_mode(&self, pool: &str, endpoint: SocketAddr, mode: &str) {
        let answer = self.post(&format!("/api/v1/pools/{pool}/endpoints/{endpoint}/{mode}"));
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// All metrics.
    pub fn metrics(&self) -> Metrics {
        Metrics::parse(self.admin().get("admin", "/metrics").text())
    }

    /// One series; 0 when it is not there yet.
    pub fn metric(&self, series: &str) -> f64 {
        self.metrics().value(series)
    }

    /// One counter or gauge of whole numbers; 0 when it is not there yet.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be a whole number that is not negative"
    )]
    pub fn count(&self, series: &str) -> u64 {
        let value = self.metric(series);
        assert!(value >= 0.0 && value.fract() == 0.0, "{series} is {value}");
        value as u64
    }

    /// Waits until a series reaches at least this value.
    ///
    /// # Panics
    ///
    /// When it does not.
    pub fn wait_metric(&self, series: &str, value: f64) {
        eventually(&format!("{series} ≥ {value}"), || {
            self.metric(series) >= value
        });
    }

    /// Waits until all series of a family together reach at least this value.
    ///
    /// # Panics
    ///
    /// When they do not.
    pub fn wait_sum(&self, family: &str, value: f64) {
        eventually(&format!("{family} ≥ {value}"), || {
            self.metrics().sum(family) >= value
        });
    }

    /// What it wrote to stdout.
    pub fn log(&self) -> &Lines {
        &self.log
    }

    /// What it wrote to stderr.
    pub fn errors(&self) -> &Lines {
        &self.errors
    }

    /// Where its config lies.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Its process.
    ///
    /// # Panics
    ///
    /// Never on Linux, where a process number fits.
    pub fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.process.id()).expect("a process number"))
    }

    /// Resident memory in KiB.
    ///
    /// # Panics
    ///
    /// When the process is gone.
    pub fn resident_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("a process");
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let number = line.and_then(|line| line.split_ascii_whitespace().nth(1));
        number
            .and_then(|number| number.parse().ok())
            .expect("VmRSS")
    }

    /// Sends a signal.
    ///
    /// # Panics
    ///
    /// When the process is gone.
    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).expect("a process to signal");
    }

    /// Puts the config in the old one's place by a rename, as most editors do. The watch sees it by itself.
    pub fn write_config(&self, config: &Edge) {
        config.write_into(&self.directory);
    }

    /// Writes the config and puts it in force by the admin API; its generation.
    ///
    /// # Panics
    ///
    /// When it is refused.
    pub fn reload(&mut self, config: Edge) -> u64 {
        config.write_into(&self.directory);
        self.config = config;
        let answer = self.post("/api/v1/reload");
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["generation"].as_u64().expect("a generation")
    }

    /// Waits until the process has ended.
    ///
    /// # Panics
    ///
    /// When it does not.
    pub fn wait_exit(&mut self) -> ExitStatus {
        let mut status = None;
        eventually("the process ends", || {
            status = self.process.try_wait().expect("a child");
            status.is_some()
        });
        self.log.wait_end();
        self.errors.wait_end();
        status.expect("a status")
    }

    /// Stops it by SIGTERM and waits for the end.
    ///
    /// # Panics
    ///
    /// When it does not end.
    pub fn stop(mut self) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        self.wait_exit()
    }
}

impl Drop for RunningEdge {
    #[expect(clippy::print_stderr, reason = "what a failed test says")]
    fn drop(&mut self) {
        if !matches!(self.process.try_wait(), Ok(Some(_))) {
            let _ = killpg(self.pid(), Signal::SIGKILL);
            let _ = self.process.wait();
        }
        drop(self.temporary.take());
        let errors = self.errors.text();
        if thread::panicking() {
            eprint!(
                "--- stdout of the proxy ---\n{}--- stderr ---\n{errors}--- config ---\n{}",
                self.log.text(),
                self.config.yaml(),
            );
            return;
        }
        let panics = self.log.events("panic");
        assert!(panics.is_empty(), "the proxy panicked: {panics:?}");
        for sign in ["panicked", "IO Safety", "backtrace"] {
            assert!(!errors.contains(sign), "stderr: {errors}");
        }
    }
}
