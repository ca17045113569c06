//! The simulator against theory: Erlang's formulas, Pollaczek and Khinchine, the infinite server, the fluid.

use super::*;

const LONG: &str = "wait_max: 5m, waiting_max: 1000000, waiting_per_tenant_max: 1000000, fair_by: none, client_share: 100%, bytes_max: 1GiB, bytes_per_tenant_max: 1GiB";

/// Mean over runs with different seeds, and its standard error.
fn mean(values: &[f64]) -> (f64, f64) {
    let count = f64::from(u32::try_from(values.len()).unwrap());
    let mean = values.iter().sum::<f64>() / count;
    let variance = values
        .iter()
        .map(|value| (value - mean).powi(2))
        .sum::<f64>()
        / (count - 1.0);
    (mean, (variance / count).sqrt())
}

fn waits(seats: u32, rate: f64, service_time: Distribution) -> Vec<f64> {
    let (_directory, config) = config(seats, LONG);
    let waits = (0..10).map(|seed| {
        let mut scenario = scenario(rate, 600, "");
        scenario.seed = seed;
        let results = simulated(&scenario, &config, service_time);
        results.response.mean_ns().unwrap() / 1e9 - service_time.mean_seconds()
    });
    waits.collect()
}

fn assert_theory(waits: &[f64], theory: f64) {
    let (mean, error) = mean(waits);
    // Student's t with nine degrees of freedom, 99.9 %.
    assert!(
        (mean - theory).abs() <= 4.78 * error,
        "{mean} ± {error}, theory {theory}"
    );
}

/// Ten seeds, each so many seconds; the share that `part` counts.
fn shares(
    (arrivals, more): (&str, &str),
    queue: &str,
    service: Distribution,
    part: fn(&Results) -> u64,
) -> Vec<f64> {
    let (_directory, config) = config(20, queue);
    let shares = (0..10).map(|seed| {
        let mut scenario = of(arrivals, more);
        scenario.seed = seed;
        let results = simulated(&scenario, &config, service);
        results.counts.share(part(&results)).unwrap()
    });
    shares.collect()
}

/// M/M/20 at 160/s of 100 ms: a wait of 6.40 ms on average (Erlang C).
#[test]
fn exponential_times_on_twenty_seats_wait_as_erlang_c_says() {
    let service = Distribution::Exponential(Duration::from_millis(100));
    assert_theory(&waits(20, 160.0, service), 0.006_40);
}

/// M/D/1 at a load of 0.8 of 10 ms: 20 ms on average (Pollaczek and Khinchine).
#[test]
fn fixed_times_on_one_seat_wait_as_pollaczek_and_khinchine_say() {
    let service = Distribution::Fixed(Duration::from_millis(10));
    assert_theory(&waits(1, 80.0, service), 0.020);
}

/// M/M/20 with exponential patience of 5 s at 240/s of 100 ms: a sixth leave (Erlang A; in the limit 1 - cμ/λ).
#[test]
fn in_overload_as_many_leave_as_erlang_a_says() {
    let (_directory, config) = config(20, LONG);
    let scenario = scenario(240.0, 900, "patience: exponential 5s,");
    let service = Distribution::Exponential(Duration::from_millis(100));
    let results = simulated(&scenario, &config, service);
    let left = results.counts.share(results.counts.abandoned).unwrap();
    assert!((left - 0.166_7).abs() < 0.012, "{left}");
}

/// M/M/20 at a load of 0.95: 75.5 ms.
#[test]
fn near_saturation_exponential_times_wait_as_erlang_c_says() {
    let service = Distribution::Exponential(Duration::from_millis(100));
    assert_theory(&waits(20, 190.0, service), 0.075_5);
}

/// M/M/1 and M/G/1 (lognormal, deviation 1 of the logarithm, mean 10 ms) at a load of 0.8: 40.0 and 54.4 ms.
#[test]
fn the_more_service_times_vary_the_longer_the_wait_as_pollaczek_and_khinchine_say() {
    let exponential = Distribution::Exponential(Duration::from_millis(10));
    assert_theory(&waits(1, 80.0, exponential), 0.040);
    let median = Duration::from_secs_f64(0.010 * (-0.5_f64).exp());
    let lognormal = Distribution::Lognormal(median, 1.0);
    assert_theory(&waits(1, 80.0, lognormal), 0.054_4);
}

