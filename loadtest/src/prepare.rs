//! From a checked scenario to a workload: names are looked up, authorities read, requests written out, weights summed. What
//! may fail for want of the target fails here, in words, before the first request.

mod trust;

use std::{
    net::{SocketAddr, ToSocketAddrs},
    sync::Arc,
    time::Duration,
};

use crate::{
    distribution::Distribution,
    scenario::{self, Arrivals, Scenario},
    schedule::{Phase, Schedule},
    weighted::Weighted,
    workload::{self, Limits, Load, Template, Tls, Workload},
};

/// Makes a scenario ready to be played.
///
/// # Errors
///
/// In words: the target's name has no address, an authority cannot be read.
pub fn prepare(scenario: &Scenario) -> Result<Workload, String> {
    let target = target(&scenario.target)?;
    let authority = &target.authority;
    let journeys: Vec<_> = scenario
        .journeys
        .iter()
        .map(|journey| self::journey(journey, authority))
        .collect();
    let tenants = scenario.tenants.clone();
    Ok(Workload {
        load: load(scenario),
        warm_up: scenario.warm_up,
        drain: scenario.drain,
        seed: scenario.seed,
        journeys_drawn: Weighted::new(journeys.iter().map(|journey| journey.weight)),
        journeys,
        tenants_drawn: Weighted::new(tenants.iter().map(|tenant| tenant.weight)),
        tenants,
        target,
        limits: Limits {
            connect: scenario.timeouts.connect,
            timeout: Some(scenario.timeouts.answer),
            deadline: scenario.timeouts.deadline,
        },
    })
}

/// The warm-up is one more phase, at the rate with which the schedule begins.
fn load(scenario: &Scenario) -> Load {
    match &scenario.arrivals {
        Arrivals::Closed { citizens, duration } => Load::Closed {
            citizens: *citizens,
            duration: duration.saturating_add(scenario.warm_up),
        },
        Arrivals::Open { phases, spacing } => {
            let rate = phases.first().map_or(0.0, |phase| phase.rate_at(0));
            let warm_up = Phase::constant(rate, scenario.warm_up);
            let phases = std::iter::once(warm_up).chain(phases.iter().cloned());
            Load::Open(Schedule::new(phases.collect(), *spacing, scenario.seed))
        }
    }
}

/// Where connections of this scenario go; of several addresses the first.
///
/// # Errors
///
/// In words: the target's name has no address.
pub fn address(scenario: &Scenario) -> Result<SocketAddr, String> {
    let (found, (host, _)) = addresses(&scenario.target)?;
    let first = found.first().copied();
    first.ok_or_else(|| format!("{host} has no address"))
}

/// All of them, at least one, and the host and port that they are of.
fn addresses(target: &scenario::Target) -> Result<(Vec<SocketAddr>, (&str, u16)), String> {
    let (host, port) = match &target.connect_to {
        Some((host, port)) => (host.as_str(), *port),
        None => (target.host.as_str(), target.port),
    };
    let found = (host, port).to_socket_addrs().map_err(|error| {
        format!(
            "{host} has no address: {error}; correct the name, or give an address with --connect-to"
        )
    })?;
    let found: Vec<_> = found.collect();
    if found.is_empty() {
        return Err(format!("{host} has no address"));
    }
    Ok((found, (host, port)))
}

fn target(target: &scenario::Target) -> Result<workload::Target, String> {
    let (addresses, (host, port)) = addresses(target)?;
    let is_name = host.parse::<std::net::IpAddr>().is_err();
    Ok(workload::Target {
        url: target.url(),
        authority: target.authority(),
        addresses,
        tls: target.tls.then(|| tls(target)).transpose()?,
        http2: target.http2,
        name: is_name.then(|| (host.to_owned(), port)),
    })
}

fn tls(target: &scenario::Target) -> Result<Tls, String> {
    let name = rustls::pki_types::ServerName::try_from(target.host.clone());
    let mut config = trust::client(target.ca_file.as_deref(), target.insecure)?;
    if target.http2 {
        config.alpn_protocols = vec![b"h2".to_vec()];
    }
    Ok(Tls {
        config: Arc::new(config),
        name: name
            .map_err(|_| format!("{} is no name that a certificate can bear", target.host))?,
    })
}

fn journey(journey: &scenario::Journey, authority: &str) -> workload::Journey {
    workload::Journey {
        name: journey.name.clone(),
        weight: journey.weight,
        steps: journey
            .steps
            .iter()
            .map(|step| self::step(step, authority))
            .collect(),
        patience: journey.patience,
        come_back: journey.come_back,
        retries_max: journey.retries_max,
        cookies: journey.cookies,
        own_connection: journey.own_connection,
    }
}

fn step(step: &scenario::Step, authority: &str) -> workload::Step {
    workload::Step {
        name: step.name.clone(),
        request: Template::new(
            step.method,
            &step.path,
            authority,
            &step.headers,
            &step.body,
        ),
        think: step.think,
        expected: step.expect.clone(),
        redirects_max: step.redirects_max,
    }
}

/// A scenario of one request, for whoever gives a URL on the command line.
///
/// # Errors
///
/// What is wrong with the URL.
pub fn of_url(url: &str, rate: f64, duration: Duration) -> Result<Scenario, String> {
    let authority = url.find("://").map_or(0, |at| at + 3);
    let path_at = url.get(authority..).and_then(|rest| rest.find('/'));
    let (base, path) = path_at.map_or((url, "/"), |at| url.split_at(authority + at));
    let path = serde_json::to_string(path).map_err(|error| error.to_string())?;
    let text = format!(
        "target: {base}\narrivals: {{ rate: 1/s, duration: 1s }}\njourneys: [ {{ name: one, steps: [ {{ get: {path} }} ] }} ]\n"
    );
    let name = std::path::Path::new("command line");
    let mut scenario = scenario::read(name, &text).map_err(|problems| problems.to_string())?;
    scenario.arrivals = Arrivals::Open {
        phases: vec![Phase::constant(rate, duration)],
        spacing: crate::schedule::Spacing::default(),
    };
    for journey in &mut scenario.journeys {
        for step in &mut journey.steps {
            step.think = Distribution::Fixed(Duration::ZERO);
        }
    }
    Ok(scenario)
}
