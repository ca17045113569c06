//! What waits must be small: sizes of the futures that a connection is made of.

use std::sync::Arc;

use schleuse::{connection, deadlines::Deadlines, exchange::double::Double, socket::Socket};
use schleuse_http1::RequestHead;
use tokio::net::{TcpListener, TcpStream};

use crate::support::Setup;

#[tokio::test]
async fn an_idle_connections_task_is_smaller_than_400_bytes() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let socket = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let Setup { gateway, info, .. } = Setup::new("127.0.0.1:9".parse().unwrap());
    let task = connection::task(
        Socket::new(socket),
        info,
        Arc::<Deadlines>::default(),
        Arc::new(gateway),
    );
    assert!(size_of_val(&task) <= 400, "{} bytes", size_of_val(&task));
}

#[tokio::test]
async fn what_a_waiting_request_holds_of_the_pipeline_is_smaller_than_1_5_kib() {
    use connection::Handler as _;
    let Setup {
        gateway,
        info,
        deadlines,
        ..
    } = Setup::new("127.0.0.1:9".parse().unwrap());
    let head = RequestHead::from_parts("GET", "/", "antrag.example", []).unwrap();
    let (mut exchange, _client) = Double::new(head, [], deadlines);
    let serving = gateway.serve(&mut exchange, &info);
    assert!(
        size_of_val(&serving) <= 1536,
        "{} bytes",
        size_of_val(&serving)
    );
}
