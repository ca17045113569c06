//! Endpoints that are looked up: which sources there are, and what counts as an answer.
//!
//! A source that cannot be asked has said nothing: the last set stays, and its age is shown (envoyproxy/envoy#9927: a
//! time-out that counted as an empty answer took healthy hosts away). Only an answer without endpoints empties a pool;
//! that there is no such name is one in pools that are scaled ([`crate::registry::Pool::is_scaled`]).
//! An endpoint is an address and a port, never a host (haproxy/haproxy#971).
//!
//! A list in the config needs none of this: it comes into force with the reload itself (`registry::Pool::adopt`).

pub mod dns;
pub mod file;
pub mod found;
pub mod watcher;

use std::{net::SocketAddr, sync::Arc};

use async_trait::async_trait;
use schleuse_config::Discovery as Config;

use dns::{Dns, Patience};
use file::File;
use watcher::Watcher;

/// What a source says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// These and no others, without repeats.
    Endpoints(Vec<SocketAddr>),
    /// What was asked for is said not to exist, and why that is thought. Where replicas come and go that is how their
    /// absence looks; elsewhere a mistake.
    Absent(String),
    /// It could not be asked, or said nothing that can be understood; in words for an operator.
    Failed(String),
}

/// A source of endpoints.
#[async_trait]
pub trait Discovery: Send {
    /// The next thing it says: at once the first time, later when it is time to ask again or something has changed.
    async fn next(&mut self) -> News;
}

/// The source that a config names.
pub fn source(config: &Config, watcher: &Arc<Watcher>) -> Box<dyn Discovery> {
    match config {
        Config::Dns(question) => Box::new(Dns::new(question.clone(), Patience::default())),
        Config::File(path) => Box::new(File::new(path.clone(), watcher.clone())),
    }
}

/// Its name in metrics, log and admin API.
pub fn label(config: &Config) -> &'static str {
    match config {
        Config::Dns(_) => "dns",
        Config::File(_) => "file",
    }
}
