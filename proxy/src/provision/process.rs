//! Replicas as processes of this machine.
//!
//! One task per pool keeps the number of replicas at what the newest order says. What crashes is started again after a
//! pause that grows with each crash; until one of them listens again, and in a loop of crashes until that has lasted, one
//! is tried at a time, so that a broken program never costs more than one start per pause. A changed command replaces
//! replicas one by one: an old one goes when a new one is ready, which the pool's probe says ([`Processes::readiness`]). A
//! program that listens and cannot serve replaces nothing.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use schleuse_config::ProcessTemplate;
use schleuse_core::Timestamp;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::sleep_until,
};
use tokio_util::task::TaskTracker;

use super::{
    Event, Order, Provisioner,
    output::Allowance,
    replica::{Ended, Replica},
};
use crate::{
    backoff::Backoff,
    clock,
    log::{self, Level},
    tasks::spawn,
};

const AFTER_CRASH: Backoff = Backoff {
    base: Duration::from_millis(250),
    max: Duration::from_secs(30),
};
/// Crashes in a row that are a loop.
const LOOP_CRASHES: u32 = 3;
/// Without a crash for this long, the next one is the first again.
const STABLE_AFTER: Duration = Duration::from_secs(30);

/// The replicas of one pool. Dropping it stops them, as [`Provisioner::stop`] does.
#[derive(Debug)]
pub struct Processes {
    wanted: watch::Sender<Wanted>,
    ready: mpsc::Sender<u32>,
}

#[derive(Debug, Clone)]
struct Wanted {
    template: Arc<ProcessTemplate>,
    order: Option<Order>,
    stopping: bool,
}

/// Where processes belong, and what they are started with.
#[derive(Debug, Clone)]
pub struct Place {
    /// The pool's name.
    pub pool: Arc<str>,
    /// This program, for its `replica-guard`; `/proc/self/exe` is right also after an upgrade has replaced the file.
    pub guard: PathBuf,
    /// Where the events go.
    pub events: mpsc::Sender<Event>,
    /// Whoever must not end before the last replica waits for it.
    pub tracker: TaskTracker,
}

impl Processes {
    /// Nothing runs before the first order. Must be called within a runtime, which must live until all have ended.
    pub fn new(place: &Place, template: Arc<ProcessTemplate>) -> Self {
        let wanted = watch::Sender::new(Wanted {
            template,
            order: None,
            stopping: false,
        });
        let (listening, listens) = mpsc::channel(64);
        let (ready, serving) = mpsc::channel(64);
        let (ended, ends) = mpsc::channel(64);
        let keeper = Keeper {
            wanted: wanted.subscribe(),
            abandoned: false,
            replicas: BTreeMap::new(),
            next_number: 0,
            acknowledged: None,
            crashes: Crashes::default(),
            allowance: Arc::default(),
            listening,
            ended,
            place: place.clone(),
        };
        spawn(
            place
                .tracker
                .track_future(keeper.run(listens, serving, ends)),
        );
        Self { wanted, ready }
    }

    /// Takes the number of each replica that was probed and can serve.
    pub fn readiness(&self) -> mpsc::Sender<u32> {
        self.ready.clone()
    }

    /// From now on replicas are started with this; those that run another one are replaced.
    pub fn set_template(&self, template: Arc<ProcessTemplate>) {
        self.wanted.send_if_modified(|wanted| {
            let changed = wanted.template != template;
            wanted.template = template;
            changed
        });
    }
}

impl Provisioner for Processes {
    fn scale(&self, order: Order) {
        self.wanted.send_modify(|wanted| wanted.order = Some(order));
    }

    fn stop(&self) {
        self.wanted.send_modify(|wanted| wanted.stopping = true);
    }
}

/// What is known of one replica.
#[derive(Debug)]
struct Known {
    template: Arc<ProcessTemplate>,
    started: Timestamp,
    listens: bool,
    ready: bool,
    /// None: it was told to end.
    end: Option<oneshot::Sender<()>>,
}

/// The task of a pool.
#[derive(Debug)]
struct Keeper {
    place: Place,
    wanted: watch::Receiver<Wanted>,
    /// Nobody can give orders any more.
    abandoned: bool,
    replicas: BTreeMap<u32, Known>,
    next_number: u32,
    acknowledged: Option<u64>,
    crashes: Crashes,
    allowance: Arc<Allowance>,
    listening: mpsc::Sender<u32>,
    ended: mpsc::Sender<Ended>,
}

