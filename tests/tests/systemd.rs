//! What systemd is told over `NOTIFY_SOCKET` (`sd_notify(3)`).

use std::os::{
    linux::net::SocketAddrExt as _,
    unix::net::{SocketAddr, UnixDatagram},
};

use nix::sys::signal::Signal;
use schleuse_tests::{Edge, Origin, PATIENCE};
use tempfile::TempDir;

fn next(socket: &UnixDatagram) -> String {
    let mut message = [0; 512];
    let length = socket.recv(&mut message).expect("a message");
    String::from_utf8(message[..length].to_vec()).unwrap()
}

fn tells_ready_reloading_and_stopping(socket: &UnixDatagram, name: &str) {
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let origin = Origin::ok("fine");
    let mut edge = Edge::new()
        .origin(origin.address())
        .environment("NOTIFY_SOCKET", name)
        .start();
    assert_eq!(next(socket), "READY=1");

    edge.signal(Signal::SIGHUP);
    let reloading = next(socket);
    let since = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=");
    // systemd compares it with the time of its SIGHUP; without it `Type=notify-reload` waits for ever.
    assert!(
        since.is_some_and(|micros| micros.parse::<u64>().is_ok()),
        "{reloading}"
    );
    assert_eq!(next(socket), "READY=1");

    edge.signal(Signal::SIGTERM);
    assert_eq!(next(socket), "STOPPING=1");
    assert!(edge.wait_exit().success());
}

#[test]
fn systemd_is_told_over_a_socket_in_the_file_system() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    tells_ready_reloading_and_stopping(&socket, path.to_str().unwrap());
}

#[test]
fn systemd_is_told_over_an_abstract_socket() {
    let name = format!("schleuse-tests-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let socket = UnixDatagram::bind_addr(&address).unwrap();
    tells_ready_reloading_and_stopping(&socket, &format!("@{name}"));
}

#[test]
fn a_signal_to_reload_in_the_first_moment_is_no_reason_to_die() {
    let origin = Origin::ok("fine");
    for _ in 0..5 {
        let edge = Edge::new().origin(origin.address()).start();
        edge.signal(Signal::SIGHUP);
        assert_eq!(edge.get("110000000000.wohngeld.example", "/").status, 200);
    }
}
