//! One endpoint of a pool: everything that is known about it between two events.
//!
//! Identity is address and port (haproxy/haproxy#971: a key of the host alone lost one of two services on it). Whoever
//! keeps this value over a reload keeps seats, latency, health and ejection with it.

use std::{net::SocketAddr, time::Duration};

use crate::{
    Timestamp,
    affinity::endpoint_tag,
    balance::Load,
    connect_pause::ConnectPause,
    ejection::{Ejection, EjectionPolicy, failed_status},
    ewma::PeakEwma,
    health::Health,
    pool::{Failure, Outcome, PoolPolicy},
    slow_start::Share,
};

/// Names an endpoint within its pool: stable while address and port stay in the pool, never given to another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointId(pub(crate) u32);

impl EndpointId {
    /// Names no endpoint of any pool: what a session's cookie points to when its endpoint is gone.
    pub const GONE: Self = Self(u32::MAX);
}

/// What an operator wants of an endpoint, at run time; outlives reloads while the address is in the list or busy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Takes requests.
    #[default]
    Ready,
    /// Goes on with its sessions and takes no others.
    Drain,
    /// Takes nothing; requests in flight end by themselves.
    Maintenance,
}

/// What operators and metrics see of an endpoint.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "observations that are true independently of each other"
)]
pub struct EndpointView {
    /// Name within the pool.
    pub id: EndpointId,
    /// Where it is.
    pub address: SocketAddr,
    /// False: gone from the configuration, but requests are still in flight there.
    pub listed: bool,
    /// Seats taken.
    pub in_flight: u32,
    /// Seats there are at present, slow start included.
    pub seats: u32,
    /// Streams, outside the seats.
    pub streams: u32,
    /// Peak-sensitive average of the time to first byte; none: no answer yet.
    pub latency: Option<Duration>,
    /// By active probes; true when the pool has none.
    pub healthy: bool,
    /// Of a pool that is scaled, and has not answered a probe yet: it takes nothing.
    pub starting: bool,
    /// It was asked while it was starting, and has not answered: probably nobody is there, or not yet.
    pub unanswered: bool,
    /// Left out by passive ejection until then; none: it is not.
    pub ejected_until: Option<Timestamp>,
    /// It took no connection, and nothing is offered to it until then; none: it does.
    pub paused_until: Option<Timestamp>,
    /// The operator's wish.
    pub mode: Mode,
    /// When it came, or when `mode`, `healthy`, `starting` or its ejection last changed.
    pub since: Timestamp,
    /// Requests sent to it.
    pub arrivals: u64,
    /// Requests that it failed, see [`Outcome`].
    pub failures: u64,
    /// Times it was ejected.
    pub ejections: u64,
    /// Requests of its sessions that went to another endpoint.
    pub affinity_lost: u64,
}

/// State of one endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub(crate) id: EndpointId,
    pub(crate) address: SocketAddr,
    pub(crate) tag: u64,
    pub(crate) mode: Mode,
    pub(crate) health: Health,
    /// See [`EndpointView::starting`].
    pub(crate) starting: bool,
    /// See [`EndpointView::unanswered`].
    pub(crate) unanswered: bool,
    pub(crate) ejection: Ejection,
    pub(crate) pause: ConnectPause,
    pub(crate) in_flight: u32,
    pub(crate) streams: u32,
    pub(crate) since: Timestamp,
    /// Start of the slow-start ramp; none: it has its full share.
    pub(crate) ramp_since: Option<Timestamp>,
    pub(crate) affinity_lost: u64,
    latency: PeakEwma,
    arrivals: u64,
    failures: u64,
    ejections: u64,
}

impl Endpoint {
    pub(crate) fn new(id: EndpointId, address: SocketAddr, now: Timestamp) -> Self {
        Self {
            id,
            address,
            tag: endpoint_tag(address),
            mode: Mode::Ready,
            health: Health::default(),
            starting: false,
            unanswered: false,
            ejection: Ejection::default(),
            pause: ConnectPause::default(),
            in_flight: 0,
            streams: 0,
            since: now,
            ramp_since: None,
            affinity_lost: 0,
            latency: PeakEwma::default(),
            arrivals: 0,
            failures: 0,
            ejections: 0,
        }
    }

    /// Whether new requests should go here.
    pub(crate) fn usable(&self, now: Timestamp) -> bool {
        self.mode == Mode::Ready && self.sound(now)
    }

    /// Whether new requests may go here when nobody is usable.
    pub(crate) fn serves(&self) -> bool {
        self.mode == Mode::Ready && !self.starting
    }

    /// Whether it took no connection a moment ago.
    pub(crate) fn paused(&self, now: Timestamp) -> bool {
        self.pause.until(now).is_some()
    }

