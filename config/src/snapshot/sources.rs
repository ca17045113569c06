//! Where a pool's endpoints come from, and what starts and stops them.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use schleuse_core::scale::policy::ScalePolicy;

/// Looks endpoints up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Discovery {
    /// From a name server.
    Dns(Dns),
    /// From a file with a list, absolute or relative to the working directory.
    File(PathBuf),
}

/// A question to a name server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dns {
    /// What is asked.
    pub question: DnsQuestion,
    /// Who is asked; none: the servers of `/etc/resolv.conf`.
    pub resolver: Option<SocketAddr>,
}

/// What is asked. Names are whole, in lower case, without a dot at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DnsQuestion {
    /// A and AAAA records; all endpoints have this port.
    Addresses {
        /// A host name.
        name: String,
        /// Not 0.
        port: u16,
    },
    /// SRV records; each brings its port.
    Services {
        /// As `_http._tcp.wohngeld.internal`.
        name: String,
    },
}

/// Who starts and stops a pool's endpoints, and how many.
#[derive(Debug, Clone, PartialEq)]
pub struct Scale {
    /// By what it is decided how many.
    pub policy: ScalePolicy,
    /// Whether the operator has written the policy's cold start, and not left it out.
    pub cold_start_written: bool,
    /// Who does it.
    pub way: ScaleWay,
}

/// Who starts and stops endpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScaleWay {
    /// Schleuse itself; they are the pool's only source of endpoints.
    Process(Arc<ProcessTemplate>),
    /// Somebody who is told the number.
    Webhook(Arc<Webhook>),
    /// Somebody who asks for it: KEDA, or whoever reads the metrics.
    Keda,
}

/// A process that serves on a port of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessTemplate {
    /// Program and arguments, never empty; `{port}` is not replaced yet.
    pub command: Vec<String>,
    /// Variables beside those that every replica gets.
    pub env: Vec<(String, String)>,
    /// Absolute; none: that of Schleuse.
    pub directory: Option<PathBuf>,
    /// From the start until it listens.
    pub start_max: Duration,
    /// For the requests in flight of a replica that is to go.
    pub drain_max: Duration,
    /// `SIGTERM` or another of the six in the reference.
    pub stop_signal: &'static str,
    /// From the stop signal to SIGKILL.
    pub stop_max: Duration,
}

/// A receiver of wanted numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Over TLS.
    pub tls: bool,
    /// Host name or IP address; IPv6 in brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Path and query, from `/` on.
    pub target: String,
    /// The key of the signature.
    pub secret: WebhookSecret,
    /// One attempt as a whole.
    pub timeout: Duration,
}

/// What signs; the bytes behind `whsec_`.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSecret(pub Arc<[u8]>);

impl std::fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WebhookSecret(..)")
    }
}
