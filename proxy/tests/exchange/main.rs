//! One pipeline, whatever carries a request: the same gateway serves pingora's HTTP/2 server session and the double in
//! memory, in front of a backend on a real socket. HTTP/1.1 is proven by the black-box tests.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, too, fail by panicking"
)]

mod double;
mod http2;
mod memory;
mod places;
mod support;
mod waiting;
