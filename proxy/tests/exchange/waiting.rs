//! Waiting for a seat, whatever carries the request: turns, clients that leave, waits that end.

use std::{net::SocketAddr, sync::Arc};

use http::Request;
use schleuse::{
    connection::Handler as _,
    deadlines::{Deadlines, supervise},
    exchange::double::{Client, Double},
};
use schleuse_core::PoolTotals;
use schleuse_http1::RequestHead;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::{http2::connect_to, support::Setup};

const ONE_SEAT: &str = "    concurrency: 1\n    slow_start: 0s\n";

/// A backend whose connections the test holds, and a gateway with one seat there.
async fn one_seat(queue: &str) -> (TcpListener, Arc<Setup>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let setup = Setup::with_pool(address, &format!("{ONE_SEAT}{queue}"));
    (listener, Arc::new(setup))
}

/// Serves a request in memory in a task of its own.
fn ask(setup: &Arc<Setup>) -> (JoinHandle<()>, Arc<Client>) {
    let head = RequestHead::from_parts("GET", "/", "antrag.example", []).unwrap();
    let deadlines = Arc::<Deadlines>::default();
    let (mut exchange, client) = Double::new(head, [], deadlines.clone());
    let setup = setup.clone();
    let serving = async move {
        let serving = setup.gateway.serve(&mut exchange, &setup.info);
        supervise(deadlines, serving).await;
    };
    (tokio::spawn(serving), client)
}

/// The connection of the request that has the seat, its head read.
async fn accept(listener: &TcpListener) -> TcpStream {
    let (mut backend, _) = listener.accept().await.unwrap();
    read_head(&mut backend).await;
    backend
}

async fn read_head(backend: &mut TcpStream) {
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\n") {
        assert!(backend.read_buf(&mut read).await.unwrap() > 0);
    }
}

fn totals(setup: &Setup) -> PoolTotals {
    setup.edge.live().pools[0].totals()
}

async fn answer(backend: &mut TcpStream) {
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    backend.write_all(answer).await.unwrap();
}

#[tokio::test]
async fn who_waits_in_memory_gets_the_seat_that_comes_free() {
    let (listener, setup) = one_seat("").await;
    let (first, first_client) = ask(&setup);
    let mut backend = accept(&listener).await;
    let (second, second_client) = ask(&setup);
    setup.wait_waiting(1).await;
    answer(&mut backend).await;
    first.await.unwrap();
    assert_eq!(first_client.recorded().status, 200);
    read_head(&mut backend).await; // the other one's, over the same connection
    answer(&mut backend).await;
    second.await.unwrap();
    assert_eq!(second_client.recorded().status, 200);
    let totals = totals(&setup);
    assert_eq!((totals.admitted, totals.departed), (2, 2));
}

#[tokio::test]
async fn a_client_in_memory_that_leaves_while_it_waits_frees_its_place() {
    let (listener, setup) = one_seat("").await;
    let (first, _client) = ask(&setup);
    let mut backend = accept(&listener).await;
    let (serving, client) = ask(&setup);
    setup.wait_waiting(1).await;

    client.leave();

    serving.await.unwrap();
    setup.wait_waiting(0).await;
    answer(&mut backend).await;
    first.await.unwrap();
    let totals = totals(&setup);
    assert_eq!((totals.queued, totals.gone, totals.granted), (1, 1, 0));
    assert_eq!(client.recorded().status, 0);
}

#[tokio::test]
async fn an_http2_stream_that_is_reset_while_it_waits_frees_its_place_and_others_go_on() {
    let (listener, setup) = one_seat("").await;
    let (first, _client) = ask(&setup);
    let mut backend = accept(&listener).await;
    let mut requests = connect_to(setup.clone()).await.ready().await.unwrap();
    let request = || {
        let request = Request::get("https://antrag.example/");
        request.body(()).unwrap()
    };
    let (leaving, mut stream) = requests.send_request(request(), true).unwrap();
    setup.wait_waiting(1).await;
    let mut requests = requests.ready().await.unwrap();
    let (staying, _) = requests.send_request(request(), true).unwrap();
    setup.wait_waiting(2).await;

    stream.send_reset(h2::Reason::CANCEL);
    drop(leaving);

    setup.wait_waiting(1).await;
    answer(&mut backend).await;
    first.await.unwrap();
    read_head(&mut backend).await;
    answer(&mut backend).await;
    assert_eq!(staying.await.unwrap().status(), 200);
    let totals = totals(&setup);
    assert_eq!((totals.gone, totals.granted), (1, 1));
}

#[tokio::test]
async fn a_wait_that_ends_is_refused_and_leaves_nothing_behind() {
    let (listener, setup) = one_seat("    queue: { wait_max: 100ms }\n").await;
    let (first, _client) = ask(&setup);
    let mut backend = accept(&listener).await;
    let (serving, client) = ask(&setup);
    serving.await.unwrap();
    let recorded = client.recorded();
    assert_eq!(recorded.status, 503);
    assert!(String::from_utf8_lossy(&recorded.body).contains("wait_expired"));
    setup.wait_waiting(0).await;
    answer(&mut backend).await;
    first.await.unwrap();
    assert_eq!(totals(&setup).granted, 0);
}

#[tokio::test]
async fn a_thousand_that_leave_while_a_seat_is_granted_lose_none() {
    let (listener, setup) = one_seat("    queue: { client_share: 100%, wait_max: 5m }\n").await;
    let (first, _client) = ask(&setup);
    let mut backend = accept(&listener).await;
    let waiting: Vec<_> = (0..1000).map(|_| ask(&setup)).collect();
    setup.wait_waiting(1000).await;
    answer(&mut backend).await; // grants to one of them, which may be about to leave
    first.await.unwrap();
    for (_, client) in &waiting {
        client.leave();
    }
    for (serving, _) in waiting {
        serving.await.unwrap();
    }
    setup.wait_waiting(0).await;
    let totals = totals(&setup);
    assert_eq!(totals.admitted, totals.departed);
    assert_eq!(totals.queued, totals.granted + totals.gone + totals.expired);
}
