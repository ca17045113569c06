//! `schleuse demo` as a person starts it: what it promises holds, it says why when it cannot run, and it leaves no
//! process behind.

use std::{
    io::{BufRead, BufReader, Read, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

fn demo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_schleuse"));
    command.arg("demo").args(arguments).stdin(Stdio::null());
    command
}

fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_tour_finds_everything_as_the_demo_says() {
    let output = demo(&["--tour"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("all as expected"), "{text}");
    // Not on a terminal, so no colour.
    assert!(!text.contains('\x1b'), "{text}");
}

#[test]
fn a_port_in_use_is_named_with_the_way_out() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port().min(65_533).to_string();
    let said = refused(&demo(&["--port-base", &port]).output().unwrap());
    assert!(
        said.contains("in use") && said.contains("--port-base"),
        "{said}"
    );
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn a_directory_with_files_in_it_is_not_touched() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("mine"), "").unwrap();
    let path = directory.path().to_str().unwrap();
    let said = refused(&demo(&["--tour", "--directory", path]).output().unwrap());
    assert!(said.contains("is not empty"), "{said}");
    assert_eq!(std::fs::read_dir(path).unwrap().count(), 1);
}

#[test]
fn a_demo_that_is_killed_takes_its_processes_with_it() {
    let base = three_free_ports().unwrap();
    // Named, so that the test removes what a killed demo cannot.
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap();
    let mut child = demo(&["--port-base", &base.to_string(), "--directory", path])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut guide = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(guide.any(|line| line.unwrap().contains("Ctrl-C ends")));
    let asked = "GET /010545459039/antrag HTTP/1.1\r\nHost: wohngeld.localhost\r\nConnection: close\r\n\r\n";
    let answer = ask(base, asked).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let backend: SocketAddr = answer
        .lines()
        .find_map(|line| {
            line.strip_prefix("Endpunkt:")?
                .split_whitespace()
                .last()?
                .parse()
                .ok()
        })
        .unwrap();

    child.kill().unwrap();
    child.wait().unwrap();

    let end = Instant::now() + Duration::from_secs(30);
    while TcpStream::connect(backend).is_ok() {
        assert!(Instant::now() < end, "the backend outlives the demo");
        std::thread::park_timeout(Duration::from_millis(10));
    }
    // A connection to a proxy that is going ends with it at the latest; one that stays takes the next one as well.
    let reached = (0..5).take_while(|_| proxy_answers(base));
    assert!(reached.count() < 5);
}

/// Sends a request to a port of this machine; the whole answer.
fn ask(port: u16, request: &str) -> std::io::Result<String> {
    let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    connection.write_all(request.as_bytes())?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Whether somebody listens there; if so, returns when the connection is over.
fn proxy_answers(port: u16) -> bool {
    let connected = TcpStream::connect((Ipv4Addr::LOCALHOST, port));
    connected.is_ok_and(|mut connection| {
        let _ = connection.shutdown(std::net::Shutdown::Write);
        let _ = connection.read_to_end(&mut Vec::new());
        true
    })
}

/// Below the range from which the system takes ports for outgoing connections: a load test beside this one uses them up.
/// Begins anywhere, so that tests that run at the same time seldom look at the same ports.
fn three_free_ports() -> Option<u16> {
    let free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    let bases = (10_000..32_000).step_by(3);
    let somewhere = usize::try_from(std::process::id()).unwrap_or_default() % bases.len();
    bases
        .clone()
        .skip(somewhere)
        .chain(bases)
        .find(|base| (*base..*base + 3).all(free))
}
