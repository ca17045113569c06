//! Schleuse with one service on one pool that all tenants share: the subject of everything about fairness and limits.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use crate::{
    Outcome,
    context::Context,
    http,
    inputs::{SERVICES, register_file},
    machine::PROXY_CORE,
    peer::{Peer, Settings, free_address, log_file},
};

/// What the operator wrote, as entries of YAML's flow style.
#[derive(Debug, Clone, Default)]
pub(crate) struct Policy {
    /// Of the pool: `concurrency: 40, queue: { … }`.
    pub(crate) pool: String,
    /// Of the service's limits: `tenant: { … }`; empty: none.
    pub(crate) limits: String,
}

/// A running Schleuse.
#[derive(Debug)]
pub(crate) struct SharedPool {
    pub(crate) peer: Peer,
    admin: SocketAddr,
    backend: SocketAddr,
    directory: PathBuf,
}

impl SharedPool {
    /// Starts it with the whole register in front of `backend`.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub(crate) fn start(
        context: &Context,
        name: &str,
        backend: SocketAddr,
        policy: &Policy,
    ) -> Outcome<Self> {
        let directory = context.path().join(format!("shared-{name}"));
        fs::create_dir_all(&directory)?;
        fs::copy(register_file(), directory.join("gemeinden.csv"))?;
        let (address, admin) = (free_address()?, free_address()?);
        let text = text(address, admin, backend, policy, 0);
        let file = write(&directory, &text)?;
        let mut command = [&*context.programs.schleuse, "run", "--config"]
            .map(str::to_owned)
            .to_vec();
        command.push(file.display().to_string());
        let settings = Settings {
            environment: vec![("SCHLEUSE_WORKERS", "1".to_owned())],
            output: Some(log_file()?),
        };
        let peer = Peer::start("schleuse-shared", PROXY_CORE, address, &command, settings)?;
        Ok(Self {
            peer,
            admin,
            backend,
            directory,
        })
    }

    /// Puts a config in force that differs from the last one if `generation` does.
    ///
    /// # Errors
    ///
    /// When it is refused.
    pub(crate) fn reload(&self, policy: &Policy, generation: usize) -> Outcome<()> {
        let text = text(
            self.peer.address,
            self.admin,
            self.backend,
            policy,
            generation,
        );
        write(&self.directory, &text)?;
        let answer = self.admin("POST", "/api/v1/reload")?;
        if answer.status == 200 {
            return Ok(());
        }
        Err(format!("a reload was answered with {answer:?}").into())
    }

    /// Requests that wait in the pool's queue.
    ///
    /// # Errors
    ///
    /// When the metrics do not say.
    pub(crate) fn waiting(&self) -> Outcome<usize> {
        let answer = self.admin("GET", "/metrics")?;
        let series = "schleuse_pool_waiting{pool=\"shared\"} ";
        let value = answer
            .body
            .lines()
            .find_map(|line| line.strip_prefix(series));
        let value = value.ok_or("the metrics do not say how many wait")?;
        Ok(value.trim().parse()?)
    }

    /// Asks the operators' listener.
    ///
    /// # Errors
    ///
    /// When it does not answer.
    pub(crate) fn admin(&self, method: &str, target: &str) -> Outcome<http::Answer> {
        ask_admin(self.admin, method, target)
    }
}

/// Asks an operators' listener, on a connection of its own.
///
/// # Errors
///
/// When it does not answer.
pub(crate) fn ask_admin(admin: SocketAddr, method: &str, target: &str) -> Outcome<http::Answer> {
    let request =
        format!("{method} {target} HTTP/1.1\r\nHost: {admin}\r\nContent-Length: 0\r\n\r\n");
    http::ask(&mut http::connect(admin)?, &request)
}

/// Writes a config by renaming, so that the watch never reads half a file.
///
/// # Errors
///
/// When it cannot be written.
pub(crate) fn write(directory: &Path, text: &str) -> Outcome<PathBuf> {
    let (fresh, file) = (
        directory.join("schleuse.new"),
        directory.join("schleuse.yaml"),
    );
    fs::write(&fresh, text)?;
    fs::rename(fresh, &file)?;
    Ok(file)
}

fn text(
    address: SocketAddr,
    admin: SocketAddr,
    backend: SocketAddr,
    policy: &Policy,
    generation: usize,
) -> String {
    let service = SERVICES.first().copied().unwrap_or_default();
    let Policy { pool, limits } = policy;
    // All load comes from loopback: a network of its own per connection has to be told apart from a trusted proxy, and
    // one network may hold as many connections as the whole run opens.
    format!(
        "version: 1
workers: 1
listeners: [ {{ address: \"{address}\" }} ]
admin: {{ address: \"{admin}\" }}
client: {{ idle_max: 1h, connections_max: 20000, connections_per_network_max: 20000 }}
overload: {{ held_bytes_max: 8GiB }}
tenants: {{ register: gemeinden.csv }}
services:
  {service}:
    hosts: [{service}.example]
    responsible: gemeinde
    pool: shared
    timeout: 1h
    limits: {{ {limits} }}
    request: {{ headers: {{ set: {{ X-Generation: \"{generation}\" }} }} }}
pools:
  shared: {{ endpoints: [\"{backend}\"], slow_start: 0s, timeouts: {{ first_byte: 1h, idle: 1h, keepalive: 1h }}, {pool} }}
"
    )
}
