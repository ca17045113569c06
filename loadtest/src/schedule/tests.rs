//! What a schedule promises: the same for any number of workers, and really Poisson or even.

use proptest::prelude::*;

use super::*;

const SECOND: fn(u64) -> Duration = Duration::from_secs;

fn schedule(spacing: Spacing, seed: u64) -> Schedule {
    let phases = vec![
        Phase::constant(1_000.0, SECOND(3)),
        Phase::ramp(1_000.0, 100.0, Duration::from_millis(2_550)),
        Phase::constant(0.0, SECOND(1)),
        Phase::count(77, Duration::from_millis(333)),
    ];
    Schedule::new(phases, spacing, seed)
}

#[test]
fn any_number_of_workers_plays_the_same_schedule() {
    for spacing in [Spacing::Poisson, Spacing::Even] {
        let schedule = schedule(spacing, 5);
        let one: Vec<Arrival> = schedule.arrivals(0, 1).collect();
        for workers in [2, 4, 7] {
            let mut all: Vec<Arrival> = (0..workers)
                .flat_map(|worker| schedule.arrivals(worker, workers))
                .collect();
            all.sort_unstable_by_key(|arrival| arrival.citizen);
            assert_eq!(all, one, "{workers} workers");
        }
    }
}

#[test]
fn times_never_run_back_and_stay_inside() {
    for spacing in [Spacing::Poisson, Spacing::Even] {
        let schedule = schedule(spacing, 9);
        let times: Vec<u64> = schedule.arrivals(0, 1).map(|arrival| arrival.at).collect();
        assert!(times.is_sorted());
        assert!(
            times
                .iter()
                .all(|at| u128::from(*at) < schedule.duration().as_nanos())
        );
    }
}

#[test]
fn even_arrivals_are_exactly_as_many_as_the_rate_says_and_equally_far_apart() {
    let schedule = Schedule::new(vec![Phase::constant(250.0, SECOND(4))], Spacing::Even, 0);
    let times: Vec<u64> = schedule.arrivals(0, 1).map(|arrival| arrival.at).collect();
    assert_eq!(times.len(), 1_000);
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] == 4_000_000));
}

#[test]
fn a_ramp_stands_where_its_formula_says() {
    // t_i = T(−a + √(a² + 2i(b−a)/T))/(b−a)
    let (from, to, length) = (100.0_f64, 900.0_f64, 5.0_f64);
    let schedule = Schedule::new(vec![Phase::ramp(from, to, SECOND(5))], Spacing::Even, 0);
    for (number, arrival) in (0_u32..).zip(schedule.arrivals(0, 1)) {
        let slope = to - from;
        let root = (from * from + 2.0 * f64::from(number) * slope / length).sqrt();
        let expected = length * (root - from) / slope * 1e9;
        #[expect(clippy::cast_precision_loss, reason = "seconds")]
        let found = arrival.at as f64;
        assert!((found - expected).abs() < 2.0, "{number}: {found}");
    }
    assert_eq!(schedule.arrivals(0, 1).count(), 2_500);
}

#[test]
fn another_seed_is_another_schedule_and_the_same_seed_the_same() {
    let times = |seed| {
        schedule(Spacing::Poisson, seed)
            .arrivals(0, 1)
            .collect::<Vec<_>>()
    };
    assert_eq!(times(1), times(1));
    assert_ne!(times(1), times(2));
}

/// Largest distance of the sorted values in 0–1 from the even distribution.
fn kolmogorov_smirnov(values: &[f64]) -> f64 {
    let count = f64::from(u32::try_from(values.len()).unwrap());
    let distance = |(index, value): (u32, &f64)| {
        let below = f64::from(index) / count;
        (value - below)
            .abs()
            .max((below + 1.0 / count - value).abs())
    };
    (0..).zip(values).map(distance).fold(0.0, f64::max)
}

/// At 1 % each, 40 tests reject 0.4 on average; three or more happen once in 125 times, and seeds are fixed.
#[test]
fn poisson_arrivals_pass_the_tests_for_a_poisson_process() {
    let mut rejected = 0;
    for seed in 0..20 {
        let schedule = Schedule::new(
            vec![Phase::constant(500.0, SECOND(20))],
            Spacing::Poisson,
            seed,
        );
        let times: Vec<u64> = schedule.arrivals(0, 1).map(|arrival| arrival.at).collect();
        #[expect(clippy::cast_precision_loss, reason = "seconds")]
        let mut gaps: Vec<f64> = times
            .windows(2)
            .map(|pair| 1.0 - (-500.0 * (pair[1] - pair[0]) as f64 * 1e-9).exp())
            .collect();
        gaps.sort_unstable_by(f64::total_cmp);
        let count = f64::from(u32::try_from(gaps.len()).unwrap());
        rejected += u32::from(kolmogorov_smirnov(&gaps) > 1.63 / count.sqrt());
        // Dispersion of the counts in windows of 70 ms, which cut through the slices.
        let mut windows = vec![0.0; 285];
        for at in &times {
            if let Some(window) = windows.get_mut(usize::try_from(at / 70_000_000).unwrap()) {
                *window += 1.0;
            }
        }
        let mean = windows.iter().sum::<f64>() / 285.0;
        let variance = windows
            .iter()
            .map(|n: &f64| (n - mean).powi(2))
            .sum::<f64>()
            / 284.0;
        rejected += u32::from((variance / mean - 1.0).abs() > 2.6 * (2.0_f64 / 284.0).sqrt());
    }
    assert!(rejected <= 2, "{rejected} of 40");
}

proptest! {
    #[test]
    fn whatever_the_phases_even_arrivals_are_within_one_of_the_integral(
        phases in proptest::collection::vec((0.0..2_000.0_f64, 0.0..2_000.0_f64, 1..1_500_u64), 1..5)
    ) {
        let phases: Vec<Phase> = phases
            .iter()
            .map(|(from, to, millis)| Phase::ramp(*from, *to, Duration::from_millis(*millis)))
            .collect();
        let number = f64::from(u32::try_from(phases.len()).unwrap());
        let schedule = Schedule::new(phases, Spacing::Even, 0);
        let count = f64::from(u32::try_from(schedule.arrivals(0, 1).count()).unwrap());
        prop_assert!((count - schedule.expected()).abs() <= number + 1e-3);
        prop_assert!(schedule.arrivals(0, 1).map(|arrival| arrival.at).is_sorted());
    }
}
