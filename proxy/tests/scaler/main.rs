//! KEDA's side of the scaler, over real sockets: what its own client does, in its order, and what it makes of the answers.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, too, fail by panicking"
)]

mod client;
mod decided;
mod keda;
mod mutual_tls;
mod site;
mod streams;
mod values;
