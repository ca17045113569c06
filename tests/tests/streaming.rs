//! Bodies on their way: constant memory, back-pressure, and pieces that pass as they come.

use std::{
    env, fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        atomic::{AtomicBool, Ordering::SeqCst},
        mpsc,
    },
    thread,
    time::Duration,
};

use schleuse_tests::{Edge, Origin, PATIENCE, RunningEdge, eventually, message};

use crate::one_service::amt;

static BLOCK: [u8; 1 << 16] = [b'x'; 1 << 16];

/// 64 MiB, or 2 GiB with `SCHLEUSE_LARGE=1`.
fn large() -> u64 {
    let large = env::var("SCHLEUSE_LARGE").is_ok_and(|value| value == "1");
    if large { 2 << 30 } else { 64 << 20 }
}

fn edge(address: SocketAddr) -> Edge {
    amt(&[address], "body_max: 4GiB", "")
}

/// A backend for one connection that keeps nothing: `script` has the socket.
fn bare<T: Send + 'static>(
    script: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (SocketAddr, thread::JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let running = thread::spawn(move || {
        let (tcp, _) = listener.accept().unwrap();
        tcp.set_read_timeout(Some(PATIENCE)).unwrap();
        script(tcp)
    });
    (address, running)
}

/// Reads a head byte by byte, so that nothing of the body is taken.
fn skip_head(tcp: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        tcp.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// Memory of its own that the proxy holds now, without the pages of its executable, KiB.
fn held_kib(edge: &RunningEdge) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", edge.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:"));
    let number = line.and_then(|line| line.split_ascii_whitespace().nth(1));
    number.unwrap().parse().unwrap()
}

/// Runs `transfer` and expects that it costs no memory that grows with it.
fn in_constant_memory(edge: &RunningEdge, transfer: impl FnOnce()) {
    // The allocator takes 2 MiB at a time; measured are one or two of them, whatever the size of the transfer.
    const GROWTH_KIB_MAX: u64 = 8 * 1024;
    let before = held_kib(edge);
    let done = AtomicBool::new(false);
    let peak = thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let mut peak = 0;
            while !done.load(SeqCst) {
                peak = held_kib(edge).max(peak);
                thread::park_timeout(Duration::from_millis(1));
            }
            peak
        });
        transfer();
        done.store(true, SeqCst);
        watching.join().unwrap()
    });
    let grown = peak.saturating_sub(before);
    assert!(grown <= GROWTH_KIB_MAX, "grew by {grown} KiB");
}

fn read_exactly(tcp: &mut impl std::io::Read, bytes: u64) {
    let copied = std::io::copy(&mut tcp.take(bytes), &mut std::io::sink()).unwrap();
    assert_eq!(copied, bytes);
}

fn raw(edge: &RunningEdge) -> TcpStream {
    let tcp = TcpStream::connect(edge.http()).unwrap();
    tcp.set_read_timeout(Some(PATIENCE)).unwrap();
    tcp
}

#[test]
fn an_upload_takes_constant_memory() {
    let (address, backend) = bare(|mut tcp| {
        assert!(skip_head(&mut tcp).contains(&format!("\r\nContent-Length: {}\r\n", large())));
        read_exactly(&mut tcp, large());
        tcp.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            .unwrap();
    });
    let edge = edge(address).start();
    in_constant_memory(&edge, || {
        let mut client = edge.connect();
        client.send(format!(
            "PUT / HTTP/1.1\r\nHost: amt.example\r\nContent-Length: {}\r\n\r\n",
            large()
        ));
        for _ in 0..large() / BLOCK.len() as u64 {
            client.send(BLOCK);
        }
        assert_eq!(client.response().text(), "ok");
    });
    backend.join().unwrap();
}

#[test]
fn a_chunked_upload_takes_constant_memory() {
    let origin = Origin::ok("ok").forgetful();
    let edge = edge(origin.address()).start();
    in_constant_memory(&edge, || {
        let mut client = edge.connect();
        client.send("PUT / HTTP/1.1\r\nHost: amt.example\r\nTransfer-Encoding: chunked\r\n\r\n");
        let block = [&b"10000\r\n"[..], &BLOCK, b"\r\n"].concat();
        for _ in 0..(16 << 20) / BLOCK.len() {
            client.send(&block);
        }
        client.send("0\r\n\r\n");
        assert_eq!(client.response().text(), "ok");
    });
}

