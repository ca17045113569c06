//! TLS and HTTP/2, against servers made of the usual libraries.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use launchday::{
    distribution::Distribution,
    results::{Reason, Results},
    workload::{Body, Template, Tls, Workload},
};
use rustls::{ClientConfig, RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use super::{play, settings, workload};

/// A certificate for `localhost` and its key, self-signed.
pub(crate) struct Identity {
    certificate: rustls::pki_types::CertificateDer<'static>,
    key: Vec<u8>,
}

impl Identity {
    pub(crate) fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        Self {
            certificate: made.cert.der().clone(),
            key: made.signing_key.serialize_der(),
        }
    }

    pub(crate) fn server(&self, protocol: Option<&[u8]>) -> Arc<ServerConfig> {
        self.server_of(protocol, rustls::ALL_VERSIONS)
    }

    pub(crate) fn server_of(
        &self,
        protocol: Option<&[u8]>,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> Arc<ServerConfig> {
        let key = rustls::pki_types::PrivatePkcs8KeyDer::from(self.key.clone());
        let mut config = ServerConfig::builder_with_protocol_versions(versions)
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.clone()], key.into())
            .unwrap();
        config.alpn_protocols.extend(protocol.map(<[u8]>::to_vec));
        Arc::new(config)
    }

    pub(crate) fn client(&self, protocol: Option<&[u8]>) -> Tls {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let mut config = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols.extend(protocol.map(<[u8]>::to_vec));
        Tls {
            config: Arc::new(config),
            name: "localhost".try_into().unwrap(),
        }
    }
}

/// Answers one request on each connection over TLS, then closes.
fn start_tls(config: Arc<ServerConfig>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let session = ServerConnection::new(config.clone()).unwrap();
            std::thread::spawn(move || answer_once(StreamOwned::new(session, stream)));
        }
    });
    address
}

fn answer_once(
    mut stream: StreamOwned<ServerConnection, std::net::TcpStream>,
) -> std::io::Result<()> {
    let (mut seen, mut buffer) = (Vec::new(), [0; 4_096]);
    while !seen.ends_with(b"\r\n\r\n") {
        let read = stream.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        seen.extend_from_slice(&buffer[..read]);
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")?;
    stream.conn.send_close_notify();
    stream.flush()
}

/// A server over HTTP/2, with TLS if a configuration is given, at most ten streams at once: `/hang` is never answered.
fn start_http2(config: Option<Arc<ServerConfig>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                let config = config.clone();
                tokio::spawn(async move {
                    match config {
                        None => serve(stream).await,
                        Some(config) => {
                            let acceptor = tokio_rustls::TlsAcceptor::from(config);
                            if let Ok(stream) = acceptor.accept(stream).await {
                                serve(stream).await;
                            }
                        }
                    }
                });
            }
        });
    });
    address
}

async fn serve<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(stream: S) {
    let mut builder = h2::server::Builder::new();
    let mut connection = builder
        .max_concurrent_streams(10)
        .handshake::<_, Bytes>(stream)
        .await
        .unwrap();
    while let Some(Ok((request, responder))) = connection.accept().await {
        tokio::spawn(answer(request, responder));
    }
}

async fn answer(
    request: http::Request<h2::RecvStream>,
    mut responder: h2::server::SendResponse<Bytes>,
) {
    if request.uri().path() == "/hang" {
        std::future::poll_fn(|context| responder.poll_reset(context))
            .await
            .ok();
        return;
    }
    let (mut body, mut length) = (request.into_body(), 0);
    while let Some(Ok(bytes)) = body.data().await {
        length += bytes.len();
        body.flow_control().release_capacity(bytes.len()).ok();
    }
    let response = http::Response::builder().status(200).body(()).unwrap();
    if let Ok(mut sending) = responder.send_response(response, false) {
        sending.send_data(length.to_string().into(), true).ok();
    }
}

pub(crate) fn over(mut workload: Workload, tls: Option<Tls>, http2: bool) -> Workload {
    workload.target.tls = tls;
    workload.target.http2 = http2;
    workload
}

