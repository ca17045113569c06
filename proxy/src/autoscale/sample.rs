//! What a pool shows at one moment, taken for a decision.

use std::net::SocketAddr;

use schleuse_core::{
    Mode, Timestamp,
    endpoint::EndpointView,
    scale::demand::{Counters, Gauges},
};

/// See the head of this file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sample {
    /// When this life of the pool began; its counters start there.
    pub born: Timestamp,
    /// Sums since then.
    pub counters: Counters,
    /// This moment.
    pub gauges: Gauges,
    /// Starts of replicas that failed, since then.
    pub starts_failed: u64,
    /// Orders that whoever starts replicas did not take, since then.
    pub orders_failed: u64,
    /// The endpoints; none while nobody has said yet which there are.
    pub endpoints: Option<Vec<Endpoint>>,
}

impl Sample {
    /// Replicas that serve.
    pub fn ready(&self) -> u32 {
        let endpoints = self.endpoints.iter().flatten();
        u32::try_from(endpoints.filter(|each| each.serves).count()).unwrap_or(u32::MAX)
    }

    /// Whether it is known which endpoints there are, and of each if it serves.
    pub fn is_settled(&self) -> bool {
        let endpoints = self.endpoints.as_ref();
        endpoints.is_some_and(|endpoints| endpoints.iter().all(|each| !each.pending))
    }
}

/// One endpoint of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoint {
    /// Which one.
    pub address: SocketAddr,
    /// It takes requests.
    pub serves: bool,
    /// It was not asked yet, or not for long enough to say whether it serves.
    pub pending: bool,
    /// Its seats now, slow start included.
    pub seats: u32,
}

impl Endpoint {
    /// None: it is not in the list any more.
    pub fn of(view: &EndpointView, now: Timestamp) -> Option<Self> {
        let ejected = view.ejected_until.is_some_and(|until| until > now);
        view.listed.then_some(Self {
            address: view.address,
            serves: view.mode == Mode::Ready && view.healthy && !view.starting && !ejected,
            pending: view.mode == Mode::Ready && view.starting && !view.unanswered,
            seats: view.seats,
        })
    }
}
