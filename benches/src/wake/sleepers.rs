//! Schleuse with many pools that sleep, a service each, beside the whole register.

use std::{fs, net::SocketAddr, path::PathBuf};

use crate::{
    Outcome,
    context::Context,
    http,
    inputs::register_file,
    machine::PROXY_CORE,
    peer::{Peer, Settings, free_address, log_file},
    shared_pool::{ask_admin, write},
};

/// A running Schleuse.
#[derive(Debug)]
pub(super) struct Sleepers {
    pub(super) peer: Peer,
    admin: SocketAddr,
    directory: PathBuf,
}

/// The service of the pool of this number, as a line of the config.
pub(super) fn service(pool: usize) -> String {
    let host = host(pool);
    format!("  s{pool}: {{ hosts: [{host}], responsible: gemeinde, pool: p{pool} }}\n")
}

/// Where the pool of this number is asked for.
pub(super) fn host(pool: usize) -> String {
    format!("s{pool}.example")
}

impl Sleepers {
    /// Starts it with these services and pools.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub(super) fn start(context: &Context, name: &str, pools: &str) -> Outcome<Self> {
        let directory = context.path().join(format!("wake-{name}"));
        fs::create_dir_all(&directory)?;
        fs::copy(register_file(), directory.join("gemeinden.csv"))?;
        let (address, admin) = (free_address()?, free_address()?);
        let file = write(&directory, &text(address, admin, pools))?;
        let mut command = [&*context.programs.schleuse, "run", "--config"]
            .map(str::to_owned)
            .to_vec();
        command.push(file.display().to_string());
        let settings = Settings {
            environment: vec![("SCHLEUSE_WORKERS", "1".to_owned())],
            output: Some(log_file()?),
        };
        let peer = Peer::start("schleuse-wake", PROXY_CORE, address, &command, settings)?;
        Ok(Self {
            peer,
            admin,
            directory,
        })
    }

    /// Writes a file beside the config.
    ///
    /// # Errors
    ///
    /// The system's.
    pub(super) fn write_beside(
        context: &Context,
        name: &str,
        file: &str,
        text: &str,
    ) -> Outcome<()> {
        let directory = context.path().join(format!("wake-{name}"));
        fs::create_dir_all(&directory)?;
        Ok(fs::write(directory.join(file), text)?)
    }

    /// Puts other services and pools in force.
    ///
    /// # Errors
    ///
    /// When they are refused.
    pub(super) fn reload(&self, pools: &str) -> Outcome<()> {
        write(&self.directory, &text(self.peer.address, self.admin, pools))?;
        let answer = self.ask("POST", "/api/v1/reload")?;
        if answer.status == 200 {
            return Ok(());
        }
        Err(format!("a reload was answered with {answer:?}").into())
    }

    /// Requests that wait, over all pools.
    ///
    /// # Errors
    ///
    /// When the metrics do not say.
    pub(super) fn waiting(&self) -> Outcome<usize> {
        let answer = self.ask("GET", "/metrics")?;
        let lines = answer.body.lines();
        let series = lines.filter(|line| line.starts_with("schleuse_pool_waiting{"));
        let values = series.filter_map(|line| line.rsplit(' ').next());
        let values = values.map(str::parse).collect::<Result<Vec<usize>, _>>()?;
        Ok(values.iter().sum())
    }

    fn ask(&self, method: &str, target: &str) -> Outcome<http::Answer> {
        ask_admin(self.admin, method, target)
    }
}

fn text(address: SocketAddr, admin: SocketAddr, pools: &str) -> String {
    // All load comes from loopback.
    format!(
        "version: 1
workers: 1
listeners: [ {{ address: \"{address}\" }} ]
admin: {{ address: \"{admin}\" }}
client: {{ idle_max: 1h, connections_per_network_max: 20000 }}
tenants: {{ register: gemeinden.csv }}
{pools}"
    )
}
