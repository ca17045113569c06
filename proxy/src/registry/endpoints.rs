//! Which endpoints a pool has: those of its config, or what its source says.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use schleuse_config::Pool as PoolConfig;
use schleuse_core::Mode;

use super::Pool;
use crate::{
    clock,
    discovery::found::{Change, Source, Status},
};

impl Pool {
    /// Puts `config` in force. What is known of endpoints that stay is kept, and so are the endpoints themselves as long
    /// as a source of this config has not spoken.
    pub fn adopt(&self, config: &Arc<PoolConfig>) {
        self.found.adopt(config, clock::now(), |endpoints| {
            self.enforce(config, endpoints);
        });
    }

    /// `source` said that these are the endpoints; what that changed. None: it is not the pool's source any more.
    pub fn found(&self, source: &Source, endpoints: Vec<SocketAddr>) -> Option<Change> {
        self.found
            .answered(source, endpoints, clock::now(), |endpoints| {
                self.set_endpoints(endpoints);
            })
    }

    /// `source` could not be asked; whether that is news.
    pub fn not_found(&self, source: &Source, why: &str) -> bool {
        self.found.failed(source, why)
    }

    /// What is shown of the source; none: the endpoints stand in the config.
    pub fn source(&self) -> Option<Status> {
        self.found.status(clock::now())
    }

    /// Whether its endpoints are replicas that somebody starts and stops, so that there may be none.
    pub fn is_scaled(&self) -> bool {
        self.guarded.lock().config.scale.is_some()
    }

    /// Whether the endpoint at this address has not answered a probe yet; none: it is not in the list.
    pub fn starts_at(&self, address: SocketAddr) -> Option<bool> {
        let views = self.views();
        let mut there = views.iter().map(|(view, _)| view);
        there
            .find(|view| view.address == address && view.listed)
            .map(|view| view.starting)
    }

    /// The endpoints of the list that take nothing because they do not answer a probe, and for how long; those left out at
    /// which a request is under way, or which the operator has taken out.
    pub fn silent(&self) -> Vec<(SocketAddr, Duration)> {
        let now = clock::now();
        let guarded = self.guarded.lock();
        let views = guarded.state.views(&guarded.config.policy, now);
        views
            .filter(|view| view.listed && view.starting)
            .filter(|view| view.in_flight == 0 && view.mode == Mode::Ready)
            .map(|view| (view.address, now - view.since))
            .collect()
    }

    /// Whether nothing is under way at this address: no request, no stream.
    pub fn is_idle(&self, address: SocketAddr) -> bool {
        let views = self.views();
        let mut there = views.iter().filter(|(view, _)| view.address == address);
        there.all(|(view, _)| view.in_flight + view.streams == 0)
    }
}
