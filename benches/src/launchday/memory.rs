//! Memory: of a citizen who has a connection open and thinks, and of the statistics of all tenants at once.

use std::{
    fs,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::Bench;
use crate::{
    Outcome,
    compare::count,
    figure::{Figure, Unit},
    procfs,
};

/// KiB.
const CITIZEN_MAX: f64 = 8.0;
/// MiB.
const STATISTICS_MAX: f64 = 64.0;
/// Share of a processor that waiting citizens may use.
const IDLE_CPU_MAX: f64 = 2.0;
/// In which all citizens set out.
const ARRIVING: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_secs(3);
/// So many source addresses, each with a range of ports of its own.
const SOURCES: &str = "4";

pub(super) fn measure(bench: &Bench<'_>) -> Outcome<Vec<Figure>> {
    let mut figures = idle_citizens(bench)?;
    figures.push(statistics(bench)?);
    Ok(figures)
}

/// A generator that is ended with this value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Fails only when it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    fn start(command: &[String]) -> Outcome<Self> {
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .args(command)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self(child))
    }

    fn memory(&self) -> Outcome<u64> {
        procfs::anonymous_bytes(self.0.id())
    }

    fn sockets(&self) -> Outcome<u64> {
        let files = fs::read_dir(format!("/proc/{}/fd", self.0.id()))?;
        let names = files.filter_map(|file| fs::read_link(file.ok()?.path()).ok());
        let sockets = names.filter(|name| name.to_string_lossy().starts_with("socket:"));
        Ok(sockets.count() as u64)
    }
}

/// Every citizen has a connection of its own, made one request, and now thinks for an hour.
fn idle_citizens(bench: &Bench<'_>) -> Outcome<Vec<Figure>> {
    let citizens = bench.context.sizes.launchday.citizens;
    let text = format!(
        "target: {}
arrivals: {{ rate: {}/s, duration: {}s, spacing: even }}
drain: 1h
journeys:
  - name: form
    own_connection: true
    steps: [ {{ get: / }}, {{ get: /, name: later, think: 1h }} ]
",
        bench.target.url().trim_end_matches('/'),
        citizens / ARRIVING.as_secs(),
        ARRIVING.as_secs(),
    );
    let scenario = bench.scenario("idle", &text)?;
    let mut command = bench.launchday(&scenario.display().to_string());
    command.extend(["--sources", SOURCES].map(str::to_owned));
    let kernel_before = kernel_bytes()?;
    let started = Instant::now();
    let running = Running::start(&command)?;
    // One citizen in fifty has come by then.
    thread::sleep(ARRIVING / 50);
    let (memory_before, sockets_before) = (running.memory()?, running.sockets()?);
    thread::sleep((ARRIVING + Duration::from_secs(1)).saturating_sub(started.elapsed()));
    let cpu = procfs::cpu_time(running.0.id())?.nanoseconds;
    thread::sleep(IDLE);
    let cpu = procfs::cpu_time(running.0.id())?.nanoseconds - cpu;
    let (memory, sockets) = (running.memory()?, running.sockets()?);
    let kernel = kernel_bytes()?;
    let came = sockets.saturating_sub(sockets_before).max(1);
    let kibibytes = |bytes: u64, of: u64| count(bytes) / count(of) / 1024.0;
    Ok(vec![
        Figure::value("Citizens with an idle connection each", Unit::Count, count(sockets))
            .at_least(count(citizens) * 0.99)
            .beside("20,000 file handles, source addresses of 127.0.0.0/8"),
        Figure::value("Memory of one, of the generator", Unit::Kibibytes,
            kibibytes(memory.saturating_sub(memory_before), came))
            .at_most(CITIZEN_MAX)
            .beside(format!(
                "{:.2} KiB of the kernel's besides, for both ends of the connection and the target's place for it",
                kibibytes(kernel.saturating_sub(kernel_before), sockets.max(1))
            )),
        Figure::value("CPU while all of them think", Unit::Percent,
            count(cpu) / 1e7 / IDLE.as_secs_f64())
            .at_most(IDLE_CPU_MAX),
    ])
}

/// What the kernel keeps in slabs, sockets among it.
fn kernel_bytes() -> Outcome<u64> {
    let text = fs::read_to_string("/proc/meminfo")?;
    procfs::kibibytes(&text, "Slab:").ok_or_else(|| "meminfo lacks `Slab`".into())
}

/// The whole generator while it keeps figures of all tenants: an upper bound of what the figures take.
fn statistics(bench: &Bench<'_>) -> Outcome<Figure> {
    let text = format!(
        "target: {}\narrivals: {{ rate: 5000/s, duration: 1m }}\n{}\n",
        bench.target.url().trim_end_matches('/'),
        super::ONE_REQUEST
    );
    let scenario = bench.scenario("all", &text)?;
    let mut command = bench.launchday(&scenario.display().to_string());
    command.extend(["--register", "official"].map(str::to_owned));
    let running = Running::start(&command)?;
    thread::sleep(Duration::from_secs(6));
    let memory = running.memory()?;
    Ok(Figure::value(
        "Memory of a generator with figures of every Kommune, everything included",
        Unit::Mebibytes,
        count(memory) / 1024.0 / 1024.0,
    )
    .at_most(STATISTICS_MAX)
    .beside("5,000/s for 6 s"))
}
