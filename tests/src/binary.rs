//! Finds the binary under test, built with the profile of the tests.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
};

use crate::{eventually, lines::Lines};

/// The binary's path. The first call builds it: cargo builds binaries for the tests of their own package only, and a
/// stale one would be tested in silence. `SCHLEUSE_BINARY` names another one instead.
///
/// # Panics
///
/// When it cannot be built.
pub fn path() -> &'static Path {
    static PATH: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let path = PATH.get_or_init(|| match env::var_os("SCHLEUSE_BINARY") {
        // Tests run it in directories of their own.
        Some(path) => std::path::absolute(path).map_err(|error| error.to_string()),
        None => build("schleuse"),
    });
    path.as_deref()
        .unwrap_or_else(|error| panic!("no binary to test: {error}"))
}

/// The path of the load test's binary, which is built likewise.
///
/// # Panics
///
/// When it cannot be built.
pub fn launchday() -> &'static Path {
    static PATH: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let path = PATH.get_or_init(|| build("launchday"));
    path.as_deref()
        .unwrap_or_else(|error| panic!("no launchday: {error}"))
}

fn build(name: &str) -> Result<PathBuf, String> {
    let executable = env::current_exe().map_err(|error| error.to_string())?;
    // target/PROFILE/deps/black_box-HASH
    let directories: Vec<_> = executable.ancestors().skip(2).take(2).collect();
    let [profile, target] = directories[..] else {
        return Err(format!(
            "{} is not in a target directory",
            executable.display()
        ));
    };
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args([
            "build",
            "--quiet",
            "--workspace",
            "--bin",
            name,
            "--target-dir",
        ])
        .arg(target);
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    let output = cargo.output().map_err(|error| error.to_string())?;
    if output.status.success() {
        Ok(profile.join(name))
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// The repository's root.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace")
}

/// How a command ended.
#[derive(Debug)]
pub struct Finished {
    /// Its exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// All of its stdout.
    pub stdout: String,
    /// All of its stderr.
    pub stderr: String,
}

/// Runs the binary under test in `directory` to its end.
///
/// # Panics
///
/// When it does not end.
pub fn run(directory: &Path, arguments: &[&str]) -> Finished {
    let mut command = Command::new(path());
    command.args(arguments).current_dir(directory);
    finish(command)
}

/// Runs any command to its end.
///
/// # Panics
///
/// When it cannot be run or does not end.
pub fn finish(mut command: Command) -> Finished {
    let pipes = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = Killed(pipes.spawn().expect("the command runs"));
    let (stdout, stderr) = (
        Lines::of(child.0.stdout.take().expect("a pipe")),
        Lines::of(child.0.stderr.take().expect("a pipe")),
    );
    let mut status = None;
    eventually("the command ends", || {
        status = child.0.try_wait().expect("a child");
        status.is_some()
    });
    stdout.wait_end();
    stderr.wait_end();
    Finished {
        code: status.and_then(|status| status.code()),
        stdout: stdout.text(),
        stderr: stderr.text(),
    }
}

/// A process that does not outlive a test that fails.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
