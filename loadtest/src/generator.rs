//! Plays a workload against a target over real sockets: n workers, each an event loop on a thread of its own.
//!
//! An own loop over `epoll` instead of an async runtime: its timers are exact to what the kernel can do (a runtime's have
//! milliseconds), and a request costs two system calls and no allocation.
//!
//! | module | holds |
//! |---|---|
//! | `worker` | the loop: arrivals, requests, connections |
//! | `connection` | bytes of one connection, plain or TLS |
//! | `answer`, `chunks` | reading HTTP/1.1 answers |
//! | `http2`, `socket_io` | the same over HTTP/2 |
//! | `socket`, `sources` | opening, from where to where |
//! | `processor` | how busy a worker is |
//! | `names` | looking the target's name up, aside |
//! | `retry_after`, `set_cookie` | how long an answer asks to wait, what it gives to keep |
//! | `collect` | records to results |

mod answer;
mod chunks;
mod collect;
mod connection;
mod http2;
mod names;
mod processor;
mod retry_after;
mod set_cookie;
mod socket;
mod socket_io;
mod sources;
mod worker;

use std::{
    net::{IpAddr, ToSocketAddrs},
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    time::Duration,
};

use rustix::thread::{CpuSet, sched_setaffinity};

pub(crate) use collect::put_unanswered;
pub use collect::results;
pub use sources::loopback_sources;

use crate::{
    citizen::Citizen,
    clock::Clock,
    record::{Record, SecondRecord},
    results::{Connections, Ending, Reason, Second, WorkerResult},
    workload::{Load, Target, Workload},
};
use collect::SecondsSoFar;
use names::Names;
use worker::{Finished, Worker};

/// Handles that are left to everything but connections.
const FILES_RESERVED: u64 = 256;
/// Time for all workers to come up.
const AHEAD: Duration = Duration::from_millis(50);
/// How often a stop is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// How often the target's name is looked up while the run goes on, about as often as resolvers do that obey short lives.
const LOOK_UP: Duration = Duration::from_secs(30);

/// How to play.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Threads; 0 counts as 1.
    pub workers: u32,
    /// Processors to pin workers to, in turn; empty: not pinned.
    pub processors: Vec<u32>,
    /// Most connections of all workers; 0: what the limit of open files allows.
    pub connections_max: usize,
    /// Local addresses to connect from, in turn; empty: the kernel chooses.
    pub sources: Vec<IpAddr>,
}

impl Settings {
    fn connections_per_worker(&self) -> usize {
        let files = raise_files_limit().saturating_sub(FILES_RESERVED);
        let all = if self.is_limited_by_files() {
            usize::try_from(files).unwrap_or(usize::MAX)
        } else {
            self.connections_max
        };
        (all / self.workers.max(1) as usize).max(1)
    }

    const fn is_limited_by_files(&self) -> bool {
        self.connections_max == 0
    }
}

/// Raises the limit of open files to what this user may have; what it is then.
pub fn raise_files_limit() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let _ = setrlimit(Resource::Nofile, raised);
    getrlimit(Resource::Nofile).current.unwrap_or(1 << 20)
}

/// What was noted down while playing.
#[derive(Debug)]
pub struct Played {
    record: Record,
    seconds: Vec<Second>,
    workers: Vec<WorkerResult>,
    connections: Connections,
    ending: Ending,
}

impl Played {
    /// What a simulation noted down: without workers and connections.
    pub(crate) fn simulated(record: Record, seconds: Vec<Second>, aborted: Option<String>) -> Self {
        Self {
            record,
            seconds,
            workers: Vec::new(),
            connections: Connections::default(),
            ending: aborted.map_or(Ending::Complete, Ending::Aborted),
        }
    }
}

/// Plays `workload` to its end, until `stop` is set, or until `watch` gives a reason to abort. `watch` sees each second
/// soon after it ended.
///
/// # Errors
/// When no worker could be started.
pub fn play(
    workload: &Workload,
    settings: &Settings,
    stop: &AtomicBool,
    watch: &mut dyn FnMut(&Second) -> Option<String>,
) -> std::io::Result<Played> {
    let names = watch_names(&workload.target)?;
    let names = names.as_ref();
    let clock = Clock::starting_in(AHEAD);
    let halt = AtomicBool::new(false);
    let count = settings.workers.max(1);
    let (tell, told) = mpsc::channel();
    std::thread::scope(|scope| {
        let mut threads = Vec::new();
        for number in 0..count {
            let (tell, halt) = (tell.clone(), &halt);
            let thread = std::thread::Builder::new().name(format!("worker-{number}"));
            threads.push(thread.spawn_scoped(scope, move || {
                pin(settings, number);
                let worker = Worker::new(number, workload, settings, clock, names)?;
                Ok(worker.play(halt, |second, record| {
                    // Nobody listens any more only when the run is over.
                    let _ = tell.send((number, second, record));
                }))
            })?);
        }
        drop(tell);
        let mut so_far = SecondsSoFar::new(count, workload);
        let ending = supervise(&told, &mut so_far, stop, &halt, watch);
        let finished = threads
            .into_iter()
            .map(std::thread::ScopedJoinHandle::join)
            .collect();
        let mut played = gather(workload, settings, finished, so_far, ending)?;
        played.connections.dns_lookups += names.map_or(0, Names::lookups);
        Ok(played)
    })
}

