//! The five calls: from a path to a decoded message, and from a decision to an answer.

use std::{
    future::{Ready, ready},
    sync::Arc,
    task::{Context, Poll},
};

use hyper::body::Incoming;
use prost::Message;
use tonic::{Code, Request, Response, Status, body::Body, server::Grpc};
use tower_service::Service;

use super::{Scaler, codec::Protobuf};

/// KEDA's service name.
const SERVICE: &str = "/externalscaler.ExternalScaler/";
/// A trigger's metadata has some hundred bytes.
const REQUEST_BYTES_MAX: usize = 64 * 1024;

/// Answers one request. Whatever is wrong with it is a gRPC status, never a broken connection.
pub(super) async fn answer(
    scaler: Arc<Scaler>,
    request: http::Request<Incoming>,
) -> http::Response<Body> {
    let name = request
        .uri()
        .path()
        .strip_prefix(SERVICE)
        .unwrap_or_default();
    match name {
        "IsActive" => {
            let call = Call::new("IsActive", &scaler, |scaler, whom| scaler.is_active(&whom));
            grpc().unary(call, request).await
        }
        "GetMetricSpec" => {
            let call = Call::new("GetMetricSpec", &scaler, |scaler, whom| {
                scaler.metric_spec(&whom)
            });
            grpc().unary(call, request).await
        }
        "GetMetrics" => {
            let call = Call::new("GetMetrics", &scaler, |scaler, asked| {
                scaler.metrics(&asked)
            });
            grpc().unary(call, request).await
        }
        "StreamIsActive" => {
            let call = Call::new("StreamIsActive", &scaler, |scaler, whom| {
                scaler.stream_activity(&whom)
            });
            grpc().server_streaming(call, request).await
        }
        "StreamMetricSpec" => {
            let call = Call::new("StreamMetricSpec", &scaler, |scaler, whom| {
                scaler.stream_metric_spec(&whom)
            });
            grpc().server_streaming(call, request).await
        }
        _ => {
            scaler.count("other", Code::Unimplemented);
            Status::unimplemented("this server has externalscaler.ExternalScaler only").into_http()
        }
    }
}

fn grpc<E: Message + 'static, D: Message + Default + 'static>() -> Grpc<Protobuf<E, D>> {
    Grpc::new(Protobuf::new()).max_decoding_message_size(REQUEST_BYTES_MAX)
}

/// A decision in the shape that the gRPC library calls.
struct Call<F> {
    method: &'static str,
    scaler: Arc<Scaler>,
    decide: F,
}

impl<F> Call<F> {
    fn new<M, R>(method: &'static str, scaler: &Arc<Scaler>, decide: F) -> Self
    where
        F: Fn(&Arc<Scaler>, M) -> Result<R, Status>,
    {
        Self {
            method,
            scaler: scaler.clone(),
            decide,
        }
    }
}

impl<M, R, F: Fn(&Arc<Scaler>, M) -> Result<R, Status>> Service<Request<M>> for Call<F> {
    type Response = Response<R>;
    type Error = Status;
    type Future = Ready<Result<Response<R>, Status>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<M>) -> Self::Future {
        let decided = (self.decide)(&self.scaler, request.into_inner());
        self.scaler.count(
            self.method,
            decided.as_ref().err().map_or(Code::Ok, Status::code),
        );
        ready(decided.map(Response::new))
    }
}
