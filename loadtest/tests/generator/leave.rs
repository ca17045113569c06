//! HTTP/2 frame by frame (RFC 9113 §4, §6): targets that take their leave (GOAWAY) or refuse streams, of which what they did
//! not begin to work on goes elsewhere; and one that speaks at once.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use launchday::{
    results::{Reason, Results},
    workload::{Body, Template, Workload},
};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::{
    early::start,
    journey, play,
    secure::{Identity, over},
    settings, workload,
};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const INTERNAL_ERROR: u8 = 2;
const REFUSED_STREAM: u8 = 7;
const ACK: u8 = 1;
/// The end of the head.
const HEAD: u8 = 4;
/// That, and the end of the stream.
const WHOLE: u8 = 5;

/// A request's head that came.
struct Head {
    connection: usize,
    /// How many came before it on the connection.
    number: usize,
    stream: u32,
}

type React = fn(&Head, &Target);

struct Target {
    address: SocketAddr,
    react: React,
    connections: Mutex<Vec<TcpStream>>,
    heads: AtomicUsize,
}

impl Target {
    fn start(react: React) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let target = Arc::new(Self {
            address: listener.local_addr().unwrap(),
            react,
            connections: Mutex::default(),
            heads: AtomicUsize::new(0),
        });
        let shared = Arc::clone(&target);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let mut connections = shared.connections.lock().unwrap();
                let connection = connections.len();
                connections.push(stream.try_clone().unwrap());
                let shared = Arc::clone(&shared);
                // The generator closing is how a connection ends.
                std::thread::spawn(move || shared.serve(connection, stream).ok());
            }
        });
        target
    }

    fn serve(&self, connection: usize, mut stream: TcpStream) -> io::Result<()> {
        read_preface(&mut stream)?;
        self.write(connection, &frame(SETTINGS, 0, 0, &[]));
        let mut number = 0;
        loop {
            let (kind, flags, stream) = read_frame(&mut stream)?;
            if kind == SETTINGS && flags & ACK == 0 {
                self.write(connection, &frame(SETTINGS, ACK, 0, &[]));
            }
            if kind == HEADERS {
                self.heads.fetch_add(1, Ordering::SeqCst);
                (self.react)(
                    &Head {
                        connection,
                        number,
                        stream,
                    },
                    self,
                );
                number += 1;
            }
        }
    }

    fn write(&self, connection: usize, bytes: &[u8]) {
        // Who has closed does not want it any more.
        let _ = self.connections.lock().unwrap()[connection].write_all(bytes);
    }

    fn answer(&self, head: &Head) {
        self.write(head.connection, &answer(head.stream));
    }

    fn play(&self, requests: f64) -> Results {
        let workload = over(workload(self.address, requests, 1.0), None, true);
        let results = play(&workload, &settings(1, 2));
        let sent: u64 = results.workers.iter().map(|worker| worker.sent).sum();
        assert_eq!(sent, results.counts.scheduled);
        results
    }
}

fn read_preface(stream: &mut impl Read) -> io::Result<()> {
    stream.read_exact(&mut [0; 24])
}

