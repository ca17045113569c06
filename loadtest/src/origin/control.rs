//! Commands to an origin, over HTTP on a port of its own, so that they reach one that hangs or has crashed.
//!
//! `GET /counts`, `POST /reset`, `POST /hang` (`?for=2s`), `POST /resume`, `POST /crash` (`?restart=3s`),
//! `POST /service?draw=lognormal+40ms+0.8`.

use std::{
    convert::Infallible,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use schleuse_config::yaml::{Fault, parse_duration};
use tokio::{net::TcpListener, sync::mpsc};

use super::{listen::Event, serve::Origin};

type Answer = Response<Full<Bytes>>;

/// Takes commands for as long as the origin's thread runs.
pub(super) async fn serve(
    listener: TcpListener,
    origin: Arc<Origin>,
    events: mpsc::UnboundedSender<Event>,
) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let (origin, events) = (Arc::clone(&origin), events.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            let answer = obey(&origin, &events, &request);
            async move { Ok::<_, Infallible>(answer) }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

fn obey(
    origin: &Arc<Origin>,
    events: &mpsc::UnboundedSender<Event>,
    request: &Request<Incoming>,
) -> Answer {
    let query = request.uri().query().unwrap_or_default();
    let done = match (request.method(), request.uri().path()) {
        (&Method::GET, "/counts") => return counts(origin),
        (&Method::POST, "/reset") => {
            origin.tally.reset();
            Ok(())
        }
        (&Method::POST, "/hang") => duration(query, "for").map(|time| hang(origin, time)),
        (&Method::POST, "/resume") => {
            origin.frozen.send_replace(false);
            Ok(())
        }
        (&Method::POST, "/crash") => duration(query, "restart").map(|restart| {
            let _ = events.send(Event::Crash(restart));
        }),
        (&Method::POST, "/service") => {
            let draw = value(query, "draw").unwrap_or_default().replace('+', " ");
            crate::scenario::distribution(&draw).map(|service| origin.set_service(service))
        }
        _ => return text(StatusCode::NOT_FOUND, "no such command\n".to_owned()),
    };
    match done {
        Ok(()) => text(StatusCode::OK, "done\n".to_owned()),
        Err(Fault { wrong, remedy }) => {
            text(StatusCode::BAD_REQUEST, format!("{wrong}; {remedy}\n"))
        }
    }
}

fn hang(origin: &Arc<Origin>, time: Option<Duration>) {
    origin.frozen.send_replace(true);
    let until = time.and_then(|time| Instant::now().checked_add(time));
    if let Some(until) = until {
        let origin = Arc::clone(origin);
        tokio::spawn(async move {
            origin.timer.sleep_until(until).await;
            origin.frozen.send_replace(false);
        });
    }
}

fn value<'q>(query: &'q str, key: &str) -> Option<&'q str> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(name, _)| *name == key).map(|(_, value)| value)
}

fn duration(query: &str, key: &str) -> Result<Option<Duration>, Fault> {
    value(query, key).map(parse_duration).transpose()
}

fn counts(origin: &Origin) -> Answer {
    match serde_json::to_string(&origin.tally.report()) {
        Ok(json) => {
            let mut answer = text(StatusCode::OK, json);
            let kind = HeaderValue::from_static("application/json");
            answer.headers_mut().insert(header::CONTENT_TYPE, kind);
            answer
        }
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
    }
}

fn text(status: StatusCode, text: String) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(text)));
    *answer.status_mut() = status;
    answer
}
