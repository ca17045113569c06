//! HAProxy as a peer, four times: bare, bare over TLS, doing Schleuse's job, and with a queue in front of few seats.
//!
//! The same job is: hosts of several services, the tenant of a request by a map of all keys, a rate per tenant in a
//! stick table, forwarding fields, and a JSON line per request on stdout, which costs HAProxy less than syslog.

use std::{
    fmt::Write as _,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use crate::{
    Outcome,
    certificate::Certificate,
    inputs::{Place, SERVICES},
    machine::{self, PROXY_CORE},
    peer::{Peer, Settings, free_address, log_file},
};

/// From this version on the bare comparison asks for 0.9× (see the project's goals); before it for 1.0×.
const NEWER: (u32, u32) = (3, 4);

/// What a HAProxy of the run does.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Job<'b> {
    /// Forwards, no more.
    Bare,
    /// Forwards from TLS.
    Tls(&'b Certificate),
    /// Finds the tenant, counts its rate, logs.
    Same(&'b [Place]),
    /// Sends this backend no more than `seats` requests at once, and queues the others: first come, first served.
    Queue { backend: SocketAddr, seats: u32 },
}

/// Starts it.
///
/// # Errors
///
/// When it does not start.
pub(crate) fn start(
    program: &str,
    directory: &Path,
    backends: &[SocketAddr],
    job: Job<'_>,
) -> Outcome<Peer> {
    let address = free_address()?;
    let backend = *backends.first().ok_or("no backend")?;
    let (name, front, rear, output) = match job {
        Job::Bare => ("haproxy", format!("bind {address}"), bare(backend), None),
        Job::Tls(certificate) => {
            let bind = format!(
                "bind {address} ssl ssl-min-ver TLSv1.3 alpn http/1.1 crt {}",
                certificate.both_file.display()
            );
            ("haproxy-tls", bind, bare(backend), None)
        }
        Job::Queue { backend, seats } => {
            let bind = format!("bind {address}");
            ("haproxy-queue", bind, queue(backend, seats), None)
        }
        Job::Same(places) => {
            let (front, rear) = same_job(address, directory, backends, places)?;
            ("haproxy-same-job", front, rear, Some(log_file()?))
        }
    };
    let file = directory.join(format!("{name}.cfg"));
    fs::write(&file, config(&front, &rear))?;
    let command = vec![
        program.to_owned(),
        "-db".to_owned(),
        "-f".to_owned(),
        file.display().to_string(),
    ];
    let settings = Settings {
        output,
        ..Settings::default()
    };
    Peer::start(name, PROXY_CORE, address, &command, settings)
}

/// The limit of its own is a little below the sockets it may open, two for each connection.
fn config(front: &str, rear: &str) -> String {
    let connections = machine::descriptors_max().min(20_000) / 2 - 500;
    format!(
        "global
  nbthread 1
  maxconn {connections}
defaults
  mode http
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  timeout http-keep-alive 1h
  http-reuse always
frontend public
  {front}
{rear}
"
    )
}

fn bare(backend: SocketAddr) -> String {
    format!("  default_backend backend\nbackend backend\n  server one {backend}")
}

/// Waits as long as Schleuse's queue in these runs; clients that left free their place (`abortonclose`).
fn queue(backend: SocketAddr, seats: u32) -> String {
    format!(
        "  default_backend backend
backend backend
  timeout queue 10s
  option abortonclose
  server one {backend} maxconn {seats}"
    )
}

/// The lines of a frontend and its backends that do what Schleuse does with this traffic.
fn same_job(
    address: SocketAddr,
    directory: &Path,
    backends: &[SocketAddr],
    places: &[Place],
) -> Outcome<(String, String)> {
    let tenants = write_map(
        directory,
        "tenants.map",
        places.iter().map(|place| (place.ars.clone(), &*place.ars)),
    )?;
    let hosts = write_map(
        directory,
        "hosts.map",
        SERVICES
            .iter()
            .map(|name| (format!("{name}.example"), *name)),
    )?;
    let front = format!(
        "bind {address}
  log stdout format raw local0
  capture request header Host len 64
  unique-id-format %{{+X}}o%pid%rt%Ts
  unique-id-header X-Request-Id
  log-format \"{log}\"
  option forwardfor
  http-request set-var(txn.service) req.hdr(host),field(1,:),lower,map({hosts})
  http-request deny deny_status 404 unless {{ var(txn.service) -m found }}
  http-request set-var(txn.tenant) path,field(2,/),map({tenants})
  http-request set-var(txn.tenant) url_param(ars),map({tenants}) if !{{ var(txn.tenant) -m found }}
  http-request deny deny_status 404 unless {{ var(txn.tenant) -m found }}
  stick-table type string len 12 size 20k expire 10m store http_req_rate(10s)
  http-request track-sc0 var(txn.tenant)
  http-request deny deny_status 429 if {{ sc_http_req_rate(0) gt 100000000 }}
  http-request set-header Schleuse-Tenant %[var(txn.tenant)]
  http-request set-header Schleuse-Service %[var(txn.service)]
  use_backend %[var(txn.service)]",
        log = JSON_LINE,
        hosts = hosts.display(),
        tenants = tenants.display(),
    );
    let mut rear = String::new();
    for (service, backend) in SERVICES.iter().zip(backends) {
        // Writing to a String cannot fail.
        let _ = writeln!(rear, "backend {service}\n  server one {backend}");
    }
    Ok((front, rear))
}

/// The fields of Schleuse's line that HAProxy knows.
const JSON_LINE: &str = concat!(
    r#"{\"time\":\"%Ts.%ms\",\"reference\":\"%ID\",\"service\":\"%[var(txn.service)]\","#,
    r#"\"tenant\":\"%[var(txn.tenant)]\",\"method\":\"%HM\",\"host\":\"%[capture.req.hdr(0)]\","#,
    r#"\"path\":\"%HPO\",\"status\":%ST,\"client\":\"%[src,ipmask(24)]\",\"endpoint\":\"%si:%sp\","#,
    r#"\"sent_bytes\":%B,\"duration_ms\":%Ta,\"first_byte_ms\":%Tr}"#
);

fn write_map<'v>(
    directory: &Path,
    name: &str,
    entries: impl Iterator<Item = (String, &'v str)>,
) -> Outcome<PathBuf> {
    let mut text = String::new();
    for (key, value) in entries {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{key} {value}");
    }
    let file = directory.join(name);
    fs::write(&file, text)?;
    Ok(file)
}

/// What bare CPU per request may be, as a ratio to this HAProxy.
pub(crate) fn bare_goal(version: &str) -> f64 {
    if version_of(version).is_some_and(|version| version >= NEWER) {
        0.9
    } else {
        1.0
    }
}

/// Major and minor number in `HAProxy version 2.6.12-1 ...`.
fn version_of(line: &str) -> Option<(u32, u32)> {
    let number = line
        .split_ascii_whitespace()
        .find(|word| word.starts_with(|first: char| first.is_ascii_digit()))?;
    let mut parts = number.split(['.', '-']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "the goals are constants")]
mod tests {
    use super::*;

    #[test]
    fn newer_releases_are_held_to_the_stricter_goal() {
        assert_eq!(
            bare_goal("HAProxy version 2.6.12-1+deb12u4 2026/10/17"),
            1.0
        );
        assert_eq!(bare_goal("HAProxy version 3.4.0 2026/06/01"), 0.9);
        assert_eq!(bare_goal("HAProxy version 3.5-dev5 2026/08/21"), 0.9);
        assert_eq!(bare_goal("unknown"), 1.0);
    }
}