/// Kind, flags and stream of the next; its payload is dropped.
fn read_frame(stream: &mut impl Read) -> io::Result<(u8, u8, u32)> {
    let mut head = [0; 9];
    stream.read_exact(&mut head)?;
    let [a, b, c, kind, flags, id @ ..] = head;
    let length = u32::from_be_bytes([0, a, b, c]);
    io::copy(&mut stream.take(length.into()), &mut io::sink())?;
    Ok((kind, flags, u32::from_be_bytes(id)))
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![a, b, c, kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// Status 200, the eighth of HPACK's table (RFC 7541, appendix A).
fn answer(stream: u32) -> Vec<u8> {
    frame(HEADERS, WHOLE, stream, &[0x88])
}

/// So much of an answer, and then an error of the target's.
fn break_off(head: &Head) -> Vec<u8> {
    let frames = [
        frame(HEADERS, HEAD, head.stream, &[0x88]),
        frame(DATA, 0, head.stream, b"12345"),
        frame(RST_STREAM, 0, head.stream, &[0, 0, 0, INTERNAL_ERROR]),
    ];
    frames.concat()
}

fn refuse(head: &Head) -> Vec<u8> {
    frame(RST_STREAM, 0, head.stream, &[0, 0, 0, REFUSED_STREAM])
}

/// Without error, and with this as the last stream that was begun.
fn leave(last: u8) -> Vec<u8> {
    frame(GOAWAY, 0, 0, &[0, 0, 0, last, 0, 0, 0, 0])
}

fn assert_all_answered(results: &Results, opened: u64) {
    assert_eq!(
        results.counts.answered, results.counts.scheduled,
        "{:?}",
        results.reasons
    );
    assert_eq!(results.connections.unwrap().opened, opened);
}

#[test]
fn a_connection_that_takes_its_leave_gets_no_other_request_and_ends_what_it_has() {
    let target = Target::start(|head, target| match (head.connection, head.number) {
        (0, 0) => target.write(0, &leave(1)),
        (0, _) => {}
        (1, 0) => {
            target.answer(head);
            target.write(0, &answer(1));
        }
        _ => target.answer(head),
    });
    assert_all_answered(&target.play(25.0), 2);
}

#[test]
fn an_answer_counts_that_came_with_the_end_and_what_was_not_begun_goes_elsewhere() {
    let target = Target::start(|head, target| match (head.connection, head.number) {
        (0, 1) => {
            target.write(0, &[answer(1), leave(1)].concat());
            let connections = target.connections.lock().unwrap();
            let _ = connections[0].shutdown(Shutdown::Write);
        }
        (0, _) => {}
        _ => target.answer(head),
    });
    assert_all_answered(&target.play(25.0), 2);
}

#[test]
fn a_refused_stream_is_sent_again_and_its_body_counts_once() {
    let target = Target::start(|head, target| match head.number {
        0 => target.write(head.connection, &refuse(head)),
        _ => target.answer(head),
    });
    let mut workload = over(workload(target.address, 10.0, 1.0), None, true);
    workload.journeys[0].steps[0].request = Template::new(
        "POST",
        "/",
        "localhost",
        &[],
        &Body::Text("1234".to_owned()),
    );
    let results = play(&workload, &settings(1, 1));
    assert_all_answered(&results, 1);
    assert_eq!(results.sent_bytes, 40);
    assert_eq!(results.connections.unwrap().reused, 9);
}

#[test]
fn a_target_that_refuses_every_stream_is_asked_three_times_and_fails_by_that_name() {
    let target = Target::start(|head, target| target.write(head.connection, &refuse(head)));
    let results = target.play(10.0);
    assert_eq!(
        (
            results.counts.failed,
            results.count_of(Reason::StreamRefused)
        ),
        (10, 10)
    );
    assert_eq!(target.heads.load(Ordering::SeqCst), 30);
}

#[test]
fn what_arrived_of_an_answer_that_broke_off_counts_as_received() {
    let target = Target::start(|head, target| target.write(head.connection, &break_off(head)));
    let results = target.play(10.0);
    assert_eq!((results.counts.failed, results.received_bytes), (10, 50));
}

fn one_citizen_of_two_steps(target: &Target) -> Workload {
    let mut workload = over(workload(target.address, 1.0, 1.0), None, true);
    let mut journey = journey("localhost", &["/one", "/two"]);
    journey.own_connection = true;
    workload.journeys = vec![journey];
    workload
}

#[test]
fn a_citizen_whose_own_connection_takes_its_leave_opens_another() {
    let target = Target::start(|head, target| match head.connection {
        0 => target.write(0, &leave(0)),
        _ => target.answer(head),
    });
    let results = play(&one_citizen_of_two_steps(&target), &settings(1, 0));
    assert_eq!(results.counts.scheduled, 2);
    assert_all_answered(&results, 2);
}

/// Puts its first frame into the same write as the end of the handshake, which it has in TLS 1.2.
fn speak_at_once(config: Arc<ServerConfig>, mut stream: TcpStream) -> io::Result<()> {
    let mut session = ServerConnection::new(config).unwrap();
    while session.is_handshaking() {
        while session.wants_write() {
            session.write_tls(&mut stream)?;
        }
        session.read_tls(&mut stream)?;
        session.process_new_packets().map_err(io::Error::other)?;
    }
    session.writer().write_all(&frame(SETTINGS, 0, 0, &[]))?;
    session.write_tls(&mut stream)?;
    let mut stream = StreamOwned::new(session, stream);
    read_preface(&mut stream)?;
    loop {
        match read_frame(&mut stream)? {
            (HEADERS, _, number) => stream.write_all(&answer(number))?,
            (SETTINGS, 0, _) => stream.write_all(&frame(SETTINGS, ACK, 0, &[]))?,
            _ => {}
        }
    }
}

#[test]
fn a_frame_that_comes_with_the_end_of_the_handshake_is_no_answer_to_it() {
    let identity = Identity::new();
    let config = identity.server_of(Some(b"h2"), &[&rustls::version::TLS12]);
    let (address, _) = start(move |stream| speak_at_once(config.clone(), stream));
    let tls = identity.client(Some(b"h2"));
    let workload = over(workload(address, 20.0, 0.5), Some(tls), true);
    assert_all_answered(&play(&workload, &settings(1, 1)), 1);
}
