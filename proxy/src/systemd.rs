//! `sd_notify(3)`: tells systemd when the proxy is ready, reloading or stopping. Does nothing elsewhere.

use std::{
    env,
    os::{
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr, UnixDatagram},
    },
};

use crate::clock;

/// Says that a reload begins, with the time that `Type=notify-reload` wants (systemd.service(5)).
pub fn notify_reloading() {
    if let Some(micros) = clock::system_monotonic_micros() {
        notify(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
    }
}

/// Sends a state such as `READY=1`. Failing to tell is no reason to fail.
pub fn notify(state: &str) {
    let Some(path) = env::var_os("NOTIFY_SOCKET") else {
        return;
    };
    let path = path.to_string_lossy();
    let address = match path.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(&*path),
    };
    if let (Ok(socket), Ok(address)) = (UnixDatagram::unbound(), address) {
        let _ = socket.send_to_addr(state.as_bytes(), &address);
    }
}
