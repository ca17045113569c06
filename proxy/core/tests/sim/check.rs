//! What must be true after each step.

use schleuse_core::{
    EndpointView, FairBy, FlowKey, Mode, PoolPhase, Refusal, Refused, SharedRate, Slot, Timestamp,
    Waiting, WakeNews,
};

use crate::{
    scene::{Queued, Scene, Tenant},
    world::World,
};

fn sound(view: &EndpointView) -> bool {
    !view.starting && view.healthy && view.ejected_until.is_none() && view.paused_until.is_none()
}

/// Whether new requests may go there when nobody is usable.
fn serves(view: &EndpointView) -> bool {
    view.listed && view.mode == Mode::Ready && !view.starting
}

/// Whether no endpoint serves and somebody can start one.
fn cold(scene: &Scene, now: Timestamp) -> bool {
    let views = views(scene, now);
    let mut listed = views.iter().filter(|view| view.listed).peekable();
    let taken_out = listed.peek().is_some() && listed.all(|view| view.mode != Mode::Ready);
    scene.policy.activation.is_some() && !taken_out && !views.iter().any(serves)
}

/// Whether one who waits could be given a seat, sessions of draining endpoints aside.
fn seat_is_free(views: &[EndpointView]) -> bool {
    let ready: Vec<&EndpointView> = views.iter().filter(|view| serves(view)).collect();
    let usable = ready.iter().any(|view| sound(view));
    let asked = |view: &&&EndpointView| {
        if usable {
            sound(view)
        } else {
            view.paused_until.is_none()
        }
    };
    let mut candidates = ready.iter().filter(asked);
    candidates.any(|view| view.in_flight < view.seats)
}

fn views(scene: &Scene, now: Timestamp) -> Vec<EndpointView> {
    scene.pool.views(&scene.policy, now).collect()
}

/// Whether the rate of those of a tenant who wait holds the next one.
fn rated(scene: &Scene, tenant: &Tenant, now: Timestamp) -> bool {
    let latched = scene.latched.get(&tenant.flow);
    let quota = latched.and_then(|latched| latched.quota);
    quota.is_some_and(|quota| tenant.rate.with(|rate| rate.earliest(&quota, now, 0)) > now)
}

/// Whether only a seat is missing to the next request of the tenant of this number.
fn eligible(scene: &Scene, number: usize, tenant: &Tenant, now: Timestamp) -> bool {
    let Some(latched) = scene.latched.get(&tenant.flow) else {
        return false;
    };
    let view = scene.pool.flow(tenant.flow);
    let in_flight = view.as_ref().map_or(0, |view| view.in_flight);
    if tenant.changed && view.is_some_and(|view| view.rated_until > Some(now)) {
        return false;
    }
    let passes = scene.readmitted(number, now) || !rated(scene, tenant, now);
    in_flight < latched.in_flight_max && passes
}

/// No seat is free while somebody waits who could have it.
pub(crate) fn nobody_is_forgotten(world: &World, index: usize) {
    let (scene, now) = (&world.scenes[index], world.now);
    let views = views(scene, now);
    let free = seat_is_free(&views);
    for (number, tenant) in world.tenants.iter().enumerate() {
        if !eligible(scene, number, tenant, now) {
            continue;
        }
        for queued in scene.waiting(number, now) {
            assert!(
                !free,
                "P33: {queued:?} could go: {:?} {views:?}",
                scene.pool.flow(tenant.flow)
            );
            let own = views.iter().find(|view| Some(view.id) == queued.preferred);
            let drained = own.filter(|view| view.mode == Mode::Drain && view.listed);
            let goes = drained.is_some_and(|view| sound(view) && view.in_flight < view.seats)
                && (queued.readmitted || !rated(scene, tenant, now));
            assert!(!goes, "P33: {queued:?} could go to its session");
        }
    }
}

pub(crate) fn all(world: &mut World, index: usize) {
    nobody_is_forgotten(world, index);
    woken(&world.scenes[index], world.now);
    capacity(world, index);
    counts(world, index);
    fairness(world, index);
}

/// What one that waits was promised: its time, and that it will probably be enough.
pub(crate) fn promise(scene: &Scene, request: Queued, waiting: Waiting, now: Timestamp) -> Queued {
    let until = waiting.until;
    assert!(until == request.until || cold(scene, now) && until < request.until);
    assert!(waiting.predicted <= until - now, "{waiting:?}");
    Queued { until, ..request }
}

