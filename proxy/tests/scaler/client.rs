//! A gRPC client made of an HTTP/2 client: it sees frames and trailers as they come, which a library would hide.

use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use h2::{
    RecvStream,
    client::{self, SendRequest},
};
use http::{HeaderMap, Request};
use prost::Message;
use schleuse::scaler::messages::ScaledObjectRef;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

/// A connection.
#[derive(Clone)]
pub(crate) struct Client(SendRequest<Bytes>);

/// How a call ended: the number of a gRPC status, 0 for OK.
pub(crate) type Code = u32;

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap()).await
    }

    pub(crate) async fn over(io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Self {
        let (client, connection) = client::handshake(io).await.unwrap();
        tokio::spawn(async move {
            let _ = connection.await; // tests close in the middle
        });
        Self(client)
    }

    /// Sends a call whose answer is to come.
    pub(crate) async fn open(&self, method: &str, message: &impl Message) -> Answer {
        let request = Request::post(format!(
            "http://scaler/externalscaler.ExternalScaler/{method}"
        ))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .unwrap();
        let mut client = self.0.clone().ready().await.unwrap();
        let (response, mut body) = client.send_request(request, false).unwrap();
        body.send_data(framed(message), true).unwrap();
        let response = response.await.unwrap();
        assert_eq!(response.status(), 200);
        let (parts, body) = response.into_parts();
        Answer {
            refused: status(&parts.headers),
            body,
            received: BytesMut::new(),
        }
    }

    /// A call with one answer, or why there is none.
    pub(crate) async fn call<M: Message + Default>(
        &self,
        method: &str,
        message: &impl Message,
    ) -> Result<M, Code> {
        let mut answer = self.open(method, message).await;
        let first = answer.next().await?;
        assert_eq!(answer.next::<M>().await.err(), Some(0));
        Ok(first)
    }
}

/// What comes back.
pub(crate) struct Answer {
    /// The status of an answer without a message stands in its head.
    refused: Option<Code>,
    body: RecvStream,
    received: BytesMut,
}

impl Answer {
    /// The next message, or the status at the end: `Err(0)` is a clean one. It panics when the stream breaks.
    pub(crate) async fn next<M: Message + Default>(&mut self) -> Result<M, Code> {
        if let Some(refused) = self.refused {
            return Err(refused);
        }
        loop {
            if let Some(message) = unframed(&mut self.received) {
                return Ok(M::decode(message).unwrap());
            }
            let Some(data) = self.body.data().await else {
                let trailers = self.body.trailers().await.unwrap();
                return Err(status(&trailers.unwrap()).unwrap());
            };
            let data = data.unwrap();
            self.body
                .flow_control()
                .release_capacity(data.len())
                .unwrap();
            self.received.extend_from_slice(&data);
        }
    }
}

fn status(headers: &HeaderMap) -> Option<Code> {
    headers.get("grpc-status")?.to_str().ok()?.parse().ok()
}

/// With the byte that says "not compressed" and the length in front.
fn framed(message: &impl Message) -> Bytes {
    let mut frame = vec![0];
    frame.extend(u32::try_from(message.encoded_len()).unwrap().to_be_bytes());
    message.encode(&mut frame).unwrap();
    frame.into()
}

fn unframed(received: &mut BytesMut) -> Option<BytesMut> {
    let length = received
        .get(1..5)?
        .try_into()
        .map(u32::from_be_bytes)
        .unwrap();
    let end = 5 + usize::try_from(length).unwrap();
    (received.len() >= end).then(|| received.split_to(end).split_off(5))
}

/// A reference with this metadata, and what KEDA adds to it.
pub(crate) fn whom(metadata: &[(&str, &str)]) -> ScaledObjectRef {
    let keda = ("scalerAddress", "schleuse.edge.svc:9090");
    let metadata = metadata.iter().chain([&keda]);
    ScaledObjectRef {
        name: "antrag".to_owned(),
        namespace: "berlin".to_owned(),
        scaler_metadata: metadata
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
    }
}
