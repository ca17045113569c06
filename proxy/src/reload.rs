//! Putting a changed config in force, all or nothing. The only file that stores a snapshot.
//!
//! Read → check → prepare certificates → open new listeners → put in force. Everything that can fail comes before the
//! last step, so a config that is refused changes nothing; it is counted, logged with every problem, and shown by
//! `/api/v1/status` until a good one comes. It does not fail readiness: the old config serves as well as before.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use schleuse_config::{Loaded, Problem, Problems, Snapshot};

use crate::{
    clock,
    edge::Edge,
    listeners::Listeners,
    log::{self, Level},
    systemd,
};

/// Origin of the reloads that the watch of the files asks for.
pub const WATCH: &str = "file";

/// Reloads, one at a time.
#[derive(Debug)]
pub struct Reloader {
    path: PathBuf,
    edge: Arc<Edge>,
    listeners: Arc<Listeners>,
    state: Mutex<State>,
    one_at_a_time: Mutex<()>,
}

/// What the last reloads left behind.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// All files of the last attempt, to watch. Those of a refused attempt as well: mending one of them must be seen.
    pub files: Vec<PathBuf>,
    /// Set while the newest config is refused.
    pub rejected: Option<Rejected>,
}

/// A config that was refused.
#[derive(Debug, Clone)]
pub struct Rejected {
    /// Unix time.
    pub at: Duration,
    /// What triggered it.
    pub origin: &'static str,
    /// One line per problem.
    pub problems: Vec<String>,
}

/// How a reload ended.
#[derive(Debug)]
pub enum Reloaded {
    /// This generation is in force now.
    Generation(u64),
    /// The files say what is in force already.
    Unchanged,
}

impl Reloader {
    /// For the config that was loaded from `path` with these files.
    pub fn new(
        path: &Path,
        files: Vec<PathBuf>,
        edge: Arc<Edge>,
        listeners: Arc<Listeners>,
    ) -> Self {
        let state = Mutex::new(State {
            files,
            rejected: None,
        });
        Self {
            path: path.to_owned(),
            edge,
            listeners,
            state,
            one_at_a_time: Mutex::default(),
        }
    }

    /// What the last reloads left behind.
    pub fn state(&self) -> State {
        self.state.lock().clone()
    }

    /// The main file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the files and puts them in force when they are good. Blocks for as long as that takes (100 ms with the full
    /// register); not for a worker's thread.
    ///
    /// # Errors
    ///
    /// Every problem as a line of text; then nothing has changed.
    pub fn reload(&self, origin: &'static str) -> Result<Reloaded, Vec<String>> {
        let _turn = self.one_at_a_time.lock();
        if self.edge.leaving() {
            return Ok(Reloaded::Unchanged); // it would open listeners again
        }
        let started = clock::now();
        // The watch looks every few seconds; a unit that turned to "reloading" each time would say nothing.
        let told = origin != WATCH;
        if told {
            systemd::notify_reloading();
        }
        let result = self.attempt();
        if told {
            systemd::notify("READY=1");
        }
        let millis = (clock::now() - started).as_millis().to_string();
        match &result {
            Ok(Reloaded::Unchanged) => self.state.lock().rejected = None,
            Ok(Reloaded::Generation(generation)) => {
                self.state.lock().rejected = None;
                let fields = [
                    ("origin", origin),
                    ("generation", &*generation.to_string()),
                    ("took_ms", &*millis),
                ];
                log::event(Level::Info, "config_loaded", &fields);
            }
            // The watch looks again and again; what it finds is told once.
            Err(problems) if origin == WATCH && self.is_known(problems) => {}
            Err(problems) => {
                self.edge.metrics.config_rejected.inc();
                let rejected = Rejected {
                    at: clock::unix(),
                    origin,
                    problems: problems.clone(),
                };
                self.state.lock().rejected = Some(rejected);
                let text = problems.join("\n");
                log::event(
                    Level::Error,
                    "config_rejected",
                    &[("origin", origin), ("problems", &text)],
                );
            }
        }
        result
    }

    fn is_known(&self, problems: &[String]) -> bool {
        let state = self.state.lock();
        state
            .rejected
            .as_ref()
            .is_some_and(|rejected| rejected.problems == problems)
    }

    fn attempt(&self) -> Result<Reloaded, Vec<String>> {
        let loaded = schleuse_config::load(&self.path).map_err(|problems| {
            // Whatever was read stays watched: mending one of these files must be seen.
            self.state.lock().files = problems.files().to_vec();
            describe(&problems)
        })?;
        let Loaded {
            snapshot,
            files,
            warnings,
        } = loaded;
        self.state.lock().files = files;
        if snapshot.hash == self.edge.live().snapshot.hash {
            return Ok(Reloaded::Unchanged);
        }
        warnings.iter().for_each(log_warning);
        self.warn_of_fixed(&snapshot);
        let live = self
            .edge
            .prepare(snapshot)
            .map_err(|error| vec![error.to_string()])?;
        let opened = self
            .listeners
            .open(&live)
            .map_err(|error| vec![error.to_string()])?;
        self.listeners
            .adopt(opened, &live)
            .map_err(|error| vec![error.to_string()])?;
        let generation = live.generation;
        self.edge.replace(live);
        Ok(Reloaded::Generation(generation))
    }
}

impl Reloader {
    /// What a running process cannot change.
    fn warn_of_fixed(&self, snapshot: &Snapshot) {
        let live = self.edge.live();
        let address = |snapshot: &Snapshot| snapshot.admin.as_ref().map(|admin| admin.address);
        for (key, changed) in [
            (
                "admin.address",
                address(snapshot) != address(&live.snapshot),
            ),
            ("workers", snapshot.workers != live.snapshot.workers),
        ] {
            if changed {
                log::event(Level::Warn, "takes_effect_at_next_start", &[("key", key)]);
            }
        }
    }
}

/// One line per problem, and how many were left off.
pub fn describe(problems: &Problems) -> Vec<String> {
    let left_off = (problems.left_off() > 0).then(|| format!("and {} more", problems.left_off()));
    problems
        .iter()
        .map(ToString::to_string)
        .chain(left_off)
        .collect()
}

/// Logs what is loaded all the same.
pub fn log_warning(warning: &Problem) {
    log::event(
        Level::Warn,
        "config_warning",
        &[("problem", &warning.to_string())],
    );
}
