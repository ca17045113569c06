//! A backend of the demo: says in German who asked for what, as a Fachverfahren would see it.
//!
//! A process of its own over the proxy's HTTP/1.1 engine, so that the demo needs no other server. The demo's proxy starts
//! it when somebody asks.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use schleuse_config::ClientPolicy;
use schleuse_core::Refusal;
use schleuse_http1::{BodyLength, Known, RequestHead};
use tokio::{net::TcpListener, time::sleep};

use super::places::Places;
use crate::{
    connection::{self, ConnectionInfo, Handler},
    deadlines::Deadlines,
    exchange::{Answer, BodyIn, Exchange, Parts, Responder},
    reference::Reference,
    respond::{self, Refused},
    socket::Socket,
    tasks::spawn,
};

/// How long `/langsam` takes: long enough to stop the proxy meanwhile.
const SLOW: Duration = Duration::from_secs(2);

/// How a backend is started; not for people.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Its name in answers.
    #[arg(long)]
    name: String,
    /// Where it listens on 127.0.0.1.
    #[arg(long)]
    port: u16,
}

/// Serves until it is stopped.
///
/// # Errors
///
/// The system's, before anything is served.
pub fn run(options: &Options) -> io::Result<()> {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, options.port))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let backend = Arc::new(Backend {
        endpoint: format!("{} {address}", options.name),
        places: Places::official().map_err(io::Error::other)?,
        policy: Arc::new(policy()),
    });
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(accept(listener, address, backend))
}

/// Patient: deadlines are the proxy's business.
fn policy() -> ClientPolicy {
    ClientPolicy {
        head_bytes_max: 64 * 1024 - 1,
        head_fields_max: 200,
        header_max: Duration::from_secs(10),
        handshake_max: Duration::from_secs(10),
        idle_max: Duration::from_mins(2),
        body_idle_max: Duration::from_mins(1),
        body_rate_min: 0,
        connections_max: Some(u32::MAX),
        connections_per_network_max: u32::MAX,
        ipv4_prefix: 32,
        ipv6_prefix: 64,
    }
}

async fn accept(
    listener: std::net::TcpListener,
    address: SocketAddr,
    backend: Arc<Backend>,
) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (tcp, peer) = listener.accept().await?;
        let info = ConnectionInfo {
            peer,
            listener: address,
            tls: None,
            first_request: true,
        };
        let deadlines = Arc::<Deadlines>::default();
        let handler = backend.clone();
        spawn(connection::task(Socket::new(tcp), info, deadlines, handler));
    }
}

#[derive(Debug)]
struct Backend {
    /// Name and address.
    endpoint: String,
    places: Places,
    policy: Arc<ClientPolicy>,
}

impl Backend {
    /// What it saw, as names and values.
    fn report(&self, head: &RequestHead, body_bytes: usize) -> Vec<(String, String)> {
        let field = |name: &str| field(head, name);
        let tenant = field("Schleuse-Tenant");
        let place = match self.places.find(&tenant) {
            Some(place) => place.to_string(),
            None => "unbekannt".to_owned(),
        };
        let mut lines = vec![
            ("Dienst", title(&field("Schleuse-Service"))),
            ("Mandant", tenant),
            ("Ort", place),
            ("Pfad", head.target().to_owned()),
            ("Absender", field("X-Forwarded-For")),
            ("Protokoll", field("X-Forwarded-Proto")),
            ("Kennung", field("X-Request-Id")),
            ("Endpunkt", self.endpoint.clone()),
        ];
        if body_bytes > 0 {
            lines.push(("Empfangen", format!("{body_bytes} Bytes")));
        }
        let lines = lines
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value));
        lines.chain(operators_fields(head)).collect()
    }
}

impl Handler for Backend {
    type Token = ();

    fn policy(&self) -> Arc<ClientPolicy> {
        self.policy.clone()
    }

    fn idle_closed(&self) {}

    fn leaving(&self) -> bool {
        false
    }

    fn enter(&self) {}

    async fn serve<E: Exchange>(&self, exchange: &mut E, _info: &ConnectionInfo) {
        let Parts {
            head,
            mut body,
            mut responder,
            ..
        } = exchange.split();
        let mut body_bytes = 0;
        while let Ok(Some(piece)) = body.next().await {
            body_bytes += piece.len();
        }
        if head.path().ends_with("/langsam") {
            sleep(SLOW).await;
        }
        let (kind, text) = match head.path() {
            "/healthz" => ("text/plain", "ok\n".to_owned()),
            _ if wants_json(head) => ("application/json", json(self.report(head, body_bytes))),
            _ => (
                "text/plain; charset=utf-8",
                text(&self.report(head, body_bytes)),
            ),
        };
        let fields: [(&str, &[u8]); 2] = [
            ("Content-Type", kind.as_bytes()),
            ("Content-Language", b"de"),
        ];
        let answer = Answer {
            status: 200,
            upstream: None,
            fields: &fields,
        };
        responder.begin(&answer, BodyLength::Length(text.len() as u64));
        // A proxy that left does not need the answer.
        if responder.data(Bytes::from(text)).await.is_ok() {
            let _ = responder.end(&[]).await;
        }
    }

    async fn refuse<R: Responder>(
        &self,
        responder: &mut R,
        refusal: Refusal,
        _info: &ConnectionInfo,
    ) {
        let _ = respond::refuse(responder, &Refused::new(refusal, &Reference::new(), None)).await;
    }
}

fn field(head: &RequestHead, name: &str) -> String {
    let mut fields = head.fields();
    let found = fields.find(|field| field.name.eq_ignore_ascii_case(name));
    found.map_or_else(String::new, |field| {
        String::from_utf8_lossy(field.value).into_owned()
    })
}

/// Fields that the config's `headers: { set: … }` adds, by the custom of naming them `X-…`.
fn operators_fields(head: &RequestHead) -> impl Iterator<Item = (String, String)> {
    let fields = head.fields().filter(|field| {
        field
            .name
            .get(..2)
            .is_some_and(|start| start.eq_ignore_ascii_case("x-"))
            && field.known != Known::XRequestId
            && !crate::forwarding::describes_hops(field.known)
    });
    fields.map(|field| {
        let value = String::from_utf8_lossy(field.value).into_owned();
        (field.name.to_owned(), value)
    })
}

fn title(service: &str) -> String {
    match service {
        "wohngeld" => "Wohngeld beantragen".to_owned(),
        "ummeldung" => "Wohnsitz ummelden".to_owned(),
        "kfz-zulassung" => "Fahrzeug zulassen".to_owned(),
        other => other.to_owned(),
    }
}

fn wants_json(head: &RequestHead) -> bool {
    let accept = head.get(Known::Accept).unwrap_or_default();
    accept.starts_with(b"application/json")
}

fn text(report: &[(String, String)]) -> String {
    let lines = report
        .iter()
        .map(|(name, value)| format!("{:11} {value}\n", format!("{name}:")));
    lines.collect()
}

fn json(report: Vec<(String, String)>) -> String {
    let fields = report
        .into_iter()
        .map(|(name, value)| (name.to_lowercase(), value.into()));
    let object = serde_json::Value::Object(fields.collect());
    format!("{object}\n")
}
