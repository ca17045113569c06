//! Answers and ends that come before they are expected: an upload refused at its head, a connection cut in the middle.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use launchday::{
    results::Reason,
    workload::{Body, Template, Workload},
};
use rustls::{ServerConnection, StreamOwned};

use super::{
    play,
    secure::{Identity, over},
    settings, workload,
};

/// More than the kernel's buffers of both sides hold.
const UPLOAD: u64 = 32 << 20;

/// Serves each connection on a thread of its own; the number of connections.
pub(crate) fn start(
    serve: impl Fn(TcpStream) -> io::Result<()> + Send + Sync + 'static,
) -> (SocketAddr, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (count, serve) = (Arc::new(AtomicU64::new(0)), Arc::new(serve));
    let counted = Arc::clone(&count);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            counted.fetch_add(1, Ordering::SeqCst);
            let serve = Arc::clone(&serve);
            // The generator closing is how a connection ends.
            std::thread::spawn(move || serve(stream).ok());
        }
    });
    (address, count)
}

/// Up to the empty line, and no byte more.
fn read_head(stream: &mut impl Read) -> io::Result<()> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    Ok(())
}

fn refuse(stream: &mut (impl Read + Write), fields: &str) -> io::Result<()> {
    read_head(stream)?;
    // In one write: a reset drops what waits for the acknowledgement of another.
    let answer = format!("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n{fields}\r\n");
    stream.write_all(answer.as_bytes())?;
    stream.flush()
}

fn uploads(address: SocketAddr) -> Workload {
    let mut workload = workload(address, 20.0, 0.5);
    workload.journeys[0].steps[0].request =
        Template::new("POST", "/", "localhost", &[], &Body::Size(UPLOAD));
    workload
}

#[test]
fn a_connection_whose_upload_was_refused_at_its_head_serves_nobody_else() {
    let identity = Identity::new();
    let config = identity.server(None);
    // Neither reads on nor closes, so that the next request would be taken for the rest of the upload.
    let kept = Mutex::new(Vec::new());
    let plain = start(move |mut stream| {
        refuse(&mut stream, "")?;
        kept.lock().unwrap().push(stream);
        Ok(())
    });
    let kept = Mutex::new(Vec::new());
    let secure = start(move |stream| {
        let session = ServerConnection::new(config.clone()).unwrap();
        let mut stream = StreamOwned::new(session, stream);
        refuse(&mut stream, "")?;
        kept.lock().unwrap().push(stream);
        Ok(())
    });
    for ((address, connections), tls) in [(plain, None), (secure, Some(identity.client(None)))] {
        let results = play(&over(uploads(address), tls, false), &settings(1, 1));
        assert_eq!(
            (results.counts.failed, results.count_of(Reason::Status4xx)),
            (10, 10),
            "{:?}",
            results.reasons
        );
        assert_eq!(connections.load(Ordering::SeqCst), 10);
        assert!(results.sent_bytes < 10 * UPLOAD, "{}", results.sent_bytes);
    }
}

#[test]
fn an_answer_counts_although_its_connection_was_closed_under_the_upload() {
    let (address, _) = start(|mut stream| refuse(&mut stream, "Connection: close\r\n"));
    let results = play(&uploads(address), &settings(1, 0));
    assert_eq!(
        (results.counts.failed, results.count_of(Reason::Status4xx)),
        (10, 10),
        "{:?}",
        results.reasons
    );
}

#[test]
fn an_answer_that_ends_with_its_connection_does_not_end_with_a_reset() {
    let (address, _) = start(|mut stream| {
        // Closing with something unread is a reset.
        stream.read_exact(&mut [0])?;
        stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nhalf of it")
    });
    let results = play(&workload(address, 20.0, 0.5), &settings(1, 0));
    assert_eq!(
        (results.counts.failed, results.count_of(Reason::Reset)),
        (10, 10),
        "{:?}",
        results.reasons
    );
}

#[test]
fn what_arrived_of_an_answer_that_broke_off_counts_as_received() {
    let (address, _) = start(|mut stream| {
        read_head(&mut stream)?;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345")
    });
    let results = play(&workload(address, 20.0, 0.5), &settings(1, 0));
    assert_eq!(
        (results.count_of(Reason::Reset), results.received_bytes),
        (10, 50)
    );
}
