//! The config of a proxy under test, put together from the few things a test is about.

use std::{
    ffi::OsString,
    fmt::Write as _,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use crate::{binary, running::RunningEdge};

/// Eight municipalities that stand for the kinds there are: city states, cities that are a Kreis, one inside a Kreis or a
/// Region, one in a Verband (an Amt), and the smallest.
pub const REGISTER: &str = "ars,name,bevoelkerung\n\
    110000000000,\"Berlin, Stadt\",3685265\n\
    020000000000,\"Hamburg, Freie und Hansestadt\",1862565\n\
    064120000000,\"Frankfurt am Main, Stadt\",756021\n\
    053150000000,\"Köln, Stadt\",1024621\n\
    053340002002,\"Aachen, Stadt\",262670\n\
    032410001001,\"Hannover, Landeshauptstadt\",522131\n\
    010545459039,Gröde,7\n\
    010545453041,Haselund,928\n";

/// A proxy to be started. `Edge::new()` listens on one plain port and has an admin listener; services, pools and all else
/// are added. A service that says nothing else is reached as `NAME.example` and `*.NAME.example`, is the Gemeinde's
/// business, and goes to the pool of its own name.
#[derive(Debug, Clone, Default)]
pub struct Edge {
    listeners: Vec<String>,
    admin: String,
    services: Vec<(String, String)>,
    pools: Vec<(String, Vec<SocketAddr>, String)>,
    top: Vec<String>,
    tenants: Vec<String>,
    register: Option<PathBuf>,
    files: Vec<(PathBuf, Vec<u8>)>,
    environment: Vec<(String, String)>,
    file_handles_max: Option<u64>,
}

impl Edge {
    /// Listens on a plain port that the system chooses.
    pub fn new() -> Self {
        Self {
            listeners: vec!["address: 127.0.0.1:0".to_owned()],
            ..Self::default()
        }
    }

    /// A service and its pool, both named `wohngeld`, before this backend.
    #[must_use]
    pub fn origin(self, address: SocketAddr) -> Self {
        self.service("wohngeld", "")
            .pool("wohngeld", &[address], "")
    }

    /// Adds a service, with options as lines of YAML. Replaces one of the same name.
    #[must_use]
    pub fn service(mut self, name: &str, options: &str) -> Self {
        self.services.retain(|(known, _)| known != name);
        self.services.push((name.to_owned(), options.to_owned()));
        self
    }

    /// Adds a pool, with options as lines of YAML, which say where endpoints come from when none are given. Replaces one of
    /// the same name.
    #[must_use]
    pub fn pool(mut self, name: &str, endpoints: &[SocketAddr], options: &str) -> Self {
        self.pools.retain(|(known, ..)| known != name);
        self.pools
            .push((name.to_owned(), endpoints.to_vec(), options.to_owned()));
        self
    }

    /// Takes a service and the pool of its name out again.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.services.retain(|(known, _)| known != name);
        self.pools.retain(|(known, ..)| known != name);
        self
    }

    /// Adds a TLS listener on 127.0.0.2 with the certificates of a directory, absolute or relative to the config.
    #[must_use]
    pub fn tls(self, directory: impl AsRef<Path>) -> Self {
        let directory = directory.as_ref().display();
        self.listener(&format!(
            "address: 127.0.0.2:0\ntls: {{ certificates: [\"{directory}\"] }}"
        ))
    }

    /// Adds a listener, as lines of YAML.
    #[must_use]
    pub fn listener(mut self, lines: &str) -> Self {
        self.listeners.push(lines.to_owned());
        self
    }

    /// Replaces all listeners by this one.
    #[must_use]
    pub fn only_listener(mut self, lines: &str) -> Self {
        self.listeners.clear();
        self.listener(lines)
    }

    /// Adds a key to `admin`, such as `token: { … }`.
    #[must_use]
    pub fn admin(mut self, key: &str) -> Self {
        self.admin = format!(", {key}");
        self
    }

    /// Adds lines at the top level, such as `drain_max: 60s`.
    #[must_use]
    pub fn top(mut self, lines: &str) -> Self {
        self.top.push(lines.to_owned());
        self
    }

    /// Adds lines to `tenants`, such as `aliases: { … }`.
    #[must_use]
    pub fn tenants(mut self, lines: &str) -> Self {
        self.tenants.push(lines.to_owned());
        self
    }

    /// Uses the official register with all municipalities.
    #[must_use]
    pub fn whole_register(mut self) -> Self {
        self.register = Some(binary::repository().join("config/register/gemeinden.csv"));
        self
    }

    /// Writes a file beside the config.
    #[must_use]
    pub fn file(mut self, path: &str, content: impl Into<Vec<u8>>) -> Self {
        self.files.push((PathBuf::from(path), content.into()));
        self
    }

    /// Sets an environment variable of the process.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Lets the process have this many file handles (`ulimit -n`).
    #[must_use]
    pub fn file_handles_max(mut self, count: u64) -> Self {
        self.file_handles_max = Some(count);
        self
    }

    /// The program and its first arguments: the binary, under a shell that sets its limit when it has one of its own.
    pub(crate) fn program(&self) -> Vec<OsString> {
        let binary = binary::path().as_os_str().to_owned();
        match self.file_handles_max {
            None => vec![binary],
            Some(count) => {
                let script = format!("ulimit -n {count}; exec \"$0\" \"$@\"");
                vec!["sh".into(), "-c".into(), script.into(), binary]
            }
        }
    }

    /// Variables that the process gets.
    pub(crate) fn variables(&self) -> &[(String, String)] {
        &self.environment
    }

    /// The config's text.
    pub fn yaml(&self) -> String {
        let mut text = String::from("version: 1\nadmin: { address: \"127.0.0.1:0\"");
        let _ = writeln!(text, "{} }}", self.admin);
        for lines in &self.top {
            push(&mut text, 0, lines);
        }
        text.push_str("listeners:\n");
        for lines in &self.listeners {
            text.push_str("  -\n");
            push(&mut text, 4, lines);
        }
        let register = self.register.as_deref();
        let register = register.unwrap_or(Path::new("gemeinden.csv")).display();
        let _ = writeln!(text, "tenants:\n  register: \"{register}\"");
        for lines in &self.tenants {
            push(&mut text, 2, lines);
        }
        text.push_str("services:\n");
        for (name, options) in &self.services {
            push(&mut text, 2, &format!("{name}:"));
            push(&mut text, 4, &service_defaults(name, options));
            push(&mut text, 4, options);
        }
        text.push_str("pools:\n");
        for (name, endpoints, options) in &self.pools {
            let endpoints: Vec<_> = endpoints
                .iter()
                .map(|address| format!("\"{address}\""))
                .collect();
            push(&mut text, 2, &format!("{name}:"));
            if !endpoints.is_empty() {
                let endpoints = endpoints.join(", ");
                push(&mut text, 4, &format!("endpoints: [{endpoints}]"));
            }
            push(&mut text, 4, options);
        }
        text
    }

    /// Writes config, register and further files into a new directory.
    ///
    /// # Panics
    ///
    /// When the disk does not take them.
    pub fn write(&self) -> TempDir {
        let directory = TempDir::with_prefix("schleuse-test-").expect("a directory");
        self.write_into(directory.path());
        directory
    }

    /// The same into an existing directory, each file by a rename: whoever reads one meanwhile sees it whole.
    ///
    /// # Panics
    ///
    /// When the disk does not take them.
    pub fn write_into(&self, directory: &Path) {
        place(&directory.join("gemeinden.csv"), REGISTER.as_bytes());
        for (path, content) in &self.files {
            place(&directory.join(path), content);
        }
        place(&directory.join("schleuse.yaml"), self.yaml().as_bytes());
    }

    /// Starts the binary with it and waits until it is ready.
    ///
    /// # Panics
    ///
    /// When it does not become ready.
    pub fn start(self) -> RunningEdge {
        RunningEdge::start(self)
    }
}

/// Writes a file whole or not at all, and only when it changes.
fn place(path: &Path, content: &[u8]) {
    if fs::read(path).is_ok_and(|before| before == content) {
        return;
    }
    let directory = path.parent().expect("a directory");
    fs::create_dir_all(directory).expect("a directory");
    let temporary = tempfile::NamedTempFile::new_in(directory).expect("a file");
    fs::write(temporary.path(), content).expect("a file");
    temporary.persist(path).expect("a rename");
}

/// What a service needs and the test did not say.
fn service_defaults(name: &str, options: &str) -> String {
    let said = |key: &str| options.lines().any(|line| line.starts_with(key));
    let mut lines = String::new();
    for (key, value) in [
        ("hosts:", format!("[{name}.example, \"*.{name}.example\"]")),
        ("responsible:", "gemeinde".to_owned()),
        ("pool:", name.to_owned()),
    ] {
        if !said(key) {
            let _ = writeln!(lines, "{key} {value}");
        }
    }
    lines
}

fn push(text: &mut String, indent: usize, lines: &str) {
    for line in lines.lines() {
        let _ = writeln!(text, "{:indent$}{line}", "");
    }
}
