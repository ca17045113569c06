//! Totals equal what the target itself counted.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use launchday::{
    distribution::Distribution,
    generator::{self, Settings, loopback_sources},
    results::{Ending, Reason},
    workload::{Body, Load, Template, Workload},
};

use super::{
    journey, play, results, settings,
    target::{Deed, Request, Target, answer},
    workload,
};

fn mixed(request: &Request<'_>) -> Deed {
    match request.number % 10 {
        0 => Deed::Close,
        1 => Deed::Answer(answer(503, "Retry-After: 1\r\n", "busy")),
        2 => Deed::Answer(answer(200, "Connection: close\r\n", "12345")),
        3 => Deed::Answer(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n0\r\n\r\n"
                .to_owned(),
        ),
        _ => Deed::Answer(answer(200, "", "12345")),
    }
}

#[test]
fn requests_answers_statuses_and_bytes_equal_the_targets_own_counts_under_resets() {
    let target = Target::start(mixed);
    let results = play(&workload(target.address, 1_000.0, 1.0), &settings(2, 16));
    assert_eq!(
        (results.counts.scheduled, target.requests()),
        (1_000, 1_000)
    );
    assert_eq!(target.answers(), 900);
    let statuses: Vec<(u16, u64)> = results
        .statuses
        .iter()
        .map(|entry| (entry.status, entry.count))
        .collect();
    assert_eq!(statuses, [(200, 800), (503, 100)]);
    assert_eq!(results.count_of(Reason::Reset), 100);
    assert_eq!(results.count_of(Reason::Status503), 100);
    assert_eq!(results.received_bytes, 800 * 5 + 100 * 4);
    let sent: u64 = results.workers.iter().map(|worker| worker.sent).sum();
    assert_eq!(sent, 1_000);
    let by_second: u64 = results.seconds.iter().map(|second| second.offered).sum();
    assert_eq!(by_second, 1_000);
}

#[test]
fn uploads_arrive_whole() {
    let target = Target::start(|_| Deed::Answer(answer(201, "", "")));
    let mut workload = workload(target.address, 20.0, 1.0);
    let authority = workload.target.authority.clone();
    workload.journeys[0].steps[0].request =
        Template::new("POST", "/", &authority, &[], &Body::Size(3_000_000));
    let results = play(&workload, &settings(1, 0));
    assert_eq!(results.counts.answered, 20);
    let arrived = target.seen.body_bytes.load(Ordering::SeqCst);
    assert_eq!((results.sent_bytes, arrived), (60_000_000, 60_000_000));
}

fn form(request: &Request<'_>) -> Deed {
    let has_cookie = request.fields.iter().any(|field| field == "Cookie: s=1");
    match request.path {
        "/start" => Deed::Answer(answer(
            302,
            "Location: /form\r\nSet-Cookie: s=1; Path=/\r\n",
            "",
        )),
        "/form" | "/done" if has_cookie => Deed::Answer(answer(200, "", "ok")),
        _ => Deed::Answer(answer(403, "", "")),
    }
}

fn two_steps(target: &Target) -> Workload {
    let mut workload = workload(target.address, 100.0, 1.0);
    let mut journey = journey(&workload.target.authority, &["/start", "/done"]);
    journey.steps[1].think = Distribution::Exponential(Duration::from_millis(100));
    workload.journeys = vec![journey];
    workload
}

#[test]
fn a_journey_follows_redirects_keeps_cookies_and_thinks() {
    let target = Target::start(form);
    let results = play(&two_steps(&target), &settings(2, 0));
    assert_eq!((results.counts.answered, target.requests()), (300, 300));
    let journey = &results.journeys[0];
    assert_eq!(
        (journey.started, journey.completed, journey.requests),
        (100, 100, 300)
    );
    let steps: Vec<(&str, u64)> = results
        .steps
        .iter()
        .map(|step| (step.step.as_str(), step.counts.answered))
        .collect();
    assert_eq!(steps, [("/start", 200), ("/done", 100)]);
}

#[test]
fn each_citizen_may_have_a_connection_of_its_own() {
    let target = Target::start(form);
    let mut workload = two_steps(&target);
    workload.journeys[0].own_connection = true;
    let results = play(&workload, &settings(1, 0));
    assert_eq!(
        (results.counts.answered, results.journeys[0].completed),
        (300, 100)
    );
    assert_eq!(target.seen.connections.load(Ordering::SeqCst), 100);
    assert_eq!(results.connections.unwrap().reused, 200);
}

