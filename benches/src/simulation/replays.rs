//! The six launches at 1:100 for real: one Schleuse that starts the backends, six generators at once, each in the busiest
//! minutes of its launch. Together they ask for some forty requests a second, so that what is judged is the order in which
//! things happen and not how fast this machine is.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use super::{number, read, scenarios, words};
use crate::{
    Outcome,
    figure::{Figure, Unit},
    peer::{Peer, Settings, free_address},
    schleuse,
};

/// Where the load is, and the proxy with its backends.
const LOAD_CORE: &str = "1";
const PROXY_CORE: usize = 0;

/// A launch, and when most people come.
pub(super) struct Launch {
    pub(super) name: &'static str,
    /// Seconds from the beginning.
    busiest: u64,
}

pub(super) const LAUNCHES: [Launch; 6] = [
    Launch {
        name: "ez200",
        busiest: 300,
    },
    Launch {
        name: "ibb",
        busiest: 1_800,
    },
    Launch {
        name: "sh",
        busiest: 60,
    },
    Launch {
        name: "nrw",
        busiest: 60,
    },
    Launch {
        name: "elster",
        busiest: 7_200,
    },
    Launch {
        name: "kfw",
        busiest: 300,
    },
];

/// Each for so many seconds around its busiest moment.
///
/// # Errors
///
/// When a process does not start.
pub(super) fn for_real(launchday: &Path, seconds: u64) -> Outcome<Vec<Figure>> {
    let directory = TempDir::new()?;
    let (address, admin) = (free_address()?, free_address()?);
    let config = config(launchday, &address.to_string(), &admin.to_string())?;
    let file = directory.path().join("schleuse.yaml");
    fs::write(&file, config)?;
    let program = schleuse::program().ok_or("schleuse is missing")?;
    let command = [&program, "run", "--config", &file.display().to_string()].map(str::to_owned);
    let proxy = Peer::start(
        "replays",
        PROXY_CORE,
        address,
        &command,
        Settings::default(),
    )?;
    let runs = LAUNCHES.iter().map(|launch| {
        let result = directory.path().join(launch.name);
        let run = play(launchday, launch, seconds, (&address.to_string(), &result));
        run.map(|child| (launch, child, result))
    });
    let runs = runs.collect::<Outcome<Vec<_>>>()?;
    let mut figures = Vec::new();
    for (launch, mut child, result) in runs {
        let code = child.wait()?.code();
        let result = read(&result)?;
        let held = f64::from(u8::from(code == Some(0)));
        let what = format!("Replay {} at 1:100 for real, thresholds held", launch.name);
        let beside = format!(
            "{:.0} requests in the busiest {seconds} s; {}",
            number(&result["counts"]["scheduled"]),
            words(&result)
        );
        figures.push(
            Figure::value(what, Unit::Count, held)
                .at_least(1.0)
                .beside(beside),
        );
    }
    drop(proxy);
    Ok(figures)
}

/// That of the repository, on ports of this run.
fn config(launchday: &Path, address: &str, admin: &str) -> Outcome<String> {
    let text = fs::read_to_string(scenarios().join("replays.schleuse.yaml"))?;
    let register = crate::inputs::register_file();
    Ok(text
        .replace("127.0.0.1:8080", address)
        .replace("127.0.0.1:9900", admin)
        .replace(
            "../../config/register/gemeinden.csv",
            &register.display().to_string(),
        )
        .replace("[launchday,", &format!("[{},", launchday.display())))
}

fn play(
    launchday: &Path,
    launch: &Launch,
    seconds: u64,
    (address, result): (&str, &Path),
) -> Outcome<Child> {
    let from = launch.busiest.saturating_sub(seconds / 2);
    Ok(Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "taskset", "-c", LOAD_CORE])
        .arg(launchday)
        .args(["run", launch.name, "--scale", "0.01", "--no-tui"])
        .args(["--target", &format!("http://{}.example", launch.name)])
        .args(["--connect-to", address])
        .args(["--window", &format!("{from}s..{}s", from + seconds)])
        .arg("--json")
        .arg(result)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?)
}
