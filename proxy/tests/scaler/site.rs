//! A proxy's state over a config of its own, with the scaler on a socket and no traffic: the signals are the test's.

use std::{fs, net::SocketAddr, sync::Arc, time::Duration};

use schleuse::{clock, edge::Edge, metrics::Metrics, registry::Registry, scaler, signals::Signal};
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

const REGISTER: &str = "ars,name,bevoelkerung\n\
    110000000000,\"Berlin, Stadt\",3685265\n\
    010545459039,Gröde,7\n";

pub(crate) struct Site {
    directory: TempDir,
    pub(crate) edge: Arc<Edge>,
}

impl Site {
    /// Pools `a` (of the service `meldung`) and `b` (Berlin's own). `section` is a `scaler` section or nothing.
    pub(crate) fn new(section: &str) -> Self {
        Self::with_files(section, &[])
    }

    pub(crate) fn with_files(section: &str, files: &[(&str, String)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for (name, content) in files {
            fs::write(directory.path().join(name), content).unwrap();
        }
        let edge = Edge::new(
            load(&directory, section, "a"),
            Registry::new(1),
            Metrics::new().unwrap(),
        );
        Self {
            edge: Arc::new(edge.unwrap()),
            directory,
        }
    }

    /// A reload with other content in a file beside the config.
    pub(crate) fn reload_with(&self, file: &str, content: &str) {
        fs::write(self.directory.path().join(file), content).unwrap();
        self.reload();
    }

    /// A reload after which Berlin has no pool of its own and pool `b` is gone.
    pub(crate) fn reload_without_b(&self) {
        let path = self.directory.path().join("schleuse.yaml");
        let text = fs::read_to_string(&path).unwrap();
        let text = text.replace(", pools_by_tenant: { \"11\": b }", "");
        let text = text.replace("  b: { endpoints: [\"10.0.0.2:80\"] }\n", "");
        self.reload_with("schleuse.yaml", &text);
    }

    fn reload(&self) {
        let path = self.directory.path().join("schleuse.yaml");
        let listeners = Arc::new(schleuse::listeners::Listeners::default());
        let reloader =
            schleuse::reload::Reloader::new(&path, Vec::new(), self.edge.clone(), listeners);
        reloader.reload("test").unwrap();
    }

    pub(crate) fn publish(&self, pool: &str, signal: Signal) {
        self.edge.signals.publish(pool, signal, clock::now());
    }

    /// Serves on a port of the kernel's choice.
    pub(crate) async fn serve(&self) -> Serving {
        self.serve_on("127.0.0.1:0".parse().unwrap()).await
    }

    pub(crate) async fn serve_on(&self, address: SocketAddr) -> Serving {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let leaving = watch::Sender::new(false);
        let served = scaler::serve(listener, self.edge.clone(), leaving.subscribe());
        Serving {
            address,
            leaving,
            task: tokio::spawn(served),
        }
    }
}

/// A scaler that listens.
pub(crate) struct Serving {
    pub(crate) address: SocketAddr,
    leaving: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Serving {
    /// Stops it as SIGTERM does, and waits until every stream has ended.
    pub(crate) async fn stop(self) {
        self.leaving.send_replace(true);
        self.task.await.unwrap();
    }
}

fn load(directory: &TempDir, section: &str, pool: &str) -> schleuse_config::Snapshot {
    let text = format!(
        "version: 1\nlisteners: [{{ address: 127.0.0.1:0 }}]\n{section}\ntenants: {{ register: gemeinden.csv }}\n\
         services:\n  meldung: {{ hosts: [meldung.example], responsible: land, pool: {pool}, pools_by_tenant: {{ \"11\": b }} }}\n\
         pools:\n  a: {{ endpoints: [\"10.0.0.1:80\"] }}\n  b: {{ endpoints: [\"10.0.0.2:80\"] }}\n"
    );
    fs::write(directory.path().join("gemeinden.csv"), REGISTER).unwrap();
    let path = directory.path().join("schleuse.yaml");
    fs::write(&path, text).unwrap();
    schleuse_config::load(&path).unwrap().snapshot
}

/// A pool that needs so many replicas, of which none serves.
pub(crate) fn needs(desired: u32) -> Signal {
    Signal {
        desired,
        ready: 0,
        active: desired > 0,
        waiting: 0,
        in_flight: 0,
        arrivals_per_second: 0.0,
        seats: 0,
        cold_starts: 0,
        service_time: Some(Duration::from_millis(90)),
    }
}
