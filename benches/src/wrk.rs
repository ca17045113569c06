//! wrk as the load of the CPU comparisons: 64 keep-alive connections, each with one request in flight.
//!
//! All peers get the same requests in the same order: hosts and paths are drawn once, written to a file, and read by a
//! small Lua script that also prints the totals in one line.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    Outcome,
    inputs::{Place, SERVICES, drawn_by_population, generator},
    peer::Peer,
};

/// Connections of a round.
const CONNECTIONS: usize = 64;
/// Requests after which a script starts again: more than there are tenants, so that small ones come up as well.
const DRAWS: usize = 40_000;

/// A script and the requests behind it.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    file: PathBuf,
}

/// Totals of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) requests: u64,
    /// Answers of 400 and above, and broken connections.
    pub(crate) failed: u64,
}

/// Hosts and paths of requests whose tenants are drawn by population, services evenly.
pub(crate) fn targets(places: &[Place]) -> Vec<(String, String)> {
    let mut rng = generator();
    let drawn = drawn_by_population(places, DRAWS, &mut rng);
    drawn
        .into_iter()
        .map(|place| {
            let service = rng.choice(SERVICES).unwrap_or_default();
            (
                format!("{service}.example"),
                format!("/{}/antrag/neu", place.ars),
            )
        })
        .collect()
}

impl Script {
    /// Writes a script over `targets`.
    ///
    /// # Errors
    ///
    /// When a file cannot be written.
    pub(crate) fn write(
        directory: &Path,
        name: &str,
        targets: &[(String, String)],
    ) -> Outcome<Self> {
        let mut lines = String::new();
        for (host, path) in targets {
            // Writing to a String cannot fail.
            let _ = writeln!(lines, "{host} {path}");
        }
        let requests = directory.join(format!("{name}.txt"));
        fs::write(&requests, lines)?;
        let file = directory.join(format!("{name}.lua"));
        fs::write(
            &file,
            LUA.replace("REQUESTS", &requests.display().to_string()),
        )?;
        Ok(Self { file })
    }

    /// Loads `peer` and counts.
    ///
    /// # Errors
    ///
    /// When wrk cannot be run or prints something else.
    pub(crate) fn run(&self, peer: &Peer, scheme: &str, seconds: u32) -> Outcome<Totals> {
        let output = Command::new("setpriv")
            .args([
                "--pdeathsig",
                "KILL",
                "wrk",
                "--threads",
                "1",
                "--connections",
            ])
            .arg(CONNECTIONS.to_string())
            .args(["--timeout", "5s", "--duration"])
            .arg(format!("{seconds}s"))
            .arg("--script")
            .arg(&self.file)
            .arg(format!("{scheme}://{}/", peer.address))
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        totals(&text).ok_or_else(|| {
            let errors = String::from_utf8_lossy(&output.stderr);
            format!("{text}{errors}; {}", peer.condition()).into()
        })
    }
}

const LUA: &str = r#"local requests = {}
for line in io.lines("REQUESTS") do
  local host, path = line:match("^(%S+) (%S+)$")
  requests[#requests + 1] = "GET " .. path .. " HTTP/1.1\r\nHost: " .. host .. "\r\n\r\n"
end
local at = 0
request = function()
  at = at % #requests + 1
  return requests[at]
end
done = function(summary)
  local e = summary.errors
  io.write(string.format("totals %d %d\n", summary.requests, e.status + e.connect + e.read + e.write + e.timeout))
end
"#;

fn totals(text: &str) -> Option<Totals> {
    let line = text.lines().find_map(|line| line.strip_prefix("totals "))?;
    let (requests, failed) = line.split_once(' ')?;
    Some(Totals {
        requests: requests.parse().ok()?,
        failed: failed.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_found_in_what_wrk_prints() {
        let text = "Running 1s test\ntotals 12345 0\nRequests/sec: 1\n";
        let expected = Totals {
            requests: 12_345,
            failed: 0,
        };
        assert_eq!(totals(text), Some(expected));
        assert_eq!(totals("unable to connect"), None);
    }

    #[test]
    fn every_peer_gets_the_same_requests() {
        let places = crate::inputs::official_places().unwrap();
        let requests = targets(&places);
        assert_eq!(requests.len(), DRAWS);
        assert_eq!(requests, targets(&places));
    }
}
