//! Receivers that can be posted to: where, and with what it is signed.

use std::{net::IpAddr, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::secrets::read_secret;
use crate::{
    files::Sources,
    hosts::{check_host, check_path},
    problem::Report,
    reader::{Placed, Section},
    snapshot::{Webhook, WebhookSecret},
    units::{Fault, quoted},
};

/// What Standard Webhooks asks for: shorter keys can be guessed, longer ones are no key.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// Reads a receiver; none when it cannot be posted to, which was noted. `secret_pattern` is the reference's name for its
/// `secret`.
pub(super) fn read(
    section: &Section<'_, '_>,
    secret_pattern: &'static str,
    sources: &mut Sources,
    report: &mut Report,
) -> Option<Arc<Webhook>> {
    let url = section.parsed("url", report, parse_url);
    if let Some(url) = url
        .as_ref()
        .filter(|url| !url.value.tls && !url.value.is_local())
    {
        let wrong = "everybody on the way can read and hold back what is posted";
        report.warn(url.place, url.at.clone(), wrong, "use https");
    }
    let secret = section.section("secret", secret_pattern, report);
    let secret = if secret.is_broken() {
        None
    } else {
        let read = read_secret(&secret, "key", std::convert::identity, sources, report);
        read.and_then(|read| parse_secret(read, report))
    };
    let timeout = section.duration("timeout", report);
    let Url {
        tls,
        host,
        port,
        target,
    } = url?.value;
    Some(Arc::new(Webhook {
        tls,
        host,
        port,
        target,
        secret: secret?,
        timeout,
    }))
}

fn parse_secret(read: Placed<Vec<u8>>, report: &mut Report) -> Option<WebhookSecret> {
    let text = read.value.trim_ascii();
    let key = text
        .strip_prefix(b"whsec_")
        .and_then(|base64| STANDARD.decode(base64).ok())
        .filter(|key| SECRET_BYTES.contains(&key.len()));
    if key.is_none() {
        let wrong = "the key is not `whsec_` and 24 to 64 bytes in base64";
        let remedy = "make one: echo whsec_$(openssl rand -base64 32)";
        report.wrong(read.place, read.at, wrong, remedy);
    }
    key.map(|key| WebhookSecret(key.into()))
}

#[derive(Debug, PartialEq, Eq)]
struct Url {
    tls: bool,
    host: String,
    port: u16,
    target: String,
}

impl Url {
    fn is_local(&self) -> bool {
        let address = self.host.trim_matches(['[', ']']).parse::<IpAddr>();
        address.map_or(self.host == "localhost", |address| address.is_loopback())
    }
}

/// `http(s)://host[:port][/path][?query]`; nothing that a log should not show.
fn parse_url(text: &str) -> Result<Url, Fault> {
    let fault = |wrong: &str, remedy: &str| Fault::new(format!("{} {wrong}", quoted(text)), remedy);
    let (tls, rest) = if let Some(rest) = text.strip_prefix("https://") {
        (true, rest)
    } else if let Some(rest) = text.strip_prefix("http://") {
        (false, rest)
    } else {
        return Err(fault(
            "does not start with https:// or http://",
            "write it as https://scaler.example/path",
        ));
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at(end);
    if authority.contains('@') {
        return Err(fault(
            "holds a user or a password",
            "remove it: what is posted is signed with `secret`",
        ));
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => {
            let port = port.parse().ok().filter(|port| *port != 0);
            let port = port.ok_or_else(|| fault("has no valid port", "write 1 to 65535"))?;
            (host, port)
        }
        _ => (authority, if tls { 443 } else { 80 }),
    };
    check_host(host)?;
    if host.starts_with('*') {
        return Err(fault("names no single host", "write it without *"));
    }
    let target = match target {
        "" => "/".to_owned(),
        query if query.starts_with('?') => format!("/{query}"),
        path => path.to_owned(),
    };
    check_path(&target)?;
    Ok(Url {
        tls,
        host: host.to_owned(),
        port,
        target,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_scheme_host_port_and_target() {
        let url = |tls, host: &str, port, target: &str| Url {
            tls,
            host: host.to_owned(),
            port,
            target: target.to_owned(),
        };
        for (text, expected) in [
            ("https://a.example", url(true, "a.example", 443, "/")),
            (
                "http://a.example:81/b?c=d",
                url(false, "a.example", 81, "/b?c=d"),
            ),
            ("https://[::1]/x", url(true, "[::1]", 443, "/x")),
            ("https://[::1]:8443?x", url(true, "[::1]", 8443, "/?x")),
            ("http://127.0.0.1:9/", url(false, "127.0.0.1", 9, "/")),
        ] {
            assert_eq!(parse_url(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_url_that_nobody_can_post_to_is_refused() {
        for text in [
            "",
            "a.example",
            "ftp://a.example",
            "https://",
            "https://user:word@a.example/",
            "https://a.example:0/",
            "https://a.example:x/",
            "https://*.a.example/",
            "https://a.example/#part",
            "https://a b/",
            "https://a.example/../x",
        ] {
            assert!(parse_url(text).is_err(), "{text}");
        }
    }
}
