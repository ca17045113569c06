//! Orders to somebody else: a signed POST that is repeated until it is taken.
//!
//! Only the newest order counts: what was overtaken while another one was under way or a pause lasted is never sent. A
//! receiver that fails gets no more attempts by getting more orders, since orders do not shorten the pause. One
//! connection per attempt: an order comes every few seconds at most, and a connection that was kept idle may be a dead
//! one.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, header};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use schleuse_config::Webhook as Receiver;
use serde::Serialize;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::{mpsc, watch},
    time::{sleep, timeout},
};
use tokio_rustls::TlsConnector;

use super::{Event, Order, Provisioner, signature::signature};
use crate::{
    backoff::Backoff,
    clock,
    log::{self, Level},
    tasks::spawn,
};

const AFTER_FAILURE: Backoff = Backoff {
    base: Duration::from_millis(500),
    max: Duration::from_mins(1),
};

/// Tells a receiver how many replicas there should be. Dropping it ends that, as [`Provisioner::stop`] does.
#[derive(Debug)]
pub struct Webhook {
    wanted: watch::Sender<Option<Order>>,
    stopped: watch::Sender<bool>,
}

/// What a receiver is sent; `docs/operations.md` has it as JSON.
#[derive(Debug, Serialize)]
struct Body<'o> {
    pool: &'o str,
    desired: u32,
    current: u32,
    reasons: &'o [&'static str],
    attempt: u64,
}

impl Webhook {
    /// Sends nothing before the first order. Must be called within a runtime. `tls` is for `https` alone, see
    /// [`system_authorities`].
    pub fn new(
        pool: Arc<str>,
        receiver: Arc<Receiver>,
        tls: Arc<ClientConfig>,
        events: mpsc::Sender<Event>,
    ) -> Self {
        let (wanted, orders) = watch::channel(None);
        let (stopped, mut stop) = watch::channel(false);
        let sender = Sender {
            pool,
            receiver,
            tls,
            events,
        };
        spawn(async move {
            tokio::select! {
                () = sender.run(orders) => {}
                _ = stop.wait_for(|stopped| *stopped) => {}
            }
        });
        Self { wanted, stopped }
    }
}

impl Provisioner for Webhook {
    fn scale(&self, order: Order) {
        self.wanted.send_replace(Some(order));
    }

    fn stop(&self) {
        self.stopped.send_replace(true);
    }
}

