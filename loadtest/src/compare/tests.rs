//! Claims of a comparison, over a synthetic service whose noise is known.

use crate::{
    results::{
        Ending, Reason, Results,
        fixture::{Fate, SECOND_NS, play},
    },
    statistics::bootstrap::{SplitMix, tests::normal_draw},
    verdict::judge,
};

use super::{
    Comparison, Measure, Plan, Problem, Side, Trial, compare, compare_saved, lines, markdown,
};

/// Response of the synthetic service before noise.
const BASE_NS: f64 = 50e6;

fn plan(rounds: usize, seed: u64) -> Plan {
    Plan {
        a: "nginx".to_owned(),
        b: "schleuse".to_owned(),
        rounds,
        measure: Measure::Response(0.5),
        seed,
        is_restarted: true,
    }
}

/// One run whose every response is `factor` × the base.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a duration"
)]
fn service(factor: f64) -> Results {
    let response_ns = (BASE_NS * factor) as u64;
    let mut results = play(1, 40, &[], |_, _| Fate::After(response_ns));
    judge(&mut results, &[]);
    results
}

/// Plays a comparison in which A is `a_factor` slower and every run has its own luck of `noise`.
fn noisy(rounds: usize, a_factor: f64, noise: f64, seed: u64) -> Comparison {
    let mut draw = SplitMix(seed);
    let mut runner = |trial: &Trial| {
        let luck = (noise * normal_draw(&mut draw)).exp();
        Ok(service(match trial.side {
            Side::A => a_factor * luck,
            Side::B => luck,
        }))
    };
    compare(&plan(rounds, seed), &mut runner).unwrap()
}

#[test]
fn a_against_a_makes_at_most_sixteen_claims_in_two_hundred() {
    let claims = (0..200)
        .filter(|seed| noisy(10, 1.0, 0.05, 1_000 + seed).measured[0].is_different)
        .count();
    assert!(claims <= 16, "{claims}");
}

#[test]
fn five_percent_are_found_in_one_percent_of_noise() {
    let found = (0..100)
        .filter(|seed| {
            let comparison = noisy(10, 1.05, 0.01, 5_000 + seed);
            comparison.measured[0].is_different && comparison.measured[0].difference > 0.0
        })
        .count();
    assert!(found >= 95, "{found}");
}

#[test]
fn no_difference_is_said_with_what_could_have_been_found() {
    let comparison = (0..20)
        .map(|seed| noisy(12, 1.0, 0.05, seed))
        .find(|comparison| !comparison.measured[0].is_different)
        .unwrap();
    let sentence = comparison.sentence();
    assert!(
        sentence.contains("no difference shown between nginx and schleuse"),
        "{sentence}"
    );
    let detectable = comparison.measured[0].detectable;
    // 2.8·s_d/√12 with s_d = 0.05·√2.
    assert!((0.02..0.12).contains(&detectable), "{detectable}");
}

#[test]
fn what_makes_an_answer_less_certain_is_told() {
    let dying = |side| {
        let mut results = play(4, 100, &[], move |_, plan| {
            if side == Side::B && plan > 3 * SECOND_NS {
                Fate::Never(SECOND_NS)
            } else {
                Fate::After(1_000_000)
            }
        });
        judge(&mut results, &[]);
        results
    };
    let mut unrestarted = plan(10, 1);
    unrestarted.is_restarted = false;
    unrestarted.measure = Measure::Response(0.9);
    let comparison = compare(&unrestarted, &mut |trial: &Trial| Ok(dying(trial.side))).unwrap();
    let doubts = comparison.doubts.join("\n");
    for expected in [
        "the targets were not restarted between runs",
        "B failed in 10 of 10 rounds",
        "B's response p90 is only known from below in 10 rounds",
    ] {
        assert!(doubts.contains(expected), "{doubts}");
    }
    assert_eq!(comparison.doubts.len(), 3, "{doubts}");
    // The second that B never answered is in its p90, and no round was left out for it.
    assert!(comparison.measured[0].difference < -5.0, "{comparison:?}");
    assert_eq!(comparison.measured[0].rounds, 10);
}

