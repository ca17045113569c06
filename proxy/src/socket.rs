//! A client's or an endpoint's TCP socket, read without a buffer of its own, and watched for the peer's leaving.
//!
//! An idle connection must own no buffer (64 KiB times 100,000 connections), so every read of a worker lands in one
//! scratch area first and only what came is copied. Watching for a peer that left must not read either: bytes of a body
//! that waits belong to the kernel, which slows the sender down. It looks at readiness alone; tokio then has to be told
//! "not readable" although bytes may lie there, and [`Socket`] remembers that to ask the kernel itself at the next read.

use std::{
    cell::RefCell,
    io::{self, ErrorKind},
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use bytes::BytesMut;
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::TcpStream,
};

/// One read's worth. 32 KiB: half of the calls of HAProxy's and nginx's 16 KiB, and a size of which the allocator keeps
/// half a MiB at hand per worker; of 64 KiB it keeps 4 MiB, more than all the rest of a large transfer.
const SCRATCH_BYTES: usize = 32 * 1024;

thread_local! {
    static SCRATCH: RefCell<Box<[u8; SCRATCH_BYTES]>> = RefCell::new(Box::new([0; SCRATCH_BYTES]));
}

/// Whether it is this process or host that lacks something: file handles, ports, memory. Waiting helps, trying again at
/// once burns a core, and the peer is not to blame.
pub fn is_local_shortage(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM | libc::EADDRNOTAVAIL)
    )
}

/// A TCP stream whose readiness can be looked at without losing the bytes behind it.
#[derive(Debug)]
pub struct Socket {
    tcp: TcpStream,
    /// Tokio was told "not readable" without a read that said so.
    readiness_hidden: bool,
}

impl Socket {
    /// Wraps a connected stream.
    pub fn new(tcp: TcpStream) -> Self {
        Self {
            tcp,
            readiness_hidden: false,
        }
    }

    /// The stream below.
    pub fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    /// Ready when the peer sent FIN or RST, even behind unread bytes. Reads nothing.
    ///
    /// A FIN behind more bytes than the socket's receive buffer holds cannot be seen by anybody; deadlines bound that.
    pub fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if ready!(self.tcp.poll_read_ready(cx)).is_err() {
                return Poll::Ready(());
            }
            match pin!(self.tcp.ready(Interest::READABLE)).poll(cx) {
                Poll::Ready(Ok(ready)) if !ready.is_read_closed() => {}
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => continue,
            }
            self.readiness_hidden = true;
            let _ = self.tcp.try_io(Interest::READABLE, || {
                Err::<(), _>(ErrorKind::WouldBlock.into())
            });
        }
    }

    fn read_hidden(&mut self, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        use std::io::Read as _;
        loop {
            match (&*SockRef::from(&self.tcp)).read(buf.initialize_unfilled()) {
                Ok(count) => {
                    buf.advance(count);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.readiness_hidden = false;
                    return Poll::Pending;
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.readiness_hidden
            && let Poll::Ready(done) = self.read_hidden(buf)
        {
            return Poll::Ready(done);
        }
        Pin::new(&mut self.tcp).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

/// A stream with a [`Socket`] at its bottom: plain, or TLS over it.
pub trait Wire: AsyncRead + AsyncWrite + Unpin + Send {
    /// The socket below.
    fn socket(&mut self) -> &mut Socket;
}

impl Wire for Socket {
    fn socket(&mut self) -> &mut Socket {
        self
    }
}

impl Wire for Box<tokio_rustls::server::TlsStream<Socket>> {
    fn socket(&mut self) -> &mut Socket {
        self.get_mut().0
    }
}

/// Appends what the stream has to `buf`, which allocates only when something came; 0 at the stream's end.
///
/// # Errors
///
/// The stream's.
pub fn poll_read_some<S: AsyncRead + Unpin>(
    stream: &mut S,
    cx: &mut Context<'_>,
    buf: &mut BytesMut,
) -> Poll<io::Result<usize>> {
    SCRATCH.with_borrow_mut(|scratch| {
        let mut read = ReadBuf::new(&mut scratch[..]);
        ready!(Pin::new(stream).poll_read(cx, &mut read))?;
        buf.extend_from_slice(read.filled());
        Poll::Ready(Ok(read.filled().len()))
    })
}
