//! Which connections an endpoint took and which it refused, and what may be concluded from that.

use std::collections::HashMap;

use schleuse_core::{EndpointId, EndpointView, Timestamp};

/// When those attempts began of which the last is known.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    refused: Option<Timestamp>,
    reached: Option<Timestamp>,
}

/// Of all endpoints of a pool.
#[derive(Default)]
pub(crate) struct Connects {
    by: HashMap<EndpointId, Seen>,
}

impl Connects {
    pub(crate) fn refused(&mut self, id: EndpointId, began: Timestamp) {
        let seen = self.by.entry(id).or_default();
        seen.refused = seen.refused.max(Some(began));
    }

    /// It was there for an attempt that began then.
    pub(crate) fn reached(&mut self, id: EndpointId, began: Timestamp) {
        let seen = self.by.entry(id).or_default();
        seen.reached = seen.reached.max(Some(began));
    }

    /// After one was reached: if it began no earlier than any that was refused, nothing is kept from the endpoint.
    pub(crate) fn check_reached(&self, view: &EndpointView, began: Timestamp) {
        let seen = self.by.get(&view.id).copied().unwrap_or_default();
        assert!(
            seen.refused > Some(began) || view.paused_until.is_none(),
            "one that began at {began:?} was reached: {seen:?} {view:?}"
        );
    }

    /// Whether nobody who began since then was reached there.
    pub(crate) fn nobody_since(&self, id: EndpointId, since: Timestamp) -> bool {
        let seen = self.by.get(&id).copied().unwrap_or_default();
        seen.reached < Some(since)
    }
}
