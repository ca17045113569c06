//! Text to scenario: every section in turn, and what must fit together.

mod journeys;
mod whole;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use aws_lc_rs::digest::{SHA256, digest};
use schleuse_config::{
    Problems,
    yaml::{self, Fault, Node, Report, Value, quoted},
};

use super::{
    Arrivals, Scenario, Target, Timeouts,
    section::{Section, text_of},
    tenants, words,
};
use crate::{
    schedule::{Phase, Spacing},
    verdict::Criterion,
};

const CITIZENS_MAX: u64 = 10_000_000;
const DRAIN: Duration = Duration::from_secs(10);

/// Reads the text of the scenario at `path`, and the files that it names, which are looked for beside it.
///
/// # Errors
///
/// Everything that is wrong, in order of its place.
pub fn read(path: &Path, text: &str) -> Result<Scenario, Problems> {
    let mut report = Report::new(path);
    let scenario =
        yaml::parse(text, &mut report).map(|root| scenario(path, text, &root, &mut report));
    let (scenario, _) = report.finish(scenario, vec![path.to_owned()])?;
    Ok(scenario)
}

fn scenario(path: &Path, text: &str, root: &Node<'_>, report: &mut Report) -> Scenario {
    let top = Section::open(root, "", "", report);
    let directory = path.parent().unwrap_or_else(|| Path::new(""));
    let target = top.required("target", report);
    let target = target.map(|node| target_of(node, directory, report));
    let warm_up = top.duration("warm_up", report).unwrap_or_default();
    if warm_up.subsec_nanos() != 0 {
        let (wrong, remedy) = (
            "is no whole number of seconds, as reports count",
            "write 1s",
        );
        report.wrong(top.place_of("warm_up"), "warm_up", wrong, remedy);
    }
    let arrivals = top.required("arrivals", report);
    let arrivals = arrivals.and_then(|node| arrivals_of(node, directory, report));
    let name = path.file_stem().unwrap_or(path.as_os_str());
    let scenario = Scenario {
        name: name.to_string_lossy().into_owned(),
        sha256: hexadecimal(digest(&SHA256, text.as_bytes()).as_ref()),
        target: target.unwrap_or_default(),
        arrivals: arrivals.unwrap_or(Arrivals::Closed {
            citizens: 1,
            duration: Duration::ZERO,
        }),
        journeys: journeys::read(&top, report),
        tenants: tenants::read(&top, directory, report),
        thresholds: criteria(&top, "thresholds", report),
        abort: criteria(&top, "abort", report),
        timeouts: timeouts(&top, report),
        warm_up,
        drain: top.duration("drain", report).unwrap_or(DRAIN),
        seed: top.integer("seed", u64::MAX, report).unwrap_or(1),
        admin: top.parsed("admin", report, words::admin),
        scale: 1.0,
    };
    whole::check(&top, &scenario, report);
    scenario
}

fn hexadecimal(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let digits = digits.filter_map(|digit| char::from_digit(digit.into(), 16));
    digits.collect()
}

fn criteria(top: &Section<'_, '_>, key: &str, report: &mut Report) -> Vec<Criterion> {
    let mut criteria = Vec::new();
    for (text, place, at) in top.texts(key, report) {
        match words::threshold(text) {
            Ok(criterion) => criteria.push(criterion),
            Err(Fault { wrong, remedy }) => report.wrong(place, at, wrong, remedy),
        }
    }
    criteria
}

fn timeouts(top: &Section<'_, '_>, report: &mut Report) -> Timeouts {
    let usual = Timeouts::default();
    let Some(node) = top.node("timeouts") else {
        return usual;
    };
    let section = Section::open(node, "timeouts", "timeouts", report);
    Timeouts {
        connect: section.duration("connect", report).unwrap_or(usual.connect),
        answer: section.duration("answer", report).unwrap_or(usual.answer),
        deadline: section.duration("deadline", report),
    }
}

