//! nginx as a peer: one worker without its master, keep-alive on both sides, no log. Also what the backend shares.

use std::{fs, net::SocketAddr, path::Path};

use crate::{
    Outcome,
    certificate::Certificate,
    machine::PROXY_CORE,
    peer::{Peer, Settings, free_address},
};

/// Starts nginx as a bare proxy in front of `backend`.
///
/// # Errors
///
/// When it does not start.
pub(crate) fn start(
    program: &str,
    directory: &Path,
    backend: SocketAddr,
    certificate: Option<&Certificate>,
) -> Outcome<Peer> {
    let address = free_address()?;
    let name = if certificate.is_some() {
        "nginx-tls"
    } else {
        "nginx"
    };
    let file = directory.join(format!("{name}.conf"));
    let listen = match certificate {
        None => format!("listen {address} backlog=4096;"),
        Some(certificate) => format!(
            "listen {address} ssl backlog=4096;
    ssl_protocols TLSv1.3;
    ssl_certificate {};
    ssl_certificate_key {};",
            certificate.chain_file.display(),
            certificate.key_file.display()
        ),
    };
    let config = format!(
        "{globals}
http {{
  access_log off;
  keepalive_timeout 3600s;
  keepalive_requests 1000000000;
{paths}
  upstream backend {{ server {backend}; keepalive 1024; keepalive_requests 1000000000; }}
  server {{
    {listen}
    location / {{
      proxy_http_version 1.1;
      proxy_set_header Connection \"\";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_pass http://backend;
    }}
  }}
}}
",
        globals = globals(directory, name),
        paths = paths(directory),
    );
    fs::write(&file, config)?;
    let command = command(program, &file, directory);
    Peer::start(name, PROXY_CORE, address, &command, Settings::default())
}

/// The head of a config: one process that keeps everything it writes in `directory`.
pub(crate) fn globals(directory: &Path, name: &str) -> String {
    let directory = directory.display();
    format!(
        "daemon off;
master_process off;
worker_processes 1;
pid {directory}/{name}.pid;
error_log stderr error;
events {{ worker_connections 16000; }}"
    )
}

/// Where nginx would put bodies; none is written, but it creates the directories.
pub(crate) fn paths(directory: &Path) -> String {
    ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("  {kind}_temp_path {}/{kind};", directory.display()))
        .join("\n")
}

/// The command line.
pub(crate) fn command(program: &str, file: &Path, directory: &Path) -> Vec<String> {
    vec![
        program.to_owned(),
        "-p".to_owned(),
        directory.display().to_string(),
        // Until the config is read, nginx would open the log it was compiled with.
        "-e".to_owned(),
        "stderr".to_owned(),
        "-c".to_owned(),
        file.display().to_string(),
    ]
}