impl Keeper {
    async fn run(
        mut self,
        mut listens: mpsc::Receiver<u32>,
        mut serving: mpsc::Receiver<u32>,
        mut ends: mpsc::Receiver<Ended>,
    ) {
        let mut template = self.wanted.borrow().template.clone();
        loop {
            let mut wanted = self.wanted.borrow_and_update().clone();
            wanted.stopping |= self.abandoned;
            if template != wanted.template {
                template = wanted.template.clone();
                self.crashes = Crashes::default(); // what crashed was another program
            }
            self.acknowledge(&wanted).await;
            self.reconcile(&wanted).await;
            if wanted.stopping && self.replicas.is_empty() {
                return;
            }
            let retry = self.crashes.retry_at;
            tokio::select! {
                changed = self.wanted.changed(), if !self.abandoned => self.abandoned = changed.is_err(),
                Some(number) = listens.recv() => self.note_listening(number),
                Some(number) = serving.recv() => self.note_ready(number),
                Some(ended) = ends.recv() => self.note_end(ended, &wanted).await,
                () = sleep_until(clock::instant(retry.unwrap_or_default())), if retry.is_some() => {
                    self.crashes.retry_at = None;
                }
            }
        }
    }

    async fn acknowledge(&mut self, wanted: &Wanted) {
        let attempt = wanted.order.as_ref().map(|order| order.attempt);
        if let Some(attempt) = attempt.filter(|_| self.acknowledged != attempt) {
            self.acknowledged = Some(attempt);
            self.tell(Event::Acknowledged { attempt }).await;
        }
    }

    /// Ends what is too much and starts what is missing.
    async fn reconcile(&mut self, wanted: &Wanted) {
        let order = wanted.order.as_ref().filter(|_| !wanted.stopping);
        let desired = order.map_or(0, |order| order.desired as usize);
        let is_fresh = |known: &Known| known.template == wanted.template;
        let new_ones = self.count(|known| is_fresh(known) && known.ready);
        self.end_beyond(desired.saturating_sub(new_ones), |known| !is_fresh(known));
        self.end_beyond(desired, is_fresh);
        let missing = desired.saturating_sub(self.count(is_fresh));
        let starting = self.count(|known| is_fresh(known) && !known.listens);
        let attempt = order.map_or(0, |order| order.attempt);
        let allowed = self.crashes.starts_allowed(missing, starting, clock::now());
        for _ in 0..allowed {
            self.start(&wanted.template, attempt).await;
        }
    }

    /// Those that were not told to end.
    fn count(&self, which: impl Fn(&Known) -> bool) -> usize {
        let staying = self.replicas.values().filter(|known| known.end.is_some());
        staying.filter(|known| which(known)).count()
    }

    /// Tells the surplus to end: those that do not serve yet first, then the newest.
    fn end_beyond(&mut self, keep: usize, which: impl Fn(&Known) -> bool) {
        let staying = self
            .replicas
            .iter()
            .filter(|(_, known)| known.end.is_some());
        let mut order: Vec<_> = staying
            .filter(|(_, known)| which(known))
            .map(|(number, known)| (!known.ready, *number))
            .collect();
        order.sort_unstable();
        for (_, number) in order.into_iter().skip(keep) {
            let replica = self.replicas.get_mut(&number);
            if let Some(end) = replica.and_then(|known| known.end.take()) {
                let _ = end.send(()); // fails when it has just ended
            }
        }
    }

    async fn start(&mut self, template: &Arc<ProcessTemplate>, attempt: u64) {
        let number = self.next_number;
        self.next_number = self.next_number.wrapping_add(1);
        let (end, asked) = oneshot::channel();
        let replica = Replica {
            pool: self.place.pool.clone(),
            number,
            template: template.clone(),
            events: self.place.events.clone(),
            listening: self.listening.clone(),
            allowance: self.allowance.clone(),
        };
        let known = Known {
            template: template.clone(),
            started: clock::now(),
            listens: false,
            ready: false,
            end: Some(end),
        };
        self.replicas.insert(number, known);
        let starting = Event::Starting {
            attempt,
            replica: number,
        };
        self.tell(starting).await;
        let (guard, ended) = (self.place.guard.clone(), self.ended.clone());
        spawn(async move {
            let end = replica.run(&guard, asked).await;
            let _ = ended.send(end).await;
        });
    }

    fn note_listening(&mut self, number: u32) {
        let now = clock::now();
        if let Some(known) = self.replicas.get_mut(&number) {
            known.listens = true;
            self.crashes.note_listening(now);
            let took = (now - known.started).as_millis().to_string();
            let fields = [
                ("pool", &*self.place.pool),
                ("replica", &*number.to_string()),
                ("took_ms", &*took),
            ];
            log::event(Level::Info, "replica_listening", &fields);
        }
    }

    fn note_ready(&mut self, number: u32) {
        if let Some(known) = self.replicas.get_mut(&number) {
            known.ready = true;
        }
    }

