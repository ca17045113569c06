//! Connections to endpoints: how many there may be, which idle one serves next, and what runs over one.
//!
//! A connection belongs to the worker that opened it (its socket is registered with that worker's reactor); the *number*
//! of connections to an endpoint is shared by all workers ([`limit`]). Idle ones wait in a pool of the worker ([`idle`]),
//! apart by isolation group: what one group sent or received never shares a connection with another.

pub mod idle;
pub mod limit;
pub mod relay;

use std::time::Duration;

use bytes::BytesMut;
use schleuse_core::TenantId;
use tokio::net::TcpStream;

use crate::deadlines::{Deadlines, Limit, Stop};
use limit::Lease;

/// Who may share an idle connection: requests of one service, or of one tenant of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Group {
    /// The service's number, the same for the process's life.
    pub service: u32,
    /// Set when the service isolates its tenants.
    pub tenant: Option<TenantId>,
}

/// A connection to an endpoint.
#[derive(Debug)]
pub struct Upstream {
    tcp: TcpStream,
    /// What the endpoint sent and nobody has taken yet.
    buf: BytesMut,
    lease: Lease,
    reused: bool,
}

impl Upstream {
    /// Connects anew, on a lease.
    ///
    /// # Errors
    ///
    /// The socket's, or [`Limit::Connect`].
    pub async fn connect(lease: Lease, deadlines: &Deadlines) -> Result<Self, Stop> {
        let address = lease.endpoint().address();
        let limits = [Limit::Connect, Limit::Exchange];
        let tcp = deadlines
            .guard(&limits, TcpStream::connect(address))
            .await??;
        // Nagle's algorithm would hold back the second small write of an exchange for the peer's delayed ACK (40 ms).
        let _ = tcp.set_nodelay(true);
        Ok(Self {
            tcp,
            buf: BytesMut::new(),
            lease,
            reused: false,
        })
    }

    /// Whether it has served a request before: then a failure before any answer may only mean that it was stale.
    pub fn reused(&self) -> bool {
        self.reused
    }

    /// Gives it up for others to use within `keepalive`, when nothing came behind the answer.
    pub fn park(self, group: Group, keepalive: Duration) {
        if self.buf.is_empty() {
            idle::park(self, group, keepalive);
        }
    }
}
