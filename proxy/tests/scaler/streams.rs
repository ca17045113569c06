//! Streams: edges, their number, and their end.

use schleuse::{
    scaler::messages::{GetMetricSpecResponse, IsActiveResponse},
    signals::Signal,
};

use crate::{
    client::{Answer, Client, Code, whom},
    site::{Site, needs},
};

async fn activity(stream: &mut Answer) -> Result<bool, Code> {
    let answer: IsActiveResponse = stream.next().await?;
    Ok(answer.result)
}

#[tokio::test]
async fn a_stream_says_what_holds_and_then_each_edge() {
    let site = Site::new("");
    site.publish("a", needs(0));
    let serving = site.serve().await;
    let client = Client::connect(serving.address).await;
    let mut stream = client.open("StreamIsActive", &whom(&[("pool", "a")])).await;
    assert_eq!(activity(&mut stream).await, Ok(false));
    site.publish("a", needs(0)); // no edge
    site.publish("b", needs(9)); // of another pool
    site.publish("a", needs(2));
    assert_eq!(activity(&mut stream).await, Ok(true));
    let serving = Signal {
        ready: 2,
        ..needs(2)
    };
    site.publish("a", serving); // no edge
    site.publish("a", needs(0));
    assert_eq!(activity(&mut stream).await, Ok(false));
}

#[tokio::test]
async fn p36_a_stream_of_an_unknown_pool_is_open_and_silent_until_it_is_known() {
    let site = Site::new("");
    let serving = site.serve().await;
    let client = Client::connect(serving.address).await;
    let mut stream = client.open("StreamIsActive", &whom(&[("pool", "a")])).await;
    site.publish("a", needs(1));
    assert_eq!(
        activity(&mut stream).await,
        Ok(true),
        "the first message is no false"
    );
}

#[tokio::test]
async fn the_metric_is_named_as_soon_as_its_stream_is_open_and_as_the_unary_call_does() {
    let site = Site::new("");
    let serving = site.serve().await;
    let client = Client::connect(serving.address).await;
    let whom = whom(&[("pool", "a")]);
    let mut stream = client.open("StreamMetricSpec", &whom).await;
    let streamed: GetMetricSpecResponse = stream.next().await.unwrap();
    assert_eq!(Ok(streamed), client.call("GetMetricSpec", &whom).await);
}

#[tokio::test]
async fn streams_beyond_the_usual_limit_of_a_connection_do_not_make_calls_wait() {
    let site = Site::new("");
    site.publish("a", needs(1));
    let serving = site.serve().await;
    let client = Client::connect(serving.address).await;
    let whom = whom(&[("pool", "a")]);
    let mut streams = Vec::new();
    for _ in 0..1_000 {
        let mut stream = client.open("StreamIsActive", &whom).await;
        assert_eq!(activity(&mut stream).await, Ok(true));
        streams.push(stream);
    }
    assert_eq!(site.edge.metrics.scaler.streams_open.get(), 1_000);
    let answer: IsActiveResponse = client.call("IsActive", &whom).await.unwrap();
    assert!(answer.result);
}

#[tokio::test]
async fn a_stop_ends_every_stream_with_ok_and_then_the_connection() {
    let site = Site::new("");
    site.publish("a", needs(1));
    let serving = site.serve().await;
    let client = Client::connect(serving.address).await;
    let mut streams = Vec::new();
    for method in ["StreamIsActive", "StreamMetricSpec"] {
        // Of a pool that spoke, and of one that is unknown.
        for pool in ["a", "b"] {
            streams.push(client.open(method, &whom(&[("pool", pool)])).await);
        }
    }
    let address = serving.address;
    serving.stop().await;
    for stream in &mut streams {
        let ended = loop {
            if let Err(code) = stream.next::<()>().await {
                break code;
            }
        };
        assert_eq!(ended, 0);
    }
    assert_eq!(site.edge.metrics.scaler.streams_open.get(), 0);
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_pool_that_a_reload_removes_ends_its_streams_with_ok_and_is_not_found_then() {
    let site = Site::new("");
    site.publish("b", needs(1));
    let serving = site.serve().await;
    let client = Client::connect(serving.address).await;
    let berlin = whom(&[("service", "meldung"), ("tenant", "11")]);
    let mut streams = [
        client.open("StreamIsActive", &whom(&[("pool", "b")])).await,
        client.open("StreamIsActive", &berlin).await,
    ];
    for stream in &mut streams {
        assert_eq!(activity(stream).await, Ok(true));
    }
    site.reload_without_b();
    for stream in &mut streams {
        assert_eq!(activity(stream).await, Err(0));
    }
    let mut again = client.open("StreamIsActive", &whom(&[("pool", "b")])).await;
    assert_eq!(activity(&mut again).await, Err(5));
    site.publish("a", needs(1));
    let mut again = client.open("StreamIsActive", &berlin).await;
    assert_eq!(
        activity(&mut again).await,
        Ok(true),
        "the service's own pool"
    );
}

#[tokio::test]
async fn a_client_that_leaves_gives_its_streams_back() {
    let site = Site::new("");
    site.publish("a", needs(1));
    let serving = site.serve().await;
    let client = Client::connect(serving.address).await;
    let other = Client::connect(serving.address).await;
    let mut stream = client.open("StreamIsActive", &whom(&[("pool", "a")])).await;
    assert_eq!(activity(&mut stream).await, Ok(true));
    drop((stream, client));
    while site.edge.metrics.scaler.streams_open.get() > 0 {
        let _: IsActiveResponse = other
            .call("IsActive", &whom(&[("pool", "a")]))
            .await
            .unwrap();
    }
}
