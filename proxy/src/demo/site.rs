//! The directory of a demo: config, register, certificates, log. Everything that a person may look at or edit.

use std::{
    fs, io,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use super::{DemoError, certificates, places::REGISTER};

/// With `@NAME@` for ports and addresses.
const CONFIG: &str = include_str!("schleuse.yaml");

/// Loopback ports of the proxy.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    /// Plain HTTP.
    pub http: u16,
    /// HTTPS.
    pub https: u16,
    /// The admin listener.
    pub admin: u16,
}

impl Ports {
    /// As in the documentation.
    pub const USUAL: Self = Self {
        http: 8080,
        https: 8443,
        admin: 9900,
    };

    /// `base` and the two that follow; none when there are no such ports.
    pub fn from(base: u16) -> Option<Self> {
        Some(Self {
            http: base,
            https: base.checked_add(1)?,
            admin: base.checked_add(2)?,
        })
    }

    /// Three that are free now.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn free() -> io::Result<Self> {
        let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let (http, https, admin) = (listen()?, listen()?, listen()?);
        let port = |listener: TcpListener| listener.local_addr().map(|address| address.port());
        Ok(Self {
            http: port(http)?,
            https: port(https)?,
            admin: port(admin)?,
        })
    }

    /// Whether the proxy will be able to listen on them.
    ///
    /// # Errors
    ///
    /// Which one it cannot, and what to do.
    pub fn check(self) -> Result<(), DemoError> {
        for port in [self.http, self.https, self.admin] {
            TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|error| {
                let why = match error.kind() {
                    io::ErrorKind::AddrInUse => "is in use".to_owned(),
                    _ => format!("cannot be used ({error})"),
                };
                DemoError(format!(
                    "port {port} of 127.0.0.1 {why}; choose three others with --port-base N"
                ))
            })?;
        }
        Ok(())
    }
}

/// A demo's directory, removed at the end when nobody named it.
#[derive(Debug)]
pub struct Site {
    path: PathBuf,
    temporary: Option<TempDir>,
    /// Where the proxy listens.
    pub ports: Ports,
}

impl Site {
    /// Fills a new directory, or an empty one that is named. `program` is what backends are started from.
    ///
    /// # Errors
    ///
    /// A directory that holds something, or the system's.
    pub fn create(named: Option<&Path>, ports: Ports, program: &Path) -> Result<Self, DemoError> {
        let (path, temporary) = match named {
            Some(path) => (empty_directory(path)?, None),
            None => {
                temporary().map_err(|error| DemoError::new("no temporary directory", &error))?
            }
        };
        let site = Self {
            path,
            temporary,
            ports,
        };
        site.fill(program).map_err(|error| {
            DemoError::new(&format!("cannot fill {}", site.path.display()), &error)
        })?;
        Ok(site)
    }

    fn fill(&self, program: &Path) -> io::Result<()> {
        fs::write(self.path.join("gemeinden.csv"), REGISTER)?;
        certificates::write(&self.path)?;
        // Not beside the config: each line would look like a change of the watched directory.
        fs::create_dir(self.path.join("log"))?;
        fs::write(self.config(), config_text(self.ports, program))
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it goes with the demo.
    pub fn is_temporary(&self) -> bool {
        self.temporary.is_some()
    }

    /// The config.
    pub fn config(&self) -> PathBuf {
        self.path.join("schleuse.yaml")
    }

    /// The proxy's output.
    pub fn log(&self) -> PathBuf {
        self.path.join("log/proxy.jsonl")
    }

    /// The line of the config that holds `text`, from 1; 0: none does.
    pub fn line_of(&self, text: &str) -> usize {
        let config = fs::read_to_string(self.config()).unwrap_or_default();
        let found = config.lines().position(|line| line.contains(text));
        found.map_or(0, |line| line + 1)
    }

    /// What `sed -i s/FROM/TO/` does to the config: a new file takes the old one's name.
    ///
    /// # Errors
    ///
    /// The system's; `NotFound` when no line holds `from`.
    pub fn replace(&self, from: &str, to: &str) -> io::Result<()> {
        let text = fs::read_to_string(self.config())?;
        if !text.contains(from) {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                format!("no line with {from}"),
            ));
        }
        let new = self.path.join("schleuse.yaml.new");
        fs::write(&new, text.replace(from, to))?;
        fs::rename(new, self.config())
    }
}

fn config_text(ports: Ports, program: &Path) -> String {
    CONFIG
        .replace("@http@", &ports.http.to_string())
        .replace("@https@", &ports.https.to_string())
        .replace("@admin@", &ports.admin.to_string())
        .replace("@program@", &quoted(&program.to_string_lossy()))
}

/// As YAML takes any text.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn temporary() -> io::Result<(PathBuf, Option<TempDir>)> {
    let directory = tempfile::Builder::new()
        .prefix("schleuse-demo-")
        .tempdir()?;
    Ok((directory.path().to_owned(), Some(directory)))
}

/// Nobody's files are overwritten.
fn empty_directory(path: &Path) -> Result<PathBuf, DemoError> {
    let prepare = || {
        fs::create_dir_all(path)?;
        let path = path.canonicalize()?;
        let empty = fs::read_dir(&path)?.next().is_none();
        Ok::<_, io::Error>((path, empty))
    };
    match prepare() {
        Ok((path, true)) => Ok(path),
        Ok((path, false)) => Err(DemoError(format!(
            "{} is not empty; name a new directory",
            path.display()
        ))),
        Err(error) => Err(DemoError::new(
            &format!("cannot use {}", path.display()),
            &error,
        )),
    }
}

#[cfg(test)]
mod tests {
    use schleuse_config::ScaleWay;

    use super::*;

    fn site() -> Site {
        Site::create(None, Ports::USUAL, Path::new("/a \"b\"/schleuse")).unwrap()
    }

    #[test]
    fn the_config_of_the_demo_is_accepted_without_a_warning() {
        let site = site();
        let loaded = schleuse_config::load(&site.config()).unwrap();
        assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
        assert!(!fs::read_to_string(site.config()).unwrap().contains('@'));
        let scale = loaded.snapshot.pools[0].scale.as_ref().unwrap();
        let ScaleWay::Process(template) = &scale.way else {
            panic!("{scale:?}");
        };
        assert_eq!(template.command[0], "/a \"b\"/schleuse");
    }

    #[test]
    fn an_edit_changes_the_line_that_it_names() {
        let site = site();
        let line = site.line_of("responsible: kreis");
        site.replace("responsible: kreis", "responsible: krais")
            .unwrap();
        assert_eq!(site.line_of("responsible: krais"), line);
        assert!(site.replace("no such text", "").is_err());
    }

    #[test]
    fn a_directory_with_something_in_it_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("mine"), "").unwrap();
        let refused = Site::create(Some(directory.path()), Ports::USUAL, Path::new("a"));
        assert!(refused.unwrap_err().to_string().contains("is not empty"));
    }

    #[test]
    fn a_port_in_use_is_named() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let ports = Ports {
            http: port,
            ..Ports::free().unwrap()
        };
        let refused = ports.check().unwrap_err().to_string();
        assert!(
            refused.contains(&format!("port {port}")) && refused.contains("is in use"),
            "{refused}"
        );
    }

    #[test]
    fn ports_beyond_the_last_one_are_no_ports() {
        assert!(Ports::from(65_534).is_none());
        assert_eq!(Ports::from(65_533).unwrap().admin, 65_535);
    }
}
