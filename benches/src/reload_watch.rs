//! Reloads the whole register every half second, and watches when each is in effect and how much memory it takes.

use std::{
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use crate::{
    Outcome, http,
    inputs::Place,
    procfs::anonymous_bytes_quickly,
    schleuse::{Schleuse, check_request},
};

/// From the start of one reload to the start of the next.
const EVERY: Duration = Duration::from_millis(500);
/// A reload that is not in effect by then has failed.
const EFFECT_MAX: Duration = Duration::from_secs(5);
/// Between looks at the answer and at the memory.
const LOOK: Duration = Duration::from_millis(1);

/// What was seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// From the renamed file to the first answer under the new config, milliseconds, per reload.
    pub(crate) effective_milliseconds: Vec<f64>,
    /// Most private memory, bytes.
    pub(crate) peak_bytes: u64,
}

/// Reloads for `time`; generations count up from `first`.
///
/// # Errors
///
/// When a reload is refused or takes no effect.
pub(crate) fn reload_for(
    schleuse: &Schleuse,
    places: &[Place],
    first: u32,
    time: Duration,
) -> Outcome<Seen> {
    let place = places.last().ok_or("the register is empty")?;
    let request = check_request(place);
    let mut stream = http::connect(schleuse.peer.address)?;
    let mut seen = Seen::default();
    let start = Instant::now();
    let mut generation = first;
    while start.elapsed() < time {
        let next = Instant::now() + EVERY;
        schleuse.write_generation(generation, places)?;
        let written = Instant::now();
        let trigger = post_reload(schleuse.admin)?;
        let expected = format!("{} {generation}", place.ars);
        while http::ask(&mut stream, &request)?.body != expected {
            if written.elapsed() > EFFECT_MAX {
                return Err(format!("generation {generation} never took effect").into());
            }
            look(schleuse, &mut seen)?;
        }
        seen.effective_milliseconds
            .push(written.elapsed().as_secs_f64() * 1e3);
        let answer = trigger
            .join()
            .map_err(|_| "the trigger of a reload broke")??;
        if answer.status != 200 {
            return Err(format!("a reload was answered with {answer:?}").into());
        }
        while Instant::now() < next {
            look(schleuse, &mut seen)?;
        }
        generation += 1;
    }
    Ok(seen)
}

fn look(schleuse: &Schleuse, seen: &mut Seen) -> Outcome<()> {
    let bytes = anonymous_bytes_quickly(schleuse.peer.pid())?;
    seen.peak_bytes = seen.peak_bytes.max(bytes);
    thread::sleep(LOOK);
    Ok(())
}

/// In a thread of its own: the answer comes when the config is live, and that moment is watched from outside.
fn post_reload(admin: SocketAddr) -> Outcome<thread::JoinHandle<Outcome<http::Answer>>> {
    let trigger = thread::Builder::new().spawn(move || {
        let request =
            format!("POST /api/v1/reload HTTP/1.1\r\nHost: {admin}\r\nContent-Length: 0\r\n\r\n");
        http::ask(&mut http::connect(admin)?, &request)
    });
    Ok(trigger?)
}
