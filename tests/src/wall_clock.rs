//! A wall clock of one process that a test sets forward and back, as an administrator or a time server does.
//!
//! The binary is the real one: what it asks the C library for the time is answered by a small library that is compiled
//! here and loaded before it. The monotonic clock goes on as it is.

use std::{fs::File, os::unix::fs::FileExt as _, path::PathBuf, process::Command};

use tempfile::TempDir;

use crate::Edge;

/// See the head of this file.
#[derive(Debug)]
pub struct WallClock {
    directory: TempDir,
    offset: File,
}

impl WallClock {
    /// One that is right.
    ///
    /// # Panics
    ///
    /// Without a C compiler, which whoever links Rust has.
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let source = directory.path().join("wall_clock.c");
        std::fs::write(&source, include_str!("wall_clock.c")).expect("a file");
        let library = directory.path().join("wall_clock.so");
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .args([&library, &source])
            .status();
        assert!(compiled.expect("a C compiler").success());
        let offset = File::create(directory.path().join("offset")).expect("a file");
        let clock = Self { directory, offset };
        clock.set(0);
        clock
    }

    /// The edge goes by this clock.
    #[must_use]
    pub fn of(&self, edge: Edge) -> Edge {
        let path = |name: &str| -> PathBuf { self.directory.path().join(name) };
        let text = |name: &str| path(name).to_str().expect("text").to_owned();
        edge.environment("LD_PRELOAD", &text("wall_clock.so"))
            .environment("WALL_CLOCK_OFFSET", &text("offset"))
    }

    /// From now on it goes ahead of the true time by so many seconds, or behind it.
    ///
    /// # Panics
    ///
    /// When the file is gone.
    pub fn set(&self, ahead_seconds: i64) {
        let bytes = ahead_seconds.to_ne_bytes();
        self.offset.write_all_at(&bytes, 0).expect("the file");
    }
}

impl Default for WallClock {
    fn default() -> Self {
        Self::new()
    }
}
