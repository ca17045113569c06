//! A file that lists endpoints, YAML or JSON (which is YAML: 1.2 §1.2): `["10.0.0.1:8080", …]` and nothing else.
//!
//! Written by machines, so it is read whole or not at all: a line that is no endpoint means that the writer means
//! something else than the reader. An address that stands twice is one endpoint (haproxy/haproxy#971); an empty list is
//! an answer, an empty file is not.

use std::{net::SocketAddr, path::Path};

use crate::{
    check::parse_endpoint,
    files::{Sources, explain},
    problem::{Place, Problems, Report},
    reader::text_of,
    text,
    tree::{self, Value},
    units::Fault,
};

/// More are no pool, but a mistake of whoever writes the file.
const ENDPOINTS_MAX: usize = 10_000;

/// Reads the endpoints that `path` lists, in its order and without repeats.
///
/// # Errors
///
/// Everything that is wrong with the file.
pub fn load_endpoints(path: &Path) -> Result<Vec<SocketAddr>, Problems> {
    let mut report = Report::new(path);
    let mut sources = Sources::new(path);
    let endpoints = read(path, &mut sources, &mut report);
    let (files, _) = sources.finish();
    report
        .finish(endpoints, files)
        .map(|(endpoints, _warnings)| endpoints)
}

fn read(path: &Path, sources: &mut Sources, report: &mut Report) -> Option<Vec<SocketAddr>> {
    let whole = Place::default();
    let bytes = match sources.read(path) {
        Ok(bytes) => bytes,
        Err(error) => {
            let (wrong, remedy) = explain(&error);
            report.wrong(whole, "", wrong, remedy);
            return None;
        }
    };
    let text = text::decode(path, &bytes, report)?;
    let root = tree::parse_value(&text, report)?;
    let remedy = "write a list, as [\"10.0.0.1:8080\"]; [] for none";
    if root.is_null() {
        report.wrong(whole, "", "is empty", remedy);
        return None;
    }
    let Value::Sequence(items) = &root.value else {
        report.wrong(root.place, "", "is not a list", remedy);
        return None;
    };
    if items.len() > ENDPOINTS_MAX {
        let wrong = format!("lists more than {ENDPOINTS_MAX} endpoints");
        report.wrong(root.place, "", wrong, "check who writes it");
        return None;
    }
    let mut endpoints = Vec::with_capacity(items.len());
    let mut known = std::collections::HashSet::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let at = format!("[{index}]");
        let Some(text) = text_of(item, &at, report) else {
            continue;
        };
        match parse_endpoint(text) {
            Ok(address) if known.insert(address) => endpoints.push(address),
            Ok(_) => {}
            Err(Fault { wrong, remedy }) => report.wrong(item.place, at, wrong, remedy),
        }
    }
    Some(endpoints)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Vec<SocketAddr>, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("list");
        std::fs::write(&path, text).unwrap();
        load_endpoints(&path).map_err(|problems| {
            let prefix = format!("{}:", path.display());
            problems.to_string().replace(&prefix, "")
        })
    }

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn yaml_and_json_lists_are_read() {
        let expected = addresses(&["10.0.0.1:80", "[::1]:81"]);
        assert_eq!(
            load("- 10.0.0.1:80\n- \"[::1]:81\"\n"),
            Ok(expected.clone())
        );
        assert_eq!(load("[\"10.0.0.1:80\",\n \"[::1]:81\"]"), Ok(expected));
        assert_eq!(load("[]"), Ok(Vec::new()));
    }

    #[test]
    fn p28_the_same_address_with_two_ports_is_two_endpoints_and_a_repeat_is_one() {
        let found = load("[\"10.0.0.1:80\", \"10.0.0.1:81\", \"10.0.0.1:80\"]");
        assert_eq!(found, Ok(addresses(&["10.0.0.1:80", "10.0.0.1:81"])));
    }

    #[test]
    fn a_file_that_is_no_list_of_endpoints_is_refused_whole() {
        for (text, problem) in [
            (
                "",
                " is empty; write a list, as [\"10.0.0.1:8080\"]; [] for none",
            ),
            (
                "# later\n",
                " is empty; write a list, as [\"10.0.0.1:8080\"]; [] for none",
            ),
            (
                "a: b",
                "1:1: is not a list; write a list, as [\"10.0.0.1:8080\"]; [] for none",
            ),
            (
                "- 10.0.0.1:80\n- 10.0.0.2\n",
                "2:3: [1]: `10.0.0.2` has no port; write one, as \"10.0.0.2:8080\"",
            ),
            (
                "- 0.0.0.0:80",
                "1:3: [0]: nothing can be reached at 0.0.0.0:80; write the backend's own address and port",
            ),
        ] {
            assert_eq!(load(text), Err(problem.to_owned()), "{text:?}");
        }
        assert!(load("[\"10.0.0.1:80\", \"10.0").is_err(), "cut off");
    }

    #[test]
    fn a_file_that_is_missing_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        assert!(load_endpoints(&directory.path().join("none")).is_err());
    }
}
