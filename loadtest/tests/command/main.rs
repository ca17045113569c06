//! The command as its user has it: what it says, what it exits with, what it leaves behind. Nothing rests on the speed of
//! this machine: where it may be too busy to measure, "invalid" is a right answer, and a wrong figure is not.
#![cfg(test)] // tells clippy that helpers may unwrap like tests

mod bad_input;
mod capacity;
mod compare;
mod judged;
mod report;
mod view;

use std::{
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use launchday::{
    distribution::Distribution,
    origin::{Running, Settings, start},
};

/// What a command said and ended with.
struct Said {
    code: i32,
    out: String,
    err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_launchday");

/// Runs the command in `directory`.
fn launchday(directory: &Path, arguments: &[&str]) -> Said {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).current_dir(directory);
    command.output().unwrap().into()
}

/// An origin of the test's own that takes so long over each request.
fn origin(milliseconds: u64) -> Running {
    start(&Settings {
        service: Distribution::Fixed(Duration::from_millis(milliseconds)),
        ..Settings::default()
    })
    .unwrap()
}

/// Where nobody listens.
fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// Writes a scenario of one request a citizen for the tenants `a` and `b`.
fn scenario(directory: &Path, arrivals: &str, more: &str) {
    std::fs::write(directory.join("weights.csv"), "tenant,weight\na,2\nb,1\n").unwrap();
    let text = format!(
        "target: http://127.0.0.1:1
tenants: {{ weights: weights.csv }}
arrivals: {arrivals}
journeys:
  - name: one
    cookies: false
    steps: [ {{ get: /, headers: {{ Launchday-Tenant: \"{{tenant}}\" }} }} ]
{more}
"
    );
    std::fs::write(directory.join("scenario.yaml"), text).unwrap();
}

fn json(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}
