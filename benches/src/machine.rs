//! The machine: which core does what, how many sockets may be open, and what a reader of the figures must know of it.

use std::{env, fs, path::Path, process::Command};

use rustix::{
    process::{Resource, Rlimit, getrlimit, setrlimit},
    thread::{CpuSet, sched_getaffinity, sched_setaffinity},
};

use crate::Outcome;

/// The proxies' core. One worker each, alone here while it is measured.
pub(crate) const PROXY_CORE: usize = 0;
/// Load and backend share the other one, so that they never run beside the proxy on its core.
pub(crate) const LOAD_CORE: usize = 1;

/// Puts this process and its later children on the load's core, and lets it open as many sockets as it may.
///
/// # Errors
///
/// When the machine has one core only, or the kernel refuses.
pub(crate) fn prepare() -> Outcome<()> {
    let allowed = sched_getaffinity(None)?;
    if !(allowed.is_set(PROXY_CORE) && allowed.is_set(LOAD_CORE)) {
        return Err("cores 0 and 1 are needed: one for the proxy, one for load and backend".into());
    }
    let mut cores = CpuSet::new();
    cores.set(LOAD_CORE);
    sched_setaffinity(None, &cores)?;
    let limit = getrlimit(Resource::Nofile);
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        },
    )?;
    Ok(())
}

/// Sockets that one process may have open; this process's limit, which its children inherit.
pub(crate) fn descriptors_max() -> usize {
    getrlimit(Resource::Nofile)
        .current
        .and_then(|limit| usize::try_from(limit).ok())
        .unwrap_or(usize::MAX)
}

/// A program that the environment may name otherwise; none when it is not there.
pub(crate) fn program(variable: &str, default: &str) -> Option<String> {
    found(&env::var(variable).unwrap_or_else(|_| default.to_owned()))
}

/// The path of a program by name or path; none when it is not there.
pub(crate) fn found(name: &str) -> Option<String> {
    let name = name.to_owned();
    if name.contains('/') {
        return Path::new(&name).is_file().then_some(name);
    }
    let path = env::var("PATH").unwrap_or_default();
    // Debian keeps servers in sbin, which a user's PATH may lack.
    path.split(':')
        .chain(["/usr/sbin", "/usr/local/sbin"])
        .map(|directory| format!("{directory}/{name}"))
        .find(|candidate| Path::new(candidate).is_file())
}

/// What the figures were taken on, a line each.
pub(crate) fn facts() -> Vec<String> {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown", |rest| rest.trim_start_matches([' ', '\t', ':']));
    let cores = cores();
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let gibibytes = memory
        .split_ascii_whitespace()
        .nth(1)
        .and_then(|number| number.parse::<u64>().ok())
        .map_or(0, |kibibytes| kibibytes >> 20);
    let huge_pages = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled")
        .unwrap_or_else(|_| "unknown".to_owned());
    vec![
        format!("Machine: {model}, {cores} cores, {gibibytes} GiB"),
        format!("Kernel: {}", output("uname", &["-sr"])),
        format!("Transparent huge pages: {}", huge_pages.trim()),
        format!("Load average at the start: {}", load_average()),
        format!("Commit: {}", commit()),
        format!("Date: {}", output("date", &["-u", "+%Y-%m-%d %H:%M UTC"])),
    ]
}

/// Of the whole machine, whatever this process may use of it.
pub(crate) fn cores() -> usize {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processors = cpu.lines().filter(|line| line.starts_with("processor"));
    processors.count().max(1)
}

fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

fn commit() -> String {
    let directory = env!("CARGO_MANIFEST_DIR");
    let short = output("git", &["-C", directory, "rev-parse", "--short=12", "HEAD"]);
    let dirty = output(
        "git",
        &[
            "-C",
            directory,
            "status",
            "--porcelain",
            "--",
            "..",
            ":!BASELINE.md",
        ],
    );
    if dirty.is_empty() {
        short
    } else {
        format!("{short} with local changes")
    }
}

/// The trimmed standard output of a small command; empty when it cannot be run.
pub(crate) fn output(program: &str, arguments: &[&str]) -> String {
    Command::new(program)
        .args(arguments)
        .output()
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        .unwrap_or_default()
}

/// The first line of what a command prints on either stream, for versions.
pub(crate) fn version(program: &str, arguments: &[&str]) -> String {
    let Ok(output) = Command::new(program).args(arguments).output() else {
        return "unknown".to_owned();
    };
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().find(|line| !line.trim().is_empty());
    line.unwrap_or("unknown").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_by_name_and_by_path_and_missed_when_it_is_not_there() {
        assert!(found("sh").is_some());
        assert!(found("/bin/sh").is_some());
        assert_eq!(found("/no/such/program"), None);
        assert_eq!(found("no-such-program"), None);
    }
}
