//! The run for real: a Schleuse under the config, and `launchday origin` wherever the config has its endpoints.
//!
//! Replicas that the config has started by Schleuse are its own matter; their command must be `launchday origin` with the
//! service time that is simulated, which is read from there.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
};

use schleuse_config::{ScaleWay, Snapshot};

use crate::{
    compare::{self, Started},
    origin::{CITIZEN, STEP},
    scenario::Scenario,
};

/// The processes; they end when this is dropped, the proxy first.
#[derive(Debug)]
pub struct Stage {
    _schleuse: Started,
    _origins: Vec<Started>,
}

/// What the processes are started from.
#[derive(Debug, Clone, Copy)]
pub struct Plan<'p> {
    /// The program of Schleuse.
    pub schleuse: &'p str,
    /// The config's file, which Schleuse reads itself.
    pub file: &'p Path,
    /// The same, read.
    pub config: &'p Snapshot,
    /// The service time of endpoints, as `launchday origin` takes it.
    pub service: &'p str,
    /// Its seed, which is the scenario's.
    pub seed: u64,
}

/// Starts everything.
///
/// # Errors
///
/// In words: which process did not come up.
pub fn start(plan: &Plan<'_>) -> Result<Stage, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut endpoints: Vec<SocketAddr> = Vec::new();
    for pool in &plan.config.pools {
        endpoints.extend(&pool.endpoints);
    }
    endpoints.sort_unstable();
    endpoints.dedup();
    let origins = endpoints.into_iter().map(|address| {
        let command = format!(
            "exec {} origin --listen {address} --service {} --seed {}",
            quoted(&own.to_string_lossy()),
            quoted(plan.service),
            plan.seed
        );
        compare::start(&command, "the origin", address)
    });
    let origins = origins.collect::<Result<Vec<_>, String>>()?;
    let directory = own.parent().unwrap_or_else(|| Path::new("/"));
    let command = format!(
        "PATH={}:$PATH exec {} run --config {}",
        quoted(&directory.to_string_lossy()),
        quoted(plan.schleuse),
        quoted(&plan.file.to_string_lossy())
    );
    Ok(Stage {
        _schleuse: compare::start(&command, "Schleuse", listener(plan.config)?)?,
        _origins: origins,
    })
}

/// Where the proxy is asked.
///
/// # Errors
///
/// A config without a listener, which none is.
pub fn listener(config: &Snapshot) -> Result<SocketAddr, String> {
    let first = config
        .listeners
        .first()
        .ok_or("the config has no listener")?;
    Ok(reachable(first.address))
}

/// An address that listens everywhere is asked here.
pub fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        });
    }
    address
}

/// What follows `option` in the command by which the config has replicas started; none where no pool is started so.
///
/// # Errors
///
/// In words: two pools that differ in it.
pub fn option_of_replicas(config: &Snapshot, option: &str) -> Result<Option<String>, String> {
    let mut found: Option<String> = None;
    for pool in &config.pools {
        let Some(ScaleWay::Process(template)) = pool.scale.as_ref().map(|scale| &scale.way) else {
            continue;
        };
        let mut words = template.command.iter().skip_while(|word| *word != option);
        let Some(value) = words.nth(1) else {
            continue;
        };
        if found.as_ref().is_some_and(|other| other != value) {
            return Err(format!(
                "pools differ in {option} of their commands; one model holds for all"
            ));
        }
        found = Some(value.clone());
    }
    Ok(found)
}

/// Whether Schleuse starts replicas itself.
pub fn starts_replicas(config: &Snapshot) -> bool {
    let mut scales = config.pools.iter().filter_map(|pool| pool.scale.as_ref());
    scales.any(|scale| matches!(scale.way, ScaleWay::Process(_)))
}

/// Has each request name its citizen and step, by which an origin draws its service time.
pub fn name_citizens(scenario: &mut Scenario) {
    for journey in &mut scenario.journeys {
        for (number, step) in journey.steps.iter_mut().enumerate() {
            step.headers
                .push((CITIZEN.to_owned(), "{citizen}".to_owned()));
            step.headers.push((STEP.to_owned(), number.to_string()));
        }
    }
}

/// For a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_in_a_path_ends_no_word_of_the_shell() {
        let output = std::process::Command::new("sh")
            .args(["-c", &format!("printf %s {}", quoted("a 'b' $HOME \\"))])
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "a 'b' $HOME \\");
    }

    #[test]
    fn what_listens_everywhere_is_asked_on_loopback() {
        let asked = |text: &str| reachable(text.parse().unwrap()).to_string();
        assert_eq!(asked("0.0.0.0:80"), "127.0.0.1:80");
        assert_eq!(asked("[::]:80"), "[::1]:80");
        assert_eq!(asked("127.0.0.9:80"), "127.0.0.9:80");
    }
}