fn only_reason(results: &Results) -> Option<Reason> {
    assert!(results.reasons.len() < 2, "{:?}", results.reasons);
    results.reasons.first().map(|entry| entry.reason)
}

#[test]
fn full_and_resumed_handshakes_are_counted_apart() {
    let identity = Identity::new();
    let address = start_tls(identity.server(None));
    let workload = over(
        workload(address, 50.0, 1.0),
        Some(identity.client(None)),
        false,
    );
    let results = play(&workload, &settings(1, 1));
    assert_eq!((results.counts.answered, only_reason(&results)), (50, None));
    let connections = results.connections.unwrap();
    assert_eq!(
        (
            connections.opened,
            connections.tls_full + connections.tls_resumed
        ),
        (50, 50)
    );
    assert!(connections.tls_resumed > 40, "{connections:?}");
}

#[test]
fn a_certificate_of_another_authority_fails_every_request_by_that_name() {
    let address = start_tls(Identity::new().server(None));
    let stranger = Identity::new().client(None);
    let workload = over(workload(address, 50.0, 0.5), Some(stranger), false);
    let results = play(&workload, &settings(1, 0));
    assert_eq!(
        (results.counts.failed, only_reason(&results)),
        (25, Some(Reason::Tls))
    );
}

#[test]
fn a_target_that_speaks_no_tls_fails_by_that_name_too() {
    let target = super::target::Target::start(|_| super::target::Deed::Close);
    let workload = over(
        workload(target.address, 20.0, 0.5),
        Some(Identity::new().client(None)),
        false,
    );
    let results = play(&workload, &settings(1, 0));
    assert_eq!(
        (results.counts.failed, only_reason(&results)),
        (10, Some(Reason::Tls))
    );
}

#[test]
fn many_streams_share_one_connection_and_uploads_arrive_whole() {
    let identity = Identity::new();
    for (server, client) in [
        (None, None),
        (
            Some(identity.server(Some(b"h2"))),
            Some(identity.client(Some(b"h2"))),
        ),
    ] {
        let mut workload = over(workload(start_http2(server), 200.0, 1.0), client, true);
        workload.journeys[0].steps[0].request =
            Template::new("POST", "/", "localhost", &[], &Body::Size(100_000));
        let results = play(&workload, &settings(1, 1));
        assert_eq!(
            (results.counts.answered, only_reason(&results)),
            (200, None)
        );
        // Each answer says how much arrived: "100000".
        assert_eq!(results.received_bytes, 200 * 6);
        let connections = results.connections.unwrap();
        assert_eq!((connections.opened, connections.reused), (1, 199));
    }
}

#[test]
fn who_leaves_resets_its_stream_and_the_connection_serves_on() {
    let mut workload = over(workload(start_http2(None), 100.0, 1.0), None, true);
    workload.journeys[0].steps[0].request =
        Template::new("GET", "/hang", "localhost", &[], &Body::None);
    workload.journeys[0].patience = Some(Distribution::Fixed(Duration::from_millis(50)));
    let results = play(&workload, &settings(1, 1));
    assert_eq!(
        (results.counts.abandoned, only_reason(&results)),
        (100, None)
    );
    assert_eq!(results.connections.unwrap().opened, 1);
}

#[test]
fn a_full_connection_makes_others_wait_or_opens_a_second() {
    let mut workload = over(workload(start_http2(None), 100.0, 0.5), None, true);
    workload.drain = Duration::from_millis(300);
    workload.journeys[0].steps[0].request =
        Template::new("GET", "/hang", "localhost", &[], &Body::None);
    let results = play(&workload, &settings(1, 1));
    assert_eq!(results.counts.unanswered, 50);
    assert_eq!(
        results
            .seconds
            .iter()
            .map(|second| second.sent)
            .sum::<u64>(),
        10
    );
    let results = play(&workload, &settings(1, 3));
    assert_eq!(
        results
            .seconds
            .iter()
            .map(|second| second.sent)
            .sum::<u64>(),
        30
    );
}
