//! What operators see of traffic: who waits, who is refused and why, how long it takes.
//!
//! Counting is cheap and everywhere, showing is dear and only when somebody asks. A request that is let through at once
//! costs one relaxed addition for its tenant and one for its pool ([`recent`]). What is made of them is put together by
//! the scrape or the question, and bounded by construction: totals, pools, the busiest tenants ([`top`]), and whatever
//! an operator wants to see of single tenants for a while ([`leases`]).

pub mod counts;
pub mod families;
pub mod launches;
pub mod leases;
pub mod pools;
pub mod reasons;
pub mod recent;
pub mod scrape;
pub mod signals;
#[cfg(test)]
mod tests;
pub mod top;
pub mod traffic;
