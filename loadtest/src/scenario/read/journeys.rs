//! What citizens do: journeys and their steps.

use std::{fmt::Write as _, time::Duration};

use schleuse_config::yaml::{Fault, Node, Report, parse_integer, parse_size, quoted};

use super::super::{
    Body, ComeBack, Journey, Step,
    section::{Section, text_of},
    words,
};
use crate::distribution::Distribution;

const METHODS: [(&str, &str); 6] = [
    ("get", "GET"),
    ("head", "HEAD"),
    ("post", "POST"),
    ("put", "PUT"),
    ("patch", "PATCH"),
    ("delete", "DELETE"),
];
/// Journeys and steps are numbered in 16 bits.
const MANY: usize = 1_000;
const TIMES_MAX: u64 = 1_000;
const REDIRECTS_MAX: u64 = 20;
const REDIRECTS: u8 = 5;

/// The journeys of a scenario; notes when there is none.
pub(super) fn read(top: &Section<'_, '_>, report: &mut Report) -> Vec<Journey> {
    let Some(list) = top.required("journeys", report) else {
        return Vec::new();
    };
    let items = top.list("journeys", report);
    bounded(items, list, "journeys", report);
    let read = items.iter().enumerate().map(|(index, item)| {
        let at = format!("journeys[{index}]");
        journey(item, &at, index, report)
    });
    read.collect()
}