/// There is one attempt at a time, none in a pause, and one whenever somebody waits for a pool that sleeps.
pub(crate) fn wakes(scene: &mut Scene, now: Timestamp) {
    let view = scene.pool.activation(&scene.policy, now);
    let wakes = &mut scene.wakes;
    match scene.pool.take_news() {
        Some(WakeNews::Wake { attempt }) => {
            assert_eq!(attempt, wakes.last + 1);
            assert_eq!(wakes.open.replace(attempt), None, "two at a time");
            assert!(now >= wakes.paused_until, "in a pause");
            wakes.last = attempt;
        }
        Some(WakeNews::Failed { attempt, until, .. }) => {
            assert_eq!(attempt, wakes.last);
            assert!(until > now);
            wakes.open = None;
            wakes.paused_until = until;
        }
        Some(WakeNews::Awake { .. }) | None => {}
    }
    assert_eq!(scene.pool.take_news(), None, "once");
    // Who cannot be started any more, or serves, starts anew.
    if view.is_none_or(|view| view.phase == PoolPhase::Ready) {
        (wakes.open, wakes.paused_until) = (None, now);
    }
    let Some(view) = view else { return };
    let waking = match view.phase {
        PoolPhase::Waking { attempt, .. } => Some(attempt),
        _ => None,
    };
    assert_eq!(waking, wakes.open, "{view:?}");
}

/// Who waits for a pool that sleeps has woken it.
fn woken(scene: &Scene, now: Timestamp) {
    if let Some(view) = scene.pool.activation(&scene.policy, now)
        && cold(scene, now)
        && scene.pool.queue(&scene.policy, now).waiting > 0
    {
        assert!(
            matches!(
                view.phase,
                PoolPhase::Waking { .. } | PoolPhase::Failed { .. }
            ),
            "{view:?}"
        );
    }
}

/// Seats and streams are what was given out, and never more than there were.
fn capacity(world: &mut World, index: usize) {
    let now = world.now;
    let scene = &mut world.scenes[index];
    let views = views(scene, now);
    let concurrency = scene.policy.share.of(scene.policy.concurrency).max(1);
    scene.seats_max = scene.seats_max.max(concurrency);
    for view in &views {
        let held = scene
            .held
            .iter()
            .filter(|held| held.slot.endpoint == view.id);
        assert_eq!(view.in_flight as usize, held.count(), "{view:?}");
        assert!(view.in_flight <= scene.seats_max, "{view:?}");
        assert!(view.listed || view.in_flight > 0 || view.streams > 0);
    }
    let streams: u32 = views.iter().map(|view| view.streams).sum();
    assert_eq!(streams as usize, scene.streams.len());
    let totals = scene.pool.totals();
    assert_eq!(totals.admitted, totals.departed + scene.pool.in_flight());
    assert_eq!(scene.pool.in_flight(), scene.held.len() as u64);
}

/// Tickets, places, bytes and flows are what the model knows.
fn counts(world: &mut World, index: usize) {
    let now = world.now;
    let scene = &mut world.scenes[index];
    let view = scene.pool.queue(&scene.policy, now);
    let totals = scene.pool.totals();
    assert_eq!(totals.queued, scene.ended + scene.queued.len() as u64);
    assert_eq!(
        totals.queued,
        totals.granted
            + totals.gone
            + totals.expired
            + totals.turned_away
            + scene.queued.len() as u64
    );
    let in_time = scene.queued.values().filter(|queued| queued.until >= now);
    assert!((in_time.count()..=scene.queued.len()).contains(&(view.waiting as usize)));
    assert!(view.waiting_for_seats <= view.waiting);
    assert!(view.virtual_time >= scene.virtual_time, "virtual time fell");
    scene.virtual_time = view.virtual_time;

    let (mut waiting, mut bytes, mut in_flight, mut active) = (0, 0, 0, 0);
    for (_, flow) in scene.pool.flows() {
        waiting += flow.waiting;
        bytes += flow.waiting_bytes;
        in_flight += u64::from(flow.in_flight);
        active += u64::from(flow.waiting + flow.in_flight > 0);
        assert!(flow.waiting > 0 || flow.rated_until.is_none() && !flow.limited);
    }
    assert_eq!(
        (waiting, bytes, active),
        (view.waiting, view.waiting_bytes, view.active_flows)
    );
    assert_eq!(in_flight, scene.pool.in_flight());
    assert!(view.flows <= world.tenants.len());
}

