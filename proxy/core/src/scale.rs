//! How many replicas a pool should have, from what arrives at the proxy.
//!
//! Read [`decide`](decide::decide) first: the judgement, a function of one plain value. [`recommender`] keeps a pool's
//! history and makes that value of it; [`demand`] adds up what several instances report; [`arrivals`] is the statistics
//! of counts, [`staffing`] turns a load into seats, [`learnt`] and [`sketch`] know service time and cold start.
//! [`plan`] is the arithmetic of announced launches, [`hpa`] speaks to Kubernetes' own autoscaler in its terms, and
//! [`order`] says who is woken first when orders are scarce.

pub mod arrivals;
pub mod decide;
pub mod demand;
pub mod hpa;
pub mod learnt;
mod number;
pub mod order;
mod peaks;
pub mod plan;
pub mod policy;
pub mod reason;
pub mod recommender;
pub mod sketch;
pub mod staffing;
