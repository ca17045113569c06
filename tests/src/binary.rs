//! Finds the binary under test, built with the profile of the tests.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// The binary's path. The first call builds it: cargo builds binaries for the tests of their own package only, and a
/// stale one would be tested in silence. `SCHLEUSE_BINARY` names another one instead.
pub fn path() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        env::var_os("SCHLEUSE_BINARY").map_or_else(build, |path| {
            // Tests run it in directories of their own.
            std::path::absolute(path).expect("SCHLEUSE_BINARY is a path")
        })
    })
}

fn build() -> PathBuf {
    let executable = env::current_exe().expect("the tests' own path");
    // target/PROFILE/deps/black_box-HASH
    let profile = executable
        .ancestors()
        .nth(2)
        .expect("a profile's directory");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args([
        "build",
        "--quiet",
        "--workspace",
        "--bin",
        "schleuse",
    ]);
    cargo
        .arg("--target-dir")
        .arg(profile.parent().expect("the target directory"));
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    let status = cargo.status().expect("cargo runs");
    assert!(status.success(), "the binary could not be built");
    profile.join("schleuse")
}

/// The repository's root.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace")
}
