//! A target that does what a test tells it, and counts what it sees.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// What the target does with a request for a path.
pub(crate) type Behaviour = fn(&Request<'_>) -> Deed;

/// What a request was.
pub(crate) struct Request<'a> {
    pub(crate) path: &'a str,
    pub(crate) fields: &'a [String],
    /// How many came before it, on any connection.
    pub(crate) number: u64,
    /// Since the first request.
    pub(crate) since_first: Duration,
}

/// What the target does.
pub(crate) enum Deed {
    /// Writes these bytes, the whole answer.
    Answer(String),
    /// The same when so much time has passed since the first request.
    AnswerAt(Duration, String),
    /// Closes without an answer.
    Close,
    /// Keeps the connection and never answers.
    Hang,
}

/// What the target saw and did.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) requests: AtomicU64,
    pub(crate) answers: AtomicU64,
    pub(crate) connections: AtomicU64,
    pub(crate) body_bytes: AtomicU64,
    first: Mutex<Option<Instant>>,
    over: (Mutex<bool>, Condvar),
}

/// A target; its threads end with it.
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) seen: Arc<Seen>,
}

impl Target {
    pub(crate) fn start(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Seen::default());
        let shared = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                shared.connections.fetch_add(1, Ordering::Relaxed);
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || {
                    // The generator closing is how a connection ends.
                    let _ = serve(stream, behaviour, &shared);
                });
            }
        });
        Self { address, seen }
    }

    pub(crate) fn requests(&self) -> u64 {
        self.seen.requests.load(Ordering::SeqCst)
    }

    pub(crate) fn answers(&self) -> u64 {
        self.seen.answers.load(Ordering::SeqCst)
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        *self.seen.over.0.lock().unwrap() = true;
        self.seen.over.1.notify_all();
    }
}

fn serve(mut stream: TcpStream, behaviour: Behaviour, seen: &Seen) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let fields = read_fields(&mut reader)?;
        let length = fields
            .iter()
            .find_map(|field| field.strip_prefix("Content-Length: ")?.parse().ok())
            .unwrap_or(0);
        let read = std::io::copy(&mut reader.by_ref().take(length), &mut std::io::sink())?;
        seen.body_bytes.fetch_add(read, Ordering::SeqCst);
        let first = *seen.first.lock().unwrap().get_or_insert_with(Instant::now);
        let deed = behaviour(&Request {
            path: &path,
            fields: &fields,
            number: seen.requests.fetch_add(1, Ordering::SeqCst),
            since_first: first.elapsed(),
        });
        let answer = match deed {
            Deed::Answer(answer) => answer,
            Deed::AnswerAt(at, answer) => {
                wait_until(seen, first + at);
                answer
            }
            Deed::Close => return Ok(()),
            Deed::Hang => {
                wait_until(seen, first + Duration::from_hours(1));
                return Ok(());
            }
        };
        seen.answers.fetch_add(1, Ordering::SeqCst);
        stream.write_all(answer.as_bytes())?;
    }
}

fn read_fields(reader: &mut BufReader<TcpStream>) -> std::io::Result<Vec<String>> {
    let mut fields = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if line.trim_end().is_empty() {
            return Ok(fields);
        }
        fields.push(line.trim_end().to_owned());
    }
}

/// Until that time, or the end of the test.
fn wait_until(seen: &Seen, time: Instant) {
    let (over, changed) = &seen.over;
    let wait = time.saturating_duration_since(Instant::now());
    let _ = changed
        .wait_timeout_while(over.lock().unwrap(), wait, |over| !*over)
        .unwrap();
}

/// A plain answer of this status with these fields, each ended by `\r\n`.
pub(crate) fn answer(status: u16, fields: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status} Any\r\nContent-Length: {length}\r\n{fields}\r\n{body}")
}
