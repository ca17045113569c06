//! Steps of the tour that announce a launch and watch its replicas come before its people.

use std::{fs, io, process::Command, thread, time::Duration};

use schleuse_config::spell_moment;
use schleuse_core::scale::plan::WallTime;

use super::{
    client::{Answer, Client},
    interrupt::Interrupt,
    site::Site,
    step::pool_of,
    tour::{POLL, await_some},
};
use crate::clock;

/// When the launch begins, so many seconds from now; whole seconds, as `date` prints them.
pub(super) fn moment(ahead_seconds: u64) -> WallTime {
    let millis = clock::wall().unix_millis();
    WallTime::from_unix_millis(millis - millis.rem_euclid(1_000))
        + Duration::from_secs(ahead_seconds)
}

/// Writes the moment into the config, as the tour's `sed` does.
///
/// # Errors
///
/// Those of [`Site::replace`].
pub(super) fn announce(site: &Site, at: WallTime) -> io::Result<()> {
    let config = fs::read_to_string(site.config())?;
    let line = config.lines().find(|line| line.contains(" at: 2"));
    let before = line
        .and_then(|line| line.split_whitespace().nth(1))
        .unwrap_or("at: 2");
    site.replace(before, &spell_moment(at))
}

/// What `schleuse plan` prints.
///
/// # Errors
///
/// The system's.
pub(super) fn plan(site: &Site) -> io::Result<Answer> {
    let mut command = Command::new(std::env::current_exe()?);
    let output = command
        .args(["plan", "--config"])
        .arg(site.config())
        .output()?;
    let texts = [output.stdout, output.stderr].concat();
    Ok(Answer {
        body: String::from_utf8_lossy(&texts).into_owned(),
        ..Answer::default()
    })
}

/// The first line of the proxy's log with this event.
///
/// # Errors
///
/// The system's; `TimedOut` when there is none for too long.
pub(super) fn await_event(site: &Site, event: &str) -> io::Result<Answer> {
    let wanted = format!("\"{event}\"");
    let line = await_some("no such line in the log", || {
        let log = fs::read_to_string(site.log())?;
        let mut lines = log.lines();
        Ok(lines.find(|line| line.contains(&wanted)).map(str::to_owned))
    })?;
    Ok(Answer {
        body: line,
        ..Answer::default()
    })
}

/// The pool at that moment.
///
/// # Errors
///
/// Those of the client; `Interrupted` when somebody does not want to wait for it.
pub(super) fn await_begin(
    client: &Client,
    pool: &str,
    at: WallTime,
    interrupt: &Interrupt,
) -> io::Result<Answer> {
    while clock::wall() < at {
        if interrupt.came() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        thread::sleep(POLL);
    }
    client.send(&pool_of(pool))
}
