//! The double in memory: bodies in pieces, answers on record, clients that leave.

use bytes::Bytes;
use schleuse::{connection::Handler as _, deadlines::supervise, exchange::double::Double};
use schleuse_http1::RequestHead;
use tokio::{io::AsyncReadExt as _, net::TcpListener};

use crate::support::{Backend, Setup};

fn head(method: &str, target: &str, fields: &[(&'static str, &'static [u8])]) -> RequestHead {
    RequestHead::from_parts(method, target, "antrag.example", fields.iter().copied()).unwrap()
}

#[tokio::test]
async fn a_request_in_memory_reaches_a_backend_and_its_answer_comes_back() {
    let mut backend = Backend::new(
        "hello world",
        "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 201 Created\r\nX-One: 1\r\nContent-Length: 4\r\n\r\ndone",
    )
    .await;
    let Setup {
        gateway,
        info,
        deadlines,
        ..
    } = Setup::new(backend.address);
    let pieces = [&b"hello"[..], b" ", b"world"].map(Bytes::from_static);
    let head = head("POST", "/form?a=b", &[("content-length", b"11")]);
    let (mut exchange, client) = Double::new(head, pieces, deadlines.clone());
    supervise(deadlines, gateway.serve(&mut exchange, &info)).await;

    let request = backend.request().await;
    assert!(request.starts_with("POST /form?a=b HTTP/1.1\r\nHost: antrag.example\r\n"));
    assert!(request.contains("\r\nX-Forwarded-For: 192.0.2.7\r\n"));
    assert!(request.ends_with("\r\n\r\nhello world"));
    let recorded = client.recorded();
    assert_eq!((recorded.interims, recorded.status), (vec![103], 201));
    assert_eq!(&recorded.body[..], b"done");
    assert!(recorded.ended && !recorded.aborted);
    assert!(
        recorded
            .fields
            .contains(&("X-One".to_owned(), b"1".to_vec()))
    );
}

#[tokio::test]
async fn a_refusal_is_recorded_like_any_answer() {
    let Setup {
        gateway,
        info,
        deadlines,
        ..
    } = Setup::new("127.0.0.1:9".parse().unwrap());
    let (mut exchange, client) = Double::new(head("GET", "/a/../b", &[]), [], deadlines.clone());
    supervise(deadlines, gateway.serve(&mut exchange, &info)).await;
    let recorded = client.recorded();
    assert_eq!(recorded.status, 400);
    assert!(String::from_utf8_lossy(&recorded.body).contains("\"reason\":\"bad_path\""));
    assert!(recorded.ended);
}

#[tokio::test]
async fn a_client_that_leaves_while_it_waits_ends_its_exchange() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let Setup {
        gateway,
        info,
        deadlines,
        ..
    } = Setup::new(listener.local_addr().unwrap());
    let (mut exchange, client) = Double::new(head("GET", "/", &[]), [], deadlines.clone());
    let serving = tokio::spawn(async move {
        supervise(deadlines, gateway.serve(&mut exchange, &info)).await;
    });
    let (mut backend, _) = listener.accept().await.unwrap();
    let mut request = [0; 16];
    backend.read_exact(&mut request).await.unwrap();
    assert_eq!(&request, b"GET / HTTP/1.1\r\n");

    client.leave();

    serving.await.unwrap();
    let mut rest = Vec::new();
    backend.read_to_end(&mut rest).await.unwrap(); // comes to an end: the connection closed before any answer
    assert_eq!(client.recorded().status, 0);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_recorded_as_aborted() {
    let backend = Backend::new(
        "\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
    )
    .await;
    let Setup {
        gateway,
        info,
        deadlines,
        ..
    } = Setup::new(backend.address);
    let (mut exchange, client) = Double::new(head("GET", "/", &[]), [], deadlines.clone());
    supervise(deadlines, gateway.serve(&mut exchange, &info)).await;
    let recorded = client.recorded();
    assert_eq!((recorded.status, &recorded.body[..]), (200, &b"half"[..]));
    assert!(recorded.aborted && !recorded.ended);
}