/// Nothing to watch where the target is an address.
fn watch_names(target: &Target) -> std::io::Result<Option<Names>> {
    let Some((host, port)) = target.name.clone() else {
        return Ok(None);
    };
    let look_up = move || Ok((host.as_str(), port).to_socket_addrs()?.collect());
    Names::watch(&target.addresses, LOOK_UP, look_up).map(Some)
}

/// Listens to the workers until the last has ended.
fn supervise(
    told: &mpsc::Receiver<(u32, u64, SecondRecord)>,
    so_far: &mut SecondsSoFar,
    stop: &AtomicBool,
    halt: &AtomicBool,
    watch: &mut dyn FnMut(&Second) -> Option<String>,
) -> Ending {
    let mut ending = Ending::Complete;
    loop {
        match told.recv_timeout(LOOK) {
            Ok((worker, second, record)) => {
                let mut reason = None;
                so_far.add(worker, second, &record, |second| {
                    reason = reason.take().or_else(|| watch(second));
                });
                if let (Some(reason), Ending::Complete) = (reason, &ending) {
                    ending = Ending::Aborted(reason);
                    halt.store(true, Ordering::Relaxed);
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return ending,
        }
        if stop.load(Ordering::Relaxed) && ending == Ending::Complete {
            ending = Ending::Interrupted;
            halt.store(true, Ordering::Relaxed);
        }
    }
}

/// Puts together what the workers left.
fn gather(
    workload: &Workload,
    settings: &Settings,
    finished: Vec<std::thread::Result<std::io::Result<Finished>>>,
    so_far: SecondsSoFar,
    mut ending: Ending,
) -> std::io::Result<Played> {
    let mut record = Record::new(workload);
    let mut connections = Connections {
        // Before the run.
        dns_lookups: u64::from(workload.target.name.is_some()),
        source_addresses: settings.sources.len().max(1) as u64,
        allowed: (settings.connections_per_worker() as u64)
            .saturating_mul(settings.workers.max(1).into()),
        is_limited_by_files: settings.is_limited_by_files(),
        ..Connections::default()
    };
    let mut workers = Vec::new();
    for (number, finished) in (0..).zip(finished) {
        let Ok(finished) = finished else {
            ending = Ending::Broken(format!(
                "worker {number} died; what it did is lost and counts as not sent"
            ));
            record.merge(&lost(workload, number, settings.workers.max(1)));
            workers.push(WorkerResult::default());
            continue;
        };
        let finished = finished?;
        record.merge(&finished.record);
        collect::add_connections(&mut connections, &finished.connections);
        workers.push(collect::worker_result(
            &finished,
            settings.processor_of(number),
        ));
    }
    Ok(Played {
        seconds: so_far.finish(&record),
        record,
        workers,
        connections,
        ending,
    })
}

/// The part of a worker that died, none of it sent as far as anyone knows: nothing planned may disappear. Requests that
/// would have followed a citizen's first were not planned yet.
fn lost(workload: &Workload, worker: u32, workers: u32) -> Record {
    let mut record = Record::new(workload);
    let mut lose = |number, at| {
        let citizen = Citizen::arrive(number, at, workload);
        record.never_set_out(&citizen, Reason::LocalWorker, at);
    };
    match &workload.load {
        Load::Open(schedule) => {
            for arrival in schedule.arrivals(u64::from(worker), u64::from(workers)) {
                lose(arrival.citizen, arrival.at);
            }
        }
        Load::Closed { citizens, .. } => {
            for number in (u64::from(worker)..*citizens).step_by(workers as usize) {
                lose(number, 0);
            }
        }
    }
    record
}

impl Settings {
    /// The processor of a worker, if workers are pinned.
    fn processor_of(&self, worker: u32) -> Option<u32> {
        let index = (worker as usize).checked_rem(self.processors.len())?;
        self.processors.get(index).copied()
    }
}

/// Pins the calling thread; one that cannot be pinned runs where it may, and the result says so.
fn pin(settings: &Settings, worker: u32) {
    if let Some(processor) = settings.processor_of(worker)
        && (processor as usize) < CpuSet::MAX_CPU
    {
        let mut set = CpuSet::new();
        set.set(processor as usize);
        let _ = sched_setaffinity(None, &set);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::fixture;

    #[test]
    fn of_a_worker_that_died_every_request_counts_as_not_sent() {
        let workload = fixture::workload(&["/"]);
        let so_far = SecondsSoFar::new(3, &workload);
        let settings = Settings {
            workers: 3,
            ..Settings::default()
        };
        // None of the three came back: 100 arrivals, none of which may disappear.
        let died = (0..3).map(|_| Err(Box::new("died") as Box<_>)).collect();
        let played = gather(&workload, &settings, died, so_far, Ending::Complete).unwrap();
        assert!(matches!(played.ending, Ending::Broken(_)));
        let counts = played.record.counts;
        assert_eq!((counts.scheduled, counts.not_sent), (100, 100));
        let reasons = played.record.reasons;
        assert_eq!(reasons[Reason::LocalWorker as usize], 100);
    }
}
