//! The operators' listener: health, metrics, status, and what may be changed at run time. Never public.
//!
//! It runs over the same HTTP/1.1 engine as the public side, on a thread of its own, so that it answers while the workers
//! are busy. Its answers are JSON; `docs/admin.md` lists them.

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use schleuse_config::ClientPolicy;
use schleuse_core::{Mode, Refusal};
use schleuse_http1::{BodyLength, RequestHead};

use crate::{
    admin_view as view,
    connection::{ConnectionInfo, Handler},
    edge::Edge,
    exchange::{Answer, Exchange, Parts, Responder},
    log::{self, Level},
    reference::Reference,
    reload::{Reloaded, Reloader},
    respond,
};

/// Answers the admin listener.
#[derive(Debug)]
pub struct Admin {
    edge: Arc<Edge>,
    reloader: Arc<Reloader>,
}

/// An answer: status, media type, body.
struct Reply(u16, &'static str, Vec<u8>);

impl Reply {
    fn json(status: u16, value: &impl serde::Serialize) -> Self {
        let mut body = serde_json::to_vec_pretty(value).unwrap_or_default();
        body.push(b'\n');
        Self(status, "application/json", body)
    }

    fn text(status: u16, text: &str) -> Self {
        Self(
            status,
            "text/plain; charset=utf-8",
            format!("{text}\n").into_bytes(),
        )
    }

    fn problem(status: u16, title: &str) -> Self {
        let value = serde_json::json!({ "type": "about:blank", "title": title, "status": status });
        Self(
            status,
            "application/problem+json",
            format!("{value}\n").into_bytes(),
        )
    }
}

impl Admin {
    /// For this proxy.
    pub fn new(edge: Arc<Edge>, reloader: Arc<Reloader>) -> Self {
        Self { edge, reloader }
    }

    async fn answer(&self, head: &RequestHead) -> Reply {
        let path: Vec<&str> = head.path().split('/').skip(1).collect();
        match (head.method(), path.as_slice()) {
            ("GET" | "HEAD", ["livez"]) => Reply::text(200, "ok"),
            ("GET" | "HEAD", ["readyz"]) => self.readiness(),
            ("GET" | "HEAD", ["metrics"]) => self.metrics(),
            ("GET" | "HEAD", ["api", "v1", "status"]) => {
                Reply::json(200, &view::status(&self.edge, &self.reloader))
            }
            ("GET" | "HEAD", ["api", "v1", "pools"]) => Reply::json(200, &view::pools(&self.edge)),
            ("GET" | "HEAD", ["api", "v1", "pools", name]) => match view::pool(&self.edge, name) {
                Some(pool) => Reply::json(200, &pool),
                None => Reply::problem(404, "no pool of this name is configured"),
            },
            ("POST", ["api", "v1", "reload"]) => self.reload().await,
            ("POST", ["api", "v1", "pools", pool, "endpoints", address, mode]) => {
                self.set_mode(pool, address, mode)
            }
            (_, ["livez" | "readyz" | "metrics"] | ["api", "v1", ..])
                if !matches!(head.method(), "GET" | "HEAD" | "POST") =>
            {
                Reply::problem(405, "only GET, HEAD and POST have a meaning here")
            }
            _ => Reply::problem(404, "no such resource"),
        }
    }

    /// Ready: not stopping, and there is a pool that could serve. A rejected config does not matter here.
    fn readiness(&self) -> Reply {
        if self.edge.leaving() {
            return Reply::text(503, "stopping");
        }
        if self.edge.broken() {
            return Reply::text(503, "a background loop has ended; the log says which");
        }
        if view::any_pool_serves(&self.edge) {
            Reply::text(200, "ready")
        } else {
            Reply::text(503, "no pool has a usable endpoint")
        }
    }

    fn metrics(&self) -> Reply {
        let live = self.edge.live();
        let pools = live.pools.iter().zip(&live.snapshot.pools);
        let gauges = pools.map(|(pool, config)| (pool.name(), view::gauges(pool, config)));
        self.edge.metrics.pools.set(gauges);
        match self.edge.metrics.encode() {
            Ok(text) => Reply(200, "text/plain; version=0.0.4; charset=utf-8", text),
            Err(error) => Reply::problem(500, &error.to_string()),
        }
    }

    async fn reload(&self) -> Reply {
        let reloader = self.reloader.clone();
        match tokio::task::spawn_blocking(move || reloader.reload("api")).await {
            Ok(Ok(Reloaded::Generation(generation))) => Reply::json(
                200,
                &serde_json::json!({ "result": "loaded", "generation": generation }),
            ),
            Ok(Ok(Reloaded::Unchanged)) => {
                let generation = self.edge.live().generation;
                Reply::json(
                    200,
                    &serde_json::json!({ "result": "unchanged", "generation": generation }),
                )
            }
            Ok(Err(problems)) => {
                let generation = self.edge.live().generation;
                let value = serde_json::json!({ "result": "rejected", "generation": generation, "problems": problems });
                Reply::json(422, &value)
            }
            Err(_) => Reply::problem(500, "the reload did not finish"),
        }
    }

    fn set_mode(&self, pool: &str, address: &str, mode: &str) -> Reply {
        let wanted = match mode {
            "drain" => Mode::Drain,
            "maintenance" => Mode::Maintenance,
            "ready" => Mode::Ready,
            _ => {
                return Reply::problem(
                    404,
                    "an endpoint can be set to drain, maintenance or ready",
                );
            }
        };
        let address = address
            .replace("%5B", "[")
            .replace("%5D", "]")
            .replace("%3A", ":");
        let Ok(address) = address.parse::<SocketAddr>() else {
            return Reply::problem(
                400,
                "an endpoint is named by its address and port, such as 10.0.0.1:8080",
            );
        };
        let live = self.edge.live();
        if !live
            .pools
            .iter()
            .any(|known| known.name() == pool && known.set_mode(address, wanted))
        {
            return Reply::problem(404, "no pool of this name has an endpoint of this address");
        }
        let fields = [
            ("pool", pool),
            ("endpoint", &*address.to_string()),
            ("mode", mode),
        ];
        log::event(Level::Info, "endpoint_mode", &fields);
        Reply::json(
            200,
            &serde_json::json!({ "pool": pool, "endpoint": address.to_string(), "mode": mode }),
        )
    }
}

impl Handler for Admin {
    type Token = ();

    fn policy(&self) -> Arc<ClientPolicy> {
        self.edge.client_policy()
    }

    fn idle_closed(&self) {}

    fn leaving(&self) -> bool {
        self.edge.leaving()
    }

    fn enter(&self) {}

    async fn serve<E: Exchange>(&self, exchange: &mut E, _info: &ConnectionInfo) {
        let Parts {
            head,
            mut responder,
            ..
        } = exchange.split();
        let Reply(status, kind, body) = self.answer(head).await;
        let fields: [(&str, &[u8]); 2] = [
            ("Content-Type", kind.as_bytes()),
            ("Cache-Control", b"no-store"),
        ];
        responder.begin(
            &Answer {
                status,
                upstream: None,
                fields: &fields,
            },
            BodyLength::Length(body.len() as u64),
        );
        // An operator who left does not need the answer.
        if responder.data(Bytes::from(body)).await.is_ok() {
            let _ = responder.end(&[]).await;
        }
    }

    async fn refuse<R: Responder>(
        &self,
        responder: &mut R,
        refusal: Refusal,
        _info: &ConnectionInfo,
    ) {
        let _ = respond::refuse(responder, refusal, &Reference::new(), None).await;
    }
}
