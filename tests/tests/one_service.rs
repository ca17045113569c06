//! What most tests of the protocol stand on: one service for all of Germany, `amt.example`, with one worker, so that
//! sequential requests share an upstream connection.

use std::net::SocketAddr;

use schleuse_tests::{Edge, Response, RunningEdge};

/// A POST whose three bytes must not arrive twice.
pub(crate) const POST: &str =
    "POST /bad HTTP/1.1\r\nHost: amt.example\r\nContent-Length: 3\r\n\r\nabc";

/// So much of a longer body must be there before its request goes to a backend.
pub(crate) const PREFETCH_BYTES: usize = 16 * 1024;

/// A chunk after which the request goes to the backend; ends in `fair` and CRLF.
pub(crate) fn fair_chunk() -> String {
    let filling = "x".repeat(PREFETCH_BYTES - 4);
    format!("{PREFETCH_BYTES:x}\r\n{filling}fair\r\n")
}

/// The service, with options of its own and of its pool.
pub(crate) fn amt(endpoints: &[SocketAddr], service: &str, pool: &str) -> Edge {
    Edge::new()
        .environment("SCHLEUSE_WORKERS", "1")
        .service("amt", &format!("responsible: bund\n{service}"))
        .pool("amt", endpoints, pool)
}

/// The service running before a pool with these endpoints and options.
pub(crate) fn before(endpoints: &[SocketAddr], pool: &str) -> RunningEdge {
    amt(endpoints, "", pool).start()
}

/// Status and reason of an answer that the proxy gave by itself.
pub(crate) fn label(answer: &Response) -> (u16, String) {
    let reason = answer.json()["reason"].as_str().map(str::to_owned);
    (answer.status, reason.unwrap_or_default())
}

/// What [`label`] should be.
pub(crate) fn refusal(status: u16, reason: &str) -> (u16, String) {
    (status, reason.to_owned())
}