#[test]
fn retry_after_is_obeyed_and_both_requests_count() {
    fn busy_at_first(request: &Request<'_>) -> Deed {
        match request.number {
            0..10 => Deed::Answer(answer(503, "Retry-After: 1\r\n", "")),
            _ => Deed::Answer(answer(200, "", "")),
        }
    }
    let target = Target::start(busy_at_first);
    let mut workload = workload(target.address, 100.0, 0.1);
    workload.journeys[0].retries_max = 1;
    let results = play(&workload, &settings(1, 0));
    assert_eq!((results.counts.failed, results.counts.answered), (10, 10));
    let journey = &results.journeys[0];
    assert_eq!((journey.completed, journey.came_back), (10, 10));
    // Two digits.
    assert!(
        journey.duration.min_ns >= 990_000_000,
        "{}",
        journey.duration.min_ns
    );
}

#[test]
fn the_warm_up_is_counted_apart() {
    let target = Target::start(|_| Deed::Answer(answer(200, "", "")));
    let mut workload = workload(target.address, 100.0, 3.0);
    workload.warm_up = Duration::from_secs(1);
    let results = play(&workload, &settings(2, 0));
    assert_eq!(
        (results.warm_up.answered, results.counts.answered),
        (100, 200)
    );
    assert_eq!(results.seconds.first().unwrap().at_seconds, -1);
}

#[test]
fn in_the_closed_model_each_citizen_waits_for_its_answer() {
    let target = Target::start(|request| {
        Deed::AnswerAt(
            request.since_first + Duration::from_millis(100),
            answer(200, "", ""),
        )
    });
    let mut workload = workload(target.address, 1.0, 1.0);
    workload.load = Load::Closed {
        citizens: 5,
        duration: Duration::from_secs(1),
    };
    let results = play(&workload, &settings(2, 0));
    assert!(
        (5..=50).contains(&results.counts.answered),
        "{:?}",
        results.counts
    );
    assert_eq!(results.counts.answered, target.answers());
    assert!(results.seconds.iter().all(|second| second.in_flight <= 5));
}

#[test]
fn a_run_that_is_stopped_keeps_what_it_has() {
    let target = Target::start(|_| Deed::Answer(answer(200, "", "")));
    let workload = workload(target.address, 200.0, 60.0);
    let stop = AtomicBool::new(false);
    let played = generator::play(&workload, &settings(2, 0), &stop, &mut |second| {
        stop.store(second.at_seconds >= 1, Ordering::Relaxed);
        None
    });
    let results = results(played.unwrap(), &workload);
    assert_eq!(results.ending, Ending::Interrupted);
    // The plan ends where the run did: of a minute's 12,000 only what was due by then counts, each as one thing.
    let counts = results.counts;
    assert!(counts.answered >= 1, "{counts:?}");
    assert!(counts.scheduled < 12_000, "{counts:?}");
    let ended = counts.answered + counts.failed + counts.abandoned + counts.unanswered;
    assert_eq!(ended + counts.not_sent, counts.scheduled, "{counts:?}");
}

#[test]
fn a_condition_of_the_watcher_aborts_the_run_and_is_named() {
    let target = Target::start(|_| Deed::Answer(answer(500, "", "")));
    let workload = workload(target.address, 200.0, 60.0);
    let stop = AtomicBool::new(false);
    let played = generator::play(&workload, &settings(1, 0), &stop, &mut |second| {
        (second.failed > 50).then(|| "too many failed".to_owned())
    });
    let results = results(played.unwrap(), &workload);
    assert_eq!(
        results.ending,
        Ending::Aborted("too many failed".to_owned())
    );
    assert_eq!(results.counts.failed, results.count_of(Reason::Status5xx));
}

#[test]
fn connections_come_from_all_source_addresses() {
    let target = Target::start(|_| Deed::Answer(answer(200, "Connection: close\r\n", "")));
    let settings = Settings {
        sources: loopback_sources(20),
        ..settings(1, 0)
    };
    let results = play(&workload(target.address, 100.0, 1.0), &settings);
    assert_eq!(results.counts.answered, 100);
    let connections = results.connections.unwrap();
    assert_eq!(
        (connections.source_addresses, connections.opened),
        (20, 100)
    );
}
