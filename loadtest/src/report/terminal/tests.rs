//! What stands on a terminal, however narrow or plain it is.

use crate::{
    results::{
        PoolSecond, Reason, ReasonCount, Results,
        fixture::{Fate, play},
    },
    verdict::judge,
};

use super::{Progress, Screen, Style, Watch, frame, line, summary};

fn terminal(columns: usize) -> Style {
    Style {
        is_live: true,
        has_colour: false,
        columns,
    }
}

fn progress() -> Progress {
    Progress {
        at_seconds: 12,
        planned_seconds: 60.0,
        offered_per_second: 15_000.0,
        answered_per_second: 14_200.0,
        response_ns: Some([1_200_000, 48_000_000, 2_300_000_000]),
        own_lag_max_ns: Some(87_000),
        reasons: vec![ReasonCount {
            reason: Reason::ConnectRefused,
            count: 1_234,
        }],
        pool: Some(PoolSecond::default()),
        ..Progress::default()
    }
}

#[test]
fn nothing_is_wider_than_forty_columns() {
    let mut results = play(10, 500, &[("Berlin", "Berlin", 3_700_000)], |request, _| {
        if request % 9 == 0 {
            Fate::Fails(Reason::MalformedAnswer)
        } else {
            Fate::Never(3_000_000_000)
        }
    });
    judge(&mut results, &[]);
    for lines in [
        frame(&progress(), terminal(40)),
        summary(&results, terminal(40)),
    ] {
        for line in lines {
            assert!(line.chars().count() <= 40, "{line}");
        }
    }
}

#[test]
fn a_run_delay_that_the_kernel_does_not_tell_is_said_to_be_unknown() {
    let mut results = play(1, 100, &[], |_, _| Fate::After(1_000_000));
    judge(&mut results, &[]);
    let is_said = |results: &Results| {
        let said = summary(results, terminal(200)).join("\n");
        let page = crate::report::html::render(results);
        [said, page].map(|text| text.contains("is not known on this kernel"))
    };
    assert_eq!(is_said(&results), [false, false]);
    results.workers[0].run_delay_ns = None;
    assert_eq!(is_said(&results), [true, true]);
}

#[test]
fn own_lag_and_validity_are_in_every_frame_and_every_line() {
    let mut doubtful = progress();
    doubtful.doubt = Some("no local port".to_owned());
    for (progress, word) in [
        (progress(), "valid so far"),
        (doubtful, "INVALID: no local"),
    ] {
        let lines = frame(&progress, terminal(40)).join("\n");
        let plain = line(&progress);
        for text in [lines, plain] {
            assert!(
                text.contains("own lag ≤ 87 µs") && text.contains(word),
                "{text}"
            );
        }
    }
}

#[test]
fn a_plain_line_has_no_escape_and_no_line_break() {
    let text = line(&progress());
    assert!(!text.contains('\u{1b}') && !text.contains('\n'));
    assert!(text.contains("connect_refused=1234"), "{text}");
}

#[test]
fn colour_is_used_only_where_it_is_wanted_and_possible() {
    let decide = |is_terminal, name: &'static str, value: &'static str| {
        Style::decide(is_terminal, Some(100), |asked| {
            (asked == name).then(|| value.to_owned())
        })
    };
    assert!(decide(true, "TERM", "xterm").has_colour);
    assert!(!decide(true, "NO_COLOR", "1").has_colour);
    assert!(
        decide(true, "NO_COLOR", "").has_colour,
        "an empty one does not count"
    );
    let dumb = decide(true, "TERM", "dumb");
    assert!(!dumb.has_colour && !dumb.is_live);
    assert_eq!(decide(false, "TERM", "xterm"), Style::PLAIN);
    assert_eq!(Style::decide(true, Some(0), |_| None).columns, 80);
}

#[test]
fn a_verdict_comes_first_and_colour_only_repeats_it() {
    let mut results = play(3, 1_000, &[], |_, _| Fate::After(1_000_000));
    judge(&mut results, &[]);
    let plain = summary(&results, terminal(80));
    assert_eq!(plain[0], "PASSED");
    let coloured = Style {
        has_colour: true,
        ..terminal(80)
    };
    let painted = summary(&results, coloured);
    assert_eq!(painted[0], "\u{1b}[32;1mPASSED\u{1b}[0m");
    assert_eq!(plain.len(), painted.len());
}

#[test]
fn a_frame_is_drawn_in_the_place_of_the_last_one() {
    let mut screen = Screen::new(Vec::new());
    screen.draw(&["one".to_owned(), "two".to_owned()]).unwrap();
    screen.draw(&["three".to_owned()]).unwrap();
    assert_eq!(
        format!("{screen:?}"),
        format!(
            "Screen {{ out: {:?}, drawn: 1 }}",
            b"one\ntwo\n\x1b[2F\x1b[0Jthree\n"
        )
    );
}

#[test]
fn a_silent_target_and_a_lagging_generator_are_seen_second_by_second() {
    let mut results = play(12, 100, &[], |_, plan| {
        if plan < 6_000_000_000 {
            Fate::After(1_000_000)
        } else {
            Fate::Never(1)
        }
    });
    let mut watch = Watch::new(12.0);
    for second in &mut results.seconds {
        second.in_flight = 1;
        let progress = watch.see(second).clone();
        assert_eq!(progress.doubt, None);
        let silent = u64::try_from(second.at_seconds - 5).unwrap_or(0);
        assert_eq!(progress.silent_seconds, silent);
    }
    let mut lagging = Watch::new(12.0);
    let mut doubts = results.seconds.iter_mut().map(|second| {
        second.own_lag_max_ns = 50_000_000;
        lagging.see(second).doubt.clone()
    });
    assert_eq!(doubts.next().flatten().as_deref(), Some("lag 50 ms"));
}