#[test]
fn a_download_takes_constant_memory_with_a_length_chunked_and_until_the_end() {
    for framing in ["Content-Length", "chunked", "until the end"] {
        let (address, backend) = bare(move |mut tcp| {
            skip_head(&mut tcp);
            let (field, around) = match framing {
                "Content-Length" => (format!("Content-Length: {}\r\n", large()), ["", ""]),
                "chunked" => (
                    "Transfer-Encoding: chunked\r\n".to_owned(),
                    ["10000\r\n", "\r\n"],
                ),
                _ => (String::new(), ["", ""]),
            };
            tcp.write_all(format!("HTTP/1.1 200 OK\r\n{field}\r\n").as_bytes())
                .unwrap();
            let block = [around[0].as_bytes(), &BLOCK, around[1].as_bytes()].concat();
            for _ in 0..large() / BLOCK.len() as u64 {
                tcp.write_all(&block).unwrap();
            }
            if framing == "chunked" {
                tcp.write_all(b"0\r\n\r\n").unwrap();
            }
        });
        let edge = edge(address).start();
        in_constant_memory(&edge, || {
            let mut tcp = raw(&edge);
            // HTTP/1.0, so that all framings reach the client as plain bytes.
            tcp.write_all(b"GET / HTTP/1.0\r\nHost: amt.example\r\n\r\n")
                .unwrap();
            assert!(skip_head(&mut tcp).starts_with("HTTP/1.1 200 OK\r\n"));
            read_exactly(&mut tcp, large());
            assert_eq!(tcp.read(&mut [0]).unwrap(), 0);
        });
        backend.join().unwrap();
    }
}

/// Writes blocks until the other side takes no more for a second; how many bytes went out.
fn write_until_stopped(tcp: &mut TcpStream, bytes_max: usize) -> usize {
    tcp.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    let mut written = 0;
    while written < bytes_max {
        match tcp.write(&BLOCK[..BLOCK.len().min(bytes_max - written)]) {
            Ok(count) => written += count,
            Err(error) if schleuse_tests::client::is_timeout(&error) => break,
            Err(error) => panic!("{error}"),
        }
    }
    tcp.set_write_timeout(Some(PATIENCE)).unwrap();
    written
}

fn write_rest(tcp: &mut TcpStream, mut bytes: usize) {
    while bytes > 0 {
        bytes -= tcp.write(&BLOCK[..BLOCK.len().min(bytes)]).unwrap();
    }
}

/// What a socket pair and the proxy hold on their way at most; Linux lets a receive buffer grow to 6 MiB, a send buffer
/// to 4 MiB.
const ON_THE_WAY_MAX: usize = 24 << 20;
const DELUGE: usize = 96 << 20;

#[test]
fn a_client_that_does_not_read_stops_the_backend() {
    let (tell, told) = mpsc::channel();
    let (address, backend) = bare(move |mut tcp| {
        skip_head(&mut tcp);
        tcp.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {DELUGE}\r\n\r\n").as_bytes())
            .unwrap();
        let written = write_until_stopped(&mut tcp, DELUGE);
        tell.send(written).unwrap();
        write_rest(&mut tcp, DELUGE - written);
    });
    let edge = edge(address).start();
    let mut tcp = raw(&edge);
    tcp.write_all(b"GET / HTTP/1.1\r\nHost: amt.example\r\n\r\n")
        .unwrap();
    let written = told.recv().unwrap();
    assert!(
        written < ON_THE_WAY_MAX,
        "{written} bytes went on their way"
    );
    skip_head(&mut tcp);
    read_exactly(&mut tcp, DELUGE as u64);
    backend.join().unwrap();
}

