//! The operators' listener: health, metrics, status, and what may be changed at run time. Never public.
//!
//! It runs over the same HTTP/1.1 engine as the public side, on a thread of its own, so that it answers while the workers
//! are busy. Its answers are JSON; `routes` has the table of them, `docs/admin.md` and `docs/openapi.yaml` explain it.

mod authorization;
mod launches;
mod leases;
mod pools;
mod query;
mod reply;
mod routes;
mod scale;
mod signals;
mod tenants;
#[cfg(test)]
mod tests;
mod top;
mod traffic;

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use schleuse_config::ClientPolicy;
use schleuse_core::{Mode, Refusal};
use schleuse_http1::{BodyLength, Known, RequestHead};

use self::{
    reply::Reply,
    routes::{Found, Parameters, Resource},
    tenants::Page,
};
use crate::{
    admin_view as view,
    connection::{ConnectionInfo, Handler},
    edge::Edge,
    exchange::{Answer, Exchange, Parts, Responder},
    log::{self, Level},
    reference::Reference,
    reload::{Reloaded, Reloader},
    respond::{self, Refused},
    sight::scrape,
};

/// Answers the admin listener.
#[derive(Debug)]
pub struct Admin {
    edge: Arc<Edge>,
    reloader: Arc<Reloader>,
}

/// What is asked for: as much of a request as an answer depends on.
#[derive(Debug)]
struct Question<'h> {
    method: &'h str,
    path: &'h str,
    query: Option<&'h str>,
    authorization: Vec<&'h [u8]>,
    /// A browser asks for a page that it shows.
    from_page: bool,
}

impl<'h> Question<'h> {
    fn of(head: &'h RequestHead) -> Self {
        Self {
            method: head.method(),
            path: head.path(),
            query: head.query(),
            authorization: head.values(Known::Authorization).collect(),
            from_page: head.get(Known::Origin).is_some(),
        }
    }
}

impl Admin {
    /// For this proxy.
    pub fn new(edge: Arc<Edge>, reloader: Arc<Reloader>) -> Self {
        Self { edge, reloader }
    }

    /// Who may not ask learns nothing, not even which resources there are.
    async fn answer(&self, question: &Question<'_>) -> Reply {
        let Question { method, path, .. } = *question;
        if !routes::is_open(path) && !self.authorized(question) {
            return Reply::unauthorized();
        }
        // A page on any site can send a POST without asking first; tools for operators send no Origin.
        if question.from_page && method != "GET" && method != "HEAD" {
            return Reply::problem(403, "changes are not taken from web pages");
        }
        match routes::find(method, path) {
            Found::Route(route, parameters) => {
                let asked = self.resource(route.resource, parameters, question.query);
                let reply = asked.await;
                // In debug builds every test holds the resources to the table, and so to the published API.
                debug_assert!(route.statuses.contains(&reply.status), "{}", route.path);
                reply
            }
            Found::OtherMethod(allowed) => Reply::method_not_allowed(allowed),
            Found::Nothing => Reply::problem(404, "no such resource"),
        }
    }

    fn authorized(&self, question: &Question<'_>) -> bool {
        let live = self.edge.live();
        let token = live.admin_token.as_ref();
        token
            .is_none_or(|token| authorization::shows(token, question.authorization.iter().copied()))
    }

    async fn resource(
        &self,
        resource: Resource,
        [name, address, mode]: Parameters<'_>,
        query: Option<&str>,
    ) -> Reply {
        match resource {
            Resource::Liveness => Reply::text(200, "ok"),
            Resource::Readiness => self.readiness(),
            Resource::Metrics => self.metrics(),
            Resource::Status => Reply::json(200, &view::status(&self.edge, &self.reloader)),
            Resource::Config => Reply::json(200, &view::config(&self.edge, &self.reloader)),
            Resource::Reload => self.reload().await,
            Resource::Tenants => match Page::parse(query) {
                Ok(page) => Reply::json(200, &tenants::page(&self.edge.live(), &page)),
                Err(wrong) => Reply::problem(400, &wrong),
            },
            Resource::Tenant => match tenants::tenant(&self.edge.live(), name) {
                Some(tenant) => Reply::json(200, &tenant),
                None => Reply::problem(404, "no place or region has this key"),
            },
            Resource::GrantLease => leases::grant(&self.edge, name, query),
            Resource::RevokeLease => leases::revoke(&self.edge, name),
            Resource::Top => top::top(&self.edge.live(), query),
            Resource::Leases => leases::list(&self.edge),
            Resource::Launches => launches::list(&self.edge).await,
            Resource::Pools => Reply::json(200, &pools::pools(&self.edge)),
            Resource::Pool => match pools::pool(&self.edge, name) {
                Some(pool) => Reply::json(200, &pool),
                None => Reply::problem(404, "no pool of this name is configured"),
            },
            Resource::Signals => signals::list(&self.edge),
            Resource::Signal => signals::one(&self.edge, name),
            Resource::EndpointMode => self.set_mode(name, address, mode),
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
        self.edge
            .limits
            .measure(&self.edge.live().snapshot.overload);
        match self.edge.metrics.encode(&scrape::families(&self.edge)) {
            Ok(text) => Reply::new(200, "text/plain; version=0.0.4; charset=utf-8", text),
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
        let reply = self.answer(&Question::of(head)).await;
        let Reply { status, body, .. } = reply;
        let mut fields: Vec<(&str, &[u8])> = vec![
            ("Content-Type", reply.media_type.as_bytes()),
            ("Cache-Control", b"no-store"),
        ];
        let special = reply.field.as_ref();
        fields.extend(special.map(|(name, value)| (*name, value.as_bytes())));
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
        let _ = respond::refuse(responder, &Refused::new(refusal, &Reference::new(), None)).await;
    }
}
