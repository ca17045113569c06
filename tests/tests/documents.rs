//! What is written for operators: its links lead somewhere, and nothing that exists is said to be missing.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use schleuse_tests::binary::{repository, run};

/// Written by hand, or by a test of this repository.
fn documents() -> Vec<PathBuf> {
    let directories = ["", "docs", "docs/decisions", "config/register"];
    let files = directories.map(|directory| fs::read_dir(repository().join(directory)).unwrap());
    let paths = files.into_iter().flatten().map(|file| file.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect()
}

/// Without the blocks of code, whose brackets are no links.
fn prose(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let blocks = text.split("\n```").step_by(2);
    blocks.collect::<Vec<_>>().join("\n")
}

/// What a heading is called in links, as code hosts make it of the text.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text
        .chars()
        .filter(|sign| sign.is_alphanumeric() || " -_".contains(*sign));
    kept.collect::<String>().replace(' ', "-")
}

fn anchors(path: &Path) -> BTreeSet<String> {
    let text = prose(path);
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings.map(anchor).collect()
}

/// The targets of its links into the repository.
fn links(path: &Path) -> Vec<String> {
    let text = prose(path);
    let targets = text.split("](").skip(1);
    let targets = targets.filter_map(|rest| rest.split_once(')').map(|(target, _)| target));
    targets
        .filter(|target| !target.contains("://"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_link_leads_to_a_file_and_a_heading_that_are_there() {
    let mut count = 0;
    for document in documents() {
        for link in links(&document) {
            let (path, heading) = link.split_once('#').unwrap_or((&link, ""));
            let target = match path {
                "" => document.clone(),
                path => document.parent().unwrap().join(path),
            };
            let place = format!("{}: {link}", document.display());
            assert!(target.exists(), "{place}");
            assert!(
                heading.is_empty() || anchors(&target).contains(heading),
                "{place}"
            );
            count += 1;
        }
    }
    assert!(count > 20, "{count}");
}

#[test]
fn no_command_that_exists_is_said_to_be_missing() {
    let readme = fs::read_to_string(repository().join("README.md")).unwrap();
    let (_, missing) = readme.split_once("Not there yet:").unwrap();
    let (missing, _) = missing.split_once("Keys for these").unwrap();
    let help = run(repository(), &["help"]).stdout;
    let commands = help.lines().filter_map(|line| line.strip_prefix("  "));
    let commands: Vec<_> = commands
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(commands.contains(&"explain"), "{help}");
    for command in commands {
        assert!(!missing.contains(&format!("`{command}`")), "{command}");
    }
}