#[test]
fn a_backend_that_does_not_read_stops_the_client() {
    let (go, gone) = mpsc::channel::<()>();
    let (address, backend) = bare(move |mut tcp| {
        skip_head(&mut tcp);
        gone.recv().unwrap();
        read_exactly(&mut tcp, DELUGE as u64);
        tcp.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            .unwrap();
    });
    let edge = edge(address).start();
    let mut tcp = raw(&edge);
    tcp.write_all(
        format!("PUT / HTTP/1.1\r\nHost: amt.example\r\nContent-Length: {DELUGE}\r\n\r\n")
            .as_bytes(),
    )
    .unwrap();
    let written = write_until_stopped(&mut tcp, DELUGE);
    assert!(
        written < ON_THE_WAY_MAX,
        "{written} bytes went on their way"
    );
    go.send(()).unwrap();
    write_rest(&mut tcp, DELUGE - written);
    assert!(skip_head(&mut tcp).starts_with("HTTP/1.1 200 OK\r\n"));
    backend.join().unwrap();
}

#[test]
fn a_piece_of_an_answer_passes_before_the_next_one_exists() {
    let (go, gone) = mpsc::channel::<()>();
    let (address, backend) = bare(move |mut tcp| {
        skip_head(&mut tcp);
        tcp.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            .unwrap();
        for piece in gone
            .iter()
            .take(3)
            .zip([&b"1"[..], b"2", b"3"])
            .map(|((), piece)| piece)
        {
            tcp.write_all(&[b"1\r\n", piece, b"\r\n"].concat()).unwrap();
        }
        tcp.write_all(b"0\r\n\r\n").unwrap();
    });
    let edge = edge(address).start();
    let mut client = edge.connect();
    client.send("GET / HTTP/1.1\r\nHost: amt.example\r\n\r\n");
    message::read_head(&mut client).unwrap().unwrap();
    for piece in ["1\r\n1\r\n", "1\r\n2\r\n", "1\r\n3\r\n"] {
        go.send(()).unwrap();
        assert_eq!(client.read_exact(6), piece.as_bytes());
    }
    assert_eq!(client.read_exact(5), b"0\r\n\r\n");
    backend.join().unwrap();
}

#[test]
fn a_piece_of_an_upload_passes_before_the_next_one_exists() {
    const PIECE: usize = 16 * 1024; // what the proxy wants to see before it asks for a seat
    let (tell, told) = mpsc::channel();
    let (address, backend) = bare(move |mut tcp| {
        skip_head(&mut tcp);
        for _ in 0..3 {
            let mut piece = vec![0; PIECE];
            tcp.read_exact(&mut piece).unwrap();
            tell.send(piece).unwrap();
        }
        tcp.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            .unwrap();
    });
    let edge = edge(address).start();
    let mut client = edge.connect();
    let length = 3 * PIECE;
    client.send(format!(
        "PUT / HTTP/1.1\r\nHost: amt.example\r\nContent-Length: {length}\r\n\r\n"
    ));
    for fill in [b'1', b'2', b'3'] {
        client.send(vec![fill; PIECE]);
        assert!(told.recv().unwrap() == vec![fill; PIECE]);
    }
    assert_eq!(client.response().text(), "ok");
    backend.join().unwrap();
}

#[test]
fn a_client_that_leaves_in_the_middle_of_an_answer_stops_the_backend() {
    let (address, backend) = bare(|mut tcp| {
        skip_head(&mut tcp);
        tcp.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        tcp.set_write_timeout(Some(PATIENCE)).unwrap();
        loop {
            // Without end, until the proxy closes.
            if let Err(error) = tcp.write_all(&BLOCK) {
                return error;
            }
        }
    });
    let edge = edge(address).start();
    let mut tcp = raw(&edge);
    tcp.write_all(b"GET / HTTP/1.1\r\nHost: amt.example\r\n\r\n")
        .unwrap();
    read_exactly(&mut tcp, 1 << 20);
    drop(tcp);
    let error = backend.join().unwrap();
    assert!(!schleuse_tests::client::is_timeout(&error), "{error}");
    eventually("nothing is in flight", || {
        edge.metric("schleuse_requests_in_flight") < 1.0
    });
}
