//! What a Schleuse tells about its pools while it is loaded: replicas, and who waits.
//!
//! Two questions: `/api/v1/pools` knows every pool, `/api/v1/signals` how many replicas there should be where that is decided. A
//! pool of fixed endpoints has as many replicas as usable endpoints.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use serde_json::Value;

use crate::results::PoolSecond;

/// The admin API is on the same network, and a second is soon over.
const TIME_MAX: Duration = Duration::from_millis(200);
/// Bytes of an answer that are read; ten thousand pools need a tenth.
const BYTES_MAX: u64 = 1 << 26;

/// The sums over all pools of the Schleuse whose admin API that is; none when it does not answer in time.
pub(super) fn ask(admin: SocketAddr) -> Option<PoolSecond> {
    let pools = get(admin, "/api/v1/pools")?;
    let signals = get(admin, "/api/v1/signals").unwrap_or_default();
    sum(&pools, &signals)
}

fn get(admin: SocketAddr, path: &str) -> Option<Value> {
    let mut stream = TcpStream::connect_timeout(&admin, TIME_MAX).ok()?;
    stream.set_read_timeout(Some(TIME_MAX)).ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.take(BYTES_MAX).read_to_end(&mut answer).ok()?;
    let body = answer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    serde_json::from_slice(answer.get(body..)?).ok()
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