/// The bound between any two flows that stay backlogged and eligible.
pub(crate) fn fairness(world: &mut World, index: usize) {
    let now = world.now;
    let ready: Vec<FlowKey> = ready(world, index, now);
    let scene = &mut world.scenes[index];
    if scene.policy.queue.fair_by == FairBy::None {
        return;
    }
    // Those whose debt the cap may have cut owe less than they were served.
    let view = scene.pool.queue(&scene.policy, now);
    let flows: Vec<_> = scene
        .pool
        .flows()
        .filter(|(_, flow)| flow.waiting + flow.in_flight > 0)
        .collect();
    let weights: f64 = flows.iter().map(|(_, flow)| flow.weight).sum();
    let cap = 15.0 * f64::from(view.seats) / weights;
    if flows.iter().any(|(_, flow)| flow.ahead > 0.5 * cap) {
        scene.meter.restart();
        return;
    }
    for (flow, view) in flows {
        scene.meter.weigh(flow, view.weight, view.ahead);
    }
    scene.meter.look(&ready, now);
}

/// Flows that miss nothing but a seat.
fn ready(world: &World, index: usize, now: Timestamp) -> Vec<FlowKey> {
    let scene = &world.scenes[index];
    let tenants = world.tenants.iter().enumerate();
    tenants
        .filter(|(number, _)| scene.waiting(*number, now).next().is_some())
        .filter(|(number, tenant)| eligible(scene, *number, tenant, now))
        .map(|(_, tenant)| tenant.flow)
        .collect()
}

/// Who could be next, with their tags, before a dispatch.
pub(crate) fn turns(world: &World, index: usize) -> Vec<(FlowKey, f64)> {
    let pool = &world.scenes[index].pool;
    let ready = ready(world, index, world.now).into_iter();
    let tag = |flow| {
        let view = pool.flow(flow)?;
        // Whoever was held by its rate begins at the virtual time.
        let held = view.rated_until.is_some();
        Some((
            flow,
            if held {
                view.ahead.max(0.0)
            } else {
                view.ahead
            },
        ))
    };
    ready.filter_map(tag).collect()
}

/// The one that was dispatched was in time, the next of its flow, and its flow the one with the least tag.
pub(crate) fn turn(
    scene: &Scene,
    flow: FlowKey,
    turns: &[(FlowKey, f64)],
    granted: &Queued,
    slot: &Slot,
    now: Timestamp,
) {
    assert!(granted.until >= now, "dispatched after its time");
    let fifo = scene.policy.queue.fair_by == FairBy::None;
    if mode_of(scene, slot, now) == Mode::Drain {
        assert_eq!(granted.preferred, Some(slot.endpoint));
        return;
    }
    let earlier = scene
        .waiting(granted.tenant, now)
        .filter(|other| other.number < granted.number);
    assert!(
        granted.readmitted || !scene.readmitted(granted.tenant, now),
        "who had a seat already goes first"
    );
    let overtaken = earlier.filter(|other| {
        if granted.readmitted {
            other.readmitted
        } else {
            fifo || other.class == granted.class
        }
    });
    assert_eq!(overtaken.count(), 0, "overtaken in its own flow");
    let own = turns.iter().find(|(other, _)| *other == flow);
    let (_, own) = own.expect("who goes is eligible");
    if !fifo {
        let least = turns.iter().map(|(_, tag)| *tag);
        let least = least.fold(f64::INFINITY, f64::min);
        let tolerance = 1e-9 * least.abs();
        assert!(*own <= least + tolerance, "{own} is not the least, {least}");
    }
}

fn mode_of(scene: &Scene, slot: &Slot, now: Timestamp) -> Mode {
    let mut views = scene.pool.views(&scene.policy, now);
    let view = views.find(|view| view.id == slot.endpoint);
    view.expect("a slot's endpoint is known").mode
}

/// The seat that was given out was free.
pub(crate) fn seat(scene: &mut Scene, flow: FlowKey, slot: &Slot, now: Timestamp) {
    let in_flight = scene.pool.flow(flow).map_or(0, |view| view.in_flight);
    let limit = scene
        .latched
        .get(&flow)
        .map(|latched| latched.in_flight_max);
    assert!(
        limit.is_none_or(|limit| in_flight <= limit),
        "{in_flight} of {limit:?}"
    );
    let views = views(scene, now);
    let view = views.iter().find(|view| view.id == slot.endpoint);
    let view = view.expect("a slot's endpoint is known");
    assert!(view.listed && view.mode != Mode::Maintenance, "{view:?}");
    assert!(!view.starting && view.paused_until.is_none(), "{view:?}");
    assert!(view.in_flight <= view.seats, "{view:?}");
    if view.mode == Mode::Drain {
        // Its session went before all who wait.
        scene.meter.restart();
    }
}

