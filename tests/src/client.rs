//! A client that sends the bytes it is given and reads answers with the tests' own strict reader.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Shutdown, SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};

use rustls::{ClientConfig, ClientConnection, StreamOwned, pki_types::ServerName};
use socket2::{Domain, SockRef, Socket, Type};

use crate::{
    PATIENCE,
    message::{self, Response, Source},
};

/// A connection to the proxy, or to anything else.
pub struct Client {
    wire: Wire,
    buffer: Vec<u8>,
}

enum Wire {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Wire {
    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => &tls.sock,
        }
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("tcp", self.wire.tcp())
            .finish_non_exhaustive()
    }
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let tcp = TcpStream::connect_timeout(&address, PATIENCE)?;
    prepare(&tcp)?;
    Ok(tcp)
}

fn prepare(tcp: &TcpStream) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    tcp.set_read_timeout(Some(PATIENCE))?;
    tcp.set_write_timeout(Some(PATIENCE))
}

impl Client {
    /// Connects in plain text.
    ///
    /// # Panics
    ///
    /// When nobody listens.
    pub fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address).unwrap_or_else(|error| panic!("{address}: {error}"))
    }

    /// Connects in plain text, if somebody listens.
    ///
    /// # Errors
    ///
    /// The connect's.
    pub fn try_connect(address: SocketAddr) -> io::Result<Self> {
        Ok(Self {
            wire: Wire::Plain(connect(address)?),
            buffer: Vec::new(),
        })
    }

    /// Connects in plain text from an address of ours; all of 127.0.0.0/8 is ours.
    ///
    /// # Panics
    ///
    /// When nobody listens.
    pub fn connect_from(own: IpAddr, address: SocketAddr) -> Self {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None);
        let socket = socket.expect("a socket");
        let bound = socket.bind(&SocketAddr::new(own, 0).into());
        bound.expect("an address of ours");
        let connected = socket.connect_timeout(&address.into(), PATIENCE);
        connected.unwrap_or_else(|error| panic!("{address}: {error}"));
        let tcp = TcpStream::from(socket);
        prepare(&tcp).expect("a socket that takes options");
        Self {
            wire: Wire::Plain(tcp),
            buffer: Vec::new(),
        }
    }

    /// Connects and shakes hands for `name` (SNI).
    ///
    /// # Errors
    ///
    /// Of the connection or of the handshake, such as a certificate that does not fit the name.
    pub fn secure(address: SocketAddr, name: &str, config: Arc<ClientConfig>) -> io::Result<Self> {
        let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        let tls = ClientConnection::new(config, name).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(tls, connect(address)?);
        stream.conn.complete_io(&mut stream.sock)?;
        Ok(Self {
            wire: Wire::Tls(Box::new(stream)),
            buffer: Vec::new(),
        })
    }

    /// The leaf certificate (DER) that the server showed.
    pub fn certificate(&self) -> Option<Vec<u8>> {
        match &self.wire {
            Wire::Plain(_) => None,
            Wire::Tls(tls) => tls
                .conn
                .peer_certificates()?
                .first()
                .map(|leaf| leaf.to_vec()),
        }
    }

    /// The TLS session below.
    pub fn tls(&self) -> Option<&ClientConnection> {
        match &self.wire {
            Wire::Plain(_) => None,
            Wire::Tls(tls) => Some(&tls.conn),
        }
    }

    /// Our end's address.
    ///
    /// # Panics
    ///
    /// When the socket has none any more.
    pub fn local(&self) -> SocketAddr {
        self.wire.tcp().local_addr().expect("an address")
    }

    /// Sends bytes.
    ///
    /// # Panics
    ///
    /// When the server does not take them.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.try_send(bytes).expect("the server takes the bytes");
        self
    }

    /// Sends bytes, if the server takes them.
    ///
    /// # Errors
    ///
    /// The connection's.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        match &mut self.wire {
            Wire::Plain(tcp) => tcp.write_all(bytes.as_ref()),
            Wire::Tls(tls) => tls.write_all(bytes.as_ref()).and_then(|()| tls.flush()),
        }
    }

    /// Says that nothing more comes (FIN; over TLS `close_notify` first).
    pub fn half_close(&mut self) -> &mut Self {
        if let Wire::Tls(tls) = &mut self.wire {
            tls.conn.send_close_notify();
            let _ = tls.flush();
        }
        let _ = self.wire.tcp().shutdown(Shutdown::Write);
        self
    }

    /// Leaves by a reset (RST).
    pub fn reset(self) {
        let _ = SockRef::from(self.wire.tcp()).set_linger(Some(Duration::ZERO));
    }

    /// The next answer, interim ones included, to a request whose method has answers with bodies.
    ///
    /// # Panics
    ///
    /// When there is none, or one that is not as RFC 9112 wants it.
    pub fn response(&mut self) -> Response {
        self.response_to("GET")
    }

    /// The next answer to a request of this method.
    ///
    /// # Panics
    ///
    /// As [`Self::response`].
    pub fn response_to(&mut self, method: &str) -> Response {
        self.try_response_to(method)
            .expect("an answer")
            .expect("an answer before the connection's end")
    }

    /// The next answer; `None` when the connection ended in order before it.
    ///
    /// # Errors
    ///
    /// The connection's, and answers that are not as RFC 9112 wants them.
    pub fn try_response_to(&mut self, method: &str) -> io::Result<Option<Response>> {
        message::read_response(self, method)
    }

    /// Asks for `target` with nothing but `Host` and reads the answer.
    ///
    /// # Panics
    ///
    /// As [`Self::response`].
    pub fn get(&mut self, host: &str, target: &str) -> Response {
        self.get_with(host, target, "")
    }

    /// The same with further field lines, each ended by CRLF.
    ///
    /// # Panics
    ///
    /// As [`Self::response`].
    pub fn get_with(&mut self, host: &str, target: &str, fields: &str) -> Response {
        self.send(format!(
            "GET {target} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n"
        ));
        self.response()
    }

    /// Everything up to the connection's end. A reset counts as an end.
    ///
    /// # Panics
    ///
    /// When it does not end.
    pub fn read_to_end(&mut self) -> Vec<u8> {
        loop {
            match self.fill() {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if is_timeout(&error) => panic!("the connection does not end"),
                Err(_) => break,
            }
        }
        std::mem::take(&mut self.buffer)
    }

    /// Exactly `count` bytes, not read as HTTP.
    ///
    /// # Panics
    ///
    /// When fewer come.
    pub fn read_exact(&mut self, count: usize) -> Vec<u8> {
        message::take(self, count).expect("as many bytes")
    }

    /// Whether the connection is open and nothing came on it that was not read.
    ///
    /// # Panics
    ///
    /// When the socket cannot be asked.
    pub fn is_quiet(&self) -> bool {
        let tcp = self.wire.tcp();
        tcp.set_nonblocking(true).expect("a socket");
        let peeked = tcp.peek(&mut [0]);
        tcp.set_nonblocking(false).expect("a socket");
        self.buffer.is_empty()
            && peeked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }
}

/// Whether the socket's own bound passed.
pub fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

/// A read with a bound is interrupted when the process is stopped and goes on (signal(7)).
pub(crate) fn retried(read: &mut impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match read() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

impl Source for Client {
    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    fn fill(&mut self) -> io::Result<usize> {
        let mut more = [0; 16 * 1024];
        let mut read = || match &mut self.wire {
            Wire::Plain(tcp) => tcp.read(&mut more),
            Wire::Tls(tls) => tls.read(&mut more),
        };
        let count = retried(&mut read)?;
        self.buffer.extend_from_slice(&more[..count]);
        Ok(count)
    }
}
