//! The page in a real browser: nothing fetched, nothing said on the console, no table cut off on paper, and what a screen reader
//! is told. Without Chromium on the machine all of it is left out and says so.

use std::{path::Path, process::Command};

use crate::report::html::{render, tests::busy};

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

/// What `script` returns in a browser window of that width, with `page` loaded. The script is the test's own: the page has none
/// and forbids any, so its policy is taken out of the copy that is asked.
fn ask(page: &str, width: u32, script: &str) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.html");
    let asked = format!(
        "<script>document.title = 'said ' + JSON.stringify((() => {{ {script} }})())</script></body>"
    );
    let page = page
        .replace("http-equiv=\"Content-Security-Policy\"", "")
        .replace("</body>", &asked);
    std::fs::write(&file, page).unwrap();
    let (dom, log) = browse(
        folder.path(),
        &[
            format!("--window-size={width},2000"),
            "--enable-blink-features=ComputedAccessibilityInfo".to_owned(),
            "--dump-dom".to_owned(),
            format!("file://{}", file.display()),
        ],
    )?;
    let said = dom.split_once("<title>said ").map(|(_, rest)| rest);
    let said = said.and_then(|rest| rest.split_once("</title>"));
    let (said, _) = said.unwrap_or_else(|| panic!("the script did not run: {log}"));
    Some(
        said.replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&amp;", "&"),
    )
}

/// The page as it is printed: the rules for paper hold on the screen as well.
fn on_paper(page: &str) -> String {
    assert!(page.contains("@media print"));
    page.replace("@media print", "@media all")
}

/// Whatever is wider than the window: its kind and text.
const TOO_WIDE: &str = "const wide = [...document.querySelectorAll('table, svg, h1, h2, p')]
    .filter(element => element.getBoundingClientRect().right > innerWidth + 1 && !element.closest('.scroll'))
    .map(element => element.tagName + ' ' + (element.caption || element).textContent.slice(0, 60));
  if (document.documentElement.scrollWidth > innerWidth + 1) wide.push('the page');
  return wide;";

#[test]
fn nothing_is_cut_off_on_paper_and_a_phone_scrolls_only_tables() {
    let page = render(&busy(60, 200));
    // A4 less margins of 15 mm is 180 mm, at 96 dots per inch.
    let paper = TOO_WIDE.replace(" && !element.closest('.scroll')", "");
    let Some(said) = ask(&on_paper(&page), 680, &paper) else {
        return;
    };
    assert_eq!(said, "[]");
    // Chromium's own least width.
    assert_eq!(ask(&page, 500, TOO_WIDE).unwrap(), "[]");
}

/// Names and roles as Chromium tells them to assistive software.
const READ_OUT: &str = "const all = selector => [...document.querySelectorAll(selector)];
  const nameless = elements => elements.filter(element => !element.computedName).length;
  return {
    language: document.documentElement.lang,
    mains: all('main').filter(element => element.computedRole === 'main').length,
    headings: all('h1, h2, h3, h4').map(element => element.tagName).join(' '),
    plots: all('svg[role=img]').length,
    nameless_plots: nameless(all('svg[role=img]')),
    undescribed_plots: all('svg[role=img]').filter(plot => !plot.querySelector('desc')?.textContent).length,
    readable_outside: all('svg:not([role=img])').filter(element => element.getAttribute('aria-hidden') !== 'true').length,
    nameless_sections: nameless(all('section')),
    tables: all('table').length,
    nameless_tables: nameless(all('table')),
    rows_without_head: all('tbody tr').filter(row => row.querySelectorAll('th[scope=row]').length !== 1).length,
    unreachable_scrolls: all('.scroll').filter(element => element.tabIndex !== 0 || !element.computedName).length,
  };";

#[test]
fn a_screen_reader_is_told_one_main_part_headings_in_order_and_a_name_for_each_plot_and_table() {
    let Some(said) = ask(&render(&busy(60, 200)), 1000, READ_OUT) else {
        return;
    };
    let told: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (&told["language"], &told["mains"]),
        (&"en".into(), &1.into()),
        "{told}"
    );
    let headings = told["headings"].as_str().unwrap();
    let (first, others) = headings.split_once(' ').unwrap();
    assert!(
        first == "H1" && others.split(' ').all(|heading| heading == "H2"),
        "{told}"
    );
    assert!(told["plots"].as_u64().unwrap() >= 8, "{told}");
    assert!(told["tables"].as_u64() >= told["plots"].as_u64(), "{told}");
    for none in [
        "nameless_plots",
        "undescribed_plots",
        "readable_outside",
        "nameless_sections",
        "nameless_tables",
        "rows_without_head",
        "unreachable_scrolls",
    ] {
        assert_eq!(told[none], 0, "{none}: {told}");
    }
}

#[test]
fn it_prints_to_pages() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.html");
    std::fs::write(&file, render(&busy(60, 200))).unwrap();
    let printed = folder.path().join("report.pdf");
    let Some((_, log)) = browse(
        folder.path(),
        &[
            format!("--print-to-pdf={}", printed.display()),
            format!("file://{}", file.display()),
        ],
    ) else {
        return;
    };
    let pdf = std::fs::read(&printed).unwrap_or_else(|error| panic!("{error}: {log}"));
    let text = String::from_utf8_lossy(&pdf);
    let pages = text.matches("/Type /Page\n").count();
    assert!((2..40).contains(&pages), "{pages} pages");
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
