//! What the demo prints for a person: where everything is, and every step of the tour as a command to type.

use super::{process::Process, script, site::Site, step::Action, terminal::Terminal};

/// Of everything below a heading.
const INDENT: usize = 2;

/// Prints it.
pub fn print(site: &Site, proxy: &Process, terminal: Terminal) {
    let ports = site.ports;
    where_things_are(site, terminal);
    terminal.heading("Try this, in this directory");
    terminal.command(INDENT, &format!("cd {}", site.path().display()));
    terminal.prose(
        INDENT,
        &format!(
            "A browser knows the same addresses, such as http://wohngeld.localhost:{}/. A curl before 7.85 does not know \
             *.localhost: add `--connect-to ::127.0.0.1:` to each line.",
            ports.http
        ),
    );
    for chapter in script::chapters(site) {
        terminal.heading(chapter.title);
        let mut named = false;
        for step in &chapter.steps {
            if matches!(step.action, Action::SetMode(_)) && !named {
                named = true;
                name_endpoint(site, terminal);
            }
            let command = step.action.command(site, "$E", "REFERENCE", proxy.id());
            terminal.prose(INDENT, step.title);
            terminal.command(INDENT + 2, &command);
        }
    }
    terminal.line("");
    terminal.line("`schleuse demo --tour` does all of this itself. Ctrl-C ends the demo.");
}

/// The tour remembers the endpoint that the form is on; a person lets the shell do it.
fn name_endpoint(site: &Site, terminal: Terminal) {
    let page = script::form_page(site.ports);
    terminal.prose(
        INDENT,
        "The address of that endpoint stands in each answer:",
    );
    let command = format!("E=$({page} | awk '/^Endpunkt/ {{ print $3 }}')");
    terminal.command(INDENT + 2, &command);
}

/// Directory and listeners.
fn where_things_are(site: &Site, terminal: Terminal) {
    let ports = site.ports;
    let fate = if site.is_temporary() {
        " (removed at the end)"
    } else {
        ""
    };
    terminal.heading("Where things are");
    let lines = [
        ("directory", format!("{}{fate}", site.path().display())),
        (
            "config",
            "schleuse.yaml: edit it, saved is in force".to_owned(),
        ),
        (
            "log",
            "log/proxy.jsonl: JSON, one line per request or event".to_owned(),
        ),
        ("HTTP", format!("http://wohngeld.localhost:{}/", ports.http)),
        (
            "HTTPS",
            format!(
                "https://wohngeld.localhost:{}/ (authority: ca.pem)",
                ports.https
            ),
        ),
        (
            "admin",
            format!("http://127.0.0.1:{}/api/v1/status", ports.admin),
        ),
        (
            "metrics",
            format!("http://127.0.0.1:{}/metrics", ports.admin),
        ),
        (
            "backends",
            format!(
                "none runs yet; http://127.0.0.1:{}/api/v1/pools says which do",
                ports.admin
            ),
        ),
    ];
    for (name, value) in lines {
        terminal.line(&format!("  {name:10} {value}"));
    }
}
