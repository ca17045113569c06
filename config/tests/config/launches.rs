//! Announced launches as an operator writes them.

use std::time::Duration;

use schleuse_config::{PoolPlan, spell_moment};
use schleuse_core::scale::plan::Profile;

use crate::support::{HEAD, Site};

/// A service with a pool that is scaled, one of its tenants with one that is not, and these launches from line 10 on.
fn site(launches: &str) -> Site {
    let site = Site::new(format!(
        "{HEAD}\
services:
  wohngeld: {{ hosts: [wohngeld.example], responsible: gemeinde, pool: a, pools_by_tenant: {{ \"11\": b }} }}
pools:
  a: {{ endpoints: [\"10.0.0.1:80\"], concurrency: 10, scale: {{ keda: {{}}, max: 40, cold_start: 8s }} }}
  b: {{ endpoints: [\"10.0.0.2:80\"] }}
launches:
{launches}"
    ));
    site.write(
        "launch.csv",
        "arrivals_per_second,seconds\n5,0\n300,60.5\n10,60.5\n",
    );
    site
}

const GIVEN: &str = "service: wohngeld, at: 2035-01-15T08:00:00+01:00, duration: 4h";

fn plan(launches: &str) -> PoolPlan {
    let site = site(launches);
    assert_eq!(site.warnings(), [""; 0]);
    let mut plans = site.loaded().snapshot.plans;
    assert_eq!(plans.len(), 1);
    plans.remove(0)
}

/// The problem of a launch with the usual keys and these, without its place.
fn problem(keys: &str) -> String {
    let problems = site(&format!("  l: {{ {GIVEN}, {keys} }}\n")).problems();
    let (_, problem) = problems.split_once(" launches.l").unwrap();
    problem.to_owned()
}

#[test]
fn what_is_not_written_is_as_documented() {
    let plan = plan(&format!("  l: {{ {GIVEN}, arrivals_per_second: 200 }}\n"));
    let launch = &plan.launches[0];
    assert_eq!(spell_moment(launch.at), "2035-01-15T07:00:00Z");
    assert_eq!(launch.arrivals, Profile::Constant(200.0));
    assert_eq!(launch.wait_p99, Duration::from_secs(1));
    assert_eq!(launch.duration, Duration::from_hours(4));
    assert_eq!(plan.services, ["wohngeld"]);
    assert_eq!((plan.seat_time, plan.cold_start), (None, None));
    assert_eq!(plan.cold_start_prior, Some(Duration::from_secs(8)));
    assert_eq!(plan.margin, Duration::from_mins(2));
}

#[test]
fn a_ramp_and_a_file_say_how_arrivals_grow() {
    let ramp = plan(&format!(
        "  l: {{ {GIVEN}, arrivals_per_second: 200, ramp: 5m }}\n"
    ));
    let over = Duration::from_mins(5);
    assert_eq!(
        ramp.launches[0].arrivals,
        Profile::Ramp { rate: 200.0, over }
    );
    let site = site(&format!("  l: {{ {GIVEN}, arrivals: launch.csv }}\n"));
    let loaded = site.loaded();
    assert!(loaded.files.contains(&site.path("launch.csv")));
    let at = Duration::from_millis;
    assert_eq!(
        loaded.snapshot.plans[0].launches[0].arrivals,
        Profile::Table(vec![(at(0), 5.0), (at(60_500), 300.0), (at(60_500), 10.0)])
    );
}

#[test]
fn launches_on_one_pool_are_one_plan_and_the_most_cautious_of_them_counts() {
    let plan = plan(&format!(
        "  one: {{ {GIVEN}, arrivals_per_second: 20, cold_start: 9s, margin: 3m }}\n\
         \x20 two: {{ {GIVEN}, arrivals_per_second: 30, cold_start: 7s, service_time: 1s, replicas_per_second: 2 }}\n"
    ));
    let names: Vec<_> = plan.launches.iter().map(|launch| &*launch.name).collect();
    assert_eq!(names, ["one", "two"]);
    assert_eq!(plan.cold_start, Some(Duration::from_secs(9)));
    assert_eq!(plan.seat_time, Some(Duration::from_secs(1)));
    assert!((plan.replicas_per_second - 2.0).abs() < f64::EPSILON);
    assert_eq!(plan.margin, Duration::from_mins(3));
}

#[test]
fn every_problem_of_a_launch_has_its_place_and_its_remedy() {
    let launch = "  l: { service: wohngelt, at: 2035-01-15T08:00:00, duration: 4h, arrivals_per_second: 0 }\n";
    assert_eq!(
        site(launch).problems(),
        "schleuse.yaml:10:17: launches.l.service: there is no service `wohngelt`; did you mean `wohngeld`?\n\
         schleuse.yaml:10:31: launches.l.at: `2035-01-15T08:00:00` has no offset; write 2035-01-15T08:00:00+01:00 \
         for winter in Germany, 2035-01-15T08:00:00+02:00 for summer, 2035-01-15T08:00:00Z for UTC\n\
         schleuse.yaml:10:87: launches.l.arrivals_per_second: 0 is too small; write at least 1"
    );
}

#[test]
fn arrivals_are_said_once() {
    assert_eq!(
        problem("ramp: 5m"),
        ": expects nobody; write `arrivals_per_second: 2000`, or a file as `arrivals`"
    );
    assert_eq!(
        problem("arrivals_per_second: 5, arrivals: launch.csv"),
        ": has both `arrivals_per_second` and `arrivals`; keep one of the two"
    );
    assert_eq!(
        problem("arrivals: launch.csv, ramp: 5m"),
        ".ramp: `arrivals` says how they grow; remove it"
    );
}

#[test]
fn the_pool_is_one_of_the_services_and_somebody_scales_it() {
    assert_eq!(
        problem("arrivals_per_second: 5, pool: c"),
        ".pool: `c` is no pool of `wohngeld`; write one of a, b"
    );
    assert_eq!(
        problem("arrivals_per_second: 5, pool: b"),
        ".pool: nobody scales the pool `b`; give it `scale`, or name another one of the service's pools with `pool`"
    );
}

#[test]
fn what_is_wrong_in_a_file_of_arrivals_is_named_by_line() {
    let site = site(&format!("  l: {{ {GIVEN}, arrivals: launch.csv }}\n"));
    for (csv, problems) in [
        (
            "a,b\n",
            "launch.csv:1: does not name its columns; name the columns seconds,arrivals_per_second in the first line",
        ),
        (
            "seconds,arrivals_per_second\n",
            "launch.csv: has no rows; write a row wherever the arrivals bend: what is between is linear",
        ),
        (
            "seconds,arrivals_per_second\n9,1\n5,1\n6,-3\n",
            "launch.csv:3: is earlier than the row above; sort the rows by `seconds`\n\
             launch.csv:4: arrivals_per_second `-3` is not a number; write digits only, with a point before decimals",
        ),
        (
            "seconds,arrivals_per_second\n1,1e9\n2,99999999\n",
            "launch.csv:2: arrivals_per_second `1e9` is not a number; write digits only, with a point before decimals\n\
             launch.csv:3: arrivals_per_second `99999999` is too large; check the unit",
        ),
    ] {
        site.write("launch.csv", csv);
        assert_eq!(site.problems(), problems);
    }
}

#[test]
fn what_may_not_hold_is_a_warning_since_what_is_learnt_decides() {
    let launch = "  l: { service: wohngeld, at: 2020-01-15T08:00:00Z, duration: 4h, arrivals_per_second: 9000 }\n";
    assert_eq!(
        site(launch).warnings(),
        [
            "schleuse.yaml:10:3: launches.l: 100 replicas are needed at the peak, 40 are allowed; \
             raise `pools.a.scale.max` to 100; `schleuse plan` has the timetable",
            "schleuse.yaml:10:31: launches.l.at: lies in the past; remove it when it is over, or mend the time",
        ]
    );
}
