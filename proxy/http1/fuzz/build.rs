//! Builds llhttp, the second parser, from the C sources that `run` unpacks, with
//! a shim in between that hides the layout of its structs.

use std::path::PathBuf;

fn main() {
    println!("cargo::rerun-if-env-changed=LLHTTP_ROOT");
    println!("cargo::rerun-if-changed=llhttp/shim.c");
    let root = std::env::var_os("LLHTTP_ROOT").map_or_else(|| PathBuf::from("/usr"), PathBuf::from);
    let sources = root.join("share/llhttp");
    let include = root.join("share/include/llhttp");
    if !sources.join("llhttp.c").is_file() || !include.join("llhttp.h").is_file() {
        println!(
            "cargo::error=no llhttp sources under {}: start the fuzzing with the script `run`, which fetches them",
            root.display()
        );
        return;
    }
    cc::Build::new()
        .files(["llhttp.c", "api.c", "http.c"].map(|name| sources.join(name)))
        .file("llhttp/shim.c")
        .include(include)
        .warnings(false)
        .compile("llhttp");
}
