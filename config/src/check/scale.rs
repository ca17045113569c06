//! Who starts and stops a pool's endpoints: commands that can be run, and receivers that can be posted to.

use std::{net::IpAddr, path::PathBuf, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{scale_policy, secrets::read_secret};
use crate::{
    files::Sources,
    hosts::{check_host, check_path},
    problem::{Place, Report},
    reader::{Entry, Placed, Section, text_of},
    snapshot::{ProcessTemplate, Scale, ScaleWay, Webhook, WebhookSecret},
    tree::Value,
    units::{Fault, quoted},
};

/// What Standard Webhooks asks for: shorter keys can be guessed, longer ones are no key.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

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
        ["webhook"] => read_webhook(&section, sources, report).map(ScaleWay::Webhook),
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

fn read_webhook(
    scale: &Section<'_, '_>,
    sources: &mut Sources,
    report: &mut Report,
) -> Option<Arc<Webhook>> {
    let section = scale.section("webhook", "pools.NAME.scale.webhook", report);
    let url = section.parsed("url", report, parse_url);
    if let Some(url) = url
        .as_ref()
        .filter(|url| !url.value.tls && !url.value.is_local())
    {
        let wrong = "everybody on the way can read and hold back the orders";
        report.warn(url.place, url.at.clone(), wrong, "use https");
    }
    let secret = section.section("secret", "pools.NAME.scale.webhook.secret", report);
    let secret = if secret.is_broken() {
        None
    } else {
        let read = read_secret(&secret, "key", std::convert::identity, sources, report);
        read.and_then(|read| parse_secret(read, report))
    };
    let timeout = section.duration("timeout", report);
    let Url {
        tls,
        host,
        port,
        target,
    } = url?.value;
    Some(Arc::new(Webhook {
        tls,
        host,
        port,
        target,
        secret: secret?,
        timeout,
    }))
}

fn parse_secret(read: Placed<Vec<u8>>, report: &mut Report) -> Option<WebhookSecret> {
    let text = read.value.trim_ascii();
    let key = text
        .strip_prefix(b"whsec_")
        .and_then(|base64| STANDARD.decode(base64).ok())
        .filter(|key| SECRET_BYTES.contains(&key.len()));
    if key.is_none() {
        let wrong = "the key is not `whsec_` and 24 to 64 bytes in base64";
        let remedy = "make one: echo whsec_$(openssl rand -base64 32)";
        report.wrong(read.place, read.at, wrong, remedy);
    }
    key.map(|key| WebhookSecret(key.into()))
}

#[derive(Debug, PartialEq, Eq)]
struct Url {
    tls: bool,
    host: String,
    port: u16,
    target: String,
}

impl Url {
    fn is_local(&self) -> bool {
        let address = self.host.trim_matches(['[', ']']).parse::<IpAddr>();
        address.map_or(self.host == "localhost", |address| address.is_loopback())
    }
}

/// `http(s)://host[:port][/path][?query]`; nothing that a log should not show.
fn parse_url(text: &str) -> Result<Url, Fault> {
    let fault = |wrong: &str, remedy: &str| Fault::new(format!("{} {wrong}", quoted(text)), remedy);
    let (tls, rest) = if let Some(rest) = text.strip_prefix("https://") {
        (true, rest)
    } else if let Some(rest) = text.strip_prefix("http://") {
        (false, rest)
    } else {
        return Err(fault(
            "does not start with https:// or http://",
            "write it as https://scaler.example/path",
        ));
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at(end);
    if authority.contains('@') {
        return Err(fault(
            "holds a user or a password",
            "remove it: orders are signed with `secret`",
        ));
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => {
            let port = port.parse().ok().filter(|port| *port != 0);
            let port = port.ok_or_else(|| fault("has no valid port", "write 1 to 65535"))?;
            (host, port)
        }
        _ => (authority, if tls { 443 } else { 80 }),
    };
    check_host(host)?;
    if host.starts_with('*') {
        return Err(fault("names no single host", "write it without *"));
    }
    let target = match target {
        "" => "/".to_owned(),
        query if query.starts_with('?') => format!("/{query}"),
        path => path.to_owned(),
    };
    check_path(&target)?;
    Ok(Url {
        tls,
        host: host.to_owned(),
        port,
        target,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_scheme_host_port_and_target() {
        let url = |tls, host: &str, port, target: &str| Url {
            tls,
            host: host.to_owned(),
            port,
            target: target.to_owned(),
        };
        for (text, expected) in [
            ("https://a.example", url(true, "a.example", 443, "/")),
            (
                "http://a.example:81/b?c=d",
                url(false, "a.example", 81, "/b?c=d"),
            ),
            ("https://[::1]/x", url(true, "[::1]", 443, "/x")),
            ("https://[::1]:8443?x", url(true, "[::1]", 8443, "/?x")),
            ("http://127.0.0.1:9/", url(false, "127.0.0.1", 9, "/")),
        ] {
            assert_eq!(parse_url(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_url_that_nobody_can_post_to_is_refused() {
        for text in [
            "",
            "a.example",
            "ftp://a.example",
            "https://",
            "https://user:word@a.example/",
            "https://a.example:0/",
            "https://a.example:x/",
            "https://*.a.example/",
            "https://a.example/#part",
            "https://a b/",
            "https://a.example/../x",
        ] {
            assert!(parse_url(text).is_err(), "{text}");
        }
    }
}
