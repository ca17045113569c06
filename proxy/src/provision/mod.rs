//! Starting and stopping the endpoints of a pool: what is asked for, and what comes back.
//!
//! Whoever decides how many there should be gives orders; a provisioner carries out the newest one, in its own time, and
//! says what happens. Orders are numbered, so that an answer to an old one is known as such.

mod crashes;
pub mod guard;
pub mod output;
pub mod port;
pub mod process;
pub mod replica;
pub mod webhook;

use std::net::SocketAddr;

use tokio::sync::oneshot;

/// What starts and stops the replicas of one pool. Calls return at once; what becomes of them are [`Event`]s.
pub trait Provisioner: std::fmt::Debug + Send + Sync {
    /// Makes this the order that holds. An older one that was not carried out yet is forgotten.
    fn scale(&self, order: Order);

    /// Ends what it has started, at once; nothing comes after that. What others have started for it goes on.
    fn stop(&self);
}

/// How many replicas there should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Grows from order to order.
    pub attempt: u64,
    /// Replicas wanted.
    pub desired: u32,
    /// Replicas that the one who orders knows of.
    pub current: u32,
    /// Why, as labels of the decision.
    pub reasons: Vec<&'static str>,
    /// The same for every repetition of this order, and for no other.
    pub idempotency_key: String,
}

/// What became of orders and replicas.
#[derive(Debug)]
pub enum Event {
    /// The order of this attempt was taken.
    Acknowledged {
        /// Of the order.
        attempt: u64,
    },
    /// It could not be carried out; it is tried again.
    Failed {
        /// Of the order.
        attempt: u64,
        /// In words for an operator.
        why: String,
    },
    /// A replica is being started.
    Starting {
        /// Of the order.
        attempt: u64,
        /// Its number, unique in the pool.
        replica: u32,
    },
    /// Somebody listens on the replica's port. Whether it is ready is for a probe to say.
    Listening {
        /// Its number.
        replica: u32,
        /// Where.
        address: SocketAddr,
    },
    /// A replica is to go: give it nothing new, and send on (or drop) `idle` when it has nothing left to do.
    Draining {
        /// Its number.
        replica: u32,
        /// Where it listens.
        address: SocketAddr,
        /// Ends the wait.
        idle: oneshot::Sender<()>,
    },
    /// A replica is gone, with everything it started.
    Exited {
        /// Its number.
        replica: u32,
        /// Where it listened, if it did.
        address: Option<SocketAddr>,
        /// How it ended, in words.
        status: String,
    },
}
