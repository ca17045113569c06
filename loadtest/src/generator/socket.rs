//! Opens sockets without waiting, and tells our own failures from the target's.

use std::{
    net::{IpAddr, SocketAddr},
    os::fd::OwnedFd,
};

use nix::sys::socket::{setsockopt, sockopt};
use rustix::{
    io::Errno,
    net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with},
};

use crate::results::Reason;

/// Begins to connect. From `source` without reserving a port (`IP_BIND_ADDRESS_NO_PORT`, ip(7)): the kernel then chooses
/// one by the whole four-tuple, so that each pair of source and target has a range of its own.
pub(crate) fn open(target: SocketAddr, source: Option<IpAddr>) -> Result<OwnedFd, Reason> {
    let family = if target.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(family, SocketType::STREAM, flags, None).map_err(reason_of)?;
    // Without it, the second write of a request waits for the acknowledgement of the first.
    rustix::net::sockopt::set_tcp_nodelay(&socket, true).map_err(reason_of)?;
    if let Some(source) = source.filter(|source| source.is_ipv4() == target.is_ipv4()) {
        setsockopt(&socket, sockopt::IpBindAddressNoPort, &true)
            .map_err(|errno| reason_of(Errno::from_raw_os_error(errno as i32)))?;
        bind(&socket, &SocketAddr::new(source, 0)).map_err(reason_of)?;
    }
    match connect(&socket, &target) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
        Err(errno) => Err(reason_of(errno)),
    }
}

/// What an error of a socket call means.
pub(crate) fn reason_of(errno: Errno) -> Reason {
    match errno {
        Errno::ADDRNOTAVAIL | Errno::ADDRINUSE => Reason::LocalPort,
        Errno::MFILE | Errno::NFILE => Reason::LocalFiles,
        Errno::NOBUFS | Errno::NOMEM => Reason::LocalMemory,
        Errno::CONNREFUSED => Reason::ConnectRefused,
        Errno::TIMEDOUT => Reason::ConnectTimeout,
        Errno::NETUNREACH | Errno::HOSTUNREACH | Errno::NETDOWN | Errno::ACCESS | Errno::PERM => {
            Reason::Unreachable
        }
        _ => Reason::Reset,
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::results::Blame;

    #[test]
    fn connections_come_from_the_address_that_was_asked_for() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let source = "127.0.7.9".parse().unwrap();
        let _socket = open(listener.local_addr().unwrap(), Some(source)).unwrap();
        assert_eq!(listener.accept().unwrap().1.ip(), source);
    }

    #[test]
    fn lack_of_ports_files_and_memory_is_never_the_targets_fault() {
        for errno in [
            Errno::ADDRNOTAVAIL,
            Errno::MFILE,
            Errno::NFILE,
            Errno::NOBUFS,
        ] {
            assert_eq!(reason_of(errno).blame(), Blame::Generator);
        }
        for errno in [
            Errno::CONNREFUSED,
            Errno::HOSTUNREACH,
            Errno::CONNRESET,
            Errno::PIPE,
        ] {
            assert_eq!(reason_of(errno).blame(), Blame::Target);
        }
    }
}