/// M/M/20 without a place to wait at a load of 20 Erlang: 15.89 % are refused, whatever the distribution of times.
#[test]
fn where_nobody_may_wait_as_many_are_refused_as_erlang_b_says() {
    let arrivals = "arrivals: { rate: 200/s, duration: 200s }\nwarm_up: 10s";
    for service in [
        Distribution::Exponential(Duration::from_millis(100)),
        Distribution::Fixed(Duration::from_millis(100)),
    ] {
        let refused = |results: &Results| results.counts.failed;
        let shares = shares((arrivals, ""), "waiting_max: 0", service, refused);
        assert_theory(&shares, 0.158_9);
    }
}

/// M/M/20 with exponential patience of 5 s at a load of 1: 3.491 % leave (birth and death, n·θ + min(n, c)·μ; with patience
/// that ends at the seat, as in the textbook, it were 2.21 %: here citizens wait for the answer).
#[test]
fn at_full_load_as_many_leave_as_erlang_a_says() {
    let arrivals = "arrivals: { rate: 200/s, duration: 400s }\nwarm_up: 60s";
    let service = Distribution::Exponential(Duration::from_millis(100));
    let left = |results: &Results| results.counts.abandoned;
    let patience = "patience: exponential 5s,";
    assert_theory(&shares((arrivals, patience), LONG, service, left), 0.034_91);
}

/// `M_t/G/∞`: with a seat for everybody, those present at any moment of a ramp are Poisson distributed with mean
/// ∫λ(t−u)·P(S>u)du; of a ramp from 0 to 200/s in 60 s and times of 10 s on average that is 1,667.5 (exponential) or
/// 1,833.3 (fixed) at its end.
#[test]
fn on_a_ramp_with_a_seat_for_everybody_as_many_are_present_as_the_infinite_server_says() {
    let (_directory, config) = config(10_000, "wait_max: 1s");
    for (service, expected) in [
        (Distribution::Exponential(Duration::from_secs(10)), 1_667.5),
        (Distribution::Fixed(Duration::from_secs(10)), 1_833.3),
    ] {
        let present: Vec<f64> = (0..40)
            .map(|seed| {
                let mut scenario = of("arrivals: { rate: 0/s..200/s, duration: 60s }", "");
                scenario.seed = seed;
                let results = simulated(&scenario, &config, service);
                let last = results
                    .seconds
                    .iter()
                    .find(|second| second.at_seconds == 59);
                f64::from(u32::try_from(last.unwrap().in_flight).unwrap())
            })
            .collect();
        let (found, error) = mean(&present);
        // The deviation of a Poisson variable is known: four of its standard errors.
        let known = (expected / 40.0_f64).sqrt();
        assert!(
            (found - expected).abs() <= 4.0 * known,
            "{found}, {expected}"
        );
        // And so is its spread: variance by mean is 1, with a deviation of √(2/39).
        let dispersion = error.powi(2) * 40.0 / expected;
        assert!((0.2..1.9).contains(&dispersion), "{dispersion}");
    }
}

/// The fluid: for a minute twice as many come as can be served, so the last waits a minute.
#[test]
fn after_a_minute_at_twice_the_capacity_the_last_waits_a_minute() {
    let (_directory, config) = config(20, LONG);
    let scenario = of(
        "arrivals: { rate: 400/s, duration: 60s, spacing: even }\ntimeouts: { answer: 2m }",
        "",
    );
    let service = Distribution::Fixed(Duration::from_millis(100));
    let results = simulated(&scenario, &config, service);
    let longest = Duration::from_nanos(results.response.max_ns).as_secs_f64();
    assert!((longest - 60.1).abs() < 0.2, "{longest}");
    assert_eq!(results.counts.answered, 24_000);
}