fn bounded(items: &[Node<'_>], list: &Node<'_>, at: &str, report: &mut Report) {
    if items.is_empty() {
        report.wrong(list.place, at, "is empty", "write at least one");
    } else if items.len() > MANY {
        let wrong = format!("has {} items", items.len());
        report.wrong(list.place, at, wrong, format!("write at most {MANY}"));
    }
}

fn journey(node: &Node<'_>, at: &str, index: usize, report: &mut Report) -> Journey {
    let section = Section::open(node, "journeys[]", at, report);
    let steps = section.required("steps", report);
    let items = section.list("steps", report);
    if let Some(list) = steps {
        bounded(items, list, &section.path("steps"), report);
    }
    let steps = items.iter().enumerate();
    let steps = steps.map(|(step, item)| read_step(item, &format!("{at}.steps[{step}]"), report));
    let steps = steps.collect();
    let name = section.text("name", report);
    Journey {
        name: name.map_or_else(|| format!("journey {}", index + 1), str::to_owned),
        weight: section.number("weight", report).unwrap_or(1.0),
        steps,
        patience: section.parsed("patience", report, words::distribution),
        come_back: come_back(&section, report),
        retries_max: small(section.integer("retries_max", TIMES_MAX, report)),
        cookies: section.flag("cookies", report).unwrap_or(true),
        own_connection: section.flag("own_connection", report).unwrap_or_default(),
    }
}

fn small(number: Option<u64>) -> u16 {
    number
        .and_then(|number| u16::try_from(number).ok())
        .unwrap_or_default()
}

fn come_back(journey: &Section<'_, '_>, report: &mut Report) -> Option<ComeBack> {
    let node = journey.node("come_back")?;
    let at = journey.path("come_back");
    let section = Section::open(node, "journeys[].come_back", &at, report);
    section.required("after", report)?;
    let times = section.integer("times_max", TIMES_MAX, report).unwrap_or(1);
    Some(ComeBack {
        after: section.parsed("after", report, words::distribution)?,
        share: section.parsed("share", report, words::share).unwrap_or(1.0),
        times_max: small(Some(times)),
    })
}

fn read_step(node: &Node<'_>, at: &str, report: &mut Report) -> Step {
    let section = Section::open(node, "journeys[].steps[]", at, report);
    let written: Vec<_> = METHODS
        .iter()
        .filter(|(key, _)| section.node(key).is_some())
        .collect();
    let (key, method) = match written.as_slice() {
        [(key, method)] => (*key, *method),
        [] => {
            let remedy = "write get: /PATH, or another method in small letters";
            report.wrong(node.place, at, "asks for nothing", remedy);
            ("get", "GET")
        }
        _ => {
            let remedy = "write one step for each";
            report.wrong(node.place, at, "has several methods", remedy);
            ("get", "GET")
        }
    };
    let path = section
        .parsed(key, report, path)
        .unwrap_or_else(|| "/".to_owned());
    let mut headers = section.pairs("headers", report);
    check_fields(&headers, &section, report);
    let body = body(&section, &mut headers, report);
    let redirects = section.integer("redirects_max", REDIRECTS_MAX, report);
    let name = section.text("name", report).map(str::to_owned);
    Step {
        name: name.unwrap_or_else(|| format!("{method} {path}")),
        method,
        path,
        headers,
        body,
        think: section
            .parsed("think", report, words::distribution)
            .unwrap_or(Distribution::Fixed(Duration::ZERO)),
        expect: expect(&section, report),
        redirects_max: redirects
            .and_then(|max| u8::try_from(max).ok())
            .unwrap_or(REDIRECTS),
    }
}

fn path(text: &str) -> Result<String, Fault> {
    let wrong =
        |why: &str, remedy: &str| Err(Fault::new(format!("{} {why}", quoted(text)), remedy));
    let sound = text.starts_with('/') && text.bytes().all(|byte| (0x21..0x7f).contains(&byte));
    if !sound {
        let remedy = "write /PATH, with %20 and so on for what is not ASCII";
        return wrong("is not a path", remedy);
    }
    if text.contains('#') {
        return wrong("has a fragment, which browsers never send", "remove it");
    }
    let holes = ["{tenant.ars}", "{tenant}", "{citizen}"];
    let filled = holes
        .iter()
        .fold(text.to_owned(), |text, hole| text.replace(hole, ""));
    if filled.contains(['{', '}']) {
        let remedy = "write {tenant.ars} or {citizen}, or %7B and %7D for braces";
        return wrong("has a hole that nothing fills", remedy);
    }
    Ok(text.to_owned())
}

/// A field must not end the head, nor say what only the generator knows.
fn check_fields(fields: &[(String, String)], section: &Section<'_, '_>, report: &mut Report) {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    for (name, value) in fields {
        let at = format!("{}.{name}", section.path("headers"));
        let ours = [
            "content-length",
            "transfer-encoding",
            "connection",
            "cookie",
            // No request over HTTP/2 may hold them (RFC 9113 §8.2.2).
            "keep-alive",
            "proxy-connection",
            "te",
            "upgrade",
        ];
        if name.is_empty() || !name.bytes().all(token) || value.bytes().any(|byte| byte < b' ') {
            let remedy = "write a field name and one line of text";
            report.wrong(section.place, at, "is no header field", remedy);
        } else if ours.iter().any(|own| name.eq_ignore_ascii_case(own)) {
            let remedy = "remove it";
            report.wrong(section.place, at, "is set by the generator itself", remedy);
        }
    }
}

fn body(
    section: &Section<'_, '_>,
    headers: &mut Vec<(String, String)>,
    report: &mut Report,
) -> Body {
    let kinds = ["body", "form", "upload"];
    let written = kinds.iter().filter(|key| section.node(key).is_some());
    if written.count() > 1 {
        let wrong = "`body`, `form` and `upload` exclude each other";
        report.wrong(section.place, section.at.clone(), wrong, "keep one of them");
    }
    if let Some(size) = section.parsed("upload", report, parse_size) {
        default_field(headers, "application/octet-stream");
        return Body::Size(size);
    }
    if section.node("form").is_some() {
        let pairs = section.pairs("form", report);
        let pairs = pairs
            .iter()
            .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
        default_field(headers, "application/x-www-form-urlencoded");
        return Body::Text(pairs.collect::<Vec<_>>().join("&"));
    }
    let text = section.text("body", report);
    text.map_or(Body::None, |text| Body::Text(text.to_owned()))
}

fn default_field(headers: &mut Vec<(String, String)>, media_type: &str) {
    let known = |(name, _): &(String, String)| name.eq_ignore_ascii_case("content-type");
    if !headers.iter().any(known) {
        headers.push(("Content-Type".to_owned(), media_type.to_owned()));
    }
}

/// As forms are written (WHATWG URL, application/x-www-form-urlencoded), the holes left as they are.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' ' => out.push('+'),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' | b'{' | b'}' => {
                out.push(char::from(byte));
            }
            other => {
                // Writing to a String cannot fail.
                let _ = write!(out, "%{other:02X}");
            }
        }
    }
    out
}

fn expect(section: &Section<'_, '_>, report: &mut Report) -> Vec<u16> {
    let mut statuses = Vec::new();
    for (index, item) in section.list("expect", report).iter().enumerate() {
        let at = format!("{}[{index}]", section.path("expect"));
        let number = text_of(item, &at, report).and_then(|text| parse_integer(text).ok());
        match number.and_then(|number| u16::try_from(number).ok()) {
            Some(status @ 200..=599) => statuses.push(status),
            _ => report.wrong(item.place, at, "is no status", "write 200 to 599"),
        }
    }
    statuses
}
