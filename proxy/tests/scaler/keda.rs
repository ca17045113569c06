//! A client in another language, made from the contract alone, that behaves as KEDA's own: Python with `grpcio`, as far as
//! this machine has it (`tools/setup test` installs it).

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use schleuse::signals::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    mutual_tls::{self, Authority},
    site::{Site, needs},
};

const METRIC: &str = "s3-desired-replicas";

/// A Python that has `grpcio` and its compiler of contracts.
#[expect(clippy::print_stdout, reason = "shown by a run with --nocapture")]
fn python() -> Option<PathBuf> {
    let own = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("python/bin/python3");
    let found = [own, "python3".into()].into_iter().find(|python| {
        let has = Command::new(python)
            .args(["-c", "import grpc, grpc_tools"])
            .stderr(Stdio::null())
            .status();
        has.is_ok_and(|status| status.success())
    });
    if found.is_none() {
        println!("not tested here: there is no Python with grpcio and grpcio-tools");
    }
    found
}

/// KEDA's operator.
struct Keda {
    process: Child,
    steps: ChildStdin,
    answers: BufReader<ChildStdout>,
    _stubs: TempDir,
}

impl Keda {
    fn start(python: &Path, address: SocketAddr, certificates: Option<&Path>) -> Self {
        let stubs = tempfile::tempdir().unwrap();
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scaler");
        let output = |kind: &str| format!("--{kind}_out={}", stubs.path().display());
        let compiled = Command::new(python)
            .args(["-m", "grpc_tools.protoc", "-I"])
            .arg(&here)
            .args([
                output("python"),
                output("grpc_python"),
                "externalscaler.proto".to_owned(),
            ])
            .status();
        assert!(compiled.unwrap().success());
        let mut process = Command::new(python)
            .arg(here.join("keda.py"))
            .arg(stubs.path())
            .arg(format!("localhost:{}", address.port()))
            .args(certificates)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            steps: process.stdin.take().unwrap(),
            answers: BufReader::new(process.stdout.take().unwrap()),
            process,
            _stubs: stubs,
        }
    }

    /// Takes a step for the object with this metadata: what came of it, or the name of the gRPC status.
    fn step(&mut self, metadata: &Value, words: &[&str]) -> Result<Value, String> {
        let step = json!({ "metadata": metadata, "step": words });
        writeln!(self.steps, "{step}").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap();
        match answer.get("error") {
            Some(error) => Err(error.as_str().unwrap().to_owned()),
            None => Ok(answer["ok"].clone()),
        }
    }

    /// The next news of both streams, in the order of their names: they come in any.
    fn news_of_both(&mut self, metadata: &Value) -> [Value; 2] {
        let mut news = [(); 2].map(|()| self.step(metadata, &["news"]).unwrap());
        news.sort_by_key(Value::to_string);
        news
    }
}

impl Drop for Keda {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_life_of_a_scaled_object_from_before_the_first_value_to_the_restart_of_the_scaler() {
    let Some(python) = python() else { return };
    let site = Site::new("");
    let serving = site.serve().await;
    let mut keda = Keda::start(&python, serving.address, None);
    let pool = json!({ "pool": "a", "scalerAddress": "localhost:9090" });
    let specs = json!([[METRIC, 1.0]]);

    // The object is made before anything is known of the pool.
    assert_eq!(keda.step(&pool, &["specs"]), Ok(specs.clone()));
    assert_eq!(
        keda.step(&pool, &["poll", METRIC]),
        Err("UNAVAILABLE".to_owned())
    );
    keda.step(&pool, &["run"]).unwrap();
    assert_eq!(keda.step(&pool, &["news"]), Ok(json!(["spec", specs])));

    site.publish("a", needs(0));
    assert_eq!(keda.step(&pool, &["news"]), Ok(json!(["active", false])));
    assert_eq!(keda.step(&pool, &["poll", METRIC]), Ok(json!([[0], false])));

    // The first request: pushed, then polled.
    site.publish("a", needs(3));
    assert_eq!(keda.step(&pool, &["news"]), Ok(json!(["active", true])));
    assert_eq!(
        keda.step(&pool, &["poll", METRIC]),
        Ok(json!([[3.0], true]))
    );
    let serving_three = Signal {
        ready: 3,
        ..needs(3)
    };
    site.publish("a", serving_three);
    assert_eq!(
        keda.step(&pool, &["poll", METRIC]),
        Ok(json!([[3.0], true]))
    );
    assert_eq!(keda.step(&pool, &["silent"]), Ok(json!(true)));

    // The scaler goes: both streams end cleanly, so KEDA's pause stays at its shortest, and the connection comes back.
    let address = serving.address;
    serving.stop().await;
    let ended = |stream: &str| json!(["ended", stream, "EOF", 2]);
    assert_eq!(keda.news_of_both(&pool), [ended("activity"), ended("spec")]);
    let again = site.serve_on(address).await;
    keda.step(&pool, &["reopen"]).unwrap();
    assert_eq!(
        keda.news_of_both(&pool),
        [json!(["active", true]), json!(["spec", specs])]
    );
    again.stop().await;
    assert_eq!(keda.news_of_both(&pool), [ended("activity"), ended("spec")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_object_that_names_no_pool_hears_so_in_every_call() {
    let Some(python) = python() else { return };
    let site = Site::new("");
    let serving = site.serve().await;
    let mut keda = Keda::start(&python, serving.address, None);
    let nobody = json!({ "pool": "c" });
    for step in [&["specs"][..], &["poll", METRIC]] {
        assert_eq!(keda.step(&nobody, step), Err("NOT_FOUND".to_owned()));
    }
    keda.step(&nobody, &["run"]).unwrap();
    // It asks again, less and less often.
    for pause in [2, 4, 8, 16, 32, 60, 60] {
        let ended = |stream: &str| json!(["ended", stream, "NOT_FOUND", pause]);
        assert_eq!(
            keda.news_of_both(&nobody),
            [ended("activity"), ended("spec")]
        );
        keda.step(&nobody, &["reopen"]).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn three_hundred_objects_share_one_connection() {
    let Some(python) = python() else { return };
    let site = Site::new("");
    site.publish("a", needs(1));
    let serving = site.serve().await;
    let mut keda = Keda::start(&python, serving.address, None);
    let object = |number: usize| json!({ "pool": "a", "number": number.to_string() });
    for number in 0..300 {
        keda.step(&object(number), &["run"]).unwrap();
    }
    for number in 0..300 {
        let [active, _] = keda.news_of_both(&object(number));
        assert_eq!(active, json!(["active", true]), "{number}");
    }
    assert_eq!(
        keda.step(&object(0), &["poll", METRIC]),
        Ok(json!([[1.0], true]))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_client_certificate_from_a_trigger_authentication_gets_in() {
    let Some(python) = python() else { return };
    let authority = Authority::new();
    let site = mutual_tls::site(&authority, ", client_ca: ca.pem");
    let certificates = tempfile::tempdir().unwrap();
    let (chain, key) = authority.issue("keda");
    for (name, content) in [
        ("ca.pem", authority.certificate()),
        ("keda.crt", chain),
        ("keda.key", key),
    ] {
        std::fs::write(certificates.path().join(name), content).unwrap();
    }
    let serving = site.serve().await;
    let mut keda = Keda::start(&python, serving.address, Some(certificates.path()));
    assert_eq!(
        keda.step(&json!({ "pool": "a" }), &["poll", METRIC]),
        Ok(json!([[1.0], true]))
    );
}
