//! What a pool's source said last, and when: kept beside the pool's state, so that a reload that leaves the source as it
//! is loses nothing, and one that changes it keeps the endpoints until the new source has spoken.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use parking_lot::Mutex;
use schleuse_config::{Discovery, Pool, ProcessTemplate, ScaleWay};
use schleuse_core::Timestamp;

/// Where a pool's endpoints come from at run time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A look-up.
    Discovery(Discovery),
    /// Processes of our own. A changed template is the same source: old replicas serve until new ones do.
    Processes,
}

impl Source {
    /// That of this config; none: the config itself.
    pub fn of(config: &Pool) -> Option<Self> {
        config
            .discovery
            .clone()
            .map(Self::Discovery)
            .or_else(|| template(config).map(|_| Self::Processes))
    }

    fn label(&self) -> &'static str {
        match self {
            Self::Discovery(discovery) => super::label(discovery),
            Self::Processes => "process",
        }
    }
}

/// The process that a pool's config runs.
pub fn template(config: &Pool) -> Option<&Arc<ProcessTemplate>> {
    match &config.scale.as_ref()?.way {
        ScaleWay::Process(template) => Some(template),
        ScaleWay::Webhook(_) | ScaleWay::Keda => None,
    }
}

/// What a pool knows of its endpoints from its source.
#[derive(Debug, Default)]
pub struct Found(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    source: Option<Source>,
    /// None: this or an earlier source has not said anything yet.
    endpoints: Option<Arc<[SocketAddr]>>,
    /// Of the last answer of this source.
    confirmed: Option<Timestamp>,
    since: Timestamp,
    problem: Option<String>,
}

/// What is shown of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// `dns`, `file` or `process`.
    pub source: &'static str,
    /// Since the last answer; before the first one, since it was asked first.
    pub age: Duration,
    /// Whether there was an answer.
    pub answered: bool,
    /// Why there is none since.
    pub problem: Option<String>,
}

/// What an answer changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// Endpoints that were not there before.
    pub added: usize,
    /// Endpoints that are gone.
    pub removed: usize,
    /// Endpoints now.
    pub total: usize,
    /// A problem was shown before.
    pub recovered: bool,
}

impl Found {
    /// A config comes into force; `apply` gets the endpoints that it has at this moment, unless nobody knows any, and
    /// no answer of a source comes between.
    pub fn adopt(&self, config: &Pool, now: Timestamp, apply: impl FnOnce(Option<&[SocketAddr]>)) {
        let mut state = self.0.lock();
        let source = Source::of(config);
        if state.source != source {
            let endpoints = state.endpoints.take().filter(|_| source.is_some());
            *state = State {
                source,
                endpoints,
                since: now,
                ..State::default()
            };
        }
        match &state.source {
            None => apply(Some(&config.endpoints)),
            Some(_) => apply(state.endpoints.as_deref()),
        }
    }

    /// `source` said that these are the endpoints. None: the pool has another source by now, and nothing changed.
    pub fn answered(
        &self,
        source: &Source,
        endpoints: Vec<SocketAddr>,
        now: Timestamp,
        apply: impl FnOnce(&[SocketAddr]),
    ) -> Option<Change> {
        let mut state = self.0.lock();
        if state.source.as_ref() != Some(source) {
            return None;
        }
        let before = state.endpoints.take();
        let known = before.as_deref().unwrap_or_default();
        let change = Change {
            added: count_beside(&endpoints, known),
            removed: count_beside(known, &endpoints),
            total: endpoints.len(),
            recovered: state.problem.is_some(),
        };
        if before.is_none() || change.added + change.removed > 0 {
            apply(&endpoints);
        }
        state.endpoints = Some(endpoints.into());
        state.confirmed = Some(now);
        state.problem = None;
        Some(change)
    }

    /// `source` could not be asked; whether that is news.
    pub fn failed(&self, source: &Source, why: &str) -> bool {
        let mut state = self.0.lock();
        if state.source.as_ref() != Some(source) {
            return false;
        }
        let news = state.problem.as_deref() != Some(why);
        if news {
            state.problem = Some(why.to_owned());
        }
        news
    }

    /// What is shown; none: the endpoints stand in the config.
    pub fn status(&self, now: Timestamp) -> Option<Status> {
        let state = self.0.lock();
        Some(Status {
            source: state.source.as_ref()?.label(),
            age: now - state.confirmed.unwrap_or(state.since),
            answered: state.confirmed.is_some(),
            problem: state.problem.clone(),
        })
    }
}

/// How many of `these` are not among `others`; both may have thousands.
fn count_beside(these: &[SocketAddr], others: &[SocketAddr]) -> usize {
    let others: std::collections::HashSet<_> = others.iter().collect();
    these.iter().filter(|one| !others.contains(one)).count()
}
