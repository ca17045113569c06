//! Searches over a synthetic service whose capacity is known.

use crate::{
    results::{
        Ending, Outcome, Reason, Results,
        fixture::{Fate, play},
    },
    statistics::bootstrap::SplitMix,
    verdict::judge,
};

use super::{Answer, Capacity, Plan, Purpose, Trial, lines, search};

const PLAN: Plan = Plan {
    start_per_second: 100.0,
    max_per_second: 1e6,
    seed: 1,
};

/// A step that passes or fails.
fn step(passes: bool) -> Results {
    let mut results = play(1, 1_000, &[], |request, _| {
        if passes || request % 2 == 0 {
            Fate::After(5_000_000)
        } else {
            Fate::Fails(Reason::Status503)
        }
    });
    judge(&mut results, &[]);
    results
}

fn invalid() -> Results {
    let mut results = step(true);
    results.workers[0].run_delay_ns = Some(results.workers[0].wall_ns);
    judge(&mut results, &[]);
    results
}

fn over(capacity: f64) -> Capacity {
    search(&PLAN, &mut |trial: &Trial| {
        Ok(step(trial.rate_per_second <= capacity))
    })
    .unwrap()
}

#[test]
fn a_sharp_capacity_is_found_within_two_percent() {
    for capacity in [0.7, 37.0, 100.0, 8_431.0, 123_456.0] {
        let found = over(capacity);
        let Answer::Bears {
            rate_per_second, ..
        } = found.answer
        else {
            panic!("{capacity}: {:?}", found.answer);
        };
        assert!(
            rate_per_second <= capacity && rate_per_second * 1.02 >= capacity,
            "{capacity}: {rate_per_second}"
        );
    }
}

#[test]
fn an_answer_was_proven_by_three_passes_and_three_failures() {
    let found = over(8_431.0);
    let Answer::Bears {
        rate_per_second,
        fails_at_per_second,
    } = found.answer
    else {
        panic!("{:?}", found.answer);
    };
    let count = |rate: f64| {
        let at = found
            .steps
            .iter()
            .filter(|step| step.purpose != Purpose::Rest);
        at.filter(|step| (step.rate_per_second - rate).abs() < 1e-9)
            .count()
    };
    assert_eq!((count(rate_per_second), count(fails_at_per_second)), (3, 3));
    assert!((fails_at_per_second / rate_per_second - 1.05).abs() < 1e-9);
}

