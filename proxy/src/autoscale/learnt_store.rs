//! What the pools have learnt, between the pools and the file: collected by the loop, written on another thread.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use schleuse_config::Snapshot;
use schleuse_core::scale::learnt::Learnt;
use tokio::task::{JoinHandle, spawn_blocking};

use super::learnt_file::{LearntFile, Pools};
use crate::edge::Live;

/// See the head of this file.
#[derive(Debug, Default)]
pub(super) struct LearntStore {
    pools: Pools,
    /// There is something that is in no file yet; what could not be written is so again.
    is_new: Arc<AtomicBool>,
    writing: Option<JoinHandle<()>>,
}

impl LearntStore {
    /// With what earlier processes learnt.
    pub(super) async fn read(live: &Live) -> Self {
        let Some(file) = file(&live.snapshot) else {
            return Self::default();
        };
        let read = spawn_blocking(move || file.read()).await;
        Self {
            pools: read.unwrap_or_default(), // it panicked, which was reported
            ..Self::default()
        }
    }

    /// What is known of a pool.
    pub(super) fn of(&self, pool: &str) -> Learnt {
        self.pools.get(pool).cloned().unwrap_or_default()
    }

    /// Keeps what a pool has learnt.
    pub(super) fn keep(&mut self, pool: &str, learnt: &Learnt) {
        match self.pools.get_mut(pool) {
            Some(known) if known == learnt => return,
            Some(known) => known.clone_from(learnt),
            None if *learnt == Learnt::default() => return,
            None => drop(self.pools.insert(pool.to_owned(), learnt.clone())),
        }
        self.is_new.store(true, Relaxed);
    }

    /// Begins to write down what is new, unless the last time has not ended yet or there is no place for it.
    pub(super) fn write(&mut self, live: &Live) {
        self.write_to(file(&live.snapshot));
    }

    fn write_to(&mut self, file: Option<LearntFile>) {
        let is_busy = self
            .writing
            .as_ref()
            .is_some_and(|writing| !writing.is_finished());
        let Some(file) = file.filter(|_| !is_busy) else {
            return;
        };
        if self.is_new.swap(false, Relaxed) {
            let (pools, is_new) = (self.pools.clone(), self.is_new.clone());
            self.writing = Some(spawn_blocking(move || {
                if !file.write(&pools) {
                    is_new.store(true, Relaxed);
                }
            }));
        }
    }

    /// The same, and waits for the end.
    pub(super) async fn finish(&mut self, live: &Live) {
        self.wait().await;
        self.write(live);
        self.wait().await;
    }

    async fn wait(&mut self) {
        if let Some(writing) = self.writing.take() {
            let _ = writing.await; // it panicked, which was reported
        }
    }
}

/// What a process under this config has written down of its pools, read by another one.
///
/// # Errors
///
/// Why it cannot be found, read or understood. That nothing was written yet is no error.
pub(crate) fn peek(snapshot: &Snapshot) -> Result<Pools, String> {
    let file = file(snapshot).ok_or(
        "the config has no `state_directory`, and STATE_DIRECTORY, which systemd sets for the service alone, is not set here",
    )?;
    file.peek()
}

/// The config's directory, or the one that systemd made (`StateDirectory=`); none: nothing is kept.
fn file(snapshot: &Snapshot) -> Option<LearntFile> {
    let configured = snapshot.state_directory.clone();
    let directory = configured.or_else(|| {
        let directories = std::env::var_os("STATE_DIRECTORY")?;
        std::env::split_paths(&directories).next()
    });
    directory.map(|directory: PathBuf| LearntFile::in_directory(&directory))
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Duration};

    use super::*;

    #[tokio::test]
    async fn what_could_not_be_written_is_written_the_next_time_though_nothing_new_was_learnt() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("state");
        fs::write(&place, "a file where the directory should be").unwrap();
        let file = LearntFile::in_directory(&place);
        let mut learnt = Learnt::default();
        learnt.cold_starts.record(Duration::from_secs(2));
        let mut store = LearntStore::default();
        store.keep("a", &learnt);
        store.write_to(Some(file.clone()));
        store.wait().await;
        fs::remove_file(&place).unwrap();
        store.write_to(Some(file.clone()));
        store.wait().await;
        assert_eq!(file.read().get("a"), Some(&learnt));
        fs::remove_dir_all(&place).unwrap();
        store.write_to(Some(file));
        assert!(store.writing.is_none(), "nothing is new");
    }
}
