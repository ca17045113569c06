//! What a service changes in a request before it goes out.

use std::collections::HashMap;

use crate::{
    headers::{check_header_name, parse_header_value},
    hosts::check_path,
    problem::{Place, Report},
    reader::{Entry, Section, text_of},
    snapshot::HeaderValue,
    units::{Fault, quoted},
};

/// The section `request`.
#[derive(Debug, Default)]
pub(super) struct RequestRules {
    pub(super) strip_prefix: bool,
    pub(super) add_prefix: String,
    pub(super) headers_set: Vec<(String, HeaderValue)>,
    pub(super) headers_remove: Vec<String>,
}

pub(super) fn read(service: &Section<'_, '_>, report: &mut Report) -> RequestRules {
    let section = service.section("request", "services.NAME.request", report);
    let headers = section.section("headers", "services.NAME.request.headers", report);
    let add_prefix = section.parsed("add_prefix", report, parse_prefix);
    let mut names = HashMap::new();
    RequestRules {
        strip_prefix: section.flag("strip_prefix", report),
        add_prefix: add_prefix.map(|prefix| prefix.value).unwrap_or_default(),
        headers_set: read_set(&headers, &mut names, report),
        headers_remove: read_remove(&headers, &mut names, report),
    }
}

/// Lower-case names to where they stand; a field is set or removed, once.
type Names = HashMap<String, Place>;

fn read_set(
    headers: &Section<'_, '_>,
    names: &mut Names,
    report: &mut Report,
) -> Vec<(String, HeaderValue)> {
    let mut set = Vec::new();
    for Entry {
        name,
        place,
        node,
        at,
    } in headers.named("set", report)
    {
        check_name(&name, place, &at, names, report);
        let Some(text) = text_of(node, &at, report) else {
            continue;
        };
        match parse_header_value(text) {
            Ok(value) => set.push((name.into_owned(), value)),
            Err(Fault { wrong, remedy }) => report.wrong(node.place, at, wrong, remedy),
        }
    }
    set
}

fn read_remove(headers: &Section<'_, '_>, names: &mut Names, report: &mut Report) -> Vec<String> {
    let mut remove = Vec::new();
    for name in headers.texts("remove", report) {
        check_name(&name.value, name.place, &name.at, names, report);
        remove.push(name.value.to_ascii_lowercase());
    }
    remove
}

fn check_name(name: &str, place: Place, at: &str, names: &mut Names, report: &mut Report) {
    if let Err(Fault { wrong, remedy }) = check_header_name(name) {
        report.wrong(place, at, wrong, remedy);
        return;
    }
    if let Some(first) = names.insert(name.to_ascii_lowercase(), place) {
        let wrong = format!(
            "{} stands here twice, first in line {}",
            quoted(name),
            first.line
        );
        report.wrong(
            place,
            at,
            wrong,
            "set it or remove it, once; case does not matter",
        );
    }
}

/// Starts with `/`, ends without; nothing is empty.
fn parse_prefix(text: &str) -> Result<String, Fault> {
    if text.is_empty() || text == "/" {
        return Ok(String::new());
    }
    if let Some(prefix) = text.strip_suffix('/') {
        return Err(Fault::new(
            format!("{} ends with /", quoted(text)),
            format!("write {prefix}"),
        ));
    }
    if text.contains('?') {
        return Err(Fault::new(
            format!("{} has a query", quoted(text)),
            "write a path",
        ));
    }
    check_path(text).map(|()| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_a_path_without_slash_at_its_end() {
        assert_eq!(parse_prefix("/antrag/v1"), Ok("/antrag/v1".to_owned()));
        assert_eq!(parse_prefix("/"), Ok(String::new()));
        for text in ["antrag", "/antrag/", "/a?b", "/a/../b", "/ä", "/a b"] {
            assert!(parse_prefix(text).is_err(), "{text}");
        }
    }
}
