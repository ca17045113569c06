//! Journeys told as stories.

use std::time::Duration;

use super::*;
use crate::{
    distribution::Distribution,
    workload::{ComeBack, fixture},
};

const SECOND: u64 = 1_000_000_000;

fn reply(status: u16) -> Reply {
    Reply {
        status,
        ..Reply::default()
    }
}

/// Two steps with 2 s of thinking between, one redirect allowed, `Retry-After` obeyed twice, patience of 10 s.
fn workload() -> Workload {
    let mut workload = fixture::workload(&["/one", "/two"]);
    let journey = &mut workload.journeys[0];
    journey.patience = Some(Distribution::Fixed(Duration::from_secs(10)));
    journey.retries_max = 2;
    journey.come_back = Some(ComeBack {
        after: Distribution::Fixed(Duration::from_mins(1)),
        share: 1.0,
        times_max: 1,
    });
    for step in &mut journey.steps {
        step.think = Distribution::Fixed(Duration::from_secs(2));
        step.redirects_max = 1;
    }
    workload
}

#[test]
fn a_citizen_fits_into_256_bytes() {
    assert!(size_of::<Citizen>() <= 256);
}

#[test]
fn steps_follow_each_other_after_thinking_and_the_last_completes_the_journey() {
    let workload = workload();
    let mut citizen = Citizen::arrive(7, SECOND, &workload);
    let (fate, then) = citizen.receive(&reply(200), 3 * SECOND, &workload);
    assert_eq!((fate, then), (Fate::Answered, Then::Request(5 * SECOND)));
    assert_eq!((citizen.step, citizen.plan), (1, 5 * SECOND));
    let (fate, then) = citizen.receive(&reply(204), 6 * SECOND, &workload);
    assert_eq!(
        (fate, then),
        (Fate::Answered, Then::End(JourneyEnd::Completed))
    );
}

#[test]
fn one_redirect_is_followed_at_once_and_a_second_fails() {
    let workload = workload();
    let mut citizen = Citizen::arrive(7, 0, &workload);
    let moved = Reply {
        has_location: true,
        ..reply(303)
    };
    let (fate, then) = citizen.receive(&moved, SECOND, &workload);
    assert_eq!((fate, then), (Fate::Answered, Then::Request(SECOND)));
    assert!(citizen.is_redirected());
    let (fate, _) = citizen.receive(&moved, 2 * SECOND, &workload);
    assert_eq!(fate, Fate::Failed(Reason::Redirects));
}

#[test]
fn retry_after_is_obeyed_as_often_as_allowed() {
    let workload = workload();
    let mut citizen = Citizen::arrive(7, 0, &workload);
    let busy = Reply {
        retry_after_seconds: Some(30),
        ..reply(503)
    };
    for time in 1..=2 {
        let (fate, then) = citizen.receive(&busy, time * SECOND, &workload);
        assert_eq!(fate, Fate::Failed(Reason::Status503));
        assert_eq!(then, Then::Request((time + 30) * SECOND));
    }
    assert_eq!(citizen.came_back(), 2);
    let (_, then) = citizen.receive(&busy, 90 * SECOND, &workload);
    assert_eq!(then, Then::End(JourneyEnd::Failed));
}

#[test]
fn a_citizen_leaves_when_patience_ends_and_comes_back_once_to_the_same_step() {
    let workload = workload();
    let mut citizen = Citizen::arrive(7, SECOND, &workload);
    assert_eq!(citizen.leaves_at(), 11 * SECOND);
    let (fate, then) = citizen.leave(11 * SECOND, &workload);
    assert_eq!((fate, then), (Fate::Abandoned, Then::Request(71 * SECOND)));
    assert_eq!((citizen.step, citizen.leaves_at()), (0, 81 * SECOND));
    let (_, then) = citizen.leave(81 * SECOND, &workload);
    assert_eq!(then, Then::End(JourneyEnd::Abandoned));
}

#[test]
fn a_status_that_the_step_does_not_accept_fails_by_its_own_reason() {
    let workload = workload();
    for (status, reason) in [
        (404, Reason::Status4xx),
        (429, Reason::Status429),
        (500, Reason::Status5xx),
        (999, Reason::UnexpectedStatus),
        (503, Reason::Status503),
        (304, Reason::Redirects),
    ] {
        let mut citizen = Citizen::arrive(7, 0, &workload);
        assert_eq!(
            citizen.receive(&reply(status), 1, &workload).0,
            Fate::Failed(reason)
        );
    }
    let mut exact = workload.clone();
    exact.journeys[0].steps[0].expected = vec![404];
    let mut citizen = Citizen::arrive(7, 0, &exact);
    assert_eq!(citizen.receive(&reply(404), 1, &exact).0, Fate::Answered);
    let mut citizen = Citizen::arrive(7, 0, &exact);
    let (fate, _) = citizen.receive(&reply(200), 1, &exact);
    assert_eq!(fate, Fate::Failed(Reason::UnexpectedStatus));
}
