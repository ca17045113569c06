//! Every file that a config is made of: read once, hashed, and remembered for whoever watches them.

use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use aws_lc_rs::digest::{Context, SHA256};
use schleuse_core::Register;

/// Larger files are no config; without a bound `/dev/zero` would be read for ever.
const BYTES_MAX: u64 = 64 << 20;

/// Reads files and remembers which.
pub(crate) struct Sources {
    base: PathBuf,
    files: Vec<PathBuf>,
    digest: Context,
    known_register: Option<(Hash, Arc<Register>)>,
}

/// SHA-256.
pub(crate) type Hash = [u8; 32];

impl std::fmt::Debug for Sources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sources")
            .field("base", &self.base)
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

impl Sources {
    /// For a config at `path`: relative paths in it start at its directory.
    pub(crate) fn new(path: &Path) -> Self {
        Self {
            base: path.parent().map(Path::to_owned).unwrap_or_default(),
            files: Vec::new(),
            digest: Context::new(&SHA256),
            known_register: None,
        }
    }

    /// As [`Self::new`], with the register of the config that is in force and the hash of what it was built from.
    pub(crate) fn following(path: &Path, known_register: (Hash, Arc<Register>)) -> Self {
        Self {
            known_register: Some(known_register),
            ..Self::new(path)
        }
    }

    /// The register that was built from exactly this.
    pub(crate) fn known_register(&self, source: &Hash) -> Option<Arc<Register>> {
        let (known, register) = self.known_register.as_ref()?;
        (known == source).then(|| Arc::clone(register))
    }

    /// Where a path of the config leads.
    pub(crate) fn resolve(&self, written: &str) -> PathBuf {
        self.base.join(written)
    }

    /// The bytes of `path`, which becomes a part of the hash.
    pub(crate) fn read(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        self.remember(path);
        let metadata = fs::metadata(path)?;
        if metadata.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        // One byte more than the file has, or the last read, which finds its end, would double the room.
        let expected = metadata.len().min(BYTES_MAX) + 1;
        let mut bytes = Vec::with_capacity(usize::try_from(expected).unwrap_or_default());
        fs::File::open(path)?
            .take(BYTES_MAX + 1)
            .read_to_end(&mut bytes)?;
        if bytes.len() as u64 > BYTES_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.update(path.as_os_str().as_encoded_bytes());
        self.update(&bytes);
        Ok(bytes)
    }

    /// The files of a directory by name, hidden ones left out: Kubernetes keeps its own there (`..data`).
    pub(crate) fn list(&mut self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        self.remember(directory);
        let mut paths = Vec::new();
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            let hidden = path
                .file_name()
                .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
            if !hidden {
                paths.push(path);
            }
        }
        paths.sort();
        Ok(paths)
    }

    /// All that was read or looked for, and the hash over names and bytes of what was read.
    pub(crate) fn finish(self) -> (Vec<PathBuf>, Hash) {
        (self.files, finish(self.digest))
    }

    fn remember(&mut self, path: &Path) {
        if !self.files.iter().any(|known| known == path) {
            self.files.push(path.to_owned());
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        update(&mut self.digest, bytes);
    }
}

/// The hash over several texts.
pub(crate) fn hash_of<'b>(parts: impl IntoIterator<Item = &'b [u8]>) -> Hash {
    let mut digest = Context::new(&SHA256);
    parts.into_iter().for_each(|part| update(&mut digest, part));
    finish(digest)
}

/// Lengths keep `ab` + `c` apart from `a` + `bc`.
fn update(digest: &mut Context, bytes: &[u8]) {
    digest.update(&(bytes.len() as u64).to_be_bytes());
    digest.update(bytes);
}

fn finish(digest: Context) -> Hash {
    let mut hash = [0; 32];
    for (byte, value) in hash.iter_mut().zip(digest.finish().as_ref()) {
        *byte = *value;
    }
    hash
}

/// Why a file could not be read, and what to do; without the error numbers of the system.
pub(crate) fn explain(error: &io::Error) -> (String, &'static str) {
    match error.kind() {
        io::ErrorKind::NotFound => (
            "does not exist".to_owned(),
            "check the path; relative ones start at the config's directory",
        ),
        io::ErrorKind::PermissionDenied => (
            "may not be read".to_owned(),
            "give the user of this process the right to read it",
        ),
        io::ErrorKind::IsADirectory => ("is a directory".to_owned(), "name a file"),
        io::ErrorKind::NotADirectory => (
            "leads through a file as if it were a directory".to_owned(),
            "check the path",
        ),
        io::ErrorKind::FileTooLarge => (
            format!("is larger than {} MiB", BYTES_MAX >> 20),
            "check the path",
        ),
        _ => (format!("cannot be read: {error}"), "check the file system"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_knows_names_and_bytes() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::write(path("a"), "x").unwrap();
        fs::write(path("b"), "x").unwrap();
        let hash_of = |names: &[&str]| {
            let mut sources = Sources::new(&path("schleuse.yaml"));
            for name in names {
                sources.read(&path(name)).unwrap();
            }
            sources.finish().1
        };
        assert_eq!(hash_of(&["a", "b"]), hash_of(&["a", "b"]));
        assert_ne!(hash_of(&["a"]), hash_of(&["b"]));
        assert_ne!(hash_of(&["a", "b"]), hash_of(&["a"]));
        let before = hash_of(&["a"]);
        fs::write(path("a"), "y").unwrap();
        assert_ne!(hash_of(&["a"]), before);
    }

    #[test]
    fn files_that_were_looked_for_in_vain_are_remembered() {
        let mut sources = Sources::new(Path::new("schleuse.yaml"));
        let missing = sources.resolve("nowhere/gemeinden.csv");
        let error = sources.read(&missing).unwrap_err();
        assert_eq!(explain(&error).0, "does not exist");
        assert_eq!(sources.finish().0, [missing]);
    }

    #[test]
    fn a_file_without_end_is_not_read_for_ever() {
        let mut sources = Sources::new(Path::new("schleuse.yaml"));
        let error = sources.read(Path::new("/dev/zero")).unwrap_err();
        assert_eq!(explain(&error).0, "is larger than 64 MiB");
    }
}
