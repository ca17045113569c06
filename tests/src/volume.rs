//! A `ConfigMap` volume as kubelet writes it, step by step.
//!
//! The steps and their order are those of `AtomicWriter.Write` (kubernetes/kubernetes,
//! `pkg/volume/util/atomic_writer.go`): a new directory with a time in its name, the payload, `..data_tmp` beside
//! `..data`, one rename over it, then links with the names that users see, and at last the old directory goes.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

/// A volume.
#[derive(Debug)]
pub struct Volume {
    root: PathBuf,
    writes: u32,
}

impl Volume {
    /// In an existing directory.
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            writes: 0,
        }
    }

    /// Replaces all files by these, in one instant for whoever reads through `..data`.
    ///
    /// # Panics
    ///
    /// When the disk does not take them.
    pub fn write(&mut self, files: &[(&str, &str)]) {
        self.writes += 1;
        let name = format!(
            "..2026_11_25_09_00_{:02}.{}",
            self.writes % 60,
            1_000_000 + self.writes
        );
        let old = fs::read_link(self.root.join("..data")).ok();
        let directory = self.root.join(&name);
        fs::create_dir(&directory).expect("a new directory");
        for (file, content) in files {
            fs::write(directory.join(file), content).expect("a file");
        }
        symlink(&name, self.root.join("..data_tmp")).expect("a link");
        fs::rename(self.root.join("..data_tmp"), self.root.join("..data")).expect("a rename");
        for (file, _) in files {
            let visible = self.root.join(file);
            if fs::read_link(&visible).is_err() {
                symlink(Path::new("..data").join(file), visible).expect("a link");
            }
        }
        if let Some(old) = old {
            fs::remove_dir_all(self.root.join(old)).expect("the old directory goes");
        }
    }
}
