//! The page as text and in a real browser. Without Chromium on the machine the browser's part is left out and says so.

use std::{path::Path, process::Command};

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
fn busy(seconds: u64, rate: u64) -> Results {
    busy_over(seconds, rate, &TENANTS)
}

fn busy_over(seconds: u64, rate: u64, tenants: &[(&str, &str, u64)]) -> Results {
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

/// Chromium's standard output and log of errors for `file`; none where there is no Chromium.
fn browse(folder: &Path, arguments: &[String]) -> Option<(String, String)> {
    let program = ["chromium", "chromium-browser", "google-chrome"]
        .into_iter()
        .find(|name| Command::new(name).arg("--version").output().is_ok());
    let Some(program) = program else {
        println!("left out: no Chromium on this machine");
        return None;
    };
    let output = Command::new(program)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--enable-logging=stderr",
        ])
        .arg(format!(
            "--user-data-dir={}",
            folder.join("profile").display()
        ))
        .args(arguments)
        .output()
        .unwrap();
    Some((
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    ))
}

#[test]
fn chromium_shows_it_without_a_word_on_the_console_and_without_a_request() {
    for (seconds, rate) in [(1, 100), (120, 200)] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("report.html");
        std::fs::write(&file, render(&busy(seconds, rate))).unwrap();
        let net_log = folder.path().join("net.json");
        let Some((dom, log)) = browse(
            folder.path(),
            &[
                format!("--log-net-log={}", net_log.display()),
                "--dump-dom".to_owned(),
                format!("file://{}", file.display()),
            ],
        ) else {
            return;
        };
        assert!(dom.contains("<h1>Failed"), "{log}");
        assert!(!log.contains("CONSOLE"), "{log}");
        // The parser closes what was left open and moves what stands in the wrong place: tables stay inside their sections.
        assert_eq!(
            dom.matches("<caption>").count(),
            dom.matches("</caption>").count()
        );
        let requests = std::fs::read_to_string(&net_log).unwrap_or_default();
        assert!(
            !requests.contains("report.html/") && !requests.contains("\"http://127.0.0.1:8080")
        );
    }
}

#[test]
fn chromium_draws_the_plots() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.html");
    std::fs::write(&file, render(&busy(60, 200))).unwrap();
    let picture = folder.path().join("report.png");
    let Some((_, log)) = browse(
        folder.path(),
        &[
            format!("--screenshot={}", picture.display()),
            "--window-size=1000,6000".to_owned(),
            format!("file://{}", file.display()),
        ],
    ) else {
        return;
    };
    // An empty page of this size compresses to about 20 kB.
    let bytes = std::fs::metadata(&picture).map_or(0, |known| known.len());
    assert!(bytes > 100_000, "{bytes} bytes; {log}");
}
