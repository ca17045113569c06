//! What is seen while a run goes on: at a narrow terminal, and of a Schleuse that tells its replicas.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener},
    os::fd::OwnedFd,
    process::Command,
};

use rustix::{
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};

use super::{PROGRAM, json, launchday, nobody, origin};

/// Both ends of a terminal of so many columns.
fn terminal(columns: u16) -> (File, OwnedFd) {
    let near = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&near).unwrap();
    unlockpt(&near).unwrap();
    let name = ptsname(&near, Vec::new()).unwrap();
    let far = File::options()
        .read(true)
        .write(true)
        .open(name.to_str().unwrap())
        .unwrap();
    let size = Winsize {
        ws_row: 24,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&far, size).unwrap();
    (File::from(near), far.into())
}

/// Text without escape sequences (`ESC [ … letter`).
fn visible(text: &str) -> String {
    let mut parts = text.split("\x1b[");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|letter: char| letter.is_ascii_alphabetic());
        shown.push_str(&part[end.map_or(part.len(), |end| end + 1)..]);
    }
    shown
}

/// Everything that a run of `arguments` writes to a terminal of so many columns.
fn at_terminal(columns: u16, arguments: &[&str]) -> String {
    let (mut near, far) = terminal(columns);
    let mut command = Command::new(PROGRAM);
    command
        .args(arguments)
        .env("TERM", "xterm")
        .stdout(far.try_clone().unwrap())
        .stderr(far);
    let mut child = command.spawn().unwrap();
    drop(command); // it holds the far end open, and then the near end would never end
    let mut bytes = Vec::new();
    // Linux tells the end of a terminal by EIO.
    let _ = near.read_to_end(&mut bytes);
    child.wait().unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn at_forty_columns_neither_frame_nor_summary_is_wider() {
    let dead = format!("http://{}", nobody());
    let alive = origin(0);
    let alive = format!("http://{}", alive.address);
    for url in [&dead, &alive] {
        let written = at_terminal(40, &["run", url, "-z", "1200ms", "-q", "50/s"]);
        assert!(written.contains("\x1b["), "drawn in place: {written}");
        let shown = visible(&written);
        assert!(
            shown.contains("offered") && shown.contains("scheduled"),
            "{shown}"
        );
        for line in shown.lines() {
            let line = line.trim_end_matches('\r');
            assert!(line.chars().count() <= 40, "{line}");
        }
    }
}

/// Answers as the admin API of a Schleuse with one pool, to who shows this token; empty: to all.
fn admin(token: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut question = [0; 4096];
            let read = stream.read(&mut question).unwrap_or_default();
            let shown = format!("\r\nAuthorization: Bearer {token}\r\n");
            let question = String::from_utf8_lossy(&question[..read]);
            if !token.is_empty() && !question.contains(&shown) {
                let _ = stream.write_all(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n");
                continue;
            }
            let body = if question.starts_with("GET /api/v1/signals ") {
                r#"[{"pool":"a","known":true,"ready":3,"desired":4}]"#
            } else {
                r#"[{"name":"a","waiting":4,"in_flight":6,"endpoints":[]}]"#
            };
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            // Whoever asked may have left already.
            let _ = stream.write_all((head + body).as_bytes());
        }
    });
    address
}

#[test]
fn replicas_of_a_schleuse_are_in_every_line_and_in_the_result() {
    let directory = tempfile::tempdir().unwrap();
    let target = origin(0);
    let said = launchday(
        directory.path(),
        &[
            "run",
            &format!("http://{}", target.address),
            "-z",
            "1s",
            "--no-tui",
            &format!("--admin=http://{}", admin("")),
            "--json=r.json",
        ],
    );
    // An admin that a busy machine kept from answering within 200 ms is missing in that second only.
    assert!(said.err.contains("replicas 3/4, queue 4"), "{}", said.err);
    let result = json(&directory.path().join("r.json"));
    let seconds = result["seconds"].as_array().unwrap();
    let told = seconds.iter().find(|second| !second["pool"].is_null());
    let pool = &told.unwrap()["pool"];
    assert_eq!(
        (&pool["replicas_ready"], &pool["in_flight"]),
        (&3.into(), &6.into())
    );
    let wrong = launchday(directory.path(), &["run", "smoke", "--admin=schleuse:9900"]);
    assert_eq!(wrong.code, 2);
    assert!(wrong.err.contains("write http://IP:PORT"), "{}", wrong.err);
}

#[test]
fn an_admin_api_with_a_token_is_shown_it_and_one_that_misses_it_is_told_before_the_run() {
    const TOKEN: &str = "0123456789abcdef";
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("token"), format!("{TOKEN}\n")).unwrap();
    let target = origin(0);
    let (url, admin) = (
        format!("http://{}", target.address),
        format!("--admin=http://{}", admin(TOKEN)),
    );
    let run = ["run", &url, "-z", "1s", "--no-tui", &admin];
    let from_file = [&run[..], &["--admin-token-file=token"]].concat();
    let mut from_environment = Command::new(PROGRAM);
    from_environment
        .args(run)
        .env("LAUNCHDAY_ADMIN_TOKEN", TOKEN)
        .current_dir(directory.path());
    for said in [
        launchday(directory.path(), &from_file),
        from_environment.output().unwrap().into(),
    ] {
        assert!(said.err.contains("replicas 3/4, queue 4"), "{}", said.err);
        assert!(!said.err.contains(TOKEN) && !said.out.contains(TOKEN));
    }
    let without = launchday(directory.path(), &run);
    assert_eq!(without.code, 2, "{}", without.err);
    assert!(without.err.contains("wants its token"), "{}", without.err);
}
