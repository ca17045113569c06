//! What a Schleuse tells about its pools while it is loaded: replicas, and who waits.
//!
//! Two questions: `/api/v1/pools` knows every pool, `/api/v1/signals` how many replicas there should be where that is decided. A
//! pool of fixed endpoints has as many replicas as usable endpoints. The token comes from a file or the environment, never
//! from the scenario, which is passed around.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use serde_json::Value;

use super::What;
use crate::{results::PoolSecond, scenario::Scenario};

/// Where the token is looked for when no file is named.
const TOKEN_VARIABLE: &str = "LAUNCHDAY_ADMIN_TOKEN";

/// The admin API is on the same network, and a second is soon over.
const TIME_MAX: Duration = Duration::from_millis(200);
/// Bytes of an answer that are read; ten thousand pools need a tenth.
const BYTES_MAX: u64 = 1 << 26;

/// The admin API of one Schleuse.
#[derive(Clone)]
pub(super) struct Admin {
    address: SocketAddr,
    /// The line of a request's head that shows the token; empty without one.
    authorization: String,
}

impl Admin {
    /// At this address, with its token if it has one.
    pub(super) fn new(address: SocketAddr, token: Option<&str>) -> Self {
        let line = |token| format!("Authorization: Bearer {token}\r\n");
        Self {
            address,
            authorization: token.map_or_else(String::new, line),
        }
    }

    /// The one that the scenario or the command line names.
    pub(super) fn of(scenario: &Scenario, what: &What) -> Result<Option<Self>, String> {
        let Some(address) = scenario.admin else {
            return Ok(None);
        };
        let token = match &what.admin_token_file {
            Some(file) => {
                let read = std::fs::read_to_string(file);
                Some(read.map_err(|error| format!("{}: {error}", file.display()))?)
            }
            None => std::env::var(TOKEN_VARIABLE).ok(),
        };
        let token = token.as_deref().map(str::trim_end);
        // RFC 6750 §2.1; anything else would end the field.
        let is_sound = |token: &str| token.bytes().all(|byte| byte.is_ascii_graphic());
        if token.is_some_and(|token| token.is_empty() || !is_sound(token)) {
            return Err(
                "the admin API's token is empty, or holds what no field can carry".to_owned(),
            );
        }
        Ok(Some(Self::new(address, token)))
    }

    /// In words, if it wants a token that it was not shown; whoever does not answer says so later, second by second.
    pub(super) fn check(&self) -> Result<(), String> {
        match self.get("/api/v1/pools") {
            Some((401, _)) => Err(format!(
                "the admin API at {} wants its token: name a file with --admin-token-file, or set {TOKEN_VARIABLE}",
                self.address
            )),
            _ => Ok(()),
        }
    }

    /// The sums over all pools; none when it does not answer in time.
    pub(super) fn ask(&self) -> Option<PoolSecond> {
        let (_, pools) = self.get("/api/v1/pools")?;
        let signals = self.get("/api/v1/signals");
        sum(&pools, &signals.unwrap_or_default().1)
    }

    /// Status and body.
    fn get(&self, path: &str) -> Option<(u16, Value)> {
        let Self {
            address,
            authorization,
        } = self;
        let mut stream = TcpStream::connect_timeout(address, TIME_MAX).ok()?;
        stream.set_read_timeout(Some(TIME_MAX)).ok()?;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\n{authorization}Connection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = Vec::new();
        stream.take(BYTES_MAX).read_to_end(&mut answer).ok()?;
        let status = str::from_utf8(answer.get(9..12)?).ok()?.parse().ok()?;
        let body = answer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let body = serde_json::from_slice(answer.get(body..)?);
        // Whoever refuses need not say so in JSON.
        Some((status, body.unwrap_or_default()))
    }
}

/// None when the answer is not a list of pools, as that of some other server.
fn sum(pools: &Value, signals: &Value) -> Option<PoolSecond> {
    let mut total = PoolSecond::default();
    for pool in pools.as_array()? {
        let number =
            |of: &Value, key: &str| of.get(key).and_then(Value::as_u64).unwrap_or_default();
        let name = pool.get("name")?;
        let decided = signals
            .as_array()
            .into_iter()
            .flatten()
            .find(|signal| signal.get("pool") == Some(name) && signal.get("ready").is_some());
        let (ready, wanted) = decided.map_or_else(
            || usable(pool),
            |signal| (number(signal, "ready"), number(signal, "desired")),
        );
        total.replicas_ready += ready;
        total.replicas_wanted += wanted;
        total.waiting += number(pool, "waiting");
        total.in_flight += number(pool, "in_flight");
    }
    Some(total)
}

/// Endpoints that take requests, and all of them.
fn usable(pool: &Value) -> (u64, u64) {
    let endpoints = pool.get("endpoints").and_then(Value::as_array);
    let endpoints = endpoints.map(Vec::as_slice).unwrap_or_default();
    let is = |endpoint: &Value, key: &str| endpoint.get(key).and_then(Value::as_bool) == Some(true);
    let usable = endpoints.iter().filter(|endpoint| {
        endpoint.get("mode").and_then(Value::as_str) == Some("ready")
            && is(endpoint, "healthy")
            && !is(endpoint, "ejected")
            && !is(endpoint, "leaving")
    });
    (usable.count() as u64, endpoints.len() as u64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn decided_replicas_are_told_by_signals_and_fixed_ones_are_the_usable_endpoints() {
        let endpoint =
            |mode, healthy| json!({ "mode": mode, "healthy": healthy, "ejected": false });
        let pools = json!([
            { "name": "a", "waiting": 4, "in_flight": 5, "endpoints": [endpoint("ready", true)] },
            { "name": "b", "waiting": 1, "in_flight": 2, "endpoints":
                [endpoint("ready", true), endpoint("ready", false), endpoint("drain", true)] },
        ]);
        let signals = json!([
            { "pool": "a", "known": true, "ready": 2, "desired": 7, "waiting": 9 },
            { "pool": "b", "known": false },
        ]);
        let found = sum(&pools, &signals).unwrap();
        assert_eq!((found.replicas_ready, found.replicas_wanted), (3, 10));
        assert_eq!((found.waiting, found.in_flight), (5, 7));
        assert_eq!(sum(&json!({ "error": "no" }), &signals), None);
    }
}