/// The authorities that the system trusts, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`. Reads files.
///
/// # Errors
///
/// When the TLS library refuses its own defaults.
pub fn system_authorities() -> Result<ClientConfig, rustls::Error> {
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

/// The task of a pool.
#[derive(Debug)]
struct Sender {
    pool: Arc<str>,
    receiver: Arc<Receiver>,
    tls: Arc<ClientConfig>,
    events: mpsc::Sender<Event>,
}

impl Sender {
    async fn run(self, mut orders: watch::Receiver<Option<Order>>) {
        let mut failures = 0_u32;
        let mut taken = None;
        loop {
            let order = orders.borrow_and_update().clone();
            let Some(order) = order.filter(|order| taken != Some(order.attempt)) else {
                if orders.changed().await.is_err() {
                    return;
                }
                continue;
            };
            let attempt = order.attempt;
            match self.send(&order).await {
                Ok(()) => {
                    self.note_taken(&order, failures);
                    failures = 0;
                    taken = Some(attempt);
                    let _ = self.events.send(Event::Acknowledged { attempt }).await;
                }
                Err(why) => {
                    failures = failures.saturating_add(1);
                    let pause = AFTER_FAILURE.pause(failures);
                    self.note_failed(&order, &why, failures, pause);
                    let _ = self.events.send(Event::Failed { attempt, why }).await;
                    sleep(pause).await;
                }
            }
        }
    }

    async fn send(&self, order: &Order) -> Result<(), String> {
        let limit = self.receiver.timeout;
        match timeout(limit, self.post(order)).await {
            Ok(Ok(status)) if status.is_success() => Ok(()),
            Ok(Ok(status)) => Err(format!("answered {}", status.as_u16())),
            Ok(Err(why)) => Err(why),
            Err(_) => Err(format!("no answer within {limit:?}")),
        }
    }

    async fn post(&self, order: &Order) -> Result<http::StatusCode, String> {
        let Receiver {
            tls, host, port, ..
        } = &*self.receiver;
        let bare = host.trim_matches(['[', ']']);
        let tcp = TcpStream::connect((bare, *port)).await;
        let tcp = tcp.map_err(|error| format!("cannot be reached: {error}"))?;
        if !tls {
            return self.exchange(order, tcp).await;
        }
        let name = ServerName::try_from(bare.to_owned()).map_err(|error| error.to_string())?;
        let connector = TlsConnector::from(self.tls.clone());
        let secured = connector.connect(name, tcp).await;
        self.exchange(order, secured.map_err(|error| format!("no TLS: {error}"))?)
            .await
    }

    async fn exchange(
        &self,
        order: &Order,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> Result<http::StatusCode, String> {
        let request = self.request(order)?;
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

    fn request(&self, order: &Order) -> Result<Request<Full<Bytes>>, String> {
        let Receiver {
            host,
            target,
            secret,
            tls,
            port,
            ..
        } = &*self.receiver;
        let body = Body {
            pool: &self.pool,
            desired: order.desired,
            current: order.current,
            reasons: &order.reasons,
            attempt: order.attempt,
        };
        let body = serde_json::to_vec(&body).map_err(|error| error.to_string())?;
        let id = &*order.idempotency_key;
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

    fn note_taken(&self, order: &Order, failures: u32) {
        let (desired, failures) = (order.desired.to_string(), failures.to_string());
        let fields = [
            ("pool", &*self.pool),
            ("desired", &*desired),
            ("failures_before", &*failures),
        ];
        log::event(Level::Info, "webhook_taken", &fields);
    }

    fn note_failed(&self, order: &Order, why: &str, failures: u32, pause: Duration) {
        let (desired, failures) = (order.desired.to_string(), failures.to_string());
        let fields = [
            ("pool", &*self.pool),
            ("desired", &*desired),
            ("why", why),
            ("failures", &*failures),
            ("again_in_ms", &*pause.as_millis().to_string()),
        ];
        log::event(Level::Warn, "webhook_failed", &fields);
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    fn order(attempt: u64) -> Order {
        Order {
            attempt,
            desired: 1,
            current: 0,
            reasons: vec!["floor"],
            idempotency_key: format!("key-{attempt}"),
        }
    }

    async fn webhook() -> (TcpListener, Webhook, mpsc::Receiver<Event>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Receiver {
            tls: false,
            host: "127.0.0.1".to_owned(),
            port: listener.local_addr().unwrap().port(),
            target: "/".to_owned(),
            secret: schleuse_config::WebhookSecret([7; 32].into()),
            timeout: Duration::from_mins(1),
        };
        let (events, told) = mpsc::channel(8);
        let tls = Arc::new(system_authorities().unwrap());
        let webhook = Webhook::new("any".into(), Arc::new(receiver), tls, events);
        (listener, webhook, told)
    }

    /// The next order that comes, and its connection, unanswered.
    async fn received(listener: &TcpListener) -> (String, TcpStream) {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut text = Vec::new();
        // The body is the last thing and an object without objects in it.
        while text.last() != Some(&b'}') {
            assert_ne!(stream.read_buf(&mut text).await.unwrap(), 0);
        }
        (String::from_utf8(text).unwrap(), stream)
    }

    async fn answer(mut stream: TcpStream, status: &str) {
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(answer.as_bytes()).await.unwrap();
    }

    #[tokio::test]
    async fn of_the_orders_that_came_meanwhile_only_the_newest_is_sent() {
        let (listener, webhook, mut told) = webhook().await;
        webhook.scale(order(1));
        let (first, stream) = received(&listener).await;
        assert!(first.contains("idempotency-key: key-1\r\n"), "{first}");
        (2..=5).for_each(|attempt| webhook.scale(order(attempt)));
        answer(stream, "503 Service Unavailable").await;
        let failed = told.recv().await;
        assert!(
            matches!(&failed, Some(Event::Failed { attempt: 1, why }) if why == "answered 503"),
            "{failed:?}"
        );
        let (next, stream) = received(&listener).await;
        assert!(next.contains("idempotency-key: key-5\r\n"), "{next}");
        answer(stream, "204 No Content").await;
        let taken = told.recv().await;
        assert!(
            matches!(taken, Some(Event::Acknowledged { attempt: 5 })),
            "{taken:?}"
        );
    }

    #[tokio::test]
    async fn an_attempt_under_way_ends_with_the_stop() {
        let (listener, webhook, mut told) = webhook().await;
        webhook.scale(order(1));
        let (_order, mut stream) = received(&listener).await;
        webhook.stop();
        assert_eq!(stream.read(&mut [0; 16]).await.unwrap(), 0);
        assert!(told.recv().await.is_none());
    }
}
