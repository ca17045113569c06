//! What a run plays: the scenario made ready, with nothing left to look up, read or decide while it runs.
//!
//! The scenario's text becomes this once (`prepare`); workers share it and never change it.

#[cfg(test)]
pub(crate) mod fixture;
mod template;

use std::{net::SocketAddr, sync::Arc, time::Duration};

pub use template::{Filling, Template, Written};

pub use crate::scenario::{Body, ComeBack, Tenant};

use crate::{
    distribution::Distribution,
    draw::{Purpose, Stream},
    results::SizeClass,
    schedule::Schedule,
    weighted::Weighted,
};

/// Who sets out when.
#[derive(Debug, Clone)]
pub enum Load {
    /// Arrivals follow the schedule, whatever the target does.
    Open(Schedule),
    /// So many citizens at once; whoever has ended is replaced. A slow target is asked less.
    Closed {
        /// Citizens at once.
        citizens: u64,
        /// How long they are replaced.
        duration: Duration,
    },
}

impl Load {
    /// From the start to the last arrival, warm-up included.
    pub fn duration(&self) -> Duration {
        match self {
            Self::Open(schedule) => schedule.duration(),
            Self::Closed { duration, .. } => *duration,
        }
    }
}

/// Everything that workers need to know.
#[derive(Debug, Clone)]
pub struct Workload {
    /// Who sets out when, warm-up included.
    pub load: Load,
    /// The first part of `load`, that is reported apart.
    pub warm_up: Duration,
    /// Longest wait for answers after the last arrival.
    pub drain: Duration,
    /// Seed of all draws about citizens; the schedule has its own copy.
    pub seed: u64,
    /// At least one.
    pub journeys: Vec<Journey>,
    /// By [`Journey::weight`].
    pub journeys_drawn: Weighted,
    /// May be empty: then citizens belong to nobody.
    pub tenants: Vec<Tenant>,
    /// By [`Tenant::weight`].
    pub tenants_drawn: Weighted,
    /// Where requests go.
    pub target: Target,
    /// When an answer is too late.
    pub limits: Limits,
}

impl Workload {
    /// The tenant of a citizen: its place in [`Workload::tenants`].
    pub fn tenant_of(&self, citizen: u64) -> u32 {
        self.tenants_drawn
            .draw(&mut Stream::new(self.seed, citizen, Purpose::Tenant))
    }

    /// The journey of a citizen: its place in [`Workload::journeys`].
    pub fn journey_of(&self, citizen: u64) -> u16 {
        let drawn =
            self.journeys_drawn
                .draw(&mut Stream::new(self.seed, citizen, Purpose::Journey));
        u16::try_from(drawn).unwrap_or_default()
    }

    /// The key that requests of this tenant carry; empty without tenants.
    pub fn key_of(&self, tenant: u32) -> &[u8] {
        self.tenants
            .get(tenant as usize)
            .map_or(&[], |tenant| tenant.key.as_bytes())
    }

    /// The size class of this tenant.
    pub fn class_of(&self, tenant: u32) -> SizeClass {
        self.tenants
            .get(tenant as usize)
            .map_or(SizeClass::Other, |tenant| SizeClass::of(tenant.population))
    }
}

/// Where requests go.
#[derive(Debug, Clone)]
pub struct Target {
    /// `https://host:port`, as the operator knows it.
    pub url: String,
    /// `Host` or `:authority`, with the port if it is not the scheme's own.
    pub authority: String,
    /// Looked up before the run; used in turn. At least one.
    pub addresses: Vec<SocketAddr>,
    /// Speak TLS, with this.
    pub tls: Option<Tls>,
    /// Speak HTTP/2, over TLS or with prior knowledge (RFC 9113 §3.3); HTTP/1.1 otherwise.
    pub http2: bool,
    /// The name and port that `addresses` are of, to be looked up again in a long run; none where an address was given.
    pub name: Option<(String, u16)>,
}

/// How to speak TLS.
#[derive(Debug, Clone)]
pub struct Tls {
    /// Trusted authorities, versions, stored sessions.
    pub config: Arc<rustls::ClientConfig>,
    /// The name that the certificate must bear.
    pub name: rustls::pki_types::ServerName<'static>,
}

/// When the generator stops to wait. All are the target's fault.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Until a connection is established, TLS included.
    pub connect: Duration,
    /// From the send to the last byte of the answer.
    pub timeout: Option<Duration>,
    /// From the plan to the last byte of the answer.
    pub deadline: Option<Duration>,
}

/// What a citizen does, step after step.
#[derive(Debug, Clone)]
pub struct Journey {
    /// Name.
    pub name: String,
    /// How often it is made, relative to the others.
    pub weight: f64,
    /// At least one.
    pub steps: Vec<Step>,
    /// How long a citizen waits for one answer before leaving; for ever when absent.
    pub patience: Option<Distribution>,
    /// What a citizen does after leaving.
    pub come_back: Option<ComeBack>,
    /// How often a citizen obeys `Retry-After` of a 429 or 503 before giving up; 0: never.
    pub retries_max: u16,
    /// Whether cookies are kept and sent.
    pub cookies: bool,
    /// Whether each citizen has a connection of its own, as browsers do, or takes any that is free.
    pub own_connection: bool,
}

/// One request of a journey.
#[derive(Debug, Clone)]
pub struct Step {
    /// Name.
    pub name: String,
    /// Its bytes.
    pub request: Template,
    /// Time between the end of the step before and this one; not used for the first.
    pub think: Distribution,
    /// Statuses that are right; empty: 200–399, and 300–399 only if `redirects_max` is 0.
    pub expected: Vec<u16>,
    /// How many redirects are followed.
    pub redirects_max: u8,
}
