//! What all measurements of a run share: programs, files, the backend, and how long things may take.

use std::{net::SocketAddr, path::Path, time::Duration};

use tempfile::TempDir;

use crate::{
    Outcome, Problem,
    backend::{self, Backend},
    certificate::Certificate,
    compare::Rounds,
    haproxy::{self, Job},
    inputs::{Place, official_places},
    launchday, machine, nginx,
    peer::Peer,
    scaler,
    schleuse::{self, Schleuse, Variant},
    wrk::{Script, targets},
};

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    /// CPU per request.
    pub(crate) rounds: Rounds,
    /// CPU per layer.
    pub(crate) layer_rounds: Rounds,
    /// Latency, per peer and round.
    pub(crate) latency_rounds: usize,
    pub(crate) latency_time: Duration,
    pub(crate) idle_connections: usize,
    pub(crate) idle_tls_connections: usize,
    /// Segments with reloads, each beside one without.
    pub(crate) reload_segments: usize,
    pub(crate) reload_segment_time: Duration,
    /// The flood of a noisy neighbour: pairs of runs with and without it, and the time of each.
    pub(crate) flood: (usize, Duration),
    /// Every other noisy neighbour.
    pub(crate) neighbours: (usize, Duration),
    /// Tenants that all want more than they get.
    pub(crate) shares_time: Duration,
    pub(crate) overload_time: Duration,
    pub(crate) held_connections: usize,
    pub(crate) held_in_memory: usize,
    /// Reloads while every tenant is at its limit, once per kind of limit.
    pub(crate) limits_time: Duration,
    /// Events of the pool's lock that are timed one by one.
    pub(crate) lock_events: usize,
    /// Pools are woken one after another this long.
    pub(crate) wake_time: Duration,
    pub(crate) scaler: scaler::Size,
    pub(crate) launchday: launchday::Size,
    /// Days of each trace for the recommender.
    pub(crate) seeds: u32,
    /// Of each launch that is played for real.
    pub(crate) replay_seconds: u64,
}

impl Sizes {
    pub(crate) const FULL: Self = Self {
        rounds: Rounds {
            pairs: 20,
            seconds: 3,
        },
        layer_rounds: Rounds {
            pairs: 20,
            seconds: 2,
        },
        latency_rounds: 20,
        latency_time: Duration::from_millis(1_500),
        idle_connections: 5_000,
        idle_tls_connections: 2_000,
        reload_segments: 4,
        reload_segment_time: Duration::from_secs(8),
        flood: (3, Duration::from_mins(1)),
        neighbours: (2, Duration::from_secs(10)),
        shares_time: Duration::from_secs(20),
        overload_time: Duration::from_secs(15),
        held_connections: 10_000,
        held_in_memory: 100_000,
        limits_time: Duration::from_mins(1),
        lock_events: 200_000,
        wake_time: Duration::from_mins(1),
        scaler: scaler::Size {
            pools: 10_000,
            time: Duration::from_secs(20),
        },
        launchday: launchday::Size {
            rounds: 6,
            seconds: 3,
            honesty_seconds: 30,
            citizens: 15_500,
            slow_runs: 20,
        },
        seeds: 20,
        replay_seconds: 120,
    };
    pub(crate) const QUICK: Self = Self {
        rounds: Rounds {
            pairs: 4,
            seconds: 1,
        },
        layer_rounds: Rounds {
            pairs: 4,
            seconds: 1,
        },
        latency_rounds: 4,
        latency_time: Duration::from_secs(1),
        idle_connections: 4_000,
        idle_tls_connections: 1_000,
        reload_segments: 1,
        reload_segment_time: Duration::from_secs(4),
        flood: (1, Duration::from_secs(4)),
        neighbours: (1, Duration::from_secs(3)),
        shares_time: Duration::from_secs(6),
        overload_time: Duration::from_secs(5),
        held_connections: 2_000,
        held_in_memory: 20_000,
        limits_time: Duration::from_secs(6),
        lock_events: 20_000,
        wake_time: Duration::from_secs(10),
        scaler: scaler::Size {
            pools: 10_000,
            time: Duration::from_secs(4),
        },
        launchday: launchday::Size {
            rounds: 2,
            seconds: 2,
            honesty_seconds: 10,
            citizens: 3_000,
            slow_runs: 2,
        },
        seeds: 3,
        replay_seconds: 20,
    };
}

/// The programs of a run.
#[derive(Debug)]
pub(crate) struct Programs {
    pub(crate) schleuse: String,
    pub(crate) haproxy: String,
    pub(crate) nginx: String,
    pub(crate) backend: String,
    pub(crate) envoy: Option<String>,
    pub(crate) caddy: Option<String>,
}

