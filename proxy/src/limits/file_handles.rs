//! How many file handles there are, and how many are in use.
//!
//! A new descriptor always gets the lowest free number (POSIX.1-2024, `open`), so the number of a connection that was just
//! accepted says that all below it are in use: the cheapest of all counts, and it needs no list of who opens what.

use std::os::fd::{AsFd, AsRawFd};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::log::{self, Level};

/// Listeners, log, config files, watches, admin and probe connections.
const RESERVE: u64 = 256;
/// Connections of all clients where the operator says nothing and file handles are plenty: 1 GiB of TLS connections.
const CONNECTIONS_MAX: u32 = 100_000;
/// The same where they are few: accepting pauses before they run out.
const CONNECTIONS_MIN: u32 = 64;

/// Raises the soft limit to the hard one (the usual soft limit of 1,024 is for programs that use `select`). None where the
/// system tells no limit.
pub(super) fn raise() -> Option<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
    if soft < hard {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
    let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
    Some(soft)
}

/// Connections of all clients where the operator says nothing: as many as so many handles (0: not known) are enough for,
/// one each and one towards an endpoint while busy.
pub(super) fn connections_max(limit: u64) -> u32 {
    if limit == 0 {
        return CONNECTIONS_MAX;
    }
    let most = limit.saturating_sub(RESERVE) / 2;
    u32::try_from(most).map_or(CONNECTIONS_MAX, |most| {
        most.clamp(CONNECTIONS_MIN, CONNECTIONS_MAX)
    })
}

/// Says at start when there are fewer handles than the connections that the operator wants may take.
pub(super) fn warn_if_few(limit: u64, connections_max: u32) {
    let wanted = wanted(connections_max);
    if limit < wanted {
        let remedy = format!(
            "set LimitNOFILE={wanted} (ulimit -n), or client.connections_max to {} at most",
            limit.saturating_sub(RESERVE) / 2
        );
        let fields = [
            ("limit", &*limit.to_string()),
            ("wanted", &*wanted.to_string()),
            ("remedy", &*remedy),
        ];
        log::event(Level::Warn, "few_file_handles", &fields);
    }
}

fn wanted(connections_max: u32) -> u64 {
    u64::from(connections_max) * 2 + RESERVE
}

/// Handles in use, seen from a descriptor that was opened just now.
pub(crate) fn in_use(newest: &impl AsRawFd) -> u64 {
    u64::try_from(newest.as_raw_fd()).unwrap_or_default()
}

/// The same without a new descriptor at hand: opens one for a moment. None when there is none left.
pub(crate) fn probe(open: &impl AsFd) -> Option<u64> {
    let duplicate = open.as_fd().try_clone_to_owned().ok()?;
    Some(in_use(&duplicate))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_may_take_two_handles() {
        assert_eq!(wanted(1000), 2256);
    }

    #[test]
    fn without_a_word_there_are_as_many_connections_as_handles_are_enough_for() {
        for (limit, connections) in [(20_000, 9_872), (2256, 1000), (384, 64), (10, 64)] {
            assert_eq!(connections_max(limit), connections);
        }
        for plenty in [0, 200_256, 1 << 30, u64::MAX] {
            assert_eq!(connections_max(plenty), 100_000);
        }
    }

    #[test]
    fn the_number_of_a_new_descriptor_grows_with_those_in_use() {
        let first = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let held: Vec<_> = (0..50).map(|_| first.try_clone().unwrap()).collect();
        assert!(probe(&first).unwrap() >= held.len() as u64);
    }

    #[test]
    fn the_limit_is_raised_to_what_the_system_permits() {
        let limit = raise().unwrap();
        assert_eq!(getrlimit(Resource::RLIMIT_NOFILE).unwrap(), (limit, limit));
    }
}
