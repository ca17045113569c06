//! A signed POST to a receiver that the config names: one attempt, and why it failed.
//!
//! What is sent, and whether it is sent again, is for those who have something to say: orders
//! ([`crate::provision::webhook`]) and alarms ([`crate::alarm`]). One connection per attempt: there is something to say
//! every few seconds at most, and a connection that was kept idle may be a dead one.

mod signature;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use schleuse_config::Webhook as Receiver;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use crate::{
    backoff::Backoff,
    clock,
    log::{self, Level},
};
use signature::signature;

/// Pauses between attempts that fail: a receiver that is down is not asked more often by having more to say.
pub const AFTER_FAILURE: Backoff = Backoff {
    base: Duration::from_millis(500),
    max: Duration::from_mins(1),
};

/// Who posts to one receiver.
#[derive(Debug, Clone)]
pub struct Caller {
    receiver: Arc<Receiver>,
    tls: Arc<ClientConfig>,
}

/// The authorities that the system trusts, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`. Reads files, on another thread.
///
/// # Errors
///
/// In words, when the TLS library refuses its own defaults.
pub async fn system_authorities() -> Result<Arc<ClientConfig>, String> {
    let read = tokio::task::spawn_blocking(read_authorities).await;
    match read {
        Ok(read) => read.map(Arc::new).map_err(|error| error.to_string()),
        Err(panicked) => Err(panicked.to_string()),
    }
}

fn read_authorities() -> Result<ClientConfig, rustls::Error> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let errors: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
        let fields = [("error", &*errors.join("; "))];
        log::event(Level::Warn, "no_certificate_authorities", &fields);
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

impl Caller {
    /// `tls` is for `https` alone, see [`system_authorities`].
    pub fn new(receiver: Arc<Receiver>, tls: Arc<ClientConfig>) -> Self {
        Self { receiver, tls }
    }

    /// How long an attempt may take.
    pub fn timeout(&self) -> Duration {
        self.receiver.timeout
    }

    /// One attempt. `id` is the same for every repetition of what is said, and for nothing else; `body` is JSON.
    ///
    /// # Errors
    ///
    /// In words, when there is no status of 200 to 299 in time.
    pub async fn post(&self, id: &str, body: Vec<u8>) -> Result<(), String> {
        let limit = self.receiver.timeout;
        match timeout(limit, self.connect(self.request(id, body)?)).await {
            Ok(Ok(status)) if status.is_success() => Ok(()),
            Ok(Ok(status)) => Err(format!("answered {}", status.as_u16())),
            Ok(Err(why)) => Err(why),
            Err(_) => Err(format!("no answer within {limit:?}")),
        }
    }

    async fn connect(&self, request: Request<Full<Bytes>>) -> Result<StatusCode, String> {
        let Receiver {
            tls, host, port, ..
        } = &*self.receiver;
        let bare = host.trim_matches(['[', ']']);
        let tcp = TcpStream::connect((bare, *port)).await;
        let tcp = tcp.map_err(|error| format!("cannot be reached: {error}"))?;
        if !tls {
            return exchange(request, tcp).await;
        }
        let name = ServerName::try_from(bare.to_owned()).map_err(|error| error.to_string())?;
        let connector = TlsConnector::from(self.tls.clone());
        let secured = connector.connect(name, tcp).await;
        let secured = secured.map_err(|error| format!("no TLS: {error}"))?;
        exchange(request, secured).await
    }

    fn request(&self, id: &str, body: Vec<u8>) -> Result<Request<Full<Bytes>>, String> {
        let Receiver {
            host,
            target,
            secret,
            tls,
            port,
            ..
        } = &*self.receiver;
        let timestamp = clock::unix().as_secs();
        let host = match (tls, port) {
            (true, 443) | (false, 80) => host.clone(),
            _ => format!("{host}:{port}"),
        };
        Request::post(target)
            .header(header::HOST, host)
            .header(
                header::USER_AGENT,
                concat!("schleuse/", env!("CARGO_PKG_VERSION")),
            )
            .header(header::CONTENT_TYPE, "application/json")
            .header("idempotency-key", id)
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .header(
                "webhook-signature",
                signature(&secret.0, id, timestamp, &body),
            )
            .body(Full::new(body.into()))
            .map_err(|error| error.to_string())
    }
}

async fn exchange(
    request: Request<Full<Bytes>>,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<StatusCode, String> {
    let broken = |error: hyper::Error| format!("no answer: {error}");
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let answer = async {
        let answer = sender.send_request(request).await.map_err(broken)?;
        Ok(answer.status())
    };
    // The connection is driven beside the exchange and dropped with it: nothing of the body is of interest. The exchange
    // goes first, so that the request is written at once and orders go out as they were given.
    tokio::select! {
        biased;
        answer = answer => answer,
        Err(error) = connection => Err(broken(error)),
    }
}
