//! A directory with a config in it, and the problems it has without the directory's name.

use std::{fs, path::PathBuf};

use schleuse_config::{Loaded, load};
use tempfile::TempDir;

/// Four places: a city, a Gemeinde in a Verband, and two that share a name.
pub(crate) const REGISTER: &str = "\
ags,ars,name,bevoelkerung
11000000,110000000000,\"Berlin, Stadt\",3685265
06412000,064120000000,\"Frankfurt am Main, Stadt\",775790
01054039,010545459039,Gröde,7
16061115,160610115115,Leinefelde-Worbis,19000
";

/// Everything that a config needs but `services` and `pools`.
pub(crate) const HEAD: &str = "\
version: 1
listeners: [{ address: 127.0.0.1:8080 }]
tenants: { register: gemeinden.csv }
";

/// What is said of the shared pool that most configs here have.
pub(crate) const SHARED: &str = "several tenants share this pool";

/// A service and its pool.
pub(crate) const BODY: &str = "\
services:
  wohngeld: { hosts: [wohngeld.example], responsible: gemeinde, pool: a }
pools:
  a: { endpoints: [\"10.0.0.1:80\"] }
";

pub(crate) struct Site {
    directory: TempDir,
}

impl Site {
    /// A directory with `schleuse.yaml` and a small register.
    pub(crate) fn new(yaml: impl AsRef<[u8]>) -> Self {
        let site = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        site.write("gemeinden.csv", REGISTER);
        site.write("schleuse.yaml", yaml);
        site
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(crate) fn loaded(&self) -> Loaded {
        match load(&self.path("schleuse.yaml")) {
            Ok(loaded) => loaded,
            Err(problems) => panic!("{problems}"),
        }
    }

    /// What is printed, one problem per line, with paths relative to the directory.
    pub(crate) fn problems(&self) -> String {
        let problems = match load(&self.path("schleuse.yaml")) {
            Ok(loaded) => panic!("no problem: {loaded:?}"),
            Err(problems) => problems.to_string(),
        };
        self.relative(&problems)
    }

    /// What is warned about, but for [`SHARED`], of which `limits.rs` has the tests.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let warnings = self.loaded().warnings;
        warnings
            .iter()
            .map(|warning| self.relative(&warning.to_string()))
            .filter(|warning| !warning.contains(SHARED))
            .collect()
    }

    fn relative(&self, message: &str) -> String {
        message.replace(&format!("{}/", self.directory.path().display()), "")
    }
}

/// The problems of a config.
pub(crate) fn problems(yaml: impl AsRef<[u8]>) -> String {
    Site::new(yaml).problems()
}

/// The problems of a config with `HEAD` and these services and pools, without their lines' fixed start.
pub(crate) fn body_problems(body: &str) -> String {
    problems(format!("{HEAD}{body}"))
}
