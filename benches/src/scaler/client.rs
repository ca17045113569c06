//! KEDA's side: one connection with two streams per pool, and calls at a fixed rate beside them.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use h2::{RecvStream, client::SendRequest};
use http::Request;
use prost::Message;
use schleuse::scaler::{
    METRIC,
    messages::{GetMetricsRequest, ScaledObjectRef},
};
use tokio::{net::TcpStream, runtime::Builder, sync::mpsc, time::sleep_until};

use super::{Size, server::name};
use crate::{Outcome, compare::count, procfs::CpuTime};

/// Large enough never to be what is waited for.
const WINDOW_BYTES: u32 = 16 << 20;

/// What the client saw.
#[derive(Debug)]
pub(super) struct Seen {
    /// From the time when a call was due to its last byte.
    pub(super) latencies_micros: Vec<f64>,
    /// Messages on the streams while calls were made.
    pub(super) pushed: u64,
    /// CPU of the server while calls were made, of one core.
    pub(super) cpu_share: f64,
}

/// Opens all streams, waits for the first message of each, and then calls.
pub(super) fn run(
    address: SocketAddr,
    size: Size,
    per_second: u32,
    cpu: &dyn Fn() -> Outcome<CpuTime>,
) -> Outcome<Seen> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut builder = h2::client::Builder::new();
        builder.initial_connection_window_size(WINDOW_BYTES);
        let (client, connection) = builder
            .handshake(TcpStream::connect(address).await?)
            .await?;
        tokio::spawn(connection);
        let pushed = open_streams(&client, size.pools).await?;
        let (before, cpu_before, start) = (pushed.load(Relaxed), cpu()?, Instant::now());
        let latencies_micros = call(&client, size, per_second).await?;
        let used = cpu()?.nanoseconds - cpu_before.nanoseconds;
        Ok(Seen {
            latencies_micros,
            pushed: pushed.load(Relaxed) - before,
            cpu_share: count(used) / 1e9 / start.elapsed().as_secs_f64(),
        })
    })
}

/// Both streams of each pool, open and told what holds. Counts what they say from then on.
async fn open_streams(client: &SendRequest<Bytes>, pools: usize) -> Outcome<Arc<AtomicU64>> {
    let pushed = Arc::<AtomicU64>::default();
    let (opened, mut all_opened) = mpsc::unbounded_channel();
    for number in 0..pools {
        for method in ["StreamIsActive", "StreamMetricSpec"] {
            let mut body = send(client, method, &whom(number)).await?;
            let (pushed, opened) = (pushed.clone(), opened.clone());
            tokio::spawn(async move {
                let mut opened = Some(opened);
                while let Some(Ok(data)) = body.data().await {
                    let _ = body.flow_control().release_capacity(data.len());
                    pushed.fetch_add(1, Relaxed);
                    // The channel ends when the last stream has said something.
                    opened.take();
                }
                if let Some(opened) = opened {
                    let _ = opened.send(()); // it ended without a word
                }
            });
        }
    }
    drop(opened);
    match all_opened.recv().await {
        None => Ok(pushed),
        Some(()) => Err("a stream ended at once".into()),
    }
}

/// Latencies of calls that are due at fixed times, whatever became of the ones before.
async fn call(client: &SendRequest<Bytes>, size: Size, per_second: u32) -> Outcome<Vec<f64>> {
    let start = Instant::now();
    let (done, mut all_done) = mpsc::unbounded_channel::<Outcome<f64>>();
    for number in 0_u32.. {
        let due = start + Duration::from_secs(1) * number / per_second;
        if due >= start + size.time {
            break;
        }
        sleep_until(due.into()).await;
        let (client, done) = (client.clone(), done.clone());
        let pool = usize::try_from(number / 3)? % size.pools;
        tokio::spawn(async move {
            let called = unary(&client, number % 3, pool).await;
            let _ = done.send(called.map(|()| due.elapsed().as_secs_f64() * 1e6));
        });
    }
    drop(done);
    let mut latencies = Vec::new();
    while let Some(latency) = all_done.recv().await {
        latencies.push(latency?);
    }
    Ok(latencies)
}

/// The calls that KEDA makes for each poll, in their order.
async fn unary(client: &SendRequest<Bytes>, step: u32, pool: usize) -> Outcome<()> {
    let whom = whom(pool);
    let mut body = match step {
        0 => send(client, "GetMetricSpec", &whom).await?,
        1 => {
            let asked = GetMetricsRequest {
                scaled_object_ref: Some(whom),
                metric_name: METRIC.to_owned(),
            };
            send(client, "GetMetrics", &asked).await?
        }
        _ => send(client, "IsActive", &whom).await?,
    };
    while let Some(data) = body.data().await {
        body.flow_control().release_capacity(data?.len())?;
    }
    let trailers = body.trailers().await?.ok_or("no trailers")?;
    match trailers.get("grpc-status") {
        Some(status) if status == "0" => Ok(()),
        status => Err(format!("a call ended with {status:?}").into()),
    }
}

async fn send(
    client: &SendRequest<Bytes>,
    method: &str,
    message: &impl Message,
) -> Outcome<RecvStream> {
    let request = Request::post(format!(
        "http://scaler/externalscaler.ExternalScaler/{method}"
    ))
    .header("content-type", "application/grpc")
    .header("te", "trailers")
    .body(())?;
    // gRPC's frame: "not compressed", and the length.
    let mut frame = vec![0];
    frame.extend(u32::try_from(message.encoded_len())?.to_be_bytes());
    message.encode(&mut frame)?;
    let (response, mut body) = client.clone().ready().await?.send_request(request, false)?;
    body.send_data(frame.into(), true)?;
    Ok(response.await?.into_body())
}

fn whom(number: usize) -> ScaledObjectRef {
    let metadata = [
        ("scalerAddress", "schleuse.edge.svc:9090".to_owned()),
        ("pool", name(number)),
    ];
    ScaledObjectRef {
        name: "antrag".to_owned(),
        namespace: name(number),
        scaler_metadata: metadata.map(|(key, value)| (key.to_owned(), value)).into(),
    }
}
