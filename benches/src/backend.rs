//! The backend of every peer: nginx that answers 125 bytes to everything, on one port per service.
//!
//! It shares the load's core, so it is made as cheap as nginx can be: the answer is in its config. `/check` answers what
//! reached it of tenant and config, so that the run can prove that a proxy does its job before it is measured.

use std::{fmt::Write as _, fs, net::SocketAddr, path::Path};

use crate::{
    Outcome,
    inputs::SERVICES,
    machine::LOAD_CORE,
    nginx,
    peer::{Peer, Settings, free_address},
};

/// Bytes of an answer's body.
pub(crate) const BODY_BYTES: usize = 125;
/// Asked with `?ars=`, answers `TENANT GENERATION` as the proxy named them to the backend.
pub(crate) const CHECK_PATH: &str = "/check";
/// Field by which a reload is seen to be in effect.
pub(crate) const GENERATION_FIELD: &str = "X-Generation";

/// A running backend.
#[derive(Debug)]
pub(crate) struct Backend {
    /// One address per service, all of one process.
    pub(crate) addresses: Vec<SocketAddr>,
    _peer: Peer,
}

/// Starts it.
///
/// # Errors
///
/// When nginx does not start.
pub(crate) fn start(nginx: &str, directory: &Path) -> Outcome<Backend> {
    let mut addresses = Vec::new();
    for _ in SERVICES {
        addresses.push(free_address()?);
    }
    let first = *addresses.first().ok_or("no service has a backend")?;
    let file = directory.join("backend.conf");
    fs::write(&file, config(&addresses, directory))?;
    let command = nginx::command(nginx, &file, directory);
    let peer = Peer::start("backend", LOAD_CORE, first, &command, Settings::default())?;
    Ok(Backend {
        addresses,
        _peer: peer,
    })
}

fn config(addresses: &[SocketAddr], directory: &Path) -> String {
    let mut listens = String::new();
    for address in addresses {
        // Writing to a String cannot fail.
        let _ = writeln!(listens, "    listen {address} backlog=4096;");
    }
    let field = GENERATION_FIELD.to_ascii_lowercase().replace('-', "_");
    format!(
        "{globals}
http {{
  access_log off;
  keepalive_timeout 3600s;
  keepalive_requests 1000000000;
{paths}
  server {{
{listens}
    location / {{ return 200 \"{body}\"; }}
    location = {CHECK_PATH} {{ return 200 \"$http_schleuse_tenant $http_{field}\"; }}
  }}
}}
",
        globals = nginx::globals(directory, "backend"),
        paths = nginx::paths(directory),
        body = "x".repeat(BODY_BYTES),
    )
}