fn target_of(node: &Node<'_>, directory: &Path, report: &mut Report) -> Target {
    if let Value::Scalar { .. } = node.value {
        let url = text_of(node, "target", report).map(url);
        return note(url, node, "target", report).unwrap_or_default();
    }
    let section = Section::open(node, "target", "target", report);
    let written = section.required("url", report);
    let read = written
        .and_then(|node| text_of(node, "target.url", report))
        .map(url);
    let mut target = note(read, written.unwrap_or(node), "target.url", report).unwrap_or_default();
    target.connect_to = section.parsed("connect_to", report, host_and_port);
    target.ca_file = section
        .text("ca_file", report)
        .map(|file| directory.join(file));
    target.insecure = section.flag("insecure", report).unwrap_or_default();
    target.http2 = section
        .parsed("http_version", report, |text| match text {
            "1.1" => Ok(false),
            "2" => Ok(true),
            _ => Err(Fault::new(
                format!("{} is no version that is spoken here", quoted(text)),
                "write \"1.1\" or \"2\"",
            )),
        })
        .unwrap_or_default();
    target
}

fn note<T>(
    read: Option<Result<T, Fault>>,
    node: &Node<'_>,
    at: &str,
    report: &mut Report,
) -> Option<T> {
    read?
        .map_err(|Fault { wrong, remedy }| report.wrong(node.place, at, wrong, remedy))
        .ok()
}

/// Scheme, host and port; a path belongs to the steps.
pub(crate) fn url(text: &str) -> Result<Target, Fault> {
    let fault = || {
        let wrong = format!("{} is not the URL of a target", quoted(text));
        Fault::new(
            wrong,
            "write http://HOST:PORT or https://HOST:PORT; paths belong to the steps",
        )
    };
    let (tls, rest) = match text.split_once("://") {
        Some(("http", rest)) => (false, rest),
        Some(("https", rest)) => (true, rest),
        _ => return Err(fault()),
    };
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    let usual = if tls { 443 } else { 80 };
    let (host, port) = split_port(authority, Some(usual)).ok_or_else(fault)?;
    let sound = |letter: char| letter.is_ascii_alphanumeric() || "-._:".contains(letter);
    if host.is_empty() || !host.chars().all(sound) {
        return Err(fault());
    }
    Ok(Target {
        tls,
        host,
        port,
        ..Target::default()
    })
}

pub(crate) fn host_and_port(text: &str) -> Result<(String, u16), Fault> {
    split_port(text, None).ok_or_else(|| {
        let wrong = format!("{} is not an address", quoted(text));
        Fault::new(wrong, "write HOST:PORT, as 127.0.0.1:8443 or [::1]:8443")
    })
}

fn split_port(authority: &str, usual: Option<u16>) -> Option<(String, u16)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            (host, port.strip_prefix(':'))
        }
        None => match authority.rsplit_once(':') {
            Some((host, _)) if host.contains(':') => return None,
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let port = match port {
        Some(port) => port.parse().ok().filter(|port| *port > 0)?,
        None => usual?,
    };
    Some((host.to_owned(), port))
}

fn arrivals_of(node: &Node<'_>, directory: &Path, report: &mut Report) -> Option<Arrivals> {
    let Value::Sequence(items) = &node.value else {
        return arrivals_of_one(node, "arrivals", directory, report);
    };
    let (mut all, mut spaced) = (Vec::new(), None);
    for (index, item) in items.iter().enumerate() {
        let at = format!("arrivals[{index}]");
        match arrivals_of_one(item, &at, directory, report)? {
            Arrivals::Open { phases, spacing } => {
                all.extend(phases);
                spaced = spaced.or(Some(spacing));
            }
            Arrivals::Closed { .. } => {
                let remedy = "write `arrivals: { citizens: 100, duration: 20s }` alone";
                report.wrong(
                    item.place,
                    at,
                    "a closed model is no phase among others",
                    remedy,
                );
            }
        }
    }
    if items.is_empty() {
        let remedy = "write at least one phase";
        report.wrong(node.place, "arrivals", "is empty", remedy);
    }
    Some(Arrivals::Open {
        phases: all,
        spacing: spaced.unwrap_or_default(),
    })
}