/// A answers one in two at once and refuses the other: its median is known to be that of a fast target or worse.
#[test]
fn a_side_that_refuses_is_never_the_faster_one() {
    let run = |side| {
        let mut results = play(4, 100, &[], move |request, _| match side {
            Side::A if request % 2 == 0 => Fate::Fails(Reason::Status503),
            Side::A => Fate::After(1_000_000),
            Side::B => Fate::After(50_000_000 + request % 7),
        });
        judge(&mut results, &[]);
        results
    };
    let mut plan = plan(10, 1);
    plan.measure = Measure::Response(0.9);
    let comparison = compare(&plan, &mut |trial: &Trial| Ok(run(trial.side))).unwrap();
    assert!(!comparison.measured[0].is_different);
    let sentence = comparison.sentence();
    assert!(
        sentence.contains("nothing can be claimed; that of nginx"),
        "{sentence}"
    );
}

#[test]
fn no_measure_decides_but_the_one_that_was_asked_for() {
    let mut plan = plan(10, 1);
    plan.measure = Measure::Response(0.999);
    let problem = compare(&plan, &mut |_: &Trial| Ok(service(1.0))).unwrap_err();
    assert!(
        matches!(
            problem,
            Problem::NoFigure {
                found: 40,
                needed: 10_000,
                ..
            }
        ),
        "{problem}"
    );
    assert_eq!(problem.exit_code(), 2);
}

#[test]
fn an_interrupted_comparison_keeps_its_rounds_and_claims_nothing() {
    let interrupted_in = |round: usize| {
        compare(&plan(10, 1), &mut |trial: &Trial| {
            let mut results = service(1.0);
            if trial.round == round {
                results.ending = Ending::Interrupted;
                judge(&mut results, &[]);
            }
            Ok(results)
        })
    };
    let kept = interrupted_in(4).unwrap();
    assert_eq!((kept.rounds, kept.exit_code()), (4, 130));
    assert_eq!(
        kept.sentence(),
        "interrupted after 4 of 10 rounds: no claim is made"
    );
    assert_eq!(interrupted_in(2).unwrap_err(), Problem::Interrupted(2));
}

#[test]
fn rounds_are_played_abba_with_one_seed_per_round() {
    let mut trials = Vec::new();
    let mut runner = |trial: &Trial| {
        trials.push(*trial);
        Ok(service(1.0))
    };
    compare(&plan(10, 7), &mut runner).unwrap();
    let sides: Vec<Side> = trials.iter().map(|trial| trial.side).collect();
    assert_eq!(sides[..4], [Side::A, Side::B, Side::B, Side::A]);
    assert!(trials.chunks(2).all(|pair| pair[0].seed == pair[1].seed));
    assert_eq!(trials.len(), 20);
}

#[test]
fn a_disturbed_round_is_played_again_and_told() {
    let mut calls = 0;
    let mut runner = |_: &Trial| {
        calls += 1;
        let mut results = service(1.0);
        if calls == 3 {
            results.workers[0].run_delay_ns = Some(results.workers[0].wall_ns);
            judge(&mut results, &[]);
        }
        Ok(results)
    };
    let comparison = compare(&plan(10, 1), &mut runner).unwrap();
    assert_eq!((comparison.rounds, comparison.repeated), (10, 1));
    assert!(lines(&comparison)[1].contains("the generator disturbed them: 1"));
}

#[test]
fn a_generator_that_always_disturbs_makes_the_comparison_invalid() {
    let mut runner = |_: &Trial| {
        let mut results = service(1.0);
        results.workers[0].run_delay_ns = Some(results.workers[0].wall_ns);
        judge(&mut results, &[]);
        Ok(results)
    };
    let problem = compare(&plan(10, 1), &mut runner).unwrap_err();
    assert!(matches!(problem, Problem::Invalid(6, _)));
    assert_eq!(problem.exit_code(), 3);
}

#[test]
fn saved_results_are_compared_by_stretches_and_their_doubts_told() {
    let saved = |factor: u64, seed| {
        let mut results = play(40, 50, &[], move |request, _| {
            Fate::After((50 + request % 7) * factor * 10_000)
        });
        results.scenario.seed = seed;
        judge(&mut results, &[]);
        results
    };
    let comparison = compare_saved(&plan(10, 1), &saved(110, 1), &saved(100, 2)).unwrap();
    assert!(comparison.measured[0].is_different);
    assert!((comparison.measured[0].difference - 1.1_f64.ln()).abs() < 0.01);
    assert_eq!(comparison.doubts.len(), 1);
    assert!(markdown(&comparison).contains("two saved runs"));
    let short = play(5, 50, &[], |_, _| Fate::After(1));
    let problem = compare_saved(&plan(10, 1), &short, &short).unwrap_err();
    assert!(matches!(problem, Problem::TooFew { found: 5, .. }));
}
