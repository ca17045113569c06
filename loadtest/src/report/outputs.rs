//! The report files that an operator asked for: tried before the run, written after it, none lost for another's sake.
//!
//! An hour of load must not end in "permission denied", so every place is tried before the first request. When a disk fills
//! meanwhile, the other files are still written, and the result itself goes to the system's folder for temporary files.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::{
    capacity::Capacity,
    compare::Comparison,
    report::{hdr_log, html, json, junit},
    results::{FileProblem, Results, SCHEMA_VERSION, file},
};

/// Exit code when a report could not be written although the run passed.
const EXIT_NOT_WRITTEN: u8 = 2;

/// Where to write what; absent: not wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outputs {
    /// The result.
    pub json: Option<PathBuf>,
    /// The page.
    pub html: Option<PathBuf>,
    /// For a CI.
    pub junit: Option<PathBuf>,
    /// The interval log.
    pub hdr_log: Option<PathBuf>,
}

/// What became of them.
#[derive(Debug, Default)]
pub struct Written {
    /// What could not be written, in words.
    pub problems: Vec<String>,
    /// Where the result was kept in place of a file that could not be written.
    pub kept: Option<PathBuf>,
}

impl Written {
    /// The exit code of the process, when the verdict's is `of_verdict`: a verdict that is not good stays what it is.
    pub const fn exit_code(&self, of_verdict: u8) -> u8 {
        if of_verdict == 0 && !self.problems.is_empty() {
            EXIT_NOT_WRITTEN
        } else {
            of_verdict
        }
    }
}

impl Outputs {
    /// Whether every file could be written now; to be asked before the run.
    ///
    /// # Errors
    /// Every place that cannot be written.
    pub fn try_places(&self) -> Result<(), Vec<FileProblem>> {
        let places = [&self.json, &self.html, &self.junit, &self.hdr_log];
        let problems: Vec<FileProblem> = places
            .into_iter()
            .flatten()
            .filter_map(|path| file::try_place(path).err())
            .collect();
        if problems.is_empty() {
            Ok(())
        } else {
            Err(problems)
        }
    }

    /// Writes what was asked for. A file that fails does not keep the others from being written.
    pub fn write(&self, results: &Results) -> Written {
        let mut written = Written::default();
        let json = self.json.as_ref().map(|path| json::write(results, path));
        let is_saved = matches!(json, Some(Ok(())));
        let mut note = |tried: Result<(), String>| written.problems.extend(tried.err());
        if let Some(Err(problem)) = json {
            note(Err(problem.to_string()));
        }
        if let Some(path) = &self.html {
            note(text(path, &html::render(results)));
        }
        if let Some(path) = &self.junit {
            note(text(path, &junit::render(results)));
        }
        if let Some(path) = &self.hdr_log {
            let log = hdr_log::render(results).map_err(|problem| problem.to_string());
            note(log.and_then(|log| text(path, &log)));
        }
        if !written.problems.is_empty() && !is_saved {
            written.kept = keep(results);
        }
        written
    }
}

impl Outputs {
    /// Writes a comparison as JSON and page; the other two have no form for it.
    pub fn write_comparison(&self, comparison: &Comparison) -> Written {
        self.write_search(comparison, &html::render_comparison(comparison))
    }

    /// Writes a capacity as JSON and page; the other two have no form for it.
    pub fn write_capacity(&self, capacity: &Capacity) -> Written {
        self.write_search(capacity, &html::render_capacity(capacity))
    }

    fn write_search(&self, found: &impl Serialize, page: &str) -> Written {
        let mut written = Written::default();
        if let Some(path) = &self.json {
            let versioned = Versioned {
                schema_version: SCHEMA_VERSION,
                found,
            };
            let json = serde_json::to_string_pretty(&versioned);
            let json = json.map_err(|problem| problem.to_string());
            let tried = json.and_then(|json| text(path, &(json + "\n")));
            written.problems.extend(tried.err());
        }
        if let Some(path) = &self.html {
            written.problems.extend(text(path, page).err());
        }
        written
    }
}

