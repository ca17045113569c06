//! What the pools have learnt, in a file that outlives the process.
//!
//! A learnt value is worth less than a start: whatever is wrong with the file, the process starts with nothing learnt. A
//! file that cannot be understood is moved aside and not overwritten, so that whoever asks why finds it, and so that going
//! back to a version that wrote it loses nothing. It is replaced as a whole: written beside, synced, renamed, and the
//! directory synced, so a process that is killed (or a machine that loses power) leaves the old or the new one.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use schleuse_core::scale::learnt::{Learnt, LearntValues};
use serde::{Deserialize, Serialize};

use crate::log::{self, Level};

const FORMAT: &str = "schleuse-learnt";
/// Grows when an older process would misunderstand what a newer one writes.
const VERSION: u32 = 1;
const NAME: &str = "learnt.json";
/// More pools than this are not remembered. Some 2 KiB each.
const POOLS_MAX: usize = 20_000;

/// Values by the pool's name. Those of pools that the config has no longer stay: it may have them again.
pub(crate) type Pools = BTreeMap<String, Learnt>;

/// See the head of this file.
#[derive(Debug, Clone)]
pub(super) struct LearntFile {
    path: PathBuf,
}

#[derive(Debug, Serialize, Deserialize)]
struct Content {
    format: String,
    version: u32,
    pools: BTreeMap<String, Values>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Values(#[serde(with = "ValuesDef")] LearntValues);

#[derive(Serialize, Deserialize)]
#[serde(remote = "LearntValues")]
struct ValuesDef {
    loaded: (f64, f64),
    quiet: (f64, f64),
    seat_times: Vec<(u16, u16)>,
    cold_starts: Vec<(u16, u16)>,
}

impl LearntFile {
    pub(super) fn in_directory(directory: &Path) -> Self {
        Self {
            path: directory.join(NAME),
        }
    }

    /// What stands there. Nothing when there is no such file yet, and when it cannot be read or understood, which is an
    /// event.
    pub(super) fn read(&self) -> Pools {
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Pools::new(),
            Err(error) => {
                self.warn("learnt_unreadable", &error.to_string());
                return Pools::new();
            }
        };
        match parse(&text) {
            Ok(pools) => pools,
            Err(why) => {
                self.move_aside(&why);
                Pools::new()
            }
        }
    }

    /// What stands there, for somebody to whom the file does not belong: it stays as it is, whatever is wrong with it.
    ///
    /// # Errors
    ///
    /// Why it cannot be read or understood. That there is none is no error.
    pub(super) fn peek(&self) -> Result<Pools, String> {
        match fs::read(&self.path) {
            Ok(text) => parse(&text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Pools::new()),
            Err(error) => Err(error.to_string()),
        }
        .map_err(|why| format!("{}: {why}", self.path.display()))
    }

    fn move_aside(&self, why: &str) {
        let aside = self.beside("unusable");
        let moved = fs::rename(&self.path, &aside);
        let outcome = match &moved {
            Ok(()) => format!("{why}; it is now {}", aside.display()),
            Err(error) => format!("{why}; it cannot be moved aside: {error}"),
        };
        self.warn("learnt_unusable", &outcome);
    }

    /// Replaces the file; false, and an event, when that fails. Blocks.
    pub(super) fn write(&self, pools: &Pools) -> bool {
        let replaced = self.replace(pools);
        if let Err(error) = &replaced {
            self.warn("learnt_not_written", &error.to_string());
        }
        replaced.is_ok()
    }

    fn replace(&self, pools: &Pools) -> io::Result<()> {
        let values = pools.iter().take(POOLS_MAX);
        let content = Content {
            format: FORMAT.to_owned(),
            version: VERSION,
            pools: values
                .map(|(name, learnt)| (name.clone(), Values(learnt.export())))
                .collect(),
        };
        let text = serde_json::to_vec(&content)?;
        let directory = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(directory)?;
        let fresh = self.beside("new");
        let mut file = File::create(&fresh)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&fresh, &self.path)?;
        File::open(directory)?.sync_all()
    }

    fn beside(&self, what: &str) -> PathBuf {
        self.path.with_extension(format!("json.{what}"))
    }

    fn warn(&self, event: &str, why: &str) {
        let path = self.path.to_string_lossy();
        log::event(Level::Warn, event, &[("file", &path), ("why", why)]);
    }
}

fn parse(text: &[u8]) -> Result<Pools, String> {
    #[derive(Deserialize)]
    struct Head {
        format: String,
        version: u32,
    }
    let head: Head = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    if head.format != FORMAT || head.version != VERSION {
        let (format, version) = (head.format, head.version);
        return Err(format!("it is {format} in version {version}"));
    }
    let content: Content = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    let pools = content.pools.into_iter().take(POOLS_MAX);
    Ok(pools
        .map(|(name, Values(values))| (name, Learnt::import(&values)))
        .collect())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn learnt(cold_start_millis: u64) -> Learnt {
        let mut learnt = Learnt::default();
        learnt
            .cold_starts
            .record(Duration::from_millis(cold_start_millis));
        learnt
    }

    fn pools() -> Pools {
        [
            ("a".to_owned(), learnt(300)),
            ("b".to_owned(), learnt(4_000)),
        ]
        .into()
    }

    fn entries(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn what_is_written_is_read_back_and_nothing_else_is_left() {
        let directory = tempfile::tempdir().unwrap();
        let file = LearntFile::in_directory(&directory.path().join("made/when/missing"));
        assert!(file.read().is_empty());
        assert!(file.write(&Pools::new()));
        assert!(file.write(&pools()));
        assert_eq!(file.read(), pools());
        assert_eq!(entries(file.path.parent().unwrap()), ["learnt.json"]);
    }

    #[test]
    fn a_file_of_another_version_is_moved_aside_and_comes_back_untouched() {
        let directory = tempfile::tempdir().unwrap();
        let file = LearntFile::in_directory(directory.path());
        let foreign = r#"{"format":"schleuse-learnt","version":2,"pools":{"a":"who knows"}}"#;
        fs::write(&file.path, foreign).unwrap();
        assert!(file.read().is_empty());
        assert!(file.write(&pools()));
        assert_eq!(file.read(), pools());
        let aside = fs::read_to_string(directory.path().join("learnt.json.unusable"));
        assert_eq!(aside.unwrap(), foreign);
    }

    #[test]
    fn half_of_a_file_that_was_being_written_does_not_hide_the_one_before() {
        let directory = tempfile::tempdir().unwrap();
        let file = LearntFile::in_directory(directory.path());
        assert!(file.write(&pools()));
        fs::write(file.beside("new"), b"{\"format\":\"schl").unwrap();
        assert_eq!(file.read(), pools());
    }

    proptest! {
        #[test]
        fn a_damaged_file_starts_anew_or_reads_as_it_was(at in 0_usize..200, byte in any::<u8>(), cut in any::<bool>()) {
            let directory = tempfile::tempdir().unwrap();
            let file = LearntFile::in_directory(directory.path());
            assert!(file.write(&pools()));
            let mut text = fs::read(&file.path).unwrap();
            let at = at % text.len();
            if cut { text.truncate(at) } else { text[at] = byte }
            fs::write(&file.path, text).unwrap();
            let read = file.read();
            prop_assert!(read.len() <= 2);
            assert!(file.write(&pools()));
            prop_assert_eq!(file.read(), pools());
        }
    }
}
