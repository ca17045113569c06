//! Clients that hold what others need: long polls, `WebSocket`s, uploads in drops, answers taken in drops.
//!
//! A fixed number of connections of one tenant, each at it again as soon as its exchange ends, in one thread with timers.

use std::{net::SocketAddr, thread::JoinHandle, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    sync::oneshot,
    time::sleep,
};

use crate::{
    Outcome,
    delay_backend::{host, request, target},
    mixed_load::household,
};

/// Between two drops of a slow upload or download.
const DROP_EVERY: Duration = Duration::from_millis(250);
/// After a refusal or a broken connection.
const PAUSE: Duration = Duration::from_millis(200);
/// What the kernel takes in for a slow reader; the least it grants is more.
const READER_BUFFER_BYTES: u32 = 4_096;
/// Households of the nuisance, beyond those of any load beside it.
const HOUSEHOLDS: usize = 0x0080_0000;

/// What they do.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Habit {
    /// Ask for what the backend answers only after this time.
    LongPoll { time: Duration },
    /// Upgrade and say nothing.
    WebSocket,
    /// Send a body of this size at this rate.
    SlowUpload {
        bytes: usize,
        bytes_per_second: usize,
    },
    /// Take an answer of this size at this rate.
    SlowReader {
        bytes: usize,
        bytes_per_second: usize,
    },
}

/// Clients at work; they leave when it is dropped.
#[derive(Debug)]
pub(crate) struct Nuisance {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Nuisance {
    /// Starts `clients` of them for `tenant`.
    ///
    /// # Errors
    ///
    /// When no thread is to be had.
    pub(crate) fn start(
        address: SocketAddr,
        tenant: u64,
        clients: usize,
        habit: Habit,
    ) -> Outcome<Self> {
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let thread = std::thread::Builder::new()
            .name("nuisance".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    for number in 0..clients {
                        tokio::spawn(again_and_again(address, tenant, number, habit));
                    }
                    let _ = stopped.await; // an error is the sender's end: the same news
                });
            })?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Nuisance {
    fn drop(&mut self) {
        drop(self.stop.take());
        // An error is a panic of that thread; the run's answers tell of it.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

async fn again_and_again(address: SocketAddr, tenant: u64, number: usize, habit: Habit) {
    loop {
        // Refused or broken off: that is what a nuisance must expect.
        let _ = once(address, tenant, number, habit).await;
        sleep(PAUSE).await;
    }
}

async fn once(address: SocketAddr, tenant: u64, number: usize, habit: Habit) -> Outcome<()> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((household(HOUSEHOLDS + number), 0)))?;
    if matches!(habit, Habit::SlowReader { .. }) {
        socket.set_recv_buffer_size(READER_BUFFER_BYTES)?;
    }
    let mut stream = socket.connect(address).await?;
    match habit {
        Habit::LongPoll { time } => {
            let query = format!("delay_ms={}", time.as_millis());
            stream.write_all(request(tenant, &query).as_bytes()).await?;
            take(&mut stream, usize::MAX, usize::MAX).await
        }
        Habit::WebSocket => {
            stream.write_all(upgrade(tenant).as_bytes()).await?;
            take(&mut stream, usize::MAX, usize::MAX).await
        }
        Habit::SlowUpload {
            bytes,
            bytes_per_second,
        } => upload(&mut stream, tenant, bytes, bytes_per_second).await,
        Habit::SlowReader {
            bytes,
            bytes_per_second,
        } => {
            let query = format!("answer_bytes={bytes}");
            stream.write_all(request(tenant, &query).as_bytes()).await?;
            take(&mut stream, bytes, bytes_per_second).await
        }
    }
}

fn upgrade(tenant: u64) -> String {
    // The key of RFC 6455 §1.3.
    format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        target(tenant, ""),
        host()
    )
}

async fn upload(
    stream: &mut TcpStream,
    tenant: u64,
    bytes: usize,
    bytes_per_second: usize,
) -> Outcome<()> {
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Length: {bytes}\r\n\r\n",
        target(tenant, "delay_ms=50"),
        host()
    );
    stream.write_all(head.as_bytes()).await?;
    let drop_bytes = drop_bytes(bytes_per_second);
    let mut rest = bytes;
    while rest > 0 {
        let now = rest.min(drop_bytes);
        stream.write_all(&vec![b'x'; now]).await?;
        rest -= now;
        sleep(DROP_EVERY).await;
    }
    take(stream, 1, usize::MAX).await
}

/// Reads until the end, or until as many bytes have come as an answer with this body has at least.
async fn take(stream: &mut TcpStream, bytes: usize, bytes_per_second: usize) -> Outcome<()> {
    let slow = bytes_per_second != usize::MAX;
    let chunk_bytes = if slow {
        drop_bytes(bytes_per_second)
    } else {
        4_096
    };
    let mut chunk = vec![0; chunk_bytes];
    let mut taken = 0;
    while taken < bytes {
        let count = stream.read(&mut chunk).await?;
        if count == 0 {
            return Ok(());
        }
        taken += count;
        if slow {
            sleep(DROP_EVERY).await;
        }
    }
    Ok(())
}

fn drop_bytes(bytes_per_second: usize) -> usize {
    let per_drop = u128::try_from(bytes_per_second).unwrap_or(0) * DROP_EVERY.as_millis() / 1_000;
    usize::try_from(per_drop).unwrap_or(1).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delay_backend::DelayBackend;

    fn held_become(backend: &DelayBackend, wanted: u32) {
        let end = std::time::Instant::now() + Duration::from_secs(20);
        while backend.in_flight() + backend.upgraded() != wanted {
            assert!(std::time::Instant::now() < end, "{}", backend.in_flight());
            std::thread::yield_now();
        }
    }

    #[test]
    fn every_habit_holds_its_connection_at_the_backend_until_it_is_stopped() {
        let time = Duration::from_mins(1);
        let (bytes, bytes_per_second) = (1 << 23, 1_000);
        for habit in [
            Habit::LongPoll { time },
            Habit::WebSocket,
            Habit::SlowUpload {
                bytes,
                bytes_per_second,
            },
            Habit::SlowReader {
                bytes,
                bytes_per_second,
            },
        ] {
            let backend = DelayBackend::start().unwrap();
            let nuisance = Nuisance::start(backend.address(), 7, 3, habit).unwrap();
            held_become(&backend, 3);
            drop(nuisance);
            held_become(&backend, 0);
        }
    }
}
