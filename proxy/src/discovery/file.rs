//! Endpoints from a file that somebody else writes.
//!
//! Read whenever it looks different from outside. One that is missing, broken or half written leaves the pool as it was;
//! the next look reads it again.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use async_trait::async_trait;
use schleuse_config::load_endpoints;
use tokio::time::{sleep, timeout};

use super::{
    Discovery, News,
    watcher::{Follower, Watcher},
};
use crate::watch::{CALM, Fingerprint, GRAIN, POLL, fingerprint};

/// A file with a list of endpoints.
#[derive(Debug)]
pub struct File {
    follower: Follower,
    seen: Seen,
    /// What the last look read.
    endpoints: Option<Vec<SocketAddr>>,
}

#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Never,
    /// Just now: file times have a grain of milliseconds, so a change right behind a look can leave them as they were.
    Fresh(Fingerprint),
    Settled(Fingerprint),
}

impl File {
    /// Reads nothing yet.
    pub fn new(path: PathBuf, watcher: Arc<Watcher>) -> Self {
        Self {
            follower: Follower::new(watcher, path),
            seen: Seen::Never,
            endpoints: None,
        }
    }

    async fn read(&mut self) -> News {
        let path = self.follower.path().to_owned();
        let read = tokio::task::spawn_blocking(move || load_endpoints(&path)).await;
        let (endpoints, news) = match read {
            Ok(Ok(endpoints)) => (Some(endpoints.clone()), News::Endpoints(endpoints)),
            Ok(Err(problems)) => (None, News::Failed(problems.to_string())),
            Err(error) => (None, News::Failed(error.to_string())),
        };
        self.endpoints = endpoints;
        news
    }
}

#[async_trait]
impl Discovery for File {
    async fn next(&mut self) -> News {
        loop {
            let patience = match self.seen {
                Seen::Never => None,
                Seen::Fresh(_) => Some(GRAIN),
                Seen::Settled(_) => Some(POLL),
            };
            let mut told = false;
            if let Some(patience) = patience {
                told = timeout(patience, self.follower.changed()).await.is_ok();
                if told {
                    sleep(CALM).await; // several events belong to one change
                }
            }
            self.follower.follow();
            let now = fingerprint(self.follower.path());
            let settled = Seen::Settled(now);
            if self.seen == settled {
                match &self.endpoints {
                    // It lies there as it was read: still what its writer means.
                    Some(endpoints) if !told => return News::Endpoints(endpoints.clone()),
                    _ => continue,
                }
            }
            let looked_twice = self.seen == Seen::Fresh(now);
            self.seen = if looked_twice {
                settled
            } else {
                Seen::Fresh(now)
            };
            return self.read().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    fn addresses(texts: &[&str]) -> News {
        News::Endpoints(texts.iter().map(|text| text.parse().unwrap()).collect())
    }

    fn place(path: &Path, text: &str) {
        let new = path.with_extension("new");
        fs::write(&new, text).unwrap();
        fs::rename(new, path).unwrap();
    }

    /// What it says next that is not what it said before: a look is repeated when file times cannot be trusted.
    async fn news(file: &mut File, before: &News) -> News {
        loop {
            let news = file.next().await;
            if news != *before {
                return news;
            }
        }
    }

    #[tokio::test]
    async fn each_swap_of_the_file_is_read_and_a_broken_one_says_so() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("list");
        place(&path, "[\"10.0.0.1:80\"]");
        let mut file = File::new(path.clone(), Watcher::new());
        let first = file.next().await;
        assert_eq!(first, addresses(&["10.0.0.1:80"]));
        place(&path, "- 10.0.0.1:80\n- 10.0.0.1:81\n");
        let second = news(&mut file, &first).await;
        assert_eq!(second, addresses(&["10.0.0.1:80", "10.0.0.1:81"]));
        place(&path, "[\"10.0.0.1:80\", \"10.0");
        let broken = news(&mut file, &second).await;
        assert!(
            matches!(&broken, News::Failed(why) if why.contains("is not YAML")),
            "{broken:?}"
        );
        place(&path, "[]");
        assert_eq!(news(&mut file, &broken).await, addresses(&[]));
    }

    #[tokio::test]
    async fn a_file_that_comes_later_is_read_then() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("list");
        let mut file = File::new(path.clone(), Watcher::new());
        let missing = file.next().await;
        assert!(
            matches!(&missing, News::Failed(why) if why.contains("does not exist")),
            "{missing:?}"
        );
        place(&path, "[\"10.0.0.1:80\"]");
        assert_eq!(news(&mut file, &missing).await, addresses(&["10.0.0.1:80"]));
    }

    #[tokio::test]
    async fn a_directory_that_is_swapped_as_kubelet_does_is_noticed() {
        let volume = tempfile::tempdir().unwrap();
        let root = volume.path();
        let lay_out = |name: &str, text: &str| {
            fs::create_dir(root.join(name)).unwrap();
            fs::write(root.join(name).join("list"), text).unwrap();
            let _ = fs::remove_file(root.join("..new"));
            std::os::unix::fs::symlink(name, root.join("..new")).unwrap();
            fs::rename(root.join("..new"), root.join("..data")).unwrap();
        };
        lay_out("..1", "[\"10.0.0.1:80\"]");
        std::os::unix::fs::symlink("..data/list", root.join("list")).unwrap();
        let mut file = File::new(root.join("list"), Watcher::new());
        let first = file.next().await;
        assert_eq!(first, addresses(&["10.0.0.1:80"]));
        lay_out("..2", "[\"10.0.0.2:80\"]");
        assert_eq!(news(&mut file, &first).await, addresses(&["10.0.0.2:80"]));
    }
}
