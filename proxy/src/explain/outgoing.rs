//! What the backend would get: the request line, and the fields that are set and removed.

use std::net::{IpAddr, Ipv4Addr};

use bytes::BytesMut;
use schleuse_config::Snapshot;
use schleuse_http1::RequestHead;
use serde_json::{Map, Value};

use super::{
    asked::Asked,
    route::Route,
    step::{Step, Steps},
};
use crate::outgoing::{About, write_set_value, write_target};

pub(super) fn trace(
    asked: &Asked,
    head: &RequestHead,
    snapshot: &Snapshot,
    route: &Route<'_>,
    steps: &mut Steps,
) {
    let mut line = BytesMut::new();
    write_target(&mut line, head, route.service, route.found.strip);
    let line = String::from_utf8_lossy(&line).trim_end().to_owned();
    let set = fields_set(snapshot, route);
    let mut reason = String::new();
    for (name, value) in &set {
        reason.push_str(name);
        reason.push_str(": ");
        reason.push_str(value);
        reason.push('\n');
    }
    if asked.from.is_none() && reason.contains(UNKNOWN) {
        let hint = format!("({UNKNOWN} stands for the client, which --from ADDRESS names)\n");
        reason.push_str(&hint);
    }
    let removed = &route.service.headers_remove;
    if !removed.is_empty() {
        reason.push_str("removed: ");
        reason.push_str(&removed.join(", "));
    }
    let set: Map<String, Value> = set
        .into_iter()
        .map(|(name, value)| (name, Value::from(value)))
        .collect();
    steps.push(
        Step::new("goes out as", line.clone(), reason)
            .fact("request_line", line)
            .fact("set", set)
            .fact("removed", removed.clone()),
    );
}

/// Shown for a client that nobody named.
const UNKNOWN: &str = "0.0.0.0";

/// The operator's fields, then ours.
fn fields_set(snapshot: &Snapshot, route: &Route<'_>) -> Vec<(String, String)> {
    let about = About {
        register: &snapshot.register,
        service: route.service,
        tenant: route.tenant(),
        client: route.client.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
    };
    let mut fields: Vec<_> = route
        .service
        .headers_set
        .iter()
        .map(|(name, value)| {
            let mut written = BytesMut::new();
            write_set_value(&mut written, value, &about);
            (name.clone(), String::from_utf8_lossy(&written).into_owned())
        })
        .collect();
    fields.push(("Schleuse-Service".to_owned(), route.service.name.clone()));
    fields.push(("Schleuse-Tenant".to_owned(), route.tenant().to_string()));
    fields
}
