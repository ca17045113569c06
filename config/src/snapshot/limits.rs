//! Who may ask how much: the limits of a service, the budgets of the process, and what a heavy route costs.
//!
//! All of it is read once per request or less, so everything here is a plain value: no lock, no allocation, no hash.

use std::time::Duration;

use schleuse_core::Quota;

/// Requests per second beyond which a rate means "no limit": far above what one process can serve.
pub const RATE_PER_SECOND_MAX: f64 = 1_000_000.0;

/// The least rate of a tenant that is limited at all, one request in 100 hours: a place without inhabitants must not be
/// one without a limit.
pub(crate) const RATE_PER_SECOND_MIN: f64 = 0.01 / 3600.0;

/// What one tenant and one client network may ask of a service.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ServiceLimits {
    /// Each tenant on its own; none: no limit but the queue's.
    pub tenant: Option<TenantLimit>,
    /// Each client network on its own; none: no limit but the connections'.
    pub client: Option<ClientLimit>,
}

/// What one tenant may ask of a service.
#[derive(Debug, Clone, PartialEq)]
pub struct TenantLimit {
    /// Requests per second, the same for every tenant; 0 when none was written.
    pub rate_per_second: f64,
    /// Requests per second, added for each 1,000 inhabitants; 0 when none was written.
    pub per_1000_inhabitants: f64,
    /// How much may come at once.
    pub burst: Burst,
    /// What happens to a request beyond the rate.
    pub over: Over,
    /// Counts what it would refuse or hold up, and does neither.
    pub observe: bool,
    /// Requests in flight at once; beyond it they wait. None: no limit.
    pub in_flight: Option<u32>,
}

impl TenantLimit {
    /// The rate of a tenant with that many inhabitants, requests per second; none: its rate is not limited.
    pub fn rate_of(&self, inhabitants: u64) -> Option<f64> {
        if self.rate_per_second <= 0.0 && self.per_1000_inhabitants <= 0.0 {
            return None;
        }
        #[expect(clippy::cast_precision_loss, reason = "inhabitants are far below 2^52")]
        let thousands = inhabitants as f64 / 1000.0;
        let rate = self.rate_per_second + self.per_1000_inhabitants * thousands;
        Some(rate.clamp(RATE_PER_SECOND_MIN, RATE_PER_SECOND_MAX))
    }

    /// Rate and burst of a tenant with that many inhabitants; none: its rate is not limited.
    pub fn quota(&self, inhabitants: u64) -> Option<Quota> {
        let rate = self.rate_of(inhabitants)?;
        Some(Quota::new(rate, self.burst.requests(rate)))
    }
}

/// What one client network may ask of a service.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientLimit {
    /// Requests per second. Above 0.
    pub rate_per_second: f64,
    /// How much may come at once.
    pub burst: Burst,
    /// Counts what it would refuse, and refuses nothing.
    pub observe: bool,
}

/// How much may come at once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Burst {
    /// That many requests.
    Requests(u32),
    /// What the rate gives in that time.
    Time(Duration),
}

impl Burst {
    /// In requests at this rate (per second); at least one, because below that nothing would ever pass.
    pub fn requests(self, rate_per_second: f64) -> f64 {
        let requests = match self {
            Self::Requests(count) => f64::from(count),
            Self::Time(time) => rate_per_second * time.as_secs_f64(),
        };
        requests.max(1.0)
    }
}

/// What happens to a request beyond its tenant's rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// It waits in the queue until the rate allows it (default).
    Wait,
    /// It is answered with 429 at once.
    Refuse,
}

/// A route that costs more than others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cost {
    /// Only requests with this method; none: all.
    pub method: Option<String>,
    /// How the raw path starts, once the tenant's segment was cut. Starts with `/`.
    pub path: String,
    /// In ordinary requests, 1 to 100.
    pub cost: u32,
}

impl Cost {
    /// Whether a request is one of these. `path` is raw, without the tenant's segment and without the query; empty
    /// stands for `/`.
    pub fn applies(&self, method: &str, path: &str) -> bool {
        let path = if path.is_empty() { "/" } else { path };
        path.starts_with(&self.path) && self.method.as_ref().is_none_or(|only| only == method)
    }
}

/// What the process may use before it begins to refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overload {
    /// Held requests of all pools, bytes.
    pub held_bytes_max: u64,
    /// How late a worker may be.
    pub lag_max: Duration,
    /// Share of the file handles that connections of clients may take, percent.
    pub file_handles_percent: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(rate: f64, per_1000: f64) -> TenantLimit {
        TenantLimit {
            rate_per_second: rate,
            per_1000_inhabitants: per_1000,
            burst: Burst::Time(Duration::from_secs(2)),
            over: Over::Wait,
            observe: false,
            in_flight: None,
        }
    }

    #[test]
    fn a_tenants_rate_grows_with_its_inhabitants() {
        let berlin = limit(5.0, 0.2).rate_of(3_685_265).unwrap();
        assert!((berlin - 742.053).abs() < 1e-6, "{berlin}");
        let groede = limit(5.0, 0.2).rate_of(7).unwrap();
        assert!((groede - 5.0014).abs() < 1e-6, "{groede}");
    }

    #[test]
    fn no_rate_is_no_limit_nobody_is_a_tiny_one_and_a_rate_beyond_all_is_capped() {
        assert_eq!(limit(0.0, 0.0).rate_of(7), None);
        assert_eq!(limit(0.0, 0.2).rate_of(0), Some(RATE_PER_SECOND_MIN));
        let all = limit(RATE_PER_SECOND_MAX, RATE_PER_SECOND_MAX).rate_of(u64::MAX);
        assert_eq!(all, Some(RATE_PER_SECOND_MAX));
    }

    #[test]
    fn a_quota_has_the_tenants_rate_and_burst() {
        let berlin = limit(5.0, 0.2).quota(3_685_265).unwrap();
        assert!((berlin.rate_per_second() - 742.053).abs() < 0.01);
        assert!(
            (berlin.burst() - 1484.106).abs() < 0.1,
            "{}",
            berlin.burst()
        );
        let tiny = limit(0.0, 0.2).quota(7).unwrap();
        assert!((tiny.burst() - 1.0).abs() < 1e-9);
        assert_eq!(limit(0.0, 0.0).quota(7), None);
    }

    #[test]
    fn a_burst_lets_at_least_one_request_through() {
        let time = Burst::Time(Duration::from_secs(2));
        assert!((time.requests(10.0) - 20.0).abs() < 1e-9);
        assert!((time.requests(0.001) - 1.0).abs() < 1e-9);
        assert!((Burst::Requests(7).requests(0.001) - 7.0).abs() < 1e-9);
    }

    #[test]
    fn a_cost_applies_to_its_method_and_the_start_of_the_path() {
        let upload = Cost {
            method: Some("POST".to_owned()),
            path: "/upload/".to_owned(),
            cost: 4,
        };
        assert!(upload.applies("POST", "/upload/1"));
        assert!(!upload.applies("GET", "/upload/1"));
        assert!(!upload.applies("POST", "/upload"));
        let all = Cost {
            method: None,
            path: "/".to_owned(),
            cost: 2,
        };
        assert!(all.applies("GET", "") && all.applies("PUT", "/a"));
    }
}
