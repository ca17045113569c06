//! Replicas as processes of this machine.
//!
//! One task per pool keeps the number of replicas at what the newest order says. What crashes is started again after a
//! pause that grows with each crash; until one of them listens again, and in a loop of crashes until that has lasted, one
//! is tried at a time, so that a broken program never costs more than one start per pause.
//!
//! What a replica does beyond listening, the pool's probe says ([`Processes::probed`]). A changed command replaces replicas
//! a quarter at a time: an old one goes when a new one is ready, and a program that listens and cannot serve replaces
//! nothing. A replica that listens and does not answer hangs, and is killed as one that crashed: nobody else would notice.

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
    crashes::{Crashes, LOOP_CRASHES},
    output::Allowance,
    replica::{End, Ended, Replica},
};
use crate::{
    clock,
    log::{self, Level},
    tasks::spawn,
};

/// While a changed command is taken up there are so many parts of the ordered replicas more, at least one: a machine that
/// holds all of them need not hold them twice. Kubernetes takes up a change with a quarter more (`maxSurge`), too.
const SURPLUS_PARTS: usize = 4;

/// The replicas of one pool. Dropping it stops them, as [`Provisioner::stop`] does.
#[derive(Debug)]
pub struct Processes {
    wanted: watch::Sender<Wanted>,
    probed: mpsc::Sender<Probed>,
}

/// What the pool's probe says of a replica that listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probed {
    /// It can serve.
    Ready {
        /// Its number.
        replica: u32,
    },
    /// It does not answer, and no request is under way there that it might be busy with.
    Silent {
        /// Its number.
        replica: u32,
        /// For how long.
        lasting: Duration,
        /// An attempt to wake the pool was given up because of that.
        failed_a_wake: bool,
    },
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
        let (probed, answers) = mpsc::channel(64);
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
                .track_future(keeper.run(listens, answers, ends)),
        );
        Self { wanted, probed }
    }

    /// Takes what the pool's probe says of its replicas.
    pub fn probed(&self) -> mpsc::Sender<Probed> {
        self.probed.clone()
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
    /// It is being killed because it does not answer; until it is gone it is not missing.
    hung: bool,
    /// None: it was told to end.
    end: Option<oneshot::Sender<End>>,
}

impl Known {
    /// Whether one that has not answered for so long will not do so any more. A first answer may take as long as the
    /// start before it. Who has served has no start to do, and that an attempt to wake the pool is over, which takes at
    /// least ten seconds, is enough.
    fn hangs(&self, lasting: Duration, failed_a_wake: bool) -> bool {
        lasting >= self.template.start_max || (self.ready && failed_a_wake)
    }
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
        mut answers: mpsc::Receiver<Probed>,
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
                Some(probed) = answers.recv() => self.note_probed(probed),
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
        let known = self.replicas.values();
        let stale = known.filter(|known| !is_fresh(known)).count();
        let missing = missing(desired, self.count(is_fresh), stale);
        let starting = self.count(|known| is_fresh(known) && !known.listens);
        let attempt = order.map_or(0, |order| order.attempt);
        let allowed = self.crashes.starts_allowed(missing, starting, clock::now());
        for _ in 0..allowed {
            self.start(&wanted.template, attempt).await;
        }
    }

    /// Those that were not told to end.
    fn count(&self, which: impl Fn(&Known) -> bool) -> usize {
        let known = self.replicas.values();
        let staying = known.filter(|known| known.end.is_some() || known.hung);
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
                let _ = end.send(End::Drained); // fails when it has just ended
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
            hung: false,
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

    fn note_probed(&mut self, probed: Probed) {
        let (Probed::Ready { replica } | Probed::Silent { replica, .. }) = probed;
        let Some(known) = self.replicas.get_mut(&replica) else {
            return;
        };
        match probed {
            Probed::Ready { .. } => known.ready = true,
            Probed::Silent {
                lasting,
                failed_a_wake,
                ..
            } => {
                if known.hangs(lasting, failed_a_wake)
                    && let Some(end) = known.end.take()
                {
                    known.hung = true;
                    let _ = end.send(End::Hung(lasting)); // fails when it has just ended
                }
            }
        }
    }

    async fn note_end(&mut self, ended: Ended, wanted: &Wanted) {
        let Ended {
            number,
            address,
            status,
            asked,
        } = ended;
        let known = self.replicas.remove(&number);
        let replica = number.to_string();
        let pool = self.place.pool.clone();
        let fields = [
            ("pool", &*pool),
            ("replica", &*replica),
            ("status", &*status),
        ];
        if asked {
            log::event(Level::Info, "replica_stopped", &fields);
        } else {
            self.note_crash(fields);
            let never_served = known.is_some_and(|known| known.hung && !known.ready);
            if address.is_none() || never_served || self.crashes.count >= LOOP_CRASHES {
                let attempt = wanted.order.as_ref().map_or(0, |order| order.attempt);
                let why = status.clone();
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

    fn note_crash(&mut self, [pool, replica, status]: [(&str, &str); 3]) {
        let now = clock::now();
        self.crashes.note_crash(now);
        let pause = self.crashes.retry_at.map_or(Duration::ZERO, |at| at - now);
        let (pause, count) = (
            pause.as_millis().to_string(),
            self.crashes.count.to_string(),
        );
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
    }

    async fn tell(&self, event: Event) {
        let _ = self.place.events.send(event).await; // nobody listens any more: nothing changes here
    }
}

/// How many to start beside `fresh` ones. The `stale`, which run another command, count until they are gone; but however
/// long they take to end, the first fresh ones do not wait for it.
fn missing(desired: usize, fresh: usize, stale: usize) -> usize {
    let missing = desired.saturating_sub(fresh);
    if stale == 0 {
        return missing;
    }
    let surplus = desired.div_ceil(SURPLUS_PARTS);
    let beside = (desired + surplus).saturating_sub(fresh + stale);
    missing.min(beside.max(surplus.saturating_sub(fresh)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_command_is_started_beside_the_old_one_by_a_quarter_at_most() {
        assert_eq!(missing(40, 0, 40), 10);
        assert_eq!(missing(40, 10, 40), 0, "the old ones go first");
        assert_eq!(missing(40, 10, 37), 3);
        assert_eq!(missing(1, 0, 1), 1);
        assert_eq!(missing(6, 0, 6), 2);
    }

    #[test]
    fn where_nothing_is_replaced_all_that_are_missing_are_started_at_once() {
        assert_eq!(missing(40, 0, 0), 40);
        assert_eq!(missing(40, 39, 0), 1);
        assert_eq!(missing(10, 40, 0), 0);
    }

    #[test]
    fn a_changed_command_is_started_though_the_old_ones_that_nobody_wants_take_long_to_end() {
        assert_eq!(missing(1, 0, 30), 1);
        assert_eq!(missing(1, 1, 30), 0);
    }
}
