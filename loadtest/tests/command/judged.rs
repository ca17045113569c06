//! What the process ends with is what was measured, and by whose fault: in a table of simulations, at a limit of this machine.

use std::process::Command;

use super::{PROGRAM, Said, compare::write_launch, launchday, origin};

/// The launch makes a hundred requests a second of 100 ms: ten seats are too few, a hundred are enough.
#[test]
fn a_sweep_tells_the_verdict_of_each_value_and_ends_with_the_worst() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    write_launch(directory);
    let sweep = |values: &str, more: &[&str]| {
        let sweep = format!("--sweep=pools.wohngeld.concurrency={values}");
        let arguments = [
            "simulate",
            "launch.yaml",
            "--config=schleuse.yaml",
            "--service-time=200ms",
            "--threshold=p99 < 1s",
            &sweep,
        ];
        launchday(directory, &[&arguments, more].concat())
    };
    let said = sweep("10,100", &[]);
    assert_eq!(said.code, 1, "{}{}", said.out, said.err);
    let lines: Vec<&str> = said.out.lines().collect();
    let [heads, few, many] = lines.as_slice() else {
        panic!("{}", said.out);
    };
    assert!(heads.ends_with("verdict"), "{heads}");
    assert!(few.ends_with("failed") && few.contains("≥ "), "{few}");
    assert!(many.ends_with("passed") && !many.contains('≥'), "{many}");
    assert_eq!(sweep("100", &[]).code, 0);
    let refused = sweep("100", &["--json=r.json"]);
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("writes no reports"), "{}", refused.err);
}

/// 300 files leave 44 connections, which answer 440 a second of 100 ms each; 1,000 are asked.
#[test]
fn too_few_open_files_are_this_machines_fault_and_not_the_targets() {
    let directory = tempfile::tempdir().unwrap();
    let origin = origin(100);
    let url = format!("http://{}", origin.address);
    let output = Command::new("sh")
        .args(["-c", "ulimit -n 300 && exec \"$0\" \"$@\"", PROGRAM])
        .args(["run", &url, "--no-tui", "-q", "1000/s", "-z", "1s"])
        .current_dir(directory.path())
        .output()
        .unwrap();
    let said = Said::from(output);
    assert_eq!(said.code, 3, "{}{}", said.out, said.err);
    assert!(
        said.out.contains("with 44 connections") && said.out.contains("ulimit -n"),
        "{}",
        said.out
    );
}