    async fn note_end(&mut self, ended: Ended, wanted: &Wanted) {
        let Ended {
            number,
            address,
            status,
            asked,
        } = ended;
        self.replicas.remove(&number);
        let replica = number.to_string();
        let fields = [
            ("pool", &*self.place.pool),
            ("replica", &*replica),
            ("status", &*status),
        ];
        if asked {
            log::event(Level::Info, "replica_stopped", &fields);
        } else {
            let now = clock::now();
            self.crashes.note_crash(now);
            let pause = self.crashes.retry_at.map_or(Duration::ZERO, |at| at - now);
            let (pause, count) = (
                pause.as_millis().to_string(),
                self.crashes.count.to_string(),
            );
            let [pool, replica, status] = fields;
            let fields = [
                pool,
                replica,
                status,
                ("crashes", &*count),
                ("restart_in_ms", &*pause),
            ];
            log::event(Level::Warn, "replica_crashed", &fields);
            if self.crashes.count == LOOP_CRASHES {
                log::event(Level::Error, "crash_loop", &fields);
            }
            if address.is_none() || self.crashes.count >= LOOP_CRASHES {
                let attempt = wanted.order.as_ref().map_or(0, |order| order.attempt);
                let why = status.1.to_owned();
                self.tell(Event::Failed { attempt, why }).await;
            }
        }
        self.tell(Event::Exited {
            replica: number,
            address,
            status,
        })
        .await;
    }

    async fn tell(&self, event: Event) {
        let _ = self.place.events.send(event).await; // nobody listens any more: nothing changes here
    }
}

/// How often the replicas of a pool crashed, and when the next one is tried.
#[derive(Debug, Default)]
struct Crashes {
    /// In a row. Those that come while a restart is waited for are one: a broken neighbour takes all replicas at once.
    count: u32,
    retry_at: Option<Timestamp>,
    /// The first replica since the last crash that came to listen did so then.
    stable_since: Option<Timestamp>,
}

impl Crashes {
    fn note_crash(&mut self, now: Timestamp) {
        if self.is_stable(now) {
            self.count = 0;
        }
        self.stable_since = None;
        if self.retry_at.is_none() {
            self.count = self.count.saturating_add(1);
            self.retry_at = Some(now + AFTER_CRASH.pause(self.count));
        }
    }

    fn note_listening(&mut self, now: Timestamp) {
        self.stable_since.get_or_insert(now);
    }

    fn is_stable(&self, now: Timestamp) -> bool {
        self.stable_since
            .is_some_and(|since| now - since >= STABLE_AFTER)
    }

    /// How many of the missing replicas may be started now, while so many are starting.
    fn starts_allowed(&self, missing: usize, starting: usize, now: Timestamp) -> usize {
        if self.retry_at.is_some() {
            return 0;
        }
        let is_over = if self.count >= LOOP_CRASHES {
            self.is_stable(now)
        } else {
            self.count == 0 || self.stable_since.is_some()
        };
        match (is_over, starting) {
            (true, _) => missing,
            (false, 0) => missing.min(1),
            (false, _) => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_micros(1_000_000_000);

    /// A restart is tried, and how long it was waited for.
    fn crash(crashes: &mut Crashes, now: Timestamp) -> Duration {
        crashes.note_crash(now);
        crashes.retry_at.take().unwrap() - now
    }

    #[test]
    fn each_crash_in_a_row_waits_longer() {
        let mut crashes = Crashes::default();
        let pauses: Vec<_> = (0..9).map(|_| crash(&mut crashes, START)).collect();
        // Doubling is more than jitter of 20 % either way can hide.
        assert!(
            pauses.windows(2).take(6).all(|pair| pair[0] < pair[1]),
            "{pauses:?}"
        );
        assert!(
            pauses.iter().all(|pause| *pause <= Duration::from_secs(36)),
            "{pauses:?}"
        );
    }

    #[test]
    fn a_replica_that_listens_and_crashes_again_is_still_a_loop() {
        let mut crashes = Crashes::default();
        for _ in 0..3 {
            crash(&mut crashes, START);
            crashes.note_listening(START);
        }
        assert_eq!(crashes.count, LOOP_CRASHES);
        crash(&mut crashes, START + STABLE_AFTER);
        assert_eq!(
            crashes.count, 1,
            "the last one had been well for long enough"
        );
    }

    #[test]
    fn replicas_that_crash_together_are_one_crash() {
        let mut crashes = Crashes::default();
        for _ in 0..10 {
            crashes.note_crash(START);
        }
        assert_eq!(crashes.count, 1);
    }

    #[test]
    fn a_crashing_program_is_started_one_at_a_time() {
        let mut crashes = Crashes::default();
        assert_eq!(crashes.starts_allowed(10, 0, START), 10);
        crashes.note_crash(START);
        let none = crashes.starts_allowed(10, 0, START);
        assert_eq!(none, 0, "the pause is not over");
        crashes.retry_at = None;
        assert_eq!(crashes.starts_allowed(10, 0, START), 1);
        let none = crashes.starts_allowed(9, 1, START);
        assert_eq!(none, 0, "that one has to listen first");
    }

    #[test]
    fn one_crash_makes_no_ladder_of_a_later_step_but_a_loop_does_until_it_is_over() {
        let mut crashes = Crashes::default();
        crash(&mut crashes, START);
        crashes.note_listening(START);
        assert_eq!(crashes.starts_allowed(40, 0, START), 40);
        for _ in 1..LOOP_CRASHES {
            crash(&mut crashes, START);
        }
        crashes.note_listening(START);
        assert_eq!(crashes.starts_allowed(40, 0, START), 1);
        assert_eq!(crashes.starts_allowed(40, 0, START + STABLE_AFTER), 40);
    }
}
