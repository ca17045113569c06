//! Envoy and Caddy as bare peers, when the environment names a build of them: neither is packaged everywhere.

use std::{fs, net::SocketAddr, path::Path};

use crate::{
    Outcome,
    machine::PROXY_CORE,
    peer::{Peer, Settings, free_address},
};

/// Starts Envoy with one worker, no log and no statistics sink.
///
/// # Errors
///
/// When it does not start.
pub(crate) fn start_envoy(program: &str, directory: &Path, backend: SocketAddr) -> Outcome<Peer> {
    let address = free_address()?;
    let file = directory.join("envoy.yaml");
    let config = ENVOY
        .replace("LISTEN_PORT", &address.port().to_string())
        .replace("BACKEND_PORT", &backend.port().to_string());
    fs::write(&file, config)?;
    let mut command = vec![program.to_owned(), "--config-path".to_owned()];
    command.push(file.display().to_string());
    command.extend(["--concurrency", "1", "--log-level", "error"].map(str::to_owned));
    // Envoy's hot restart would look for another Envoy on this machine.
    command.push("--disable-hot-restart".to_owned());
    Peer::start("envoy", PROXY_CORE, address, &command, Settings::default())
}

/// Starts Caddy with one thread for Go code, no log and no admin listener.
///
/// # Errors
///
/// When it does not start.
pub(crate) fn start_caddy(program: &str, directory: &Path, backend: SocketAddr) -> Outcome<Peer> {
    let address = free_address()?;
    let file = directory.join("Caddyfile");
    fs::write(
        &file,
        format!(
            "{{
  admin off
  auto_https off
}}
http://:{port} {{
  bind 127.0.0.1
  reverse_proxy {backend} {{
    transport http {{
      keepalive_idle_conns_per_host 1024
    }}
  }}
}}
",
            port = address.port()
        ),
    )?;
    let mut command = vec![program.to_owned(), "run".to_owned()];
    command.extend(["--adapter", "caddyfile", "--config"].map(str::to_owned));
    command.push(file.display().to_string());
    let settings = Settings {
        environment: vec![
            ("GOMAXPROCS", "1".to_owned()),
            // Where it would keep certificates and the last config.
            ("HOME", directory.display().to_string()),
        ],
        ..Settings::default()
    };
    Peer::start("caddy", PROXY_CORE, address, &command, settings)
}

const ENVOY: &str = "static_resources:
  listeners:
  - address: { socket_address: { address: 127.0.0.1, port_value: LISTEN_PORT } }
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          \"@type\": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: bench
          generate_request_id: false
          http_filters:
          - name: envoy.filters.http.router
            typed_config:
              \"@type\": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
          route_config:
            virtual_hosts:
            - name: all
              domains: [\"*\"]
              routes: [{ match: { prefix: \"/\" }, route: { cluster: backend } }]
  clusters:
  - name: backend
    type: STATIC
    connect_timeout: 5s
    load_assignment:
      cluster_name: backend
      endpoints:
      - lb_endpoints:
        - endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: BACKEND_PORT } } }
";
