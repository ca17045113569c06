//! The operator's command that restarts the target before each run, so that no round inherits the luck of the one before.

use std::process::Command;

use super::Side;

/// Runs `command` with `sh -c` and waits for its end. It learns the side from `LAUNCHDAY_SIDE` (`A` or `B`) and has to come
/// back once the target answers again.
///
/// # Errors
/// In words, when it cannot be started or does not exit with 0.
pub fn restart(command: &str, side: Side) -> Result<(), String> {
    let name = match side {
        Side::A => "A",
        Side::B => "B",
    };
    let output = Command::new("sh")
        .args(["-c", command])
        .env("LAUNCHDAY_SIDE", name)
        .output()
        .map_err(|error| format!("cannot start the restart command `{command}`: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().last().unwrap_or("it said nothing");
    Err(format!(
        "the restart command `{command}` failed for {name} ({}): {said}",
        output.status
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_learns_the_side_and_its_failure_is_told_with_its_last_words() {
        assert_eq!(restart("test \"$LAUNCHDAY_SIDE\" = A", Side::A), Ok(()));
        let problem = restart("echo no such unit >&2; exit 3", Side::B).unwrap_err();
        assert!(
            problem.contains("no such unit") && problem.contains("for B"),
            "{problem}"
        );
    }
}
