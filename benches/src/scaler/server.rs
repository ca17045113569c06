//! The measured process: the product's scaler over a config of many pools, and a thread in the recommender's place.

use std::{
    fmt::Write as _,
    fs,
    net::SocketAddr,
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use schleuse::{
    app::decline_huge_pages, clock, edge::Edge, metrics::Metrics, registry::Registry, scaler,
    signals::Signal,
};
use tokio::{net::TcpListener, runtime::Builder, sync::watch};

use crate::Outcome;

/// As often as the recommender decides.
const DECISION_INTERVAL: Duration = Duration::from_millis(250);
/// Pools that wake or fall asleep with each decision; the others change their gauges alone.
const EDGES: usize = 10;

/// Serves until it is killed.
///
/// # Errors
///
/// When the address is taken or the config is refused.
pub fn serve(address: SocketAddr, pools: usize) -> Outcome<bool> {
    decline_huge_pages(); // as the product does
    let directory = tempfile::tempdir()?;
    let snapshot = config(directory.path(), pools)?;
    let edge = Arc::new(Edge::new(snapshot, Registry::new(1), Metrics::new()?)?);
    let names: Vec<String> = (0..pools).map(name).collect();
    publish(&edge, &names, 0);
    let board = edge.clone();
    thread::spawn(move || decide(&board, &names));
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(address).await?;
        let leaving = watch::Sender::new(false);
        scaler::serve(listener, edge, leaving.subscribe()).await;
        Ok(true)
    })
}

/// The name of a pool by its number.
pub(super) fn name(number: usize) -> String {
    format!("p{number}")
}

fn config(directory: &Path, pools: usize) -> Outcome<schleuse_config::Snapshot> {
    fs::write(
        directory.join("gemeinden.csv"),
        "ars,name,bevoelkerung\n110000000000,Berlin,3685265\n",
    )?;
    let mut text = "version: 1\nlisteners: [{ address: \"127.0.0.1:1\" }]\ntenants: { register: gemeinden.csv }\n\
        services: { s: { hosts: [s.example], responsible: bund, pool: p0 } }\npools:\n"
        .to_owned();
    for number in 0..pools {
        writeln!(
            text,
            "  {}: {{ endpoints: [\"10.0.0.1:80\"] }}",
            name(number)
        )?;
    }
    let path = directory.join("schleuse.yaml");
    fs::write(&path, text)?;
    let loaded = schleuse_config::load(&path).map_err(|problems| problems.to_string())?;
    Ok(loaded.snapshot)
}

fn decide(edge: &Edge, names: &[String]) {
    let start = Instant::now();
    for round in 1.. {
        let due = start + DECISION_INTERVAL * round;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        publish(edge, names, round);
    }
}

fn publish(edge: &Edge, names: &[String], round: u32) {
    let now = clock::now();
    let round = usize::try_from(round).unwrap_or_default();
    for (number, name) in names.iter().enumerate() {
        // Each pool has its turn, awake in one of them and asleep in the next.
        let turns = (round * EDGES + names.len() - number) / names.len().max(1);
        let desired = u32::from(turns.is_multiple_of(2));
        let signal = Signal {
            desired,
            ready: desired,
            active: desired > 0,
            waiting: 0,
            in_flight: u64::try_from(round % 7).unwrap_or_default(),
            arrivals_per_second: 1.0,
            seats: 20,
            cold_starts: 1,
            service_time: Some(Duration::from_millis(100)),
        };
        edge.signals.publish(name, signal, now);
    }
}
