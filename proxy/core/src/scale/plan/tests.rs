//! Claims about launch plans: when, how many, and what is said when it cannot hold.

use proptest::prelude::*;

use super::*;

const HOUR: i64 = 3_600_000;

fn moment(seconds: i64) -> WallTime {
    WallTime::from_unix_millis(HOUR + seconds * 1_000)
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn capacity() -> Capacity {
    Capacity {
        seats_per_replica: 20,
        seat_time: Duration::from_millis(100),
        cold_start_p99: Some(seconds(8)),
        replicas_per_second: 10.0,
        margin: seconds(120),
        max: 1_000,
        utilisation_max: 0.9,
    }
}

/// Begins at `moment(0)` unless moved.
fn launch(name: &str, arrivals: Profile) -> Launch {
    Launch {
        name: name.to_owned(),
        at: moment(0),
        arrivals,
        wait_p99: seconds(1),
        duration: seconds(3_600),
    }
}

#[test]
fn the_replicas_follow_from_rate_seat_time_and_wanted_wait() {
    // 2,000/s hold 200 seats; at 90 % utilisation that are 223, twelve replicas of twenty.
    assert_eq!(capacity().replicas(2_000.0, seconds(1)), 12);
    // Four a second on ten: Erlang asks for more than the utilisation when nobody may wait.
    let slow = Capacity {
        seat_time: seconds(1),
        seats_per_replica: 1,
        ..capacity()
    };
    assert_eq!(slow.replicas(4.0, seconds(10)), 5);
    assert_eq!(slow.replicas(4.0, Duration::ZERO), 10);
}

#[test]
fn the_order_goes_out_cold_start_creation_and_margin_before_the_hour() {
    let launches = [launch("grant", Profile::Constant(2_000.0))];
    // 8 s + 12 replicas at 10 a second + 120 s.
    let ordered = moment(0).earlier(Duration::from_millis(129_200));
    let before = ordered.earlier(Duration::from_millis(1));
    assert_eq!(need(&launches, &capacity(), before), Need::default());
    let due = Need {
        replicas: 12,
        in_window: true,
    };
    assert_eq!(need(&launches, &capacity(), ordered), due);
}

#[test]
fn nobody_has_to_ask_before_the_next_window_opens() {
    let mut later = launch("relief", Profile::Constant(1_000.0));
    later.at = moment(86_400);
    let launches = [launch("grant", Profile::Constant(2_000.0)), later];
    let schedule = Schedule::new(&launches, &capacity());
    let first = schedule.opens_after(moment(-3_600));
    assert_eq!(
        first,
        Some(moment(0).earlier(Duration::from_millis(129_200)))
    );
    let second = schedule.opens_after(moment(0)).unwrap();
    assert!(moment(3_600) < second && second < moment(86_340));
    assert_eq!(schedule.opens_after(second), None);
}

#[test]
fn after_the_window_the_plan_asks_for_nothing() {
    let launches = [launch("grant", Profile::Constant(2_000.0))];
    assert_eq!(need(&launches, &capacity(), moment(3_599)).replicas, 12);
    assert_eq!(need(&launches, &capacity(), moment(3_600)), Need::default());
}

#[test]
fn a_ramp_is_followed_ahead_of_time() {
    let ramp = Profile::Ramp {
        rate: 20_000.0,
        over: seconds(300),
    };
    let launches = [launch("grant", ramp)];
    let capacity = capacity();
    let early = need(&launches, &capacity, moment(-100)).replicas;
    let middle = need(&launches, &capacity, moment(150)).replicas;
    assert!(early < 10, "{early}");
    // Ordered for what is expected when it is ready, and more than what is needed now.
    assert!(middle >= capacity.replicas(10_000.0 + 8.0 * 66.6, seconds(1)));
    assert_eq!(need(&launches, &capacity, moment(290)).replicas, 112);
}

/// 200 replicas after a ramp of so many seconds, created one a second.
fn steep(over: u64) -> ([Launch; 1], Capacity) {
    let slow = Capacity {
        replicas_per_second: 1.0,
        ..capacity()
    };
    let ramp = Profile::Ramp {
        rate: 35_900.0,
        over: seconds(over),
    };
    ([launch("grant", ramp)], slow)
}

#[test]
fn a_ramp_of_a_second_is_ordered_and_verified_like_a_jump() {
    let (launches, capacity) = steep(1);
    // 8 s + 200 replicas at one a second + 120 s.
    assert_eq!(need(&launches, &capacity, moment(-329)), Need::default());
    assert_eq!(need(&launches, &capacity, moment(-328)).replicas, 200);
    let found = verify(&launches, &capacity, 1, moment(-60));
    assert_eq!(found[0].short_by(), 199);
}

#[test]
fn a_ramp_that_is_over_before_its_replicas_can_be_created_is_ordered_for_before_it_begins() {
    let (launches, mut capacity) = steep(60);
    capacity.margin = Duration::ZERO;
    // 8 s + 200 s + 10 s before the 60th second. What it begins with, 34 replicas, would have time until -102 s.
    assert_eq!(need(&launches, &capacity, moment(-159)), Need::default());
    let early = need(&launches, &capacity, moment(-158)).replicas;
    assert_eq!(early, 200);
    let late = timetable(&launches, &capacity, moment(-147)).problems;
    assert!(
        matches!(&late[..], [PlanProblem::TooLate { by_seconds: 1, .. }]),
        "{late:?}"
    );
    assert_eq!(timetable(&launches, &capacity, moment(-149)).problems, []);
}

#[test]
fn a_lull_inside_the_window_is_no_descent() {
    let table = Profile::Table(vec![
        (seconds(0), 4_000.0),
        (seconds(600), 4_000.0),
        (seconds(900), 100.0),
        (seconds(1_800), 3_000.0),
    ]);
    let launches = [launch("grant", table)];
    let at = |second| need(&launches, &capacity(), moment(second)).replicas;
    assert_eq!([0, 1_000, 3_000].map(at), [23, 23, 23]);
}

#[test]
fn overlapping_launches_add_up_and_share_what_they_can() {
    let mut second = launch("relief", Profile::Constant(1_000.0));
    second.at = moment(1_800);
    let launches = [launch("grant", Profile::Constant(2_000.0)), second];
    let at = |second| need(&launches, &capacity(), moment(second)).replicas;
    // 3,000/s together are 17 replicas; 12 and 6 apart would be 18.
    assert_eq!([0, 1_000, 1_700, 2_000].map(at), [12, 12, 17, 17]);
    assert_eq!(at(3_600 + 1_799), 17);
    assert_eq!(at(3_600 + 1_800), 0);
}

#[test]
fn the_verification_says_how_many_are_missing() {
    let launches = [launch("grant", Profile::Constant(2_000.0))];
    assert_eq!(verify(&launches, &capacity(), 5, moment(-61)), []);
    let found = verify(&launches, &capacity(), 5, moment(-60));
    assert_eq!(found[0].short_by(), 7);
    assert_eq!(
        verify(&launches, &capacity(), 12, moment(-1))[0].short_by(),
        0
    );
    assert_eq!(
        verify(&launches, &capacity(), 5, moment(0))[0].short_by(),
        7
    );
    assert_eq!(verify(&launches, &capacity(), 5, moment(3_600)), []);
}

#[test]
fn the_maximum_bounds_the_order_and_is_named_as_a_problem() {
    let small = Capacity {
        max: 10,
        ..capacity()
    };
    let launches = [launch("grant", Profile::Constant(2_000.0))];
    assert_eq!(need(&launches, &small, moment(0)).replicas, 10);
    let table = timetable(&launches, &small, moment(-3_600));
    let expected = PlanProblem::MaxTooSmall {
        needed: 12,
        max: 10,
    };
    assert_eq!(table.problems, [expected]);
}

#[test]
fn everything_that_speaks_against_a_plan_is_said_at_once() {
    let unknown = Capacity {
        cold_start_p99: None,
        max: 1,
        ..capacity()
    };
    let mut soon = launch("relief", Profile::Constant(10.0));
    soon.at = moment(30);
    let launches = [launch("grant", Profile::Constant(2_000.0)), soon];
    let problems = timetable(&launches, &unknown, moment(5)).problems;
    let words: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), 4, "{words:?}");
    assert!(words[2].starts_with("grant begins in the past"));
    assert!(words[3].starts_with("relief begins too soon"));
}

