//! Who starts and stops a pool's endpoints, and the commands that can be run for it.

use std::{path::PathBuf, sync::Arc};

use super::{scale_policy, webhook};
use crate::{
    files::Sources,
    problem::{Place, Report},
    reader::{Entry, Placed, Section, text_of},
    snapshot::{ProcessTemplate, Scale, ScaleWay},
    tree::Value,
    units::quoted,
};

/// Where `scale.process` stands, if it was written.
pub(super) fn place_of_process(pool: &Section<'_, '_>) -> Option<Place> {
    let Value::Mapping(entries) = &pool.node("scale")?.value else {
        return None;
    };
    let is_process =
        |key: &Value<'_>| matches!(key, Value::Scalar { text, .. } if text == "process");
    let mut entries = entries.iter();
    entries
        .find(|(key, _)| is_process(&key.value))
        .map(|(_, value)| value.place)
}

pub(super) fn read(
    pool: &Section<'_, '_>,
    seats: u32,
    sources: &mut Sources,
    report: &mut Report,
) -> Option<Scale> {
    let node = pool.node("scale")?;
    let section = Section::open(node, "pools.NAME.scale", pool.path("scale"), report);
    let policy = scale_policy::read(&section, seats, report);
    let written = |key: &&str| section.has(key);
    let ways: Vec<_> = ["process", "webhook", "keda"]
        .into_iter()
        .filter(written)
        .collect();
    let way = match *ways {
        ["process"] => read_process(&section, sources, report).map(ScaleWay::Process),
        ["webhook"] => {
            let section = section.section("webhook", "pools.NAME.scale.webhook", report);
            let secret = "pools.NAME.scale.webhook.secret";
            webhook::read(&section, secret, sources, report).map(ScaleWay::Webhook)
        }
        ["keda"] => {
            let _ = section.section("keda", "pools.NAME.scale.keda", report);
            Some(ScaleWay::Keda)
        }
        ref ways => {
            refuse_ways(&section, ways, report);
            None
        }
    };
    Some(Scale {
        policy,
        cold_start_written: section.has("cold_start"),
        way: way?,
    })
}

/// None of them, or several.
fn refuse_ways(scale: &Section<'_, '_>, ways: &[&str], report: &mut Report) {
    if scale.is_broken() {
        return;
    }
    let (wrong, remedy) = match ways {
        [] => (
            "names nobody who scales".to_owned(),
            "write `process`, `webhook` or `keda`",
        ),
        ways => (
            format!("has `{}`", ways.join("` and `")),
            "keep one of them",
        ),
    };
    report.wrong(scale.place, scale.at.clone(), wrong, remedy);
}

fn read_process(
    scale: &Section<'_, '_>,
    sources: &Sources,
    report: &mut Report,
) -> Option<Arc<ProcessTemplate>> {
    let section = scale.section("process", "pools.NAME.scale.process", report);
    let command = read_command(&section, sources, report);
    let env = read_env(&section, report);
    let directory = section.text("directory", report);
    let directory = directory.map(|written| read_directory(&written, sources, report));
    let template = ProcessTemplate {
        command: Vec::new(),
        env,
        directory,
        start_max: section.duration("start_max", report),
        drain_max: section.duration("drain_max", report),
        stop_signal: section.choice("stop_signal", report).unwrap_or("SIGTERM"),
        stop_max: section.duration("stop_max", report),
    };
    Some(Arc::new(ProcessTemplate {
        command: command?,
        ..template
    }))
}

fn read_command(
    process: &Section<'_, '_>,
    sources: &Sources,
    report: &mut Report,
) -> Option<Vec<String>> {
    let words = process.texts("command", report);
    for word in &words {
        if word.value.contains('\0') {
            let remedy = "no argument can hold it";
            report.wrong(word.place, word.at.clone(), "holds a NUL byte", remedy);
        }
    }
    let Some(program) = words.first().filter(|program| !program.value.is_empty()) else {
        if process.has("command") {
            report.wrong(
                process.place_of("command"),
                process.path("command"),
                "names no program",
                "write [PROGRAM, ARGUMENT, …]",
            );
        }
        return None;
    };
    let program = if program.value.contains('/') {
        absolute(&program.value, sources)
            .to_string_lossy()
            .into_owned()
    } else {
        program.value.clone()
    };
    let arguments = words.iter().skip(1).map(|word| word.value.clone());
    Some(std::iter::once(program).chain(arguments).collect())
}

/// The process may run in another directory.
fn absolute(written: &str, sources: &Sources) -> PathBuf {
    let path = sources.resolve(written);
    std::path::absolute(&path).unwrap_or(path)
}

fn read_directory(written: &Placed<String>, sources: &Sources, report: &mut Report) -> PathBuf {
    let path = absolute(&written.value, sources);
    if !path.is_dir() {
        let wrong = format!("{} is no directory", path.display());
        let remedy = "check the path; relative ones start at the config's directory";
        report.warn(written.place, written.at.clone(), wrong, remedy);
    }
    path
}

fn read_env(process: &Section<'_, '_>, report: &mut Report) -> Vec<(String, String)> {
    let mut env = Vec::new();
    for Entry {
        name,
        place,
        node,
        at,
    } in process.named("env", report)
    {
        let usual = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if name.is_empty() || !name.bytes().all(usual) {
            let wrong = format!("{} is not the name of a variable", quoted(&name));
            report.wrong(place, at, wrong, "use letters, digits and _");
            continue;
        }
        if name == "PORT" {
            let remedy = "remove it, or pass \"{port}\" in `command` as well";
            report.wrong(place, at, "is set by Schleuse", remedy);
            continue;
        }
        if let Some(value) = text_of(node, &at, report) {
            if value.contains('\0') {
                report.wrong(node.place, at, "holds a NUL byte", "no variable can");
                continue;
            }
            env.push((name.into_owned(), value.to_owned()));
        }
    }
    env
}
