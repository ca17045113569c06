//! Ports for replicas on this machine.
//!
//! Taken from below the ports of outgoing connections (32768 on Linux, `ip_local_port_range`): one of those could be taken
//! by any connection between the choice and the moment in which the replica listens, and a connection to a port of that
//! range that nobody listens on can meet itself. A port is tried before it is given out; the replica that loses it all
//! the same to another program ends, and its successor gets another one.

use std::{
    collections::HashSet,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::LazyLock,
};

use parking_lot::Mutex;

use crate::reference;

const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

static TAKEN: LazyLock<Mutex<Taken>> = LazyLock::new(|| {
    // Not where another Schleuse on this machine begins.
    let start = u16::try_from(reference::draw() % u64::from(COUNT)).unwrap_or_default();
    Mutex::new(Taken {
        ports: HashSet::new(),
        next: start,
    })
});

#[derive(Debug)]
struct Taken {
    ports: HashSet<u16>,
    /// Goes round, so that a port that was given back rests as long as possible.
    next: u16,
}

/// A port that no other replica of this process has, until it is dropped.
#[derive(Debug)]
pub struct Port(u16);

impl Port {
    /// A free one; none: all are in use.
    pub fn take() -> Option<Self> {
        let mut taken = TAKEN.lock();
        for _ in 0..COUNT {
            let port = FIRST + taken.next;
            taken.next = (taken.next + 1) % COUNT;
            if !taken.ports.contains(&port)
                && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
            {
                taken.ports.insert(port);
                return Some(Self(port));
            }
        }
        None
    }

    /// Its number.
    pub fn number(&self) -> u16 {
        self.0
    }

    /// Where a replica that listens on it is reached.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.0).into()
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        TAKEN.lock().ports.remove(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_port_is_given_out_twice_or_while_somebody_listens_on_it() {
        let first = Port::take().unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut seen = HashSet::from([first.number()]);
        let ports: Vec<_> = (0..100).map(|_| Port::take().unwrap()).collect();
        for port in &ports {
            assert!(seen.insert(port.number()), "{port:?}");
            assert_ne!(port.address(), listener.local_addr().unwrap());
        }
    }
}