#[test]
fn a_plan_that_holds_is_a_timetable_without_problems() {
    let ramp = Profile::Ramp {
        rate: 2_000.0,
        over: seconds(300),
    };
    let table = timetable(&[launch("grant", ramp)], &capacity(), moment(-3_600));
    assert_eq!(table.problems, []);
    let rows: Vec<(i64, String, u32)> = table
        .rows
        .iter()
        .map(|row| {
            let second = (row.at.unix_millis() - HOUR).div_euclid(1_000);
            (second, row.event.to_string(), row.replicas)
        })
        .collect();
    let expected = [
        (-129, "pre-warm", 1),
        (-60, "verify", 1),
        (0, "grant begins", 1),
        (300, "change", 12),
        (3_600, "grant ends", 0),
    ];
    let expected: Vec<_> = expected
        .map(|(second, event, replicas)| (second, event.to_owned(), replicas))
        .to_vec();
    assert_eq!(rows, expected);
}

#[test]
fn a_table_jumps_where_it_has_two_points_at_one_time() {
    let table = Profile::Table(vec![
        (seconds(0), 10.0),
        (seconds(60), 20.0),
        (seconds(60), 500.0),
        (seconds(120), 500.0),
    ]);
    assert!((table.rate(seconds(30), false) - 15.0).abs() < 1e-9);
    assert!((table.rate(seconds(60), true) - 20.0).abs() < 1e-9);
    assert!((table.rate(seconds(60), false) - 500.0).abs() < 1e-9);
    assert!((table.rate(seconds(999), false) - 500.0).abs() < 1e-9);
}

