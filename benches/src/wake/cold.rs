//! One pool after another is asked for the first time while all tenants of the register ask another service: what passes
//! until its process is started, and until the request that waited has its answer.

use std::{
    env,
    fmt::Write as _,
    thread,
    time::{Duration, Instant},
};

use crate::{
    Outcome,
    compare::count,
    context::Context,
    delay_backend::target,
    figure::{Figure, Unit},
    http,
    inputs::{Place, SERVICES},
    machine::LOAD_CORE,
    mixed_load::Answers,
    neighbours::key,
    open_loop::OpenLoop,
    statistics::quantile,
    wrk::targets,
};

use super::{
    late_backend::{PROBE_PATH, Times, micros},
    sleepers::Sleepers,
};

/// Until such a backend listens.
const START: Duration = Duration::from_millis(300);
/// Of all tenants of the other service.
const OTHERS_PER_SECOND: f64 = 500.0;
const OTHERS_CONNECTIONS: usize = 32;
/// Milliseconds from the request to its order, at the 99th percentile.
const ORDER_GOAL: f64 = 50.0;
/// Milliseconds from the answered probe to the request that waited.
const FORWARD_GOAL: f64 = 10.0;

/// Milliseconds of each cold request.
#[derive(Debug, Default)]
struct Seen {
    ordered: Vec<f64>,
    probed: Vec<f64>,
    forwarded: Vec<f64>,
    whole: Vec<f64>,
    failed: u64,
}

/// Wakes one pool after another for the time of the run.
///
/// # Errors
///
/// When Schleuse does not start, or a backend does not tell its times.
pub(super) fn measure(context: &Context) -> Outcome<Vec<Figure>> {
    let time = context.sizes.wake_time;
    let pools = usize::try_from(time.as_millis() / START.as_millis())? + 1;
    let sleepers = Sleepers::start(context, "cold", &config(context, pools)?)?;
    let requests: Vec<String> = targets(&context.places)
        .iter()
        .filter(|(host, _)| {
            SERVICES
                .first()
                .is_some_and(|first| host.starts_with(first))
        })
        .map(|(host, path)| http::get(host, path))
        .collect();
    let load = OpenLoop {
        address: sleepers.peer.address,
        requests: &requests,
        per_second: OTHERS_PER_SECOND,
        connections: OTHERS_CONNECTIONS,
        time,
    };
    let (seen, others) = thread::scope(|scope| {
        let others = scope.spawn(|| load.run());
        let seen = wake_for(time, pools, &sleepers, &context.places)?;
        let others = others.join().map_err(|_| "the other traffic broke")??;
        Outcome::Ok((seen, others))
    })?;
    Ok(figures(seen, others))
}

fn config(context: &Context, pools: usize) -> Outcome<String> {
    let program = env::current_exe()?.display().to_string();
    let millis = START.as_millis();
    let first = SERVICES.first().copied().unwrap_or_default();
    let mut services = format!(
        "  {first}: {{ hosts: [{first}.example, \"*.{first}.example\"], responsible: gemeinde, pool: {first} }}\n"
    );
    let mut text = format!(
        "  {first}: {{ endpoints: [\"{}\"], concurrency: 1000, slow_start: 0s }}\n",
        context.backend()
    );
    for pool in 0..pools {
        services += &super::sleepers::service(pool);
        // On the load's core, as every backend here.
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "  p{pool}: {{ health: {{ path: {PROBE_PATH} }}, scale: {{ min: 0, max: 1, cold_start: 1s, \
             process: {{ command: [taskset, --cpu-list, \"{LOAD_CORE}\", \"{program}\", serve-late, \"{{port}}\", \
             --delay-millis, \"{millis}\"] }} }} }}"
        );
    }
    Ok(format!("services:\n{services}pools:\n{text}"))
}

fn wake_for(time: Duration, pools: usize, sleepers: &Sleepers, places: &[Place]) -> Outcome<Seen> {
    let mut seen = Seen::default();
    let end = Instant::now() + time;
    for (pool, place) in (0..pools).zip(places) {
        if Instant::now() + 2 * START > end {
            break;
        }
        let host = super::sleepers::host(pool);
        let request = http::get(&host, &target(key(place)?, "cold=1"));
        let mut stream = http::connect(sleepers.peer.address)?;
        let sent = micros();
        match http::ask(&mut stream, &request) {
            Ok(answer) if answer.status == 200 => {
                let answered = micros();
                seen.add(sent, Times::parse(&answer.body)?, answered);
            }
            _ => seen.failed += 1,
        }
    }
    Ok(seen)
}

impl Seen {
    fn add(&mut self, sent: u64, times: Times, answered: u64) {
        let between = |from: u64, to: u64| count(to.saturating_sub(from)) / 1e3;
        self.ordered.push(between(sent, times.began));
        self.probed.push(between(times.listened, times.probed));
        self.forwarded.push(between(times.probed, times.reached));
        self.whole.push(between(sent, answered));
    }
}

fn spread(milliseconds: &mut [f64]) -> String {
    format!(
        "median {:.1}, worst {:.1} ms",
        quantile(milliseconds, 0.5),
        quantile(milliseconds, 1.0)
    )
}

fn figures(mut seen: Seen, mut others: Answers) -> Vec<Figure> {
    let wakes = seen.whole.len();
    let what = format!("Cold request, {wakes} one after another");
    let milliseconds = |what: String, values: &mut [f64]| {
        let figure = Figure::value(what, Unit::Milliseconds, quantile(values, 0.99));
        figure.beside(spread(values))
    };
    let probed = spread(&mut seen.probed);
    let order = milliseconds(
        format!("{what}: sent until its process runs, p99"),
        &mut seen.ordered,
    );
    let forward = milliseconds(
        "The same: probe answered until the backend has the request, p99".to_owned(),
        &mut seen.forwarded,
    );
    let whole = milliseconds(
        "The same: sent until answered, p99".to_owned(),
        &mut seen.whole,
    );
    let beside = format!(
        "{}; {} ms are the backend's own; listening until probed: {probed}",
        whole.beside,
        START.as_millis()
    );
    let failed = Figure::value(
        "The same: requests failed, cold ones and others",
        Unit::Count,
        count(seen.failed + others.failed()),
    );
    vec![
        order.at_most(ORDER_GOAL),
        forward.at_most(FORWARD_GOAL),
        whole.beside(beside),
        failed.at_most(0.0).beside(format!(
            "{} of others meanwhile, of all tenants in turn by population; their p99 {:.1} ms",
            others.microseconds.len(),
            quantile(&mut others.microseconds, 0.99) / 1e3
        )),
    ]
}
