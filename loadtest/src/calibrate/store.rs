//! The file of the last comparison with reality: one for each user, unless the command line names another.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use crate::results::{Calibration, file};

/// Where it is when nobody says otherwise: in the user's directory for state (XDG Base Directory Specification 0.8). None
/// without a home.
pub fn place() -> Option<PathBuf> {
    let directory = |name| {
        let value = env::var_os(name).filter(|value| !value.is_empty())?;
        Some(PathBuf::from(value))
    };
    let state = directory("XDG_STATE_HOME")
        .or_else(|| directory("HOME").map(|home| home.join(".local/state")))?;
    Some(state.join("launchday/calibration.json"))
}

/// Keeps it.
///
/// # Errors
///
/// In words: the place cannot be written.
pub fn write(path: &Path, calibration: &Calibration) -> Result<(), String> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)
            .map_err(|error| format!("{}: {error}", directory.display()))?;
    }
    let text = serde_json::to_string_pretty(calibration).map_err(|error| error.to_string())?;
    file::write(path, text.as_bytes()).map_err(|problem| problem.to_string())
}

/// The last one; none when there has never been any.
///
/// # Errors
///
/// In words: a file that is there and cannot be read.
pub fn read(path: &Path) -> Result<Option<Calibration>, String> {
    let words = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    match fs::read_to_string(path) {
        Ok(text) => serde_json::from_str(&text)
            .map(Some)
            .map_err(|error| words(&error)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(words(&error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_again_and_what_is_no_calibration_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("some/where.json");
        assert_eq!(read(&path), Ok(None));
        let calibration = Calibration {
            date: "2026-11-25T08:00:00Z".to_owned(),
            machine: "2 × Xeon".to_owned(),
            commit: "abc".to_owned(),
            scenario: "sh".to_owned(),
            median_ratio: 0.97,
            p99_ratio: 0.91,
            refused_points: 0.5,
            abandoned_points: -0.25,
            replicas_difference_max: Some(1.0),
        };
        write(&path, &calibration).unwrap();
        assert_eq!(read(&path), Ok(Some(calibration)));
        fs::write(&path, "no").unwrap();
        assert!(read(&path).unwrap_err().contains("where.json"));
    }
}
