//! `/api/v1/top`: the tenants that have the most of something now.

use schleuse_core::TenantId;
use serde::Serialize;

use super::{query::parameters, reply::Reply, traffic::TrafficView};
use crate::{
    clock,
    edge::Live,
    sight::{
        top::{RankedBy, Rankings},
        traffic::Traffic,
    },
};

const LIMIT_DEFAULT: usize = 10;
const LIMIT_MAX: usize = 100;

#[derive(Debug, Serialize)]
struct Top {
    by: &'static str,
    tenants: Vec<Ranked>,
}

#[derive(Debug, Serialize)]
struct Ranked {
    service: String,
    tenant: String,
    name: Option<String>,
    /// What it is ranked by.
    value: u64,
    #[serde(flatten)]
    traffic: TrafficView,
}

/// The answer to a question for the top.
pub(super) fn top(live: &Live, query: Option<&str>) -> Reply {
    match wanted(query) {
        Ok((by, limit)) => Reply::json(200, &ranked(live, by, limit)),
        Err(wrong) => Reply::problem(400, &wrong),
    }
}

fn wanted(query: Option<&str>) -> Result<(RankedBy, usize), String> {
    let [by, limit] = parameters(query, ["by", "limit"])?;
    let by = by.map_or(Some(RankedBy::Waiting), RankedBy::parse);
    let by = by.ok_or("by is waiting, refused or in_flight")?;
    let limit = limit.map_or(Some(LIMIT_DEFAULT), |limit| limit.parse().ok());
    match limit {
        Some(limit @ 1..=LIMIT_MAX) => Ok((by, limit)),
        _ => Err(format!("limit is a number from 1 to {LIMIT_MAX}")),
    }
}

fn ranked(live: &Live, by: RankedBy, limit: usize) -> Top {
    let now = clock::now();
    let ranking = Rankings::of(live, limit, now).take(by).into_iter();
    let tenants = ranking.filter_map(|(value, key)| {
        let traffic = Traffic::find(live, key, now)?;
        Some(Ranked {
            service: traffic.service.name.clone(),
            tenant: key.tenant.to_string(),
            name: name(live, key.tenant),
            value,
            traffic: TrafficView::new(&traffic),
        })
    });
    Top {
        by: by.name(),
        tenants: tenants.collect(),
    }
}

fn name(live: &Live, tenant: TenantId) -> Option<String> {
    live.snapshot.register.name(tenant).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_has_names_and_bounds() {
        assert_eq!(wanted(None), Ok((RankedBy::Waiting, LIMIT_DEFAULT)));
        let asked = wanted(Some("by=refused&limit=100"));
        assert_eq!(asked, Ok((RankedBy::Refused, 100)));
        for wrong in ["by=age", "by=", "limit=0", "limit=101", "limit=x", "top=3"] {
            assert!(wanted(Some(wrong)).is_err(), "{wrong}");
        }
    }
}