/// What is not a [`Results`], with the version of its shape.
#[derive(Serialize)]
struct Versioned<'a, T> {
    schema_version: u32,
    #[serde(flatten)]
    found: &'a T,
}

fn text(path: &Path, text: &str) -> Result<(), String> {
    file::write(path, text.as_bytes()).map_err(|problem| problem.to_string())
}

/// The result in the folder for temporary files; none when that fails too, and then the summary at the terminal is all.
fn keep(results: &Results) -> Option<PathBuf> {
    let name = format!("launchday-{}.json", std::process::id());
    let path = std::env::temp_dir().join(name);
    json::write(results, &path).ok().map(|()| path)
}

#[cfg(test)]
mod tests {
    use crate::{
        results::fixture::{Fate, play},
        verdict::judge,
    };

    use super::*;

    fn passed() -> Results {
        let mut results = play(2, 1_000, &[], |_, _| Fate::After(1_000_000));
        judge(&mut results, &[]);
        results
    }

    #[test]
    fn a_full_disk_under_one_file_leaves_the_others_and_keeps_the_result() {
        let folder = tempfile::tempdir().unwrap();
        let outputs = Outputs {
            json: Some(PathBuf::from("/dev/full")),
            html: Some(folder.path().join("report.html")),
            junit: Some(folder.path().join("junit.xml")),
            hdr_log: Some(folder.path().join("log.hlog")),
        };
        let written = outputs.write(&passed());
        assert_eq!(written.problems.len(), 1);
        assert!(
            written.problems[0].contains("free some space"),
            "{:?}",
            written.problems
        );
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
        let kept = written.kept.as_ref().unwrap();
        assert_eq!(file::read(kept).unwrap(), passed());
        std::fs::remove_file(kept).unwrap();
        assert_eq!(
            (
                written.exit_code(0),
                written.exit_code(1),
                written.exit_code(130)
            ),
            (2, 1, 130)
        );
    }

    #[test]
    fn a_result_that_was_saved_is_not_kept_a_second_time() {
        let folder = tempfile::tempdir().unwrap();
        let outputs = Outputs {
            json: Some(folder.path().join("r.json")),
            html: Some(PathBuf::from("/dev/full")),
            ..Outputs::default()
        };
        let written = outputs.write(&passed());
        assert_eq!((written.problems.len(), written.kept.clone()), (1, None));
        assert_eq!(written.exit_code(0), 2);
    }

    #[test]
    fn a_capacity_is_written_with_its_version_and_as_a_page() {
        let folder = tempfile::tempdir().unwrap();
        let json = folder.path().join("capacity.json");
        let outputs = Outputs {
            json: Some(json.clone()),
            html: Some(folder.path().join("capacity.html")),
            ..Outputs::default()
        };
        let capacity = Capacity {
            answer: crate::capacity::Answer::Below {
                rate_per_second: 0.5,
            },
            steps: Vec::new(),
        };
        let written = outputs.write_capacity(&capacity);
        assert!(written.problems.is_empty(), "{:?}", written.problems);
        let value: serde_json::Value =
            serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
        assert_eq!(value["schema_version"], SCHEMA_VERSION);
        assert_eq!(value["answer"]["below"]["rate_per_second"], 0.5);
    }

    #[test]
    fn an_unwritable_place_is_found_before_the_run_and_a_good_one_is_left_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let there = folder.path().join("old.json");
        std::fs::write(&there, "old").unwrap();
        let outputs = Outputs {
            json: Some(there.clone()),
            html: Some(folder.path().join("new.html")),
            junit: Some(folder.path().join("no/such/folder.xml")),
            hdr_log: Some(folder.path().to_owned()),
        };
        let problems = outputs.try_places().unwrap_err();
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert_eq!(std::fs::read_to_string(there).unwrap(), "old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
