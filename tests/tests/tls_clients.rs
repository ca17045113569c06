//! Clients that others wrote, as far as this machine has them: curl, Python, `OpenSSL` and Chromium.

use std::{ffi::OsStr, fs, path::Path, process::Command};

use schleuse_tests::{
    Authority, Edge, Origin, Pair, RunningEdge,
    binary::{Finished, finish},
    origin::ok,
};

const NAMES: [&str; 2] = ["berlin.example", "koeln.example"];

/// Two domains with two certificates, and the authority's certificate beside the config.
fn start(authority: &Authority, origin: &Origin) -> (RunningEdge, [Pair; 2]) {
    let pairs = NAMES.map(|name| authority.issue(&[name]));
    let mut config = Edge::new()
        .service(
            "wohngeld",
            "responsible: bund\nhosts: [berlin.example, koeln.example]",
        )
        .pool("wohngeld", &[origin.address()], "")
        .file("ca.pem", authority.certificate())
        .tls("tls");
    for (name, pair) in NAMES.iter().zip(&pairs) {
        config = config
            .file(&format!("tls/{name}.crt"), pair.certificate.clone())
            .file(&format!("tls/{name}.key"), pair.key.clone());
    }
    (config.start(), pairs)
}

fn host_of() -> Origin {
    Origin::serve(|request, conversation| {
        let host = request.field("Host").unwrap_or_default();
        conversation.send(ok(&format!("<p>asked for {host}</p>")));
    })
}

/// The command, when the machine has it.
#[expect(clippy::print_stdout, reason = "shown by a run with --nocapture")]
fn tool(name: &str) -> Option<Command> {
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path).find(|directory| directory.join(name).is_file());
    if found.is_none() {
        println!("not tested here: {name} is not installed");
    }
    found.map(|_| Command::new(name))
}

fn run<S: AsRef<OsStr>>(mut tool: Command, directory: &Path, arguments: &[S]) -> Finished {
    tool.current_dir(directory).args(arguments);
    finish(tool)
}

#[test]
fn curl_reads_both_domains() {
    let (authority, origin) = (Authority::new(), host_of());
    let (edge, _) = start(&authority, &origin);
    let port = edge.https().port();
    for name in NAMES {
        let Some(curl) = tool("curl") else { return };
        let (to, url) = (
            format!("{name}:{port}:127.0.0.2"),
            format!("https://{name}:{port}/"),
        );
        let finished = run(
            curl,
            edge.directory(),
            &["-sS", "--cacert", "ca.pem", "--resolve", &*to, &*url],
        );
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
        assert!(
            finished.stdout.contains(&format!("asked for {name}")),
            "{}",
            finished.stdout
        );
    }
}

#[test]
fn python_reads_both_domains_with_its_own_tls() {
    const SCRIPT: &str = "
import socket, ssl, sys
name, port = sys.argv[1], int(sys.argv[2])
context = ssl.create_default_context(cafile='ca.pem')
raw = socket.create_connection(('127.0.0.2', port), timeout=20)
with context.wrap_socket(raw, server_hostname=name) as tls:
    for path in ('/one', '/two'):
        tls.sendall(f'GET {path} HTTP/1.1\\r\\nHost: {name}\\r\\n\\r\\n'.encode())
        print(tls.version(), tls.recv(65536).decode())
";
    let (authority, origin) = (Authority::new(), host_of());
    let (edge, _) = start(&authority, &origin);
    let port = edge.https().port().to_string();
    for name in NAMES {
        let Some(python) = tool("python3") else {
            return;
        };
        let finished = run(python, edge.directory(), &["-c", SCRIPT, name, &*port]);
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
        assert_eq!(
            finished.stdout.matches("TLSv1.3 HTTP/1.1 200").count(),
            2,
            "{}",
            finished.stdout
        );
    }
}

#[test]
fn openssl_gets_1_2_and_1_3_and_nothing_older_or_weaker() {
    let (authority, origin) = (Authority::new(), host_of());
    let (edge, _) = start(&authority, &origin);
    let address = edge.https().to_string();
    let connect = |more: &[&str]| {
        let mut arguments = vec![
            "s_client",
            "-brief",
            "-CAfile",
            "ca.pem",
            "-verify_return_error",
        ];
        arguments.extend(["-servername", NAMES[0], "-connect", &address]);
        arguments.extend(more);
        Some(run(tool("openssl")?, edge.directory(), &arguments).code)
    };
    for (options, code) in [
        (&["-tls1_3"][..], 0),
        (&["-tls1_2"], 0),
        (&["-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384"], 0),
        (&["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], 1),
        (&["-tls1", "-cipher", "ALL:@SECLEVEL=0"], 1),
        (&["-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305"], 1),
        (&["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256"], 1),
        (
            &["-tls1_3", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"],
            1,
        ),
    ] {
        let Some(finished) = connect(options) else {
            return;
        };
        assert_eq!(finished, Some(code), "{options:?}");
    }
}

/// SHA-256 of a certificate's public key as Chromium wants it; needs `OpenSSL`.
fn key_hash(directory: &Path, name: &str) -> Option<String> {
    let pipeline = format!(
        "openssl x509 -in tls/{name}.crt -pubkey -noout | openssl pkey -pubin -outform der \
         | openssl dgst -sha256 -binary | openssl base64"
    );
    tool("openssl")?;
    let finished = run(Command::new("sh"), directory, &["-c", &pipeline]);
    Some(finished.stdout.trim().to_owned())
}

#[test]
fn chromium_shows_the_page_of_either_domain() {
    let (authority, origin) = (Authority::new(), host_of());
    let (edge, _) = start(&authority, &origin);
    let port = edge.https().port();
    for name in NAMES {
        let (Some(chromium), Some(hash)) = (tool("chromium"), key_hash(edge.directory(), name))
        else {
            return;
        };
        let profile = edge.directory().join(format!("profile-{name}"));
        fs::create_dir(&profile).unwrap();
        // The browser trusts this key and no other; the name and everything else it checks by itself.
        let finished = run(
            chromium,
            edge.directory(),
            &[
                "--headless".to_owned(),
                "--no-sandbox".to_owned(),
                "--disable-gpu".to_owned(),
                format!("--user-data-dir={}", profile.display()),
                format!("--ignore-certificate-errors-spki-list={hash}"),
                format!("--host-resolver-rules=MAP {name} 127.0.0.2"),
                "--dump-dom".to_owned(),
                format!("https://{name}:{port}/"),
            ],
        );
        assert!(
            finished.stdout.contains(&format!("asked for {name}")),
            "{}\n{}",
            finished.stdout,
            finished.stderr
        );
    }
}
