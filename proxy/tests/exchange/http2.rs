//! A request over pingora's HTTP/2 server session, through the same gateway, to an HTTP/1.1 backend.

use std::sync::Arc;

use bytes::Bytes;
use h2::{RecvStream, client::SendRequest};
use http::{HeaderMap, Request, Response};
use pingora_core::protocols::{
    Digest,
    http::v2::server::{H2Accept, HttpSession, handshake},
};
use schleuse::{
    connection::Handler as _,
    deadlines::{Deadlines, supervise},
    exchange::http2::Http2,
};

use crate::support::{Backend, Setup};

/// Serves every stream of an HTTP/2 connection in memory; the client's handle to it.
async fn connect(setup: Setup) -> SendRequest<Bytes> {
    connect_to(Arc::new(setup)).await
}

/// The same with a setup that the test goes on looking at.
pub(crate) async fn connect_to(setup: Arc<Setup>) -> SendRequest<Bytes> {
    let (near, far) = tokio::io::duplex(64 * 1024);
    tokio::spawn(async move {
        let mut connection = handshake(Box::new(far), None).await.unwrap();
        let digest = Arc::new(Digest::default());
        while let Ok(Some(accepted)) =
            HttpSession::from_h2_conn(&mut connection, digest.clone()).await
        {
            if let H2Accept::Session(session) = accepted {
                tokio::spawn(serve(session, setup.clone()));
            }
        }
    });
    let (requests, connection) = h2::client::handshake(near).await.unwrap();
    tokio::spawn(connection);
    requests
}

async fn serve(session: HttpSession, setup: Arc<Setup>) {
    let deadlines = Arc::<Deadlines>::default();
    let mut exchange = Http2::new(session, deadlines.clone()).unwrap();
    supervise(deadlines, setup.gateway.serve(&mut exchange, &setup.info)).await;
}

async fn read(body: &mut RecvStream) -> (Vec<u8>, Option<HeaderMap>) {
    let mut read = Vec::new();
    while let Some(piece) = body.data().await {
        let piece = piece.unwrap();
        body.flow_control().release_capacity(piece.len()).unwrap();
        read.extend_from_slice(&piece);
    }
    (read, body.trailers().await.unwrap())
}

async fn get(requests: &mut SendRequest<Bytes>, request: Request<()>) -> Response<RecvStream> {
    let mut ready = requests.clone().ready().await.unwrap();
    let (answer, _) = ready.send_request(request, true).unwrap();
    answer.await.unwrap()
}

#[tokio::test]
async fn a_request_over_http2_reaches_an_http1_backend_and_its_answer_comes_back() {
    let mut backend = Backend::new(
        "0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX-One: 1\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n\
         4\r\ndone\r\n0\r\nGrpc-Status: 0\r\n\r\n",
    )
    .await;
    let requests = connect(Setup::new(backend.address)).await;
    let request = Request::post("https://antrag.example/form?a=b")
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .header("schleuse-tenant", "064120000000");
    let mut ready = requests.ready().await.unwrap();
    let (answer, mut body) = ready
        .send_request(request.body(()).unwrap(), false)
        .unwrap();
    body.send_data(Bytes::from_static(b"hello"), false).unwrap();
    body.send_data(Bytes::from_static(b" world"), true).unwrap();

    let received = backend.request().await;
    let (head, sent) = received.split_once("\r\n\r\n").unwrap();
    assert!(
        head.starts_with("POST /form?a=b HTTP/1.1\r\nHost: antrag.example\r\n"),
        "{head}"
    );
    // RFC 9113 §8.2.3, and P15 (pingora#892): an HTTP/1.1 backend gets one Cookie.
    assert!(head.contains("\r\ncookie: a=1; b=2\r\n"), "{head}");
    assert!(head.contains("\r\nTransfer-Encoding: chunked"), "{head}");
    assert!(!head.contains("064120000000"), "{head}");
    let data: String = sent.split("\r\n").skip(1).step_by(2).collect();
    assert_eq!(data, "hello world");

    let answer = answer.await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["x-one"]),
        (200, &"1".parse().unwrap())
    );
    // RFC 9113 §8.2.2: fields of the connection have no place in HTTP/2.
    assert!(!answer.headers().contains_key("connection"));
    assert!(!answer.headers().contains_key("transfer-encoding"));
    let (body, trailers) = read(&mut answer.into_body()).await;
    assert_eq!(body, b"done");
    assert_eq!(trailers.unwrap()["grpc-status"], "0");
}

#[tokio::test]
async fn a_refusal_over_http2_ends_its_stream_and_not_the_connection() {
    let mut backend = Backend::new(
        "\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
    )
    .await;
    let mut requests = connect(Setup::new(backend.address)).await;
    let refused = Request::get("https://nobody.example/").body(()).unwrap();
    let answer = get(&mut requests, refused).await;
    assert_eq!(answer.status(), 404);
    let (body, _) = read(&mut answer.into_body()).await;
    assert!(String::from_utf8_lossy(&body).contains("unknown_host"));

    let served = Request::get("https://antrag.example/").body(()).unwrap();
    let answer = get(&mut requests, served).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(read(&mut answer.into_body()).await.0, b"ok");
    assert!(backend.request().await.starts_with("GET / HTTP/1.1\r\n"));
}

#[tokio::test]
async fn an_answer_that_breaks_off_resets_its_stream() {
    let backend = Backend::new(
        "\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
    )
    .await;
    let mut ready = connect(Setup::new(backend.address))
        .await
        .ready()
        .await
        .unwrap();
    let request = Request::get("https://antrag.example/").body(()).unwrap();
    let (answer, _) = ready.send_request(request, true).unwrap();
    // The reset may overtake what was queued before it, the head included.
    let broken = match answer.await {
        Err(error) => error,
        Ok(answer) => first_error(answer.into_body()).await,
    };
    assert_eq!(broken.reason(), Some(h2::Reason::INTERNAL_ERROR));
}

async fn first_error(mut body: RecvStream) -> h2::Error {
    loop {
        match body.data().await {
            Some(Ok(_)) => {}
            Some(Err(error)) => return error,
            None => panic!("an answer cut short looks whole"),
        }
    }
}