impl Programs {
    /// Finds them all, or says everything that is missing at once.
    fn find() -> Outcome<Self> {
        let mut missing = Vec::new();
        let mut need = |found: Option<String>, words: &str| {
            if found.is_none() {
                missing.push(words.to_owned());
            }
            found.unwrap_or_default()
        };
        let programs = Self {
            schleuse: need(
                schleuse::program(),
                "schleuse (cargo build --release -p schleuse, or SCHLEUSE=/path)",
            ),
            haproxy: need(
                machine::program("HAPROXY", "haproxy"),
                "haproxy (Debian: haproxy, or HAPROXY=/path)",
            ),
            nginx: need(
                machine::program("NGINX", "nginx"),
                "nginx (Debian: nginx-light, or NGINX=/path)",
            ),
            backend: need(
                machine::program("BACKEND_NGINX", "nginx"),
                "nginx as the backend (Debian: nginx-light)",
            ),
            envoy: std::env::var("ENVOY").ok(),
            caddy: std::env::var("CADDY").ok(),
        };
        for (tool, package) in [
            ("wrk", "wrk"),
            ("taskset", "util-linux"),
            ("setpriv", "util-linux"),
        ] {
            need(machine::found(tool), &format!("{tool} (Debian: {package})"));
        }
        if missing.is_empty() {
            return Ok(programs);
        }
        Err(Problem::from(format!("missing: {}", missing.join("; "))))
    }

    /// A line per program.
    pub(crate) fn versions(&self) -> Vec<String> {
        let mut lines = vec![
            format!(
                "Schleuse: {}",
                machine::version(&self.schleuse, &["--version"])
            ),
            format!("HAProxy: {}", self.haproxy_version()),
            format!("nginx: {}", machine::version(&self.nginx, &["-v"])),
            format!("Backend: {}", machine::version(&self.backend, &["-v"])),
            format!("Load: {}", machine::version("wrk", &["-v"])),
        ];
        if let Some(envoy) = &self.envoy {
            // It names its own path before the version.
            let line = machine::version(envoy, &["--version"]);
            let version = line.rsplit(' ').next().unwrap_or_default();
            lines.push(format!("Envoy: {version}"));
        }
        if let Some(caddy) = &self.caddy {
            lines.push(format!("Caddy: {}", machine::version(caddy, &["version"])));
        }
        lines
    }

    pub(crate) fn haproxy_version(&self) -> String {
        machine::version(&self.haproxy, &["-v"])
    }
}

/// A run.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) sizes: Sizes,
    pub(crate) programs: Programs,
    pub(crate) places: Vec<Place>,
    pub(crate) certificate: Certificate,
    /// Tenants drawn by population.
    pub(crate) script: Script,
    /// The same number of requests, all for the first tenant of the register.
    pub(crate) one_tenant_script: Script,
    backend: Backend,
    // Dropped last: peers and backend read from it.
    directory: TempDir,
}

impl Context {
    /// Finds the programs, writes the inputs and starts the backend.
    ///
    /// # Errors
    ///
    /// When something is missing.
    pub(crate) fn prepare(sizes: &Sizes) -> Outcome<Self> {
        let programs = Programs::find()?;
        machine::prepare()?;
        let directory = tempfile::Builder::new()
            .prefix("schleuse-bench-")
            .tempdir()?;
        let places = official_places()?;
        let all = targets(&places);
        let first = places.first().ok_or("the register is empty")?;
        let one = targets(std::slice::from_ref(first));
        Ok(Self {
            sizes: *sizes,
            certificate: Certificate::write(directory.path())?,
            script: Script::write(directory.path(), "drawn", &all)?,
            one_tenant_script: Script::write(directory.path(), "one", &one)?,
            backend: backend::start(&programs.backend, directory.path())?,
            programs,
            places,
            directory,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The backend of the first service.
    pub(crate) fn backend(&self) -> SocketAddr {
        let first = self.backend.addresses.first().copied();
        first.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    pub(crate) fn schleuse(&self, variant: Variant) -> Outcome<Schleuse> {
        self.start_schleuse(variant, None)
    }

    pub(crate) fn schleuse_tls(&self) -> Outcome<Schleuse> {
        self.start_schleuse(Variant::Full, Some(&self.certificate))
    }

    fn start_schleuse(
        &self,
        variant: Variant,
        certificate: Option<&Certificate>,
    ) -> Outcome<Schleuse> {
        Schleuse::start(
            &self.programs.schleuse,
            self.path(),
            &self.backend.addresses,
            &self.places,
            variant,
            certificate,
        )
    }

    pub(crate) fn haproxy(&self, job: Job<'_>) -> Outcome<Peer> {
        haproxy::start(
            &self.programs.haproxy,
            self.path(),
            &self.backend.addresses,
            job,
        )
    }

    pub(crate) fn nginx(&self, certificate: Option<&Certificate>) -> Outcome<Peer> {
        nginx::start(
            &self.programs.nginx,
            self.path(),
            self.backend(),
            certificate,
        )
    }
}