#[test]
fn a_capacity_blurred_by_luck_is_proven_or_said_to_be_unsettled() {
    for seed in 0..40 {
        let mut draw = SplitMix(seed);
        let found = search(&PLAN, &mut |trial: &Trial| {
            let thousandths = u16::try_from(draw.below(1_000)).unwrap();
            let luck = 0.97 + 0.06 * f64::from(thousandths) / 1_000.0;
            Ok(step(trial.rate_per_second <= 5_000.0 * luck))
        })
        .unwrap();
        match found.answer {
            Answer::Bears {
                rate_per_second, ..
            } => assert!(
                (4_700.0..5_200.0).contains(&rate_per_second),
                "{rate_per_second}"
            ),
            Answer::Unsettled { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn the_generators_own_limit_makes_the_answer_a_lower_bound() {
    let found = search(&PLAN, &mut |trial: &Trial| {
        Ok(if trial.rate_per_second > 900.0 {
            invalid()
        } else {
            step(true)
        })
    })
    .unwrap();
    assert_eq!(found.answer.exit_code(), 3);
    let text = &lines(&found)[0];
    assert!(
        text.starts_with("capacity ≥ 800/s, limited by the generator"),
        "{text}"
    );
}

#[test]
fn one_hiccup_of_this_machine_is_no_limit_and_three_are() {
    let mut hiccups = 2;
    let found = search(&PLAN, &mut |trial: &Trial| {
        if trial.rate_per_second > 300.0 && hiccups > 0 {
            hiccups -= 1;
            return Ok(invalid());
        }
        Ok(step(trial.rate_per_second <= 1_000.0))
    })
    .unwrap();
    assert!(
        matches!(found.answer, Answer::Bears { .. }),
        "{:?}",
        found.answer
    );
    let invalid = found
        .steps
        .iter()
        .filter(|step| step.outcome == Outcome::Invalid);
    assert_eq!(invalid.count(), 2);
}

#[test]
fn where_the_target_failed_is_told_beside_the_generators_limit() {
    let found = search(&PLAN, &mut |trial: &Trial| {
        Ok(match trial.rate_per_second {
            rate if rate > 1_500.0 => step(false),
            rate if rate > 900.0 => invalid(),
            _ => step(true),
        })
    })
    .unwrap();
    assert!(
        lines(&found)[0].ends_with("; the target failed at 1,600/s"),
        "{}",
        lines(&found)[0]
    );
}

#[test]
fn after_each_failure_the_target_rests_until_it_is_well_again() {
    // It stays broken for two light steps after each failure.
    let mut broken = 0;
    let found = search(&PLAN, &mut |trial: &Trial| {
        let is_light = trial.purpose == Purpose::Rest;
        assert!(
            is_light || broken == 0,
            "a step was played on a broken target"
        );
        if is_light && broken > 0 {
            broken -= 1;
            return Ok(step(broken == 0));
        }
        let passes = trial.rate_per_second <= 1_500.0;
        broken = if passes { 0 } else { 3 };
        Ok(step(passes))
    })
    .unwrap();
    assert!(
        matches!(found.answer, Answer::Bears { .. }),
        "{:?}",
        found.answer
    );
}

#[test]
fn a_target_that_stays_broken_is_told_with_the_rate_that_broke_it() {
    let mut is_broken = false;
    let found = search(&PLAN, &mut |trial: &Trial| {
        is_broken |= trial.rate_per_second > 500.0;
        Ok(step(!is_broken))
    })
    .unwrap();
    assert!(matches!(
        found.answer,
        Answer::NeverRecovered { rate_per_second, broken_at_per_second }
            if rate_per_second < 500.0 && broken_at_per_second > 500.0
    ));
}

#[test]
fn a_dead_target_bears_nothing() {
    let found = over(0.0);
    assert!(
        matches!(found.answer, Answer::Below { .. }),
        "{:?}",
        found.answer
    );
    assert_eq!(found.answer.exit_code(), 1);
}

#[test]
fn where_nobody_answers_one_step_is_enough() {
    let found = search(&PLAN, &mut |_: &Trial| {
        let mut results = play(1, 1_000, &[], |_, _| Fate::Fails(Reason::ConnectRefused));
        judge(&mut results, &[]);
        Ok(results)
    })
    .unwrap();
    assert_eq!((found.steps.len(), found.answer.exit_code()), (1, 1));
}

#[test]
fn a_maximum_is_kept_and_an_interruption_ends_the_search() {
    let limited = Plan {
        max_per_second: 700.0,
        ..PLAN
    };
    let found = search(&limited, &mut |_: &Trial| Ok(step(true))).unwrap();
    let Answer::AtLeastTheMaximum { rate_per_second } = found.answer else {
        panic!("{:?}", found.answer);
    };
    assert!((rate_per_second - 700.0).abs() < 1e-9);
    let mut interrupted = step(true);
    interrupted.ending = Ending::Interrupted;
    judge(&mut interrupted, &[]);
    let found = search(&PLAN, &mut |_: &Trial| Ok(interrupted.clone())).unwrap();
    assert_eq!(found.answer.exit_code(), 130);
}

#[test]
fn the_curve_is_printed_in_order_of_rate() {
    let text = lines(&over(300.0));
    assert!(
        text[0].starts_with("capacity 29") || text[0].starts_with("capacity 300"),
        "{}",
        text[0]
    );
    assert!(text.len() > 8 && text[2].contains("100/s"), "{text:?}");
}
