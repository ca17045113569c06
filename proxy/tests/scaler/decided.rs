//! The real binary from a step in load to its end: KEDA hears the number that was decided, and each decision in its log
//! can be made again from that line alone.

use std::{
    fs,
    io::Write as _,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use schleuse::{
    autoscale::record::Record,
    scaler::{
        METRIC,
        messages::{GetMetricsRequest, GetMetricsResponse},
    },
};
use serde_json::Value;
use tokio::time::sleep;

use crate::client::{Client, whom};

/// Generous: a busy machine is no fault.
const PATIENCE: Duration = Duration::from_mins(1);

/// The binary with one pool of one endpoint, which takes connections and never answers.
struct Proxy {
    child: Child,
    directory: tempfile::TempDir,
    _backend: TcpListener,
}

impl Proxy {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let backend = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let register = "ars,name,bevoelkerung\n110000000000,Berlin,3685265\n";
        fs::write(directory.path().join("gemeinden.csv"), register).unwrap();
        let config = format!(
            "version: 1\n\
             listeners: [{{ address: 127.0.0.1:0 }}]\n\
             scaler: {{ address: 127.0.0.1:0 }}\n\
             drain_max: 0s\n\
             tenants: {{ register: gemeinden.csv }}\n\
             services:\n  meldung: {{ hosts: [meldung.example], responsible: land, tenant_from: [query], pool: a }}\n\
             pools:\n  a:\n    endpoints: [\"{}\"]\n    concurrency: 1\n    \
             scale: {{ keda: {{}}, max: 5, service_time: 10s, hold_down: 1s, descent_per_minute: 100%, idle_after: 1s }}\n",
            backend.local_addr().unwrap()
        );
        fs::write(directory.path().join("schleuse.yaml"), config).unwrap();
        let log = fs::File::create(directory.path().join("log")).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_schleuse"))
            .args(["run", "--config", "schleuse.yaml"])
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(log)
            .spawn()
            .unwrap();
        Self {
            child,
            directory,
            _backend: backend,
        }
    }

    fn log(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.directory.path().join("log")).unwrap();
        let whole = text.rsplit_once('\n').map_or("", |(lines, _)| lines);
        let lines = whole.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    async fn address(&self, listener: &str) -> SocketAddr {
        let find = || {
            let log = self.log();
            let mut listening = log.iter().filter(|event| event["event"] == "listening");
            let event = listening.find(|event| event["listener"] == listener)?;
            event["address"].as_str()?.parse().ok()
        };
        eventually("it listens", || async { find() }).await
    }

    fn decisions(&self) -> Vec<Record> {
        let log = self.log().into_iter();
        let decided = log.filter(|event| event["event"] == "scale_decided");
        decided
            .map(|event| serde_json::from_value(event["decision"].clone()).unwrap())
            .collect()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let id = i32::try_from(self.child.id()).unwrap();
        let _ = kill(Pid::from_raw(id), Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut look: impl FnMut() -> F,
) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < end, "did not come true: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}

async fn desired(keda: &Client) -> Option<f64> {
    let asked = GetMetricsRequest {
        scaled_object_ref: Some(whom(&[("pool", "a")])),
        metric_name: METRIC.to_owned(),
    };
    let answer: GetMetricsResponse = keda.call("GetMetrics", &asked).await.ok()?;
    Some(answer.metric_values.first()?.metric_value_float)
}

async fn wait_desired(keda: &Client, wanted: f64) {
    let is_wanted = || async {
        let desired = desired(keda).await?;
        (desired.to_bits() == wanted.to_bits()).then_some(())
    };
    eventually("KEDA hears the number", is_wanted).await;
}

/// A request that waits for its answer as long as this lives.
fn ask(address: SocketAddr) -> TcpStream {
    let mut client = TcpStream::connect(address).unwrap();
    client
        .write_all(b"GET /?ars=110000000000 HTTP/1.1\r\nHost: meldung.example\r\n\r\n")
        .unwrap();
    client
}

#[tokio::test]
async fn keda_hears_what_was_decided_and_every_decision_in_the_log_can_be_made_again() {
    let proxy = Proxy::start();
    let (http, scaler) = (proxy.address("http").await, proxy.address("scaler").await);
    let keda = Client::connect(scaler).await;
    wait_desired(&keda, 1.0).await;
    let clients: Vec<_> = (0..8).map(|_| ask(http)).collect();
    wait_desired(&keda, 5.0).await;
    drop(clients);
    wait_desired(&keda, 1.0).await;

    let decisions = proxy.decisions();
    let numbers: Vec<_> = decisions.iter().map(|decision| decision.replicas).collect();
    assert!(
        numbers.contains(&5) && numbers.last() == Some(&1),
        "{numbers:?}"
    );
    for decision in decisions {
        assert_eq!(decision.decided_again(), decision);
    }
}
