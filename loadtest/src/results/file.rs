//! A result as a file: JSON with a version, written whole or not at all, and the JSON Schema it follows.
//!
//! Writing goes to a neighbour file and renames it: a full disk never leaves half a result under the name that a
//! pipeline reads, nor takes away the previous one.

use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::Results;

/// Version of the result's shape. Raised when a field is renamed, removed or changes its meaning.
pub const SCHEMA_VERSION: u32 = 1;

/// Why a result could not be read or a report not be written.
#[derive(Debug, thiserror::Error)]
pub enum FileProblem {
    /// Reading failed.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The text is no result of this shape.
    #[error("{path} is no result of launchday: {source}")]
    Shape {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// It was written by another version.
    #[error(
        "{path} has schema_version {found}, this launchday reads {SCHEMA_VERSION}; use the version that wrote it"
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version; 0 when it names none.
        found: u64,
    },
    /// Its ends do not add up to its schedule.
    #[error(
        "{path} has {scheduled} scheduled requests but {ended} ends; it was changed after it was written"
    )]
    Incomplete {
        /// The file.
        path: PathBuf,
        /// Requests scheduled.
        scheduled: u64,
        /// Sum of the five ends.
        ended: u64,
    },
    /// Writing failed.
    #[error("cannot write {path}: {}", explain(.source))]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The cause in words, with what to do where that is known.
fn explain(error: &io::Error) -> String {
    let remedy = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; free some space or name another disk"
        }
        io::ErrorKind::NotFound => "; create the folder first",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "; name a place you may write to"
        }
        io::ErrorKind::IsADirectory => "; name a file, this is a folder",
        _ => "",
    };
    format!("{error}{remedy}")
}

/// The JSON Schema (draft 2020-12) that every saved result follows.
pub fn schema() -> Value {
    schemars::schema_for!(Results).to_value()
}

/// Reads a saved result.
///
/// # Errors
/// When it cannot be read, is of another shape or version, or does not account for each scheduled request.
pub fn read(path: &Path) -> Result<Results, FileProblem> {
    let text = fs::read(path).map_err(|source| FileProblem::Read {
        path: path.to_owned(),
        source,
    })?;
    let shape = |source| FileProblem::Shape {
        path: path.to_owned(),
        source,
    };
    let value: Value = serde_json::from_slice(&text).map_err(shape)?;
    let found = value
        .get("schema_version")
        .and_then(Value::as_u64)
        .unwrap_or(0);
    if found != u64::from(SCHEMA_VERSION) {
        let path = path.to_owned();
        return Err(FileProblem::Version { path, found });
    }
    let results: Results = serde_json::from_value(value).map_err(shape)?;
    if !results.counts.is_complete() {
        return Err(FileProblem::Incomplete {
            path: path.to_owned(),
            scheduled: results.counts.scheduled,
            ended: results.counts.ended(),
        });
    }
    Ok(results)
}

/// Writes `text` to `path`, whole or not at all. `/dev/stdout` and other files that are no regular ones are written
/// directly.
///
/// # Errors
/// When the folder is missing, the disk is full, or the place may not be written.
pub fn write(path: &Path, text: &[u8]) -> Result<(), FileProblem> {
    let problem = |source| FileProblem::Write {
        path: path.to_owned(),
        source,
    };
    match fs::metadata(path) {
        Ok(known) if known.is_dir() => Err(problem(io::ErrorKind::IsADirectory.into())),
        Ok(known) if !known.is_file() => write_into(path, text).map_err(problem),
        _ => {
            let part = part_of(path);
            let written = write_into(&part, text).and_then(|()| fs::rename(&part, path));
            if written.is_err() {
                // The error that matters is the first one; a part that cannot be removed either is on the same full disk.
                drop(fs::remove_file(&part));
            }
            written.map_err(problem)
        }
    }
}

/// Whether `path` could be written now: its folder takes a file, and what is there is no folder. Leaves nothing behind.
///
/// # Errors
/// As for [`write()`].
pub fn try_place(path: &Path) -> Result<(), FileProblem> {
    let problem = |source| FileProblem::Write {
        path: path.to_owned(),
        source,
    };
    match fs::metadata(path) {
        Ok(known) if known.is_dir() => Err(problem(io::ErrorKind::IsADirectory.into())),
        Ok(known) if !known.is_file() => Ok(()),
        _ => {
            let part = part_of(path);
            write_into(&part, b"").map_err(problem)?;
            fs::remove_file(&part).map_err(problem)
        }
    }
}

/// The neighbour that a file is written to first.
fn part_of(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    path.with_file_name(name)
}

fn write_into(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)?;
    file.write_all(text)?;
    file.flush()
}

#[cfg(test)]
mod tests {
    use crate::results::fixture::{Fate, play};

    use super::*;

    fn saved(folder: &Path) -> (PathBuf, Results) {
        let results = play(2, 100, &[("Berlin", "Berlin", 3_700_000)], |_, _| {
            Fate::After(1_000_000)
        });
        let path = folder.join("result.json");
        crate::report::json::write(&results, &path).unwrap();
        (path, results)
    }

    #[test]
    fn what_was_written_is_read_back_unchanged() {
        let folder = tempfile::tempdir().unwrap();
        let (path, results) = saved(folder.path());
        assert_eq!(read(&path).unwrap(), results);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn another_version_and_a_changed_result_are_refused_with_their_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let (path, _) = saved(folder.path());
        let text = fs::read_to_string(&path).unwrap();
        for (from, to, words) in [
            (
                "\"schema_version\":1",
                "\"schema_version\":9",
                "schema_version 9",
            ),
            ("\"scheduled\":200", "\"scheduled\":201", "201 scheduled"),
            (
                "\"answered\":200",
                "\"replied\":200",
                "no result of launchday",
            ),
        ] {
            fs::write(&path, text.replacen(from, to, 2)).unwrap();
            let problem = read(&path).unwrap_err().to_string();
            assert!(problem.contains(words), "{problem}");
        }
    }

    #[test]
    fn a_full_disk_is_named_with_what_to_do() {
        // The kernel's own full device: every write to it fails with ENOSPC.
        let problem = write(Path::new("/dev/full"), b"text")
            .unwrap_err()
            .to_string();
        assert!(
            problem.contains("/dev/full") && problem.contains("free some space"),
            "{problem}"
        );
    }

    #[test]
    fn a_missing_folder_and_a_folder_in_place_of_a_file_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let missing = write(&folder.path().join("no/such.json"), b"").unwrap_err();
        assert!(missing.to_string().contains("create the folder first"));
        let occupied = write(folder.path(), b"").unwrap_err();
        assert!(occupied.to_string().contains("this is a folder"));
    }

    #[test]
    fn the_documented_schema_is_the_one_that_results_follow() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/result.schema.json");
        let text = format!("{:#}\n", schema());
        if std::env::var_os("UPDATE_DOCS").is_some() {
            fs::write(&path, &text).unwrap();
        }
        assert!(
            fs::read_to_string(&path).unwrap() == text,
            "docs/result.schema.json is old; UPDATE_DOCS=1 cargo test -p launchday schema writes it"
        );
    }

    #[test]
    fn a_saved_result_has_the_fields_of_the_schema() {
        let schema = schema();
        let folder = tempfile::tempdir().unwrap();
        let (path, _) = saved(folder.path());
        let value: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        let properties = schema["properties"].as_object().unwrap();
        assert!(value.as_object().unwrap().keys().eq(properties.keys()));
    }
}