/// After one was taken in, no bound of the queue is exceeded.
pub(crate) fn bounds(scene: &Scene, tenant: &Tenant, queued: &Queued, now: Timestamp) {
    let policy = &scene.policy.queue;
    let view = scene.pool.queue(&scene.policy, now);
    assert!(view.waiting <= policy.waiting_max);
    assert!(view.waiting_bytes <= policy.bytes_max);
    let flow = scene.pool.flow(tenant.flow).expect("it has a ticket");
    assert!(flow.waiting <= policy.waiting_per_tenant_max);
    assert!(flow.waiting_bytes <= policy.bytes_per_tenant_max);
    let of_tenant = scene.waiting(queued.tenant, now);
    let of_client = of_tenant.filter(|other| other.client == queued.client);
    let places = policy.waiting_per_tenant_max * policy.client_share / 100;
    assert!(of_client.count() <= places.max(1) as usize);
}

/// A refusal says something that is true, and when to come back.
pub(crate) fn refusal(scene: &Scene, tenant: &Tenant, refused: &Refused, now: Timestamp) {
    let Refused {
        refusal,
        retry_after,
    } = *refused;
    let queue = &scene.policy.queue;
    match refusal {
        Refusal::TenantRate => {
            let at = now + retry_after.expect("a rate's wait is known");
            let latched = scene
                .latched
                .get(&tenant.flow)
                .and_then(|latched| latched.quota);
            let own = tenant.quota.map(|quota| quota.share(scene.policy.share));
            let passes = |quota| tenant.rate.get().take(&quota, at).is_ok();
            assert!(
                latched.into_iter().chain(own).any(passes),
                "P32: {refused:?} {latched:?} {own:?} {:?}",
                tenant.rate
            );
        }
        Refusal::NoEndpoint => {
            assert_eq!(retry_after, None);
            assert!(!cold(scene, now));
        }
        Refusal::Starting | Refusal::StartFailed => {
            assert!(cold(scene, now));
            assert!(retry_after.is_some_and(|after| after.as_secs() >= 1));
        }
        Refusal::PoolFull => {
            assert!(queue.waiting_max == 0 || queue.wait_max.is_zero());
        }
        Refusal::ClientWaiting
        | Refusal::TenantQueueFull
        | Refusal::QueueFull
        | Refusal::WaitTooLong
        | Refusal::WaitExpired => {
            assert!(retry_after.is_some_and(|after| after.as_secs() >= 1));
        }
        other => panic!("{other:?} is not for a pool to say"),
    }
}

/// A request that reached nobody is not kept: it has no time left, or the pool keeps nobody, or no hope is left.
pub(crate) fn stands(scene: &Scene, request: &Queued, now: Timestamp) {
    let queue = &scene.policy.queue;
    let keeps = queue.waiting_max > 0 && !queue.wait_max.is_zero();
    let views = views(scene, now);
    let mut serving = views.iter().filter(|view| serves(view)).peekable();
    let hopeless = serving.peek().is_some() && serving.all(|view| view.failures > 0);
    assert!(
        request.until <= now || !keeps || hopeless,
        "{request:?} {views:?}"
    );
}

/// Nothing waits, nothing is in flight, nothing is counted.
pub(crate) fn empty(world: &World, index: usize) {
    let scene = &world.scenes[index];
    let view = scene.pool.queue(&scene.policy, world.now);
    assert_eq!(
        (view.waiting, view.waiting_bytes, view.active_flows),
        (0, 0, 0)
    );
    assert_eq!((view.waiting_for_seats, view.drain.as_micros()), (0, 0));
    let due = scene.pool.due(&scene.policy, world.now);
    assert!(
        due.is_none() || scene.policy.activation.is_some(),
        "{due:?}"
    );
    assert_eq!(scene.pool.in_flight(), 0);
    assert!(
        scene
            .pool
            .views(&scene.policy, world.now)
            .all(|view| view.listed)
    );
}
