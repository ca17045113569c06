//! What one request holds and what is learnt of it. Dropping it accounts for the request, in whatever phase it ends.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use schleuse_config::Service;
use schleuse_core::{Refusal, TenantId, Timestamp, identify::Identified};
use schleuse_http1::RequestHead;

use crate::{
    access_log,
    admit::Admission,
    clock,
    connection::ConnectionInfo,
    edge::{Edge, Live},
    reference::Reference,
    respond::RateLimitShown,
    sight::reasons,
};

/// A request from its head to its end.
#[derive(Debug)]
pub struct RequestContext<'e> {
    /// The proxy.
    pub edge: &'e Edge,
    /// The config generation that this request sees.
    pub live: Arc<Live>,
    /// Its connection.
    pub info: &'e ConnectionInfo,
    /// None when it was refused before it was understood.
    pub head: Option<&'e RequestHead>,
    /// When its head was complete; durations count from here.
    pub started: Timestamp,
    /// What the citizen, the backend and the operator call it.
    pub reference: Reference,
    /// The client as far as it can be believed.
    pub client: IpAddr,
    /// The peer is a trusted proxy.
    pub trusted: bool,
    /// Service, tenant and pool.
    pub identified: Option<Identified>,
    /// On which terms its tenant is let through, once the tenant is known and allowed.
    pub admission: Option<Admission>,
    /// What is learnt on the way, for metrics and log.
    pub learnt: Learnt,
}

/// How a request went.
#[derive(Debug, Default)]
pub struct Learnt {
    /// Status sent; 0: none.
    pub status: u16,
    /// Why we answered ourselves.
    pub refusal: Option<Refusal>,
    /// The service whose rules refused it, when no tenant was found.
    pub refused_service: Option<String>,
    /// When the client may come again, where that is known better than by the refusal alone.
    pub retry_after: Option<Duration>,
    /// The rate that refused it.
    pub rate_limit: Option<RateLimitShown>,
    /// What was wrong with the endpoint's answer.
    pub detail: Option<&'static str>,
    /// The answer broke off.
    pub aborted: bool,
    /// Of the last attempt.
    pub endpoint: Option<SocketAddr>,
    /// How long it waited for a seat; none: it did not.
    pub waited: Option<Duration>,
    /// It is counted as admitted.
    pub admitted: bool,
    /// How many.
    pub attempts: u32,
    /// The endpoint of its session could not be asked in one of them.
    pub affinity_lost: bool,
    /// Bytes of the answer's body.
    pub sent_bytes: u64,
    /// Last attempt's start to the head of its answer.
    pub first_byte: Option<Duration>,
}

impl<'e> RequestContext<'e> {
    /// Begins a request under the config in force.
    pub fn new(edge: &'e Edge, info: &'e ConnectionInfo, head: Option<&'e RequestHead>) -> Self {
        let live = edge.live();
        let peer = info.peer_ip();
        let trusted = live.snapshot.trusted_proxies.contains(peer);
        Self {
            edge,
            live,
            info,
            head,
            started: clock::now(),
            reference: Reference::new(),
            client: peer,
            trusted,
            identified: None,
            admission: None,
            learnt: Learnt::default(),
        }
    }

    /// The service, once identified.
    pub fn service(&self) -> Option<&Arc<Service>> {
        let service = self.identified.as_ref()?.service;
        self.live.snapshot.services.get(service.0 as usize)
    }

    fn pool_name(&self) -> Option<&str> {
        let pool = self.identified.as_ref()?.pool;
        let config = self.live.snapshot.pools.get(pool.as_usize())?;
        Some(&config.name)
    }

    fn service_and_tenant(&self) -> Option<(&str, TenantId)> {
        Some((
            self.service()?.name.as_str(),
            self.identified.as_ref()?.tenant,
        ))
    }

    /// Counts it for its tenant and pool, when a limit or want of capacity was the reason.
    fn count_refused(&self, refusal: Refusal) {
        let Some(found) = self.identified.as_ref() else {
            return;
        };
        if reasons::deciding_key(refusal).is_none() {
            return;
        }
        let now = clock::recent();
        if let Some(service) = self.live.services.get(found.service.0 as usize) {
            service.tenant(found.tenant).counts.refused(refusal, now);
        }
        if let Some(pool) = self.live.pools.get(found.pool.as_usize()) {
            pool.counts.counts.refused(refusal, now);
        }
    }

    fn account(&self) {
        let duration = clock::now() - self.started;
        let learnt = &self.learnt;
        let metrics = &self.edge.metrics;
        if let Some(refusal) = learnt.refusal {
            metrics.refused(refusal);
            self.count_refused(refusal);
        }
        if learnt.aborted {
            metrics.aborted.inc();
        }
        let runtime = self
            .identified
            .as_ref()
            .and_then(|found| self.live.services.get(found.service.0 as usize));
        if let (Some(runtime), Some(head)) = (runtime, self.head) {
            runtime
                .metrics
                .answered(head.method(), learnt.status, duration);
        }
        let line = access_log::Line {
            reference: &self.reference,
            generation: self.live.generation,
            head: self.head,
            identified: self.service_and_tenant(),
            key_bytes: self.identified.as_ref().map_or(0, |found| found.strip),
            client: self.client,
            secure: self.info.tls.is_some(),
            status: learnt.status,
            refusal: learnt.refusal,
            pool: self.pool_name(),
            refused_service: learnt.refused_service.as_deref(),
            detail: learnt.detail,
            aborted: learnt.aborted,
            endpoint: learnt.endpoint,
            attempts: learnt.attempts,
            sent_bytes: learnt.sent_bytes,
            duration,
            first_byte: learnt.first_byte,
            waited: learnt.waited,
        };
        access_log::write(&self.live.snapshot.access_log, &line);
    }
}

impl Drop for RequestContext<'_> {
    fn drop(&mut self) {
        self.account();
    }
}
