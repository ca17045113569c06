//! What the running proxy says now: its config, the tenant's and the pool's counters.
//!
//! The admin API grows; so every number, word and switch that it says of the tenant and of the pool is shown under the
//! API's own name, and lists are left to whoever asks it directly.

use std::{
    env, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs},
    time::Duration,
};

use schleuse_config::Snapshot;
use serde_json::{Map, Value};

use super::{
    route::Route,
    step::{Step, Steps},
};
use crate::{
    admin_view::hex,
    blocking_client::{Response, exchange},
};

/// Names the admin listener's bearer token.
const TOKEN: &str = "SCHLEUSE_ADMIN_TOKEN";

/// For a connect, and for each read and write.
const PATIENCE: Duration = Duration::from_secs(5);

/// Adds what the admin API at `admin` (by default that of the config) says.
///
/// # Errors
///
/// Why it could not be asked.
pub(super) fn ask(
    admin: Option<&str>,
    snapshot: &Snapshot,
    route: Option<&Route<'_>>,
    steps: &mut Steps,
) -> Result<(), String> {
    let api = Api::new(admin, snapshot)?;
    steps.push(compare(&api.get("/api/v1/status")?, snapshot));
    let Some(route) = route else {
        return Ok(());
    };
    let tenant = api.get(&format!("/api/v1/tenants/{}", route.tenant()));
    steps.push(match tenant {
        Ok(tenant) => of_tenant(&tenant, &route.service.name),
        Err(why) => Step::new("live tenant", "not known", why),
    });
    let pool = api.get(&format!("/api/v1/pools/{}", route.pool.name));
    steps.push(match pool {
        Ok(pool) => of_pool(&pool),
        Err(why) => Step::new("live pool", "not known", why),
    });
    Ok(())
}

/// The admin listener of a running proxy.
struct Api {
    address: SocketAddr,
    authority: String,
    token: Option<String>,
}

impl Api {
    fn new(admin: Option<&str>, snapshot: &Snapshot) -> Result<Self, String> {
        let authority = match (admin, &snapshot.admin) {
            (Some(url), _) => url
                .strip_prefix("http://")
                .ok_or_else(|| {
                    format!("{url} is not the URL of an admin listener: it starts with http://")
                })?
                .trim_end_matches('/')
                .to_owned(),
            (None, Some(admin)) => reachable(admin.address).to_string(),
            (None, None) => {
                return Err(
                    "the config has no `admin`; name one with --live=http://ADDRESS:PORT"
                        .to_owned(),
                );
            }
        };
        let failed = |why: &dyn std::fmt::Display| format!("the admin listener {authority}: {why}");
        let mut addresses = authority
            .to_socket_addrs()
            .map_err(|error| failed(&error))?;
        let address = addresses.next().ok_or_else(|| failed(&"has no address"))?;
        let token = env::var(TOKEN).ok().filter(|token| !token.is_empty());
        if token
            .as_ref()
            .is_some_and(|token| !token.bytes().all(|byte| byte.is_ascii_graphic()))
        {
            return Err(format!("{TOKEN} holds a character that no token has"));
        }
        Ok(Self {
            address,
            authority,
            token,
        })
    }

    /// The answer's JSON.
    fn get(&self, path: &str) -> Result<Value, String> {
        let Response { status, body, .. } = self
            .send(path)
            .map_err(|error| format!("the admin listener {}: {error}", self.authority))?;
        match status {
            200 => serde_json::from_str(&body)
                .map_err(|error| format!("{path} answers with no JSON: {error}")),
            401 => Err(format!(
                "the admin listener asks for its token: set {TOKEN}"
            )),
            _ => Err(format!("{path} answers {status}")),
        }
    }

    fn send(&self, path: &str) -> io::Result<Response> {
        let tcp = TcpStream::connect_timeout(&self.address, PATIENCE)?;
        tcp.set_read_timeout(Some(PATIENCE))?;
        tcp.set_write_timeout(Some(PATIENCE))?;
        let token = self
            .token
            .as_ref()
            .map(|token| format!("Authorization: Bearer {token}\r\n"));
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\n{}Connection: close\r\n\r\n",
            self.authority,
            token.unwrap_or_default()
        );
        exchange(&mut &tcp, &request)
    }
}

