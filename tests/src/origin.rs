//! Backends that do what a script says and remember every byte they were sent.

use std::{
    io::{self, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use socket2::SockRef;

use crate::{
    client::retried,
    eventually,
    message::{self, Framing, Request, Source},
};

/// A backend on a port of its own. Dropping it closes the port and every connection.
#[derive(Debug)]
pub struct Origin {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    connections: Mutex<Vec<Record>>,
    requests: Mutex<Vec<Request>>,
    request_count: AtomicUsize,
    forgetful: AtomicBool,
    stopped: AtomicBool,
}

#[derive(Debug)]
struct Record {
    received: Vec<u8>,
    tcp: Weak<TcpStream>,
    open: bool,
}

/// One connection that the backend accepted, in the hands of its script.
#[derive(Debug)]
pub struct Conversation {
    /// None after a reset.
    tcp: Option<Arc<TcpStream>>,
    buffer: Vec<u8>,
    number: usize,
    ended: bool,
    shared: Arc<Shared>,
}

impl Origin {
    /// Runs `script` for each connection; it is closed when the script returns.
    ///
    /// # Panics
    ///
    /// When no port is free.
    pub fn converse(script: impl Fn(&mut Conversation) + Send + Sync + 'static) -> Self {
        Self::converse_on("127.0.0.1:0".parse().unwrap(), script)
    }

    /// The same on a given address, such as the one of a backend that was stopped.
    ///
    /// # Panics
    ///
    /// When the port stays taken.
    pub fn converse_on(
        address: SocketAddr,
        script: impl Fn(&mut Conversation) + Send + Sync + 'static,
    ) -> Self {
        let mut bound = TcpListener::bind(address);
        eventually("the origin's port is free", || {
            if bound.is_err() {
                bound = TcpListener::bind(address);
            }
            bound.is_ok()
        });
        let listener = bound.expect("a bound port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::<Shared>::default();
        let (accepting, script) = (shared.clone(), Arc::new(script));
        thread::spawn(move || {
            for tcp in listener.incoming().map_while(Result::ok) {
                if accepting.stopped.load(SeqCst) {
                    break;
                }
                let script = script.clone();
                if let Ok(mut conversation) = Conversation::new(tcp, &accepting) {
                    thread::spawn(move || script(&mut conversation));
                }
            }
        });
        Self { address, shared }
    }

    /// Reads each request with its body and lets `script` answer it, until that or the peer ends the connection.
    pub fn serve(script: impl Fn(&Request, &mut Conversation) + Send + Sync + 'static) -> Self {
        Self::converse(move |conversation| conversation.serve(&script))
    }

    /// The same on a given address.
    pub fn serve_on(
        address: SocketAddr,
        script: impl Fn(&Request, &mut Conversation) + Send + Sync + 'static,
    ) -> Self {
        Self::converse_on(address, move |conversation| conversation.serve(&script))
    }

    /// Answers every request with these bytes.
    pub fn fixed(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::serve(move |_, conversation| conversation.send(&answer))
    }

    /// Answers every request with 200 and this body.
    pub fn ok(body: &str) -> Self {
        Self::fixed(ok(body))
    }

    /// Answers with what it was sent, as JSON: `{"method", "target", "fields": [[name, value]…], "body"}`.
    pub fn echo() -> Self {
        Self::serve(|request, conversation| conversation.send(echo(request)))
    }

    /// Reads requests and never answers.
    pub fn hanging() -> Self {
        Self::serve(|_, conversation| conversation.wait_for_the_peer())
    }

    /// Upgrades to WebSocket and then sends back every byte it gets; answers everything else with 200.
    pub fn websocket_echo() -> Self {
        Self::serve(|request, conversation| {
            if request.field("Upgrade").is_none() {
                return conversation.send(ok("no upgrade"));
            }
            conversation.send(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            );
            conversation.echo_bytes();
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Requests that were read whole.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// How many requests were read whole.
    pub fn request_count(&self) -> usize {
        self.shared.request_count.load(SeqCst)
    }

    /// How many connections were accepted.
    pub fn connection_count(&self) -> usize {
        self.shared.connections.lock().unwrap().len()
    }

    /// How many connections are open still.
    pub fn open_count(&self) -> usize {
        let connections = self.shared.connections.lock().unwrap();
        connections.iter().filter(|record| record.open).count()
    }

    /// Every byte that came on a connection, by number from 0 in order of arrival.
    pub fn received(&self, connection: usize) -> Vec<u8> {
        let connections = self.shared.connections.lock().unwrap();
        connections
            .get(connection)
            .map(|record| record.received.clone())
            .unwrap_or_default()
    }

    /// Waits until this many requests were read whole.
    ///
    /// # Panics
    ///
    /// When they do not come.
    pub fn wait_requests(&self, count: usize) {
        eventually("the origin has the requests", || {
            self.request_count() >= count
        });
    }

    /// Counts requests, but keeps neither them nor their bytes: for load and large bodies.
    #[must_use]
    pub fn forgetful(self) -> Self {
        self.shared.forgetful.store(true, SeqCst);
        self
    }

    /// Ends every open connection; new ones are still served.
    pub fn close_connections(&self) {
        for record in self.shared.connections.lock().unwrap().iter() {
            if let Some(tcp) = record.tcp.upgrade() {
                let _ = tcp.shutdown(Shutdown::Both);
            }
        }
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.shared.stopped.store(true, SeqCst);
        let _ = TcpStream::connect(self.address); // wakes the accepting thread
        self.close_connections();
    }
}

impl Conversation {
    fn new(tcp: TcpStream, shared: &Arc<Shared>) -> io::Result<Self> {
        tcp.set_nodelay(true)?;
        let tcp = Arc::new(tcp);
        let mut connections = shared.connections.lock().unwrap();
        connections.push(Record {
            received: Vec::new(),
            tcp: Arc::downgrade(&tcp),
            open: true,
        });
        Ok(Self {
            tcp: Some(tcp),
            buffer: Vec::new(),
            number: connections.len() - 1,
            ended: false,
            shared: shared.clone(),
        })
    }

    fn serve(&mut self, script: &impl Fn(&Request, &mut Self)) {
        while !self.ended {
            let Ok(Some(request)) = message::read_request(self) else {
                return;
            };
            self.note(request.clone());
            script(&request, self);
        }
    }

    /// The connection's number, from 0.
    pub fn number(&self) -> usize {
        self.number
    }

    /// Counts a request that the script read by itself.
    pub fn note(&self, request: Request) {
        self.shared.request_count.fetch_add(1, SeqCst);
        if !self.shared.forgetful.load(SeqCst) {
            self.shared.requests.lock().unwrap().push(request);
        }
    }

    /// The next request's head; `None` when the peer ended, or sent what is no request.
    pub fn request_head(&mut self) -> Option<Request> {
        message::read_request_head(self).ok().flatten()
    }

    /// The body behind a head that [`Self::request_head`] gave.
    ///
    /// # Errors
    ///
    /// A body that ends early or is framed wrongly.
    pub fn request_body(&mut self, head: &Request) -> io::Result<Vec<u8>> {
        let framing = message::framing(&head.fields)?.unwrap_or(Framing::Length(0));
        message::read_body(self, framing).map(|(body, _)| body)
    }

    /// Sends bytes; a peer that does not take them ends the conversation.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let sent = self
            .tcp
            .as_deref()
            .is_some_and(|mut tcp| tcp.write_all(bytes.as_ref()).is_ok());
        self.ended |= !sent;
    }

    /// Sends back whatever comes until the peer ends.
    pub fn echo_bytes(&mut self) {
        loop {
            let bytes = std::mem::take(&mut self.buffer);
            self.send(bytes);
            if self.ended || !matches!(self.fill(), Ok(1..)) {
                return self.close();
            }
        }
    }

    /// Reads and drops whatever comes until the peer ends.
    pub fn wait_for_the_peer(&mut self) {
        while matches!(self.fill(), Ok(1..)) {
            self.buffer.clear();
        }
        self.close();
    }

    /// Ends the connection in order.
    pub fn close(&mut self) {
        if let Some(tcp) = &self.tcp {
            let _ = tcp.shutdown(Shutdown::Both);
        }
        self.ended = true;
    }

    /// Ends the connection by a reset (RST).
    ///
    /// # Panics
    ///
    /// When the socket takes no option.
    pub fn reset(&mut self) {
        let linger = SockRef::from(&**self.tcp.as_ref().expect("a connection"))
            .set_linger(Some(Duration::ZERO));
        linger.expect("a socket that can be told to reset");
        self.ended = true;
        // The only lasting handle: dropping it closes the socket, and without linger time that is a reset.
        self.tcp = None;
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        if let Some(record) = self.shared.connections.lock().unwrap().get_mut(self.number) {
            record.open = false;
        }
    }
}

impl Source for Conversation {
    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    fn fill(&mut self) -> io::Result<usize> {
        let mut more = [0; 16 * 1024];
        let Some(mut tcp) = self.tcp.as_deref() else {
            return Ok(0);
        };
        let count = retried(&mut || tcp.read(&mut more))?;
        let more = &more[..count];
        self.buffer.extend_from_slice(more);
        if !self.shared.forgetful.load(SeqCst)
            && let Some(record) = self.shared.connections.lock().unwrap().get_mut(self.number)
        {
            record.received.extend_from_slice(more);
        }
        Ok(count)
    }
}

/// An answer with 200 and this body.
pub fn ok(body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nContent-Type: text/plain\r\n\r\n{body}")
}

/// An answer that tells what was asked; see [`Origin::echo`].
pub fn echo(request: &Request) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let fields: Vec<_> = request
        .fields
        .iter()
        .map(|(name, value)| [name.clone(), text(value)])
        .collect();
    ok(&serde_json::json!({
        "method": request.method,
        "target": request.target,
        "fields": fields,
        "body": text(&request.body),
    })
    .to_string())
}
