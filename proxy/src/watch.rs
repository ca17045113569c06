//! Notices that a config file changed, whatever way it was written.
//!
//! Editors rename, Git checks out, kubelet swaps the `..data` symlink: the file's inode is gone after the first change,
//! so a watch on the file sees only that one (traefik/traefik#5037). Watched are therefore the directories of every link
//! in the chain of every file; what happened there is not interpreted. After a short calm the files are read, and their
//! content decides. A slow poll is the net below: network file systems send no events.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::{sync::mpsc, time::timeout};

use crate::{
    log::{self, Level},
    reload::{Reloader, WATCH},
};

/// Several events belong to one change; reading waits for this much calm.
pub(crate) const CALM: Duration = Duration::from_millis(20);
/// But not longer than this while events keep coming.
const CALM_MAX: Duration = Duration::from_millis(200);
/// Without any event.
pub(crate) const POLL: Duration = Duration::from_secs(10);
/// File times are kept in steps of up to a timer tick (10 ms on some kernels).
pub(crate) const GRAIN: Duration = Duration::from_millis(50);
/// A chain of links longer than this is a loop.
const LINKS_MAX: usize = 16;

/// Reloads after each change, for the life of the process.
pub async fn run(reloader: Arc<Reloader>) {
    let (sender, mut events) = mpsc::channel::<()>(1);
    let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| !event.kind.is_access()) {
            let _ = sender.try_send(());
        }
    });
    let mut watching = match watcher {
        Ok(watcher) => Some(Watching {
            watcher,
            directories: BTreeSet::new(),
        }),
        Err(error) => {
            log::event(
                Level::Warn,
                "watch_unavailable",
                &[("error", &error.to_string())],
            );
            None
        }
    };
    let look = || -> Vec<_> {
        let files = reloader.state().files;
        files.iter().map(|path| fingerprint(path)).collect()
    };
    let mut looked_at = look();
    let mut look_again = false;
    loop {
        // What changed in a directory before it was watched has sent no event: look at once.
        let fresh = watching
            .as_mut()
            .is_some_and(|watching| watching.follow(&reloader.state().files, reloader.path()));
        // Seconds pass without an event, or a while after the last look: file times have a grain of milliseconds, so a
        // change right behind a look can leave them as they were.
        let patience = if look_again { GRAIN } else { POLL };
        let must_look = fresh || look_again;
        if !fresh && timeout(patience, events.recv()).await.is_ok() {
            calm(&mut events).await;
        }
        look_again = false;
        let seen = look();
        if seen == looked_at && !must_look {
            continue; // something else in the directory
        }
        look_again = seen != looked_at;
        looked_at = seen;
        let reloader = reloader.clone();
        let _ = tokio::task::spawn_blocking(move || reloader.reload(WATCH)).await;
    }
}

/// What a file looks like from outside: reading and checking 2 MB every few seconds for nothing would cost CPU.
pub(crate) fn fingerprint(path: &Path) -> Fingerprint {
    use std::os::unix::fs::MetadataExt as _;
    let found = std::fs::metadata(path).ok()?;
    Some((found.ino(), found.size(), found.mtime(), found.mtime_nsec()))
}

/// Inode, size and time of a file; none: there is none.
pub(crate) type Fingerprint = Option<(u64, u64, i64, i64)>;

async fn calm(events: &mut mpsc::Receiver<()>) {
    let _ = timeout(CALM_MAX, async {
        while timeout(CALM, events.recv())
            .await
            .is_ok_and(|event| event.is_some())
        {}
    })
    .await;
}

struct Watching {
    watcher: RecommendedWatcher,
    directories: BTreeSet<PathBuf>,
}

impl Watching {
    /// Watches what the files lie in; whether that is more than before.
    fn follow(&mut self, files: &[PathBuf], main: &Path) -> bool {
        let wanted: BTreeSet<_> = files
            .iter()
            .map(PathBuf::as_path)
            .chain([main])
            .flat_map(directories)
            .collect();
        for gone in self.directories.difference(&wanted) {
            let _ = self.watcher.unwatch(gone);
        }
        // A directory that was replaced has the same path and another inode: watching again is harmless otherwise.
        for directory in &wanted {
            let _ = self.watcher.watch(directory, RecursiveMode::NonRecursive);
        }
        let fresh = !wanted.is_subset(&self.directories);
        self.directories = wanted;
        fresh
    }
}

/// The directories of a path and of everything it links to, and those of its directories that are links themselves
/// (`..data` is one). A directory is also watched itself.
pub(crate) fn directories(path: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut pending = vec![path.to_owned()];
    while let Some(path) = pending.pop() {
        if found.len() > LINKS_MAX * 4 {
            break;
        }
        if path.is_dir() {
            found.push(path.clone());
        }
        let mut prefix = PathBuf::new();
        for component in path.components() {
            prefix.push(component);
            let Ok(target) = std::fs::read_link(&prefix) else {
                continue;
            };
            let parent = prefix.parent().unwrap_or(Path::new("/")).to_owned();
            let rest = path.strip_prefix(&prefix).unwrap_or(Path::new(""));
            let next = parent.join(target).join(rest);
            found.push(parent);
            pending.push(next);
        }
        found.extend(path.parent().map(|parent| {
            if parent.as_os_str().is_empty() {
                Path::new(".")
            } else {
                parent
            }
            .to_owned()
        }));
    }
    found
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn the_directories_of_every_link_in_the_chain_are_watched() {
        // As kubelet lays a volume out: schleuse.yaml -> ..data/schleuse.yaml, ..data -> ..2026.
        let volume = tempfile::tempdir().unwrap();
        let root = volume.path();
        std::fs::create_dir(root.join("..2026")).unwrap();
        std::fs::write(root.join("..2026/schleuse.yaml"), "").unwrap();
        symlink("..2026", root.join("..data")).unwrap();
        symlink("..data/schleuse.yaml", root.join("schleuse.yaml")).unwrap();

        let watched = directories(&root.join("schleuse.yaml"));

        for directory in [root.to_owned(), root.join("..data"), root.join("..2026")] {
            assert!(
                watched.contains(&directory),
                "{} is missing in {watched:?}",
                directory.display()
            );
        }
    }

    #[test]
    fn a_link_to_itself_ends() {
        let directory = tempfile::tempdir().unwrap();
        symlink("loop", directory.path().join("loop")).unwrap();
        assert!(!directories(&directory.path().join("loop")).is_empty());
    }
}
