//! A socket as the `h2` crate wants it: reads and writes that say "not now" instead of waiting, plain or through TLS.
//!
//! Nothing is registered for a wake-up, because the worker's own loop polls whenever the kernel reports anything.

use std::{
    io::{self, Read, Write},
    os::fd::OwnedFd,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use rustls::ClientConnection;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connection::Socket;

/// The socket of a connection and its TLS session, if it has one.
#[derive(Debug)]
pub(crate) struct SocketIo {
    socket: Rc<OwnedFd>,
    tls: Option<Box<ClientConnection>>,
}

impl SocketIo {
    pub(crate) const fn new(socket: Rc<OwnedFd>, tls: Option<Box<ClientConnection>>) -> Self {
        Self { socket, tls }
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            return Socket(&self.socket).read(buffer);
        };
        loop {
            match tls.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => return other,
            }
            if tls.read_tls(&mut Socket(&self.socket))? == 0 {
                return Ok(0);
            }
            tls.process_new_packets().map_err(io::Error::other)?;
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_records()?;
        match &mut self.tls {
            None => Socket(&self.socket).write(bytes),
            Some(tls) => tls.writer().write(bytes),
        }
    }

    fn write_records(&mut self) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            while tls.wants_write() {
                tls.write_tls(&mut Socket(&self.socket))?;
            }
        }
        Ok(())
    }
}

fn poll<T>(result: io::Result<T>) -> Poll<io::Result<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
        other => Poll::Ready(other),
    }
}

impl AsyncRead for SocketIo {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = self.get_mut().read(buffer.initialize_unfilled());
        poll(read.map(|read| buffer.advance(read)))
    }
}

impl AsyncWrite for SocketIo {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        poll(self.get_mut().write(bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        poll(self.get_mut().write_records())
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(context)
    }
}