fn arrivals_of_one(
    node: &Node<'_>,
    at: &str,
    directory: &Path,
    report: &mut Report,
) -> Option<Arrivals> {
    let section = Section::open(node, "arrivals", at, report);
    let spacing = section.parsed("spacing", report, |text| match text {
        "poisson" => Ok(Spacing::Poisson),
        "even" => Ok(Spacing::Even),
        _ => Err(Fault::new(
            format!("{} is no spacing", quoted(text)),
            "write poisson or even",
        )),
    });
    let written: Vec<&str> = ["rate", "csv", "citizens"]
        .into_iter()
        .filter(|key| section.node(key).is_some())
        .collect();
    if let [_, second, ..] = written.as_slice() {
        let wrong = format!(
            "`{}` and `{second}` exclude each other",
            written.join("`, `")
        );
        report.wrong(section.place, at, wrong, "keep one of them");
        return None;
    }
    if section.node("csv").is_some() {
        let phases = recorded(&section, directory, report)?;
        let spacing = spacing.unwrap_or_default();
        return Some(Arrivals::Open { phases, spacing });
    }
    if section.node("citizens").is_some() {
        let citizens = section.integer("citizens", CITIZENS_MAX, report)?;
        return Some(Arrivals::Closed {
            citizens: citizens.max(1),
            duration: duration(&section, None, report)?,
        });
    }
    section.required("rate", report)?;
    let ((from, to), over) = section.parsed("rate", report, words::rate)?;
    let duration = duration(&section, over, report)?;
    Some(Arrivals::Open {
        phases: vec![Phase::ramp(from, to, duration)],
        spacing: spacing.unwrap_or_default(),
    })
}

/// `duration`, unless the rate says it.
fn duration(
    section: &Section<'_, '_>,
    over: Option<Duration>,
    report: &mut Report,
) -> Option<Duration> {
    let written = if over.is_some() {
        if let Some(node) = section.node("duration") {
            let wrong = "the rate says how long; it stands in `duration` as well";
            report.wrong(
                node.place,
                section.path("duration"),
                wrong,
                "keep one of them",
            );
        }
        over
    } else {
        section.required("duration", report)?;
        section.duration("duration", report)
    };
    let sensible = written.filter(|duration| !duration.is_zero());
    if written.is_some() && sensible.is_none() {
        let remedy = "write how long, as 20s";
        report.wrong(section.place, section.at.clone(), "lasts no time", remedy);
    }
    sensible
}

/// A file of counts: the last column of each line; the first may name the columns.
fn recorded(
    section: &Section<'_, '_>,
    directory: &Path,
    report: &mut Report,
) -> Option<Vec<Phase>> {
    let interval = section.duration("interval", report);
    let interval = interval.unwrap_or(Duration::from_secs(1));
    section.parsed("csv", report, |name| {
        let path: PathBuf = directory.join(name);
        let text = fs::read_to_string(&path).map_err(|error| {
            let wrong = format!("{} cannot be read: {error}", path.display());
            Fault::new(
                wrong,
                "name a file that is there; paths begin beside the scenario",
            )
        })?;
        // A mark before the first count would make it the name of a column, and its arrivals would never come.
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let count = |line: &str| line.rsplit([',', ';', '\t']).next()?.trim().parse().ok();
        let mut phases = Vec::new();
        for (number, line) in text.lines().enumerate() {
            match count(line) {
                Some(count) => phases.push(Phase::count(count, interval)),
                None if number == 0 || line.trim().is_empty() => {} // the names of the columns
                None => {
                    let (path, line) = (path.display(), quoted(line));
                    let wrong = format!("{path}:{}: {line} ends in no whole number", number + 1);
                    return Err(Fault::new(wrong, "write one count of arrivals a line"));
                }
            }
        }
        if phases.is_empty() {
            let wrong = format!("{} has no line that ends in a whole number", path.display());
            return Err(Fault::new(wrong, "write one count of arrivals a line"));
        }
        Ok(phases)
    })
}

#[cfg(test)]
mod tests;
