//! The page as text; what a browser makes of it is in `browser`.

use crate::{
    report::html::render,
    results::{
        Reason, Results,
        fixture::{Fate, SECOND_NS, play},
    },
    verdict::judge,
};

const TENANTS: [(&str, &str, u64); 4] = [
    ("Berlin", "Berlin", 3_700_000),
    ("Dierfeld <&>", "Rheinland-Pfalz", 10),
    ("Görlitz", "Sachsen", 56_000),
    ("Sylt", "Schleswig-Holstein", 14_000),
];

/// A run with everything in it: slow and fast answers, failures, people who leave, a death at the end.
pub(super) fn busy(seconds: u64, rate: u64) -> Results {
    busy_over(seconds, rate, &TENANTS)
}

pub(super) fn busy_over(seconds: u64, rate: u64, tenants: &[(&str, &str, u64)]) -> Results {
    let mut results = play(seconds, rate, tenants, move |request, plan| {
        let late = plan > seconds * SECOND_NS * 9 / 10;
        match (request.wrapping_mul(2_654_435_761) >> 7) % 50 {
            0 => Fate::Fails(Reason::Status503),
            1 => Fate::Fails(Reason::Reset),
            2 => Fate::Leaves(3 * SECOND_NS),
            _ if late => Fate::Never((seconds + 5) * SECOND_NS - plan),
            draw => Fate::After(1_000_000 + draw * draw * 300_000 + request % 977 * 40_000),
        }
    });
    judge(&mut results, &[]);
    results
}

#[test]
fn the_verdict_and_its_reason_stand_before_everything_else() {
    let page = render(&busy(20, 500));
    let verdict = page.find("<h1>Failed: the threshold").unwrap();
    assert!(verdict < page.find("<svg").unwrap() && verdict < page.find("<section").unwrap());
}

#[test]
fn every_plot_is_named_described_and_followed_by_a_table() {
    let page = render(&busy(20, 500));
    let plots: Vec<&str> = page.split("<svg role=\"img\"").skip(1).collect();
    assert!(plots.len() >= 8, "{}", plots.len());
    for plot in plots {
        assert!(plot.contains("<title id=") && plot.contains("<desc id="));
    }
    for section in page.split("<section").skip(1) {
        if let Some(plot) = section.rfind("<svg role") {
            assert!(section[plot..].contains("<caption>"), "{}", &section[..80]);
        }
    }
    assert!(page.contains("<html lang=\"en\">"));
}

#[test]
fn nothing_in_it_refers_to_the_outside_or_runs() {
    let page = render(&busy(5, 100));
    for forbidden in [
        "<script",
        "src=",
        "href=",
        "url(",
        "@import",
        "http-equiv=\"refresh",
    ] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn names_from_outside_cannot_become_markup() {
    let page = render(&busy(5, 100));
    assert!(!page.contains("Dierfeld <&>") && page.contains("Dierfeld &lt;&amp;&gt;"));
}

#[test]
fn an_hour_over_all_municipalities_stays_below_two_megabytes() {
    let tenants: Vec<(&str, &str, u64)> = (0..10_751)
        .map(|number| ("Mustergemeinde an der Oder", "Brandenburg", number * 13))
        .collect();
    let page = render(&busy_over(3_600, 50, &tenants));
    assert!(page.len() <= 2_000_000, "{}", page.len());
}

/// The `d` of a line of the plot, and how many points stand alone on it.
fn line_of<'p>(page: &'p str, plot: &str, class: &str) -> (&'p str, usize) {
    let from = page
        .find(&format!("aria-labelledby=\"{plot}-title"))
        .unwrap();
    let plot = page[from..].split("</svg>").next().unwrap();
    let path = plot
        .split(&format!("<path class=\"{class}\" d=\""))
        .nth(1)
        .unwrap();
    let dots = plot.matches(&format!("<circle class=\"{class}\"")).count();
    (path.split('"').next().unwrap(), dots)
}

#[test]
fn latency_is_not_drawn_through_seconds_in_which_nobody_was_answered() {
    // Frozen from second 10 to second 13; whoever waits is answered then.
    let frozen = |seconds| {
        play(seconds, 100, &[], |request, plan| {
            let thaw = 13 * SECOND_NS + request * 1_000;
            let is_frozen = (10 * SECOND_NS..13 * SECOND_NS).contains(&plan);
            Fate::After(if is_frozen { thaw - plan } else { 2_000_000 })
        })
    };
    for seconds in [20, 3_000] {
        let page = render(&frozen(seconds));
        for class in ["a", "b"] {
            let (path, dots) = line_of(&page, "plot-latency", class);
            assert_eq!(path.matches('M').count(), 2, "{seconds} s: {path}");
            assert_eq!(dots, 0);
        }
        let (offered, _) = line_of(&page, "plot-offered", "a");
        assert_eq!(offered.matches('M').count(), 1, "zero is a number");
    }
}

#[test]
fn a_run_of_one_second_or_without_any_answer_still_makes_a_page() {
    for results in [
        busy(1, 100),
        play(1, 50, &[], |_, _| Fate::Fails(Reason::Dns)),
        play(0, 1, &[], |_, _| Fate::Fails(Reason::Dns)),
    ] {
        let page = render(&results);
        assert!(page.ends_with("</html>\n"));
        assert!(!page.contains("NaN") && !page.contains("inf\"") && !page.contains("inf "));
    }
}
