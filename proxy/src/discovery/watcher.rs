//! One watch for all files of endpoints: the kernel allows few watchers per user (128 on most systems), pools are many.
//!
//! What happened is not interpreted, as in `watch.rs`: whoever follows a file is told that something changed in one of
//! the directories on the way to it, and looks.

use std::{
    collections::{BTreeSet, HashMap},
    path::{Path, PathBuf},
    sync::Arc,
};

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::{
    log::{self, Level},
    watch::directories,
};

/// Tells of changes in the directories that are followed.
#[derive(Debug)]
pub struct Watcher {
    /// Counts events.
    events: watch::Sender<u64>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// None: the kernel gives none; who follows must look now and then.
    watcher: Option<RecommendedWatcher>,
    /// How many follow each directory.
    followers: HashMap<PathBuf, usize>,
}

impl Watcher {
    /// Watches nothing yet.
    pub fn new() -> Arc<Self> {
        let events = watch::Sender::new(0);
        let told = events.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| !event.kind.is_access()) {
                told.send_modify(|count| *count += 1);
            }
        });
        if let Err(error) = &watcher {
            let fields = [("error", &*error.to_string())];
            log::event(Level::Warn, "watch_unavailable", &fields);
        }
        let state = State {
            watcher: watcher.ok(),
            followers: HashMap::new(),
        };
        Arc::new(Self {
            events,
            state: Mutex::new(state),
        })
    }
}

/// Follows one file until it is dropped.
#[derive(Debug)]
pub struct Follower {
    watcher: Arc<Watcher>,
    path: PathBuf,
    directories: BTreeSet<PathBuf>,
    events: watch::Receiver<u64>,
}

impl Follower {
    /// Follows nothing before the first [`Self::follow`].
    pub fn new(watcher: Arc<Watcher>, path: PathBuf) -> Self {
        Self {
            events: watcher.events.subscribe(),
            watcher,
            path,
            directories: BTreeSet::new(),
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Watches the directories that lead to the file now: links may have been turned. To be called before each look, so
    /// that what comes after the look is told.
    pub fn follow(&mut self) {
        self.events.mark_unchanged();
        let wanted: BTreeSet<_> = directories(&self.path).into_iter().collect();
        let mut state = self.watcher.state.lock();
        for directory in wanted.difference(&self.directories) {
            *state.followers.entry(directory.clone()).or_default() += 1;
        }
        for directory in self.directories.difference(&wanted) {
            state.leave(directory);
        }
        // A directory that was replaced has the same path and another inode: watching again is harmless otherwise.
        if let Some(watcher) = &mut state.watcher {
            for directory in &wanted {
                let _ = watcher.watch(directory, RecursiveMode::NonRecursive);
            }
        }
        self.directories = wanted;
    }

    /// Waits until something changed since the last [`Self::follow`].
    pub async fn changed(&mut self) {
        // The sender lives as long as `watcher`.
        let _ = self.events.changed().await;
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let mut state = self.watcher.state.lock();
        for directory in &self.directories {
            state.leave(directory);
        }
    }
}

impl State {
    fn leave(&mut self, directory: &Path) {
        let Some(count) = self.followers.get_mut(directory) else {
            return;
        };
        *count = count.saturating_sub(1);
        if *count == 0 {
            self.followers.remove(directory);
            if let Some(watcher) = &mut self.watcher {
                let _ = watcher.unwatch(directory);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_watched_as_long_as_somebody_follows_a_file_in_it() {
        let directory = tempfile::tempdir().unwrap();
        let watcher = Watcher::new();
        let follow = |name: &str| {
            let mut follower = Follower::new(watcher.clone(), directory.path().join(name));
            follower.follow();
            follower.follow();
            follower
        };
        let count = || {
            watcher
                .state
                .lock()
                .followers
                .get(directory.path())
                .copied()
        };
        let (one, two) = (follow("one"), follow("two"));
        assert_eq!(count(), Some(2));
        drop(one);
        assert_eq!(count(), Some(1));
        drop(two);
        assert_eq!(count(), None);
    }
}