    /// Whether nothing but the operator's wish speaks against it.
    pub(crate) fn sound(&self, now: Timestamp) -> bool {
        self.works(now) && !self.paused(now)
    }

    /// Whether it is usable, or will be after a moment's pause.
    pub(crate) fn usable_soon(&self, now: Timestamp) -> bool {
        self.mode == Mode::Ready && self.works(now)
    }

    fn works(&self, now: Timestamp) -> bool {
        !self.starting && self.health.healthy() && self.ejection.until(now).is_none()
    }

    pub(crate) fn seats(&self, policy: &PoolPolicy, now: Timestamp) -> u32 {
        self.share(policy, now).seats(policy.seats_max())
    }

    pub(crate) fn has_free_seat(&self, policy: &PoolPolicy, now: Timestamp) -> bool {
        self.in_flight < self.seats(policy, now)
    }

    pub(crate) fn load(&self, policy: &PoolPolicy, now: Timestamp) -> Load {
        Load {
            latency: self.latency.seconds(now),
            in_flight: self.in_flight,
            share: self.share(policy, now),
        }
    }

    pub(crate) fn take_seat(&mut self) {
        self.in_flight += 1;
        self.arrivals += 1;
    }

    /// Gives a seat back and learns from how the request ended; true: the endpoint should be ejected.
    pub(crate) fn depart(
        &mut self,
        policy: &PoolPolicy,
        began: Timestamp,
        outcome: Outcome,
        now: Timestamp,
    ) -> bool {
        self.in_flight = self.in_flight.saturating_sub(1);
        match outcome {
            Outcome::Failed(Failure::Connect) => self.pause.refused(began, now),
            Outcome::Answered { .. } | Outcome::Failed(_) => self.pause.reached(began),
            Outcome::Abandoned => {}
        }
        let failed = match outcome {
            Outcome::Answered { status, .. } => failed_status(status),
            Outcome::Failed(_) => true,
            // Says something about the client alone.
            Outcome::Abandoned => return false,
        };
        if failed {
            // No latency: whoever refuses quickly must not look fast.
            self.failures += 1;
            return self.ejection.failed(&policy.ejection, now);
        }
        if let Outcome::Answered { first_byte, .. } = outcome {
            self.latency.record(first_byte, now);
        }
        self.ejection.succeeded(&policy.ejection, now);
        false
    }

    /// Moves a request out of its seat, which speaks for the endpoint; false: it has as many streams as it may.
    pub(crate) fn stream(&mut self, policy: &PoolPolicy, began: Timestamp, now: Timestamp) -> bool {
        if self.streams >= policy.share.of(policy.streams_max) {
            return false;
        }
        self.streams += 1;
        self.in_flight = self.in_flight.saturating_sub(1);
        self.pause.reached(began);
        self.ejection.succeeded(&policy.ejection, now);
        true
    }

    /// Whether somebody still uses it.
    pub(crate) fn busy(&self) -> bool {
        self.in_flight > 0 || self.streams > 0
    }

    /// When it has a seat more or is usable again though nothing happens; none: never.
    pub(crate) fn next_change(&self, policy: &PoolPolicy, now: Timestamp) -> Option<Timestamp> {
        let seat = self
            .ramp_since
            .and_then(|since| Share::next_seat(since, policy.slow_start, policy.seats_max(), now));
        let back = self.ejection.until(now);
        let resumes = self.pause.until(now);
        seat.into_iter().chain(back).chain(resumes).min()
    }

    /// Leaves the endpoint out for a while; it comes back on the ramp.
    pub(crate) fn eject(&mut self, policy: &EjectionPolicy, now: Timestamp) {
        self.ramp_since = Some(self.ejection.eject(policy, now));
        self.since = now;
        self.ejections += 1;
    }

    pub(crate) fn view(&self, policy: &PoolPolicy, listed: bool, now: Timestamp) -> EndpointView {
        EndpointView {
            id: self.id,
            address: self.address,
            listed,
            in_flight: self.in_flight,
            seats: self.seats(policy, now),
            streams: self.streams,
            latency: self.latency.duration(now),
            healthy: self.health.healthy(),
            starting: self.starting,
            unanswered: self.starting && self.unanswered,
            ejected_until: self.ejection.until(now),
            paused_until: self.pause.until(now),
            mode: self.mode,
            since: self.since,
            arrivals: self.arrivals,
            failures: self.failures,
            ejections: self.ejections,
            affinity_lost: self.affinity_lost,
        }
    }

    fn share(&self, policy: &PoolPolicy, now: Timestamp) -> Share {
        Share::at(self.ramp_since, policy.slow_start, now)
    }
}