#[test]
fn times_and_numbers_beyond_reason_do_not_panic() {
    let mut far = launch("grant", Profile::Constant(f64::INFINITY));
    far.at = WallTime::from_unix_millis(i64::MAX);
    far.duration = Duration::MAX;
    let odd = launch("relief", Profile::Table(vec![]));
    let none = Capacity {
        replicas_per_second: f64::NAN,
        seats_per_replica: 0,
        margin: Duration::MAX / 2,
        utilisation_max: 0.0,
        ..capacity()
    };
    let launches = [far, odd];
    for at in [i64::MIN, 0, i64::MAX] {
        let at = WallTime::from_unix_millis(at);
        need(&launches, &none, at);
        verify(&launches, &none, 3, at);
        timetable(&launches, &none, at);
    }
}

/// Rates, each so many seconds after the one before.
fn table(points: &[(u64, f64)]) -> Profile {
    let mut since = Duration::ZERO;
    let rows = points.iter().map(|&(gap, rate)| {
        since += seconds(gap);
        (since, rate)
    });
    Profile::Table(rows.collect())
}

proptest! {
    #[test]
    fn what_is_ordered_in_time_is_enough_at_every_moment_of_the_window(
        points in proptest::collection::vec((1..600_u64, 0.0..5_000.0_f64), 1..6), at in 0..3_600_i64
    ) {
        let launches = [launch("grant", table(&points))];
        let capacity = capacity();
        let ordered = need(&launches, &capacity, moment(at)).replicas;
        let needed = capacity.replicas(rate_at(&launches, moment(at)), seconds(1));
        prop_assert!(ordered >= needed, "{ordered} {needed}");
        // And what is needed when this order is ready was in it.
        let later = moment(at) + capacity.ready_after(ordered);
        let needed = capacity.replicas(rate_at(&launches, later), seconds(1));
        prop_assert!(ordered >= needed, "{ordered} {needed} later");
    }

    #[test]
    fn what_is_ordered_is_created_by_the_time_it_is_needed(
        points in proptest::collection::vec((0..90_u64, 0.0..5_000.0_f64), 1..5), rate in 0.5..20.0_f64
    ) {
        let launches = [launch("grant", table(&points))];
        let capacity = Capacity { replicas_per_second: rate, ..capacity() };
        // One after the other, as fast as they are created; a cold start later they serve.
        let (mut created, mut serving) = (0.0_f64, std::collections::VecDeque::from([0.0; 8]));
        for second in -300..400 {
            let ordered = f64::from(need(&launches, &capacity, moment(second)).replicas);
            created = ordered.min(created + rate);
            serving.push_back(created);
            let ready = serving.pop_front().unwrap_or_default();
            if second >= 0 {
                let needed = capacity.replicas(rate_at(&launches, moment(second)), seconds(1));
                prop_assert!(ready >= f64::from(needed), "{ready} of {needed} at {second} s");
            }
        }
    }

    #[test]
    fn no_descent_inside_the_window(
        points in proptest::collection::vec((1..600_u64, 0.0..5_000.0_f64), 1..6)
    ) {
        let launches = [launch("grant", table(&points))];
        let mut before = 0;
        for second in (-200..3_600).step_by(7) {
            let now = need(&launches, &capacity(), moment(second)).replicas;
            prop_assert!(now >= before);
            before = now;
        }
    }
}