/// Where a listener on all addresses is reached from here.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Whether the steps above speak of the config that is in force.
fn compare(status: &Value, snapshot: &Snapshot) -> Step {
    let live = status.pointer("/config/hash").and_then(Value::as_str);
    let here = hex(&snapshot.hash);
    let same = live == Some(here.as_str());
    let generation = status
        .pointer("/config/generation")
        .cloned()
        .unwrap_or_default();
    let decision = if same {
        "the same config"
    } else {
        "another config"
    };
    let reason = if same {
        format!("generation {generation} is what stands on disk")
    } else {
        format!(
            "generation {generation} in force differs from the files here: the steps above may not hold there"
        )
    };
    Step::new("live config", decision, reason)
        .fact("same", same)
        .fact("generation", generation)
}

/// The entry of the service in the tenant's answer.
fn of_tenant(tenant: &Value, service: &str) -> Step {
    let services = tenant.get("services").and_then(Value::as_array);
    let entry = services
        .into_iter()
        .flatten()
        .find(|entry| entry.get("service").and_then(Value::as_str) == Some(service));
    let mut facts = Map::new();
    if let Some(entry) = entry {
        flatten(entry, "", &mut facts);
    }
    for known in [
        "service",
        "pool",
        "office.ars",
        "office.name",
        "office.inhabitants",
    ] {
        facts.remove(known);
    }
    with_facts("live tenant", facts)
}

fn of_pool(pool: &Value) -> Step {
    let mut facts = Map::new();
    flatten(pool, "", &mut facts);
    facts.remove("name");
    let endpoints = pool.get("endpoints").and_then(Value::as_array);
    let endpoints = endpoints.map(Vec::as_slice).unwrap_or_default();
    for key in ["in_flight", "seats"] {
        let sum = endpoints
            .iter()
            .filter_map(|endpoint| endpoint.get(key).and_then(Value::as_u64))
            .sum::<u64>();
        facts.entry(key).or_insert_with(|| sum.into());
    }
    with_facts("live pool", facts)
}

/// All scalars below `value`, under their path.
fn flatten(value: &Value, prefix: &str, facts: &mut Map<String, Value>) {
    let Some(entries) = value.as_object() else {
        return;
    };
    for (name, value) in entries {
        let path = if prefix.is_empty() {
            name.clone()
        } else {
            format!("{prefix}.{name}")
        };
        match value {
            Value::Object(_) => flatten(value, &path, facts),
            Value::Array(_) => {}
            scalar => {
                facts.insert(path, scalar.clone());
            }
        }
    }
}

fn with_facts(name: &'static str, facts: Map<String, Value>) -> Step {
    let said: Vec<_> = facts
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| match value {
            Value::String(text) => format!("{name} {text}"),
            other => format!("{name} {other}"),
        })
        .collect();
    let decision = if said.is_empty() {
        "nothing is counted".to_owned()
    } else {
        said.join(", ")
    };
    Step {
        facts,
        ..Step::new(name, decision, "")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn whatever_the_api_says_of_the_tenant_in_this_service_is_shown() {
        let tenant = json!({ "ars": "11", "services": [
            { "service": "other", "in_flight": 9 },
            { "service": "wohngeld", "pool": "a", "in_flight": 4, "wait_ms": { "p50": 12.5 }, "list": [1] },
        ] });
        let step = of_tenant(&tenant, "wohngeld");
        assert_eq!(step.decision, "in_flight 4, wait_ms.p50 12.5");
        assert_eq!(
            of_tenant(&json!({}), "wohngeld").decision,
            "nothing is counted"
        );
    }

    #[test]
    fn seats_and_requests_in_flight_are_added_up_over_the_endpoints() {
        let pool = json!({ "name": "a", "arrivals": 7, "endpoints": [
            { "in_flight": 1, "seats": 20 }, { "in_flight": 2, "seats": 20 },
        ] });
        let step = of_pool(&pool);
        assert_eq!(step.decision, "arrivals 7, in_flight 3, seats 40");
    }

    #[test]
    fn a_listener_on_all_addresses_is_reached_on_loopback() {
        let reached = |address: &str| reachable(address.parse().unwrap()).to_string();
        assert_eq!(reached("0.0.0.0:9900"), "127.0.0.1:9900");
        assert_eq!(reached("[::]:9900"), "[::1]:9900");
        assert_eq!(reached("10.0.0.5:9900"), "10.0.0.5:9900");
    }
}
