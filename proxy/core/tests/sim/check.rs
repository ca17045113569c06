//! What must be true after each step.

use schleuse_core::{
    EndpointId, EndpointView, Failure, FairBy, FlowKey, FlowView, Mode, Outcome, PoolPhase,
    Refusal, Refused, SharedRate, Slot, Timestamp, Waiting, WakeNews,
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
            assert!(
                !goes,
                "P33: {queued:?} could go to its session: {:?} {views:?}",
                scene.pool.flow(tenant.flow)
            );
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
    scene.pool_seats_max = scene.pool_seats_max.max(view.seats);
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
    // Whoever is so far away may have been brought back in reach: it owes less than it was served, or gets less back.
    let half = 0.5 * reach(scene, scene.pool.queue(&scene.policy, now).seats);
    let flows: Vec<_> = active_flows(scene).collect();
    let far = |(key, flow): &(FlowKey, FlowView)| {
        flow.ahead > half || flow.ahead < -half && ready.contains(key)
    };
    if flows.iter().any(far) {
        scene.meter.restart();
        return;
    }
    for (flow, view) in flows {
        scene.meter.weigh(flow, view.weight, view.ahead);
    }
    scene.meter.look(&ready, now);
}

fn active_flows(scene: &Scene) -> impl Iterator<Item = (FlowKey, FlowView)> + '_ {
    let flows = scene.pool.flows();
    flows.filter(|(_, flow)| flow.waiting + flow.in_flight > 0)
}

/// How far from V who waits may be at most: what 15 seconds of the pool with so many seats would be for it.
fn reach(scene: &Scene, seats: u32) -> f64 {
    let weights: f64 = active_flows(scene).map(|(_, flow)| flow.weight).sum();
    15.0 * f64::from(seats) / weights
}

/// After a correction nobody who misses nothing but a seat is further away, by the weights and seats that there are.
pub(crate) fn in_reach(scene: &mut Scene, now: Timestamp) {
    let seats = scene.pool.queue(&scene.policy, now).seats;
    scene.pool_seats_max = scene.pool_seats_max.max(seats);
    let reach = reach(scene, scene.pool_seats_max) * (1.0 + 1e-6);
    let ready = |flow: &FlowView| flow.waiting > 0 && !flow.limited && flow.rated_until.is_none();
    if scene.policy.queue.fair_by == FairBy::None {
        return;
    }
    for (key, flow) in active_flows(scene).filter(|(_, flow)| ready(flow)) {
        assert!(flow.ahead.abs() <= reach, "{key:?} {flow:?} beyond {reach}");
    }
}

/// One was reached: an endpoint that takes it takes others.
pub(crate) fn reached(
    scene: &Scene,
    id: EndpointId,
    began: Timestamp,
    outcome: Outcome,
    now: Timestamp,
) {
    let reached = !matches!(
        outcome,
        Outcome::Abandoned | Outcome::Failed(Failure::Connect)
    );
    let mut views = scene.pool.views(&scene.policy, now);
    if let Some(view) = views.find(|view| view.id == id).filter(|_| reached) {
        scene.connects.check_reached(&view, began);
    }
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

/// Who could be next, and between which bounds its tag is.
pub(crate) struct Turn {
    flow: FlowKey,
    least: f64,
    most: f64,
}

/// Who could be next, before a dispatch.
pub(crate) fn turns(world: &World, index: usize) -> Vec<Turn> {
    let scene = &world.scenes[index];
    let half = 0.5 * reach(scene, scene.pool.queue(&scene.policy, world.now).seats);
    let ready = ready(world, index, world.now).into_iter();
    let ready: Vec<(FlowKey, FlowView)> = ready
        .filter_map(|flow| Some((flow, scene.pool.flow(flow)?)))
        .collect();
    let waited = ready.iter().filter(|(_, view)| view.rated_until.is_none());
    let start = waited.fold(0.0, |least: f64, (_, view)| least.min(view.ahead));
    let turn = |(flow, view): (FlowKey, FlowView)| {
        // Whoever was held by its rate begins at the virtual time, but not behind those who waited for a seat.
        let (least, most) = match view.rated_until {
            Some(_) => (view.ahead.max(start), view.ahead.max(0.0)),
            None => (view.ahead, view.ahead),
        };
        // Whoever is far away may be brought back in reach before it goes.
        Turn {
            flow,
            least: least.min(half),
            most: most.max(-half),
        }
    };
    ready.into_iter().map(turn).collect()
}

/// The one that was dispatched was in time, the next of its flow, and its flow the one with the least tag.
pub(crate) fn turn(
    scene: &Scene,
    flow: FlowKey,
    turns: &[Turn],
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
    let own = turns.iter().find(|turn| turn.flow == flow);
    let own = own.expect("who goes is eligible").least;
    if !fifo {
        let least = turns.iter().map(|turn| turn.most);
        let least = least.fold(f64::INFINITY, f64::min);
        let tolerance = 1e-9 * least.abs();
        assert!(own <= least + tolerance, "{own} is not the least, {least}");
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
    let since = Timestamp::from_micros(
        (now.as_micros()).saturating_sub(queue.wait_max.as_micros().try_into().unwrap()),
    );
    let unreached =
        |view: &EndpointView| view.failures > 0 && scene.connects.nobody_since(view.id, since);
    let hopeless = serving.peek().is_some() && serving.all(unreached);
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
