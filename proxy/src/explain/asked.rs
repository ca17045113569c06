//! The request that is asked about: method, URL and fields as a person types them, into a head as the engine reads it.

use std::net::IpAddr;

use schleuse_core::Refusal;
use schleuse_http1::RequestHead;

use super::{Options, Verdict, refused};

/// A request, cut into what the steps need.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) method: String,
    pub(super) url: String,
    pub(super) secure: bool,
    /// Of the URL, by its scheme when none is written.
    pub(super) port: u16,
    /// Host and port as in the URL.
    authority: String,
    /// Path and query.
    target: String,
    fields: Vec<(String, String)>,
    /// The peer, where it was said.
    pub(super) from: Option<IpAddr>,
}

impl Asked {
    /// # Errors
    ///
    /// What is wrong with the command line.
    pub(super) fn new(options: &Options) -> Result<Self, String> {
        let url = &options.url;
        let not_a_url =
            || format!("{url} is not a URL: write http:// or https://, a host and a path");
        let (scheme, rest) = url.split_once("://").ok_or_else(not_a_url)?;
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => return Err(not_a_url()),
        };
        // A browser keeps the fragment to itself.
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        if authority.is_empty() || authority.contains('@') {
            return Err(not_a_url());
        }
        let target = if target.starts_with('/') {
            target.to_owned()
        } else {
            format!("/{target}")
        };
        let fields = options.header.iter().map(|field| parse_field(field));
        Ok(Self {
            method: options.method.clone(),
            url: url.clone(),
            secure,
            port: port(authority, secure).ok_or_else(not_a_url)?,
            authority: authority.to_owned(),
            target,
            fields: fields.collect::<Result<_, _>>()?,
            from: options.from.map(|address| address.to_canonical()),
        })
    }

    /// As the engine reads it; a `Host` among the fields takes the place of the URL's.
    pub(super) fn head(&self) -> Result<RequestHead, Verdict> {
        let is_host = |name: &str| name.eq_ignore_ascii_case("host");
        let host = self.fields.iter().find(|(name, _)| is_host(name));
        let authority = host.map_or(&self.authority, |(_, value)| value);
        let fields = self
            .fields
            .iter()
            .filter(|(name, _)| !is_host(name))
            .map(|(name, value)| (name.as_str(), value.as_bytes()));
        RequestHead::from_parts(&self.method, &self.target, authority, fields).map_err(|reject| {
            refused(
                Refusal::BadRequest(reject.label(), reject.status()),
                reject.to_string(),
            )
        })
    }

    /// The name that a client asks for in its TLS handshake.
    pub(super) fn server_name(&self) -> &str {
        let name = self.authority.as_str();
        match name.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => name,
        }
    }
}

fn port(authority: &str, secure: bool) -> Option<u16> {
    let default = if secure { 443 } else { 80 };
    let behind_brackets = authority.rsplit(']').next().unwrap_or_default();
    match behind_brackets.rsplit_once(':') {
        Some((_, "")) | None => Some(default),
        Some((_, port)) => port.parse().ok(),
    }
}

fn parse_field(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err(format!("`{text}` is not a field: write -H 'Name: value'")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(url: &str, fields: &[&str]) -> Result<Asked, String> {
        Asked::new(&Options {
            method: "GET".to_owned(),
            url: url.to_owned(),
            header: fields.iter().map(|&field| field.to_owned()).collect(),
            from: None,
            live: None,
        })
    }

    #[test]
    fn a_url_is_cut_into_scheme_port_host_and_target() {
        for (url, secure, port, host, target) in [
            ("http://a.example", false, 80, "a.example", "/"),
            (
                "https://a.example/b?c=d#e",
                true,
                443,
                "a.example",
                "/b?c=d",
            ),
            (
                "HTTP://a.example:8080?q",
                false,
                8080,
                "a.example:8080",
                "/?q",
            ),
            (
                "http://[2001:db8::1]:81/x",
                false,
                81,
                "[2001:db8::1]:81",
                "/x",
            ),
            ("http://[2001:db8::1]/", false, 80, "[2001:db8::1]", "/"),
        ] {
            let asked = asked(url, &[]).unwrap();
            let head = asked.head().unwrap();
            assert_eq!((asked.secure, asked.port), (secure, port), "{url}");
            assert_eq!((head.host(), head.target()), (host, target), "{url}");
        }
    }

    #[test]
    fn what_is_no_url_or_no_field_is_wrong_usage() {
        for url in [
            "a.example/",
            "ftp://a.example/",
            "http:///x",
            "http://u@a.example/",
            "http://a.example:port/",
        ] {
            assert!(asked(url, &[]).is_err(), "{url}");
        }
        assert!(asked("http://a.example/", &["no field"]).is_err());
        assert!(asked("http://a.example/", &[": value"]).is_err());
    }

    #[test]
    fn a_host_field_takes_the_place_of_the_urls() {
        let asked = asked("http://127.0.0.1:8080/", &["host: a.example"]).unwrap();
        assert_eq!(asked.head().unwrap().host(), "a.example");
        assert_eq!(asked.server_name(), "127.0.0.1");
    }

    #[test]
    fn a_request_that_the_engine_refuses_is_refused_with_its_label() {
        let asked = asked("http://a.example/\u{fc}", &[]).unwrap();
        let Err(Verdict::Refused { refusal, .. }) = asked.head() else {
            panic!("not refused");
        };
        assert_eq!(refusal.label(), "target_character");
    }
}
