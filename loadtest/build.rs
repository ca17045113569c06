//! Tells the program which commit it is built from: a measured error is worth nothing without it.

use std::{path::Path, process::Command};

fn main() {
    // Who builds without Git may say it in the environment.
    println!("cargo:rerun-if-env-changed=LAUNCHDAY_COMMIT");
    if std::env::var_os("LAUNCHDAY_COMMIT").is_some() {
        return;
    }
    // Grows with each commit and each change of the branch.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"])
        && Path::new(&log).is_file()
    {
        println!("cargo:rerun-if-changed={log}");
    }
    if let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) {
        println!("cargo:rustc-env=LAUNCHDAY_COMMIT={commit}");
    }
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| said.trim().to_owned())
}
