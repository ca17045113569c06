//! Where the request would wait, with what weight, and how long each part may take.

use schleuse_config::{Pool, Snapshot, spell_duration, spell_size};
use schleuse_core::FairBy;
use schleuse_http1::RequestHead;

use super::{
    route::Route,
    seats::Seats,
    step::{Step, Steps, grouped},
};

pub(super) fn trace(head: &RequestHead, snapshot: &Snapshot, route: &Route<'_>, steps: &mut Steps) {
    explain_weight(snapshot, route, steps);
    explain_queue(route.pool, steps);
    if head.websocket() {
        let streams = route.pool.policy.streams_max;
        let why = "a WebSocket leaves its seat once the backend agreed; 503 beyond";
        steps.push(
            Step::new("streams", format!("{streams} per endpoint"), why)
                .fact("streams_max", streams),
        );
    }
    explain_timeouts(route, steps);
    if let Some(affinity) = &route.service.affinity {
        let why = "a signed cookie keeps the session on its endpoint while that is up";
        let decision = format!("for {}", spell_duration(affinity.ttl));
        steps.push(Step::new("affinity", decision, why));
    }
}

fn explain_weight(snapshot: &Snapshot, route: &Route<'_>, steps: &mut Steps) {
    let tenant = route.tenant();
    let own = snapshot.weights.find(tenant);
    let weight = snapshot.weight(tenant);
    let source = if own.is_some() {
        "`weight` of the tenant's override"
    } else {
        "its inhabitants"
    };
    let (fair_by, decision, why) = match route.pool.policy.queue.fair_by {
        FairBy::Population => ("population", grouped(weight), source.to_owned()),
        FairBy::SquareRoot => (
            "square_root",
            grouped(weight.isqrt()),
            format!("the square root of {}, {source}", grouped(weight)),
        ),
        FairBy::Equal => (
            "equal",
            "1".to_owned(),
            "every tenant counts the same".to_owned(),
        ),
        FairBy::None => (
            "none",
            "none".to_owned(),
            "first come, first served, whoever it is".to_owned(),
        ),
    };
    steps.push(
        Step::new("weight", decision, format!("{why} (`fair_by: {fair_by}`)"))
            .fact("weight", weight)
            .fact("fair_by", fair_by)
            .fact("own_weight", own.is_some()),
    );
}

fn explain_queue(pool: &Pool, steps: &mut Steps) {
    let queue = &pool.policy.queue;
    let seats = Seats::of(pool);
    let share = |places: u32| (u64::from(places) * u64::from(queue.client_share) / 100).max(1);
    let (client, client_in_all) = (
        share(queue.waiting_per_tenant_max),
        share(queue.waiting_max),
    );
    let (decision, why) = if queue.waiting_max == 0 {
        let why = format!("503 when all {seats} are taken (`waiting_max: 0`)");
        ("does not wait".to_owned(), why)
    } else {
        let why = format!(
            "while all {seats} are taken; 503 at once where the wait would be longer\nplaces: {} in all, {} per tenant; of them {} and {} per client network; memory: {} in all, {} per tenant",
            grouped(queue.waiting_max.into()),
            grouped(queue.waiting_per_tenant_max.into()),
            grouped(client_in_all),
            grouped(client),
            spell_size(queue.bytes_max),
            spell_size(queue.bytes_per_tenant_max),
        );
        (
            format!("waits at most {}", spell_duration(queue.wait_max)),
            why,
        )
    };
    steps.push(
        Step::new("queue", decision, why)
            .fact("wait_max_seconds", queue.wait_max.as_secs_f64())
            .fact("waiting_max", queue.waiting_max)
            .fact("waiting_per_tenant_max", queue.waiting_per_tenant_max)
            .fact("waiting_per_client_max", client)
            .fact("waiting_per_client_max_in_all", client_in_all)
            .fact("bytes_max", queue.bytes_max)
            .fact("bytes_per_tenant_max", queue.bytes_per_tenant_max),
    );
}

fn explain_timeouts(route: &Route<'_>, steps: &mut Steps) {
    let timeouts = &route.pool.timeouts;
    let why = format!(
        "for the whole exchange (`timeout`); connect {}, first byte {}, pauses {}",
        spell_duration(timeouts.connect),
        spell_duration(timeouts.first_byte),
        spell_duration(timeouts.idle),
    );
    let timeout = route.service.timeout;
    steps.push(
        Step::new("timeout", spell_duration(timeout), why)
            .fact("timeout_seconds", timeout.as_secs_f64())
            .fact("connect_seconds", timeouts.connect.as_secs_f64())
            .fact("first_byte_seconds", timeouts.first_byte.as_secs_f64())
            .fact("idle_seconds", timeouts.idle.as_secs_f64()),
    );
}
