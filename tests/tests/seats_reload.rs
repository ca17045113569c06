//! Never more requests at a backend than it has seats, whatever the config does meanwhile.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use schleuse_tests::{Client, Edge, Load, Origin, origin::ok};

use crate::fair_line::{BERLIN, config};

/// A backend that knows how many requests it has at once, and the most it had.
fn counting(at_once: &Arc<(AtomicUsize, AtomicUsize)>) -> Origin {
    let at_once = at_once.clone();
    Origin::serve(move |_, conversation| {
        let now = at_once.0.fetch_add(1, SeqCst) + 1;
        at_once.1.fetch_max(now, SeqCst);
        std::thread::sleep(Duration::from_millis(1)); // the service time of this backend
        at_once.0.fetch_sub(1, SeqCst);
        conversation.send(ok("served"));
    })
    .forgetful()
}

#[test]
fn no_reload_puts_more_requests_at_a_backend_than_it_has_seats() {
    let at_once = Arc::<(AtomicUsize, AtomicUsize)>::default();
    let origin = counting(&at_once);
    let (one, two, three) = (
        Origin::ok("served"),
        Origin::ok("served"),
        Origin::ok("served"),
    );
    let others = [one.address(), two.address(), three.address()];
    let with = |seats: usize, others: &[std::net::SocketAddr]| -> Edge {
        let endpoints: Vec<_> = [origin.address()].iter().chain(others).copied().collect();
        config(seats, "fair_by: equal", &endpoints)
    };
    let mut edge = with(3, &[]).start();
    let load = Load::new(
        12,
        {
            let address = edge.http();
            move || Client::connect(address)
        },
        |client| match client
            .get("wohngeld.example", &format!("/{BERLIN}/"))
            .status
        {
            200 => Ok(()),
            status => Err(format!("{status}")),
        },
    );
    for round in 0..8 {
        edge.reload(with(1 + round % 3, &others[..round % 4]));
        load.wait_answers(20);
    }
    let (_, failures) = load.stop();
    assert_eq!(failures, Vec::<String>::new());
    assert!(at_once.1.load(SeqCst) <= 3, "{at_once:?}");
}
