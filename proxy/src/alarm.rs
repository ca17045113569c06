//! Alarms to those who are on duty: a launch is short of replicas, and when it is not any more.
//!
//! Whoever finds out says so at once ([`Alarms::tell`]); the receiver of `alarm.webhook` is told in its own time: the newest
//! state of each launch alone, again until it is taken, and not more often than once in five seconds about one launch, so
//! that replicas that come and go are one alarm and no stream of them. That all is well is said only to who was told
//! otherwise.

mod desk;

use std::sync::Arc;

use parking_lot::Mutex;
use schleuse_config::{Webhook as Receiver, spell_moment};
use schleuse_core::scale::plan::WallTime;
use serde::Serialize;
use tokio::{sync::Notify, time::sleep};

use crate::{
    clock,
    edge::Edge,
    log::{self, Level},
    webhook::{AFTER_FAILURE, Caller, system_authorities},
};
use desk::{Desk, Due, Entry};

/// How a launch stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Replicas are missing.
    Short,
    /// None is missing (any more).
    Ready,
    /// It ended, or was withdrawn, before that.
    Over,
}

impl State {
    /// As log and receivers have it: stable.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Short => "launch_short",
            Self::Ready => "launch_ready",
            Self::Over => "launch_over",
        }
    }
}

/// What is said about one launch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// How it stands.
    pub state: State,
    /// Its name.
    pub launch: String,
    /// The service that is launched.
    pub service: String,
    /// The pool that has to hold it.
    pub pool: String,
    /// When it begins.
    pub at: WallTime,
    /// Replicas that must serve.
    pub needed: u32,
    /// Replicas that do.
    pub ready: u32,
    /// Replicas that there may be.
    pub max: u32,
    /// Why there are not more or fewer, as labels of the last decision about the pool.
    pub reasons: Vec<&'static str>,
}

/// What a receiver is sent; `docs/operations.md` has it as JSON.
#[derive(Debug, Serialize)]
struct Body<'a> {
    r#type: &'static str,
    launch: &'a str,
    service: &'a str,
    pool: &'a str,
    at: String,
    needed: u32,
    ready: u32,
    max: u32,
    reasons: &'a [&'static str],
}

/// What is to be said.
#[derive(Debug, Default)]
pub struct Alarms {
    desk: Mutex<Desk>,
    bell: Notify,
}

impl Alarms {
    /// Says how launches stand, where that has changed. Returns at once.
    pub fn tell(&self, alarms: Vec<Alarm>) {
        if alarms.is_empty() {
            return;
        }
        let mut desk = self.desk.lock();
        for alarm in alarms {
            desk.note(alarm);
        }
        self.bell.notify_one();
    }

    async fn next(&self) -> Entry {
        loop {
            let due = self.desk.lock().due(clock::now());
            match due {
                Due::Now(entry) => return *entry,
                Due::In(time) => tokio::select! {
                    () = sleep(time) => {}
                    () = self.bell.notified() => {}
                },
                Due::Never => self.bell.notified().await,
            }
        }
    }
}

/// Tells the receiver that the config in force names, until the process stops.
pub async fn run(edge: Arc<Edge>) {
    let mut generations = edge.generations();
    loop {
        generations.borrow_and_update();
        let named = edge.live().snapshot.alarm.clone();
        let mut has_changed = async || {
            while generations.changed().await.is_ok() {
                if edge.live().snapshot.alarm != named {
                    return;
                }
            }
            std::future::pending::<()>().await;
        };
        match &named {
            Some(receiver) => tokio::select! {
                () = has_changed() => {}
                () = serve(&edge.alarms, receiver) => {}
            },
            None => has_changed().await,
        }
        // Who comes next knows nothing of what this one was told.
        edge.alarms.desk.lock().forget_told();
    }
}

async fn serve(alarms: &Alarms, receiver: &Arc<Receiver>) {
    let caller = match system_authorities().await {
        Ok(tls) => Caller::new(receiver.clone(), tls),
        Err(error) => {
            log::event(Level::Error, "alarm_unavailable", &[("error", &error)]);
            return std::future::pending().await;
        }
    };
    let mut failures = 0_u32;
    loop {
        let entry = alarms.next().await;
        let Err(why) = send(&caller, &entry).await else {
            failures = 0;
            alarms.desk.lock().note_told(&entry, clock::now());
            log::event(Level::Info, "alarm_taken", &fields(&entry.alarm));
            continue;
        };
        failures = failures.saturating_add(1);
        let pause = AFTER_FAILURE.pause(failures);
        let again = pause.as_millis().to_string();
        let [state, launch, pool] = fields(&entry.alarm);
        let fields = [state, launch, pool, ("why", &why), ("again_in_ms", &again)];
        log::event(Level::Error, "alarm_failed", &fields);
        sleep(pause).await;
    }
}

fn fields(alarm: &Alarm) -> [(&'static str, &str); 3] {
    [
        ("state", alarm.state.label()),
        ("launch", &alarm.launch),
        ("pool", &alarm.pool),
    ]
}

async fn send(caller: &Caller, entry: &Entry) -> Result<(), String> {
    let alarm = &entry.alarm;
    let body = Body {
        r#type: alarm.state.label(),
        launch: &alarm.launch,
        service: &alarm.service,
        pool: &alarm.pool,
        at: spell_moment(alarm.at),
        needed: alarm.needed,
        ready: alarm.ready,
        max: alarm.max,
        reasons: &alarm.reasons,
    };
    let body = serde_json::to_vec(&body).map_err(|error| error.to_string())?;
    caller.post(entry.id.as_str(), body).await
}
