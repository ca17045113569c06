//! Host names, addresses and the other words that have a form of their own, each with what to write instead.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::units::{Fault, quoted};

/// A host name in its one spelling: lower case, letters, digits and `-` (RFC 1123 §2.1), or an IP literal; no port.
pub(crate) fn check_host(text: &str) -> Result<(), Fault> {
    let fault =
        |wrong: &str, remedy: String| Err(Fault::new(format!("{} {wrong}", quoted(text)), remedy));
    if text.is_empty() {
        return Err(Fault::new("is empty", "write a host name"));
    }
    if text.parse::<Ipv4Addr>().is_ok() {
        return Ok(());
    }
    if let Ok(address) = text.parse::<Ipv6Addr>() {
        return fault(
            "is an IPv6 address without brackets",
            format!("write \"[{address}]\""),
        );
    }
    if let Some(rest) = text.strip_prefix('[') {
        return check_ipv6(text, rest);
    }
    if let Some((_, rest)) = text.split_once("://") {
        let host = rest.split(['/', ':']).next().unwrap_or_default();
        return fault("is a URL", format!("write the host alone: {host}"));
    }
    if let Some((host, _)) = text.split_once('/') {
        return fault("has a path", format!("write the host alone: {host}"));
    }
    if let Some((host, _)) = text.split_once(':') {
        return fault(
            "has a port",
            format!("write {host}: ports belong to listeners"),
        );
    }
    if let Some(host) = text.strip_suffix('.') {
        return fault("ends with a dot", format!("write {host}"));
    }
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return fault(
            "has capital letters",
            format!("write {}", text.to_ascii_lowercase()),
        );
    }
    check_name(text)
}

fn check_ipv6(text: &str, rest: &str) -> Result<(), Fault> {
    let (literal, behind) = rest.split_once(']').unwrap_or((rest, ""));
    let Ok(address) = literal.parse::<Ipv6Addr>() else {
        return Err(Fault::new(
            format!("{} is not an IPv6 address", quoted(text)),
            "write it as \"[2001:db8::1]\"",
        ));
    };
    if !behind.is_empty() {
        return Err(Fault::new(
            format!("{} has a port", quoted(text)),
            format!("write \"[{address}]\": ports belong to listeners"),
        ));
    }
    // One address has many spellings (RFC 5952); hosts are compared as texts.
    if address.to_string() != literal || !text.ends_with(']') {
        return Err(Fault::new(
            format!("{} is not the usual spelling", quoted(text)),
            format!("write \"[{address}]\""),
        ));
    }
    Ok(())
}

/// The name of records in the DNS: as a host name, and labels may start with `_` (RFC 8552).
pub(crate) fn check_dns_name(text: &str) -> Result<(), Fault> {
    if text.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
        return Err(Fault::new(
            format!("{} is an address", quoted(text)),
            "write it into `endpoints`: nothing is to be looked up",
        ));
    }
    let plain: Vec<_> = text
        .split('.')
        .map(|label| label.strip_prefix('_').unwrap_or(label))
        .collect();
    if text.contains('*') {
        let wrong = format!("{} has a *", quoted(text));
        return Err(Fault::new(wrong, "write the whole name"));
    }
    check_host(&plain.join("."))
}

fn check_name(text: &str) -> Result<(), Fault> {
    let fault =
        |wrong: &str, remedy: &str| Err(Fault::new(format!("{} {wrong}", quoted(text)), remedy));
    let name = text.strip_prefix("*.").unwrap_or(text);
    if name.contains('*') || name.is_empty() {
        return fault(
            "has a * that is not its whole first label",
            "write \"*.domain\", which stands for one label",
        );
    }
    if !name.is_ascii() {
        return fault(
            "has letters beyond ASCII",
            "write its ASCII form, which starts with xn--",
        );
    }
    if name.len() > 253 {
        return fault("is longer than 253 characters", "check it");
    }
    for label in name.split('.') {
        if label.is_empty() || label.len() > 63 {
            return fault(
                "has a label that is empty or longer than 63 characters",
                "check the dots",
            );
        }
        if !label
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        {
            return fault(
                "has a character that no host name has",
                "use letters, digits, - and dots",
            );
        }
        if label.starts_with('-') || label.ends_with('-') {
            return fault("has a label that starts or ends with -", "check it");
        }
    }
    let last = name.rsplit('.').next().unwrap_or_default();
    if last.bytes().all(|byte| byte.is_ascii_digit()) {
        return fault("is neither a host name nor an IP address", "check it");
    }
    Ok(())
}

/// An IP address and a port, as `10.0.0.1:8080` or `[2001:db8::1]:8080`.
pub(crate) fn parse_address(text: &str) -> Result<SocketAddr, Fault> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let fault =
        |wrong: &str, remedy: String| Fault::new(format!("{} {wrong}", quoted(text)), remedy);
    if let Some((_, rest)) = text.split_once("://") {
        let address = rest.split('/').next().unwrap_or_default();
        return Err(fault(
            "is a URL",
            format!("write address and port alone: {address}"),
        ));
    }
    if let Ok(address) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
        let likely = SocketAddr::new(address, 8080);
        return Err(fault("has no port", format!("write one, as \"{likely}\"")));
    }
    let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
    let Ok(port) = port.parse::<u16>() else {
        return Err(fault(
            "is not an IP address with a port",
            "write it as \"127.0.0.1:8080\" or \"[::1]:8080\"".to_owned(),
        ));
    };
    Err(match host {
        "" | "*" => fault(
            "has no address",
            format!("write \"0.0.0.0:{port}\", or \"[::]:{port}\" for IPv6 as well"),
        ),
        "localhost" => fault(
            "has a name for its address",
            format!("write \"127.0.0.1:{port}\""),
        ),
        _ if host.parse::<Ipv6Addr>().is_ok() => {
            fault("has no brackets", format!("write \"[{host}]:{port}\""))
        }
        _ => fault(
            "has no IP address",
            format!("write the IP address, as \"10.0.0.1:{port}\": names are not looked up"),
        ),
    })
}

/// The name of a service or a pool: goes into header fields, metrics and paths.
pub(crate) fn check_label(text: &str) -> Result<(), Fault> {
    let form = "start with a letter, and use lower-case letters, digits and -, at most 63";
    let starts = text.starts_with(|letter: char| letter.is_ascii_lowercase());
    let allowed = text
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if starts && allowed && text.len() <= 63 {
        return Ok(());
    }
    Err(Fault::new(
        format!("{} cannot be a name", quoted(text)),
        form,
    ))
}

/// A path as it goes out: visible ASCII from `/` on.
pub(crate) fn check_path(text: &str) -> Result<(), Fault> {
    let fault =
        |wrong: &str, remedy: &str| Err(Fault::new(format!("{} {wrong}", quoted(text)), remedy));
    if !text.starts_with('/') {
        return fault("does not start with /", "write a path, as /healthz");
    }
    if !text
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'#')
    {
        return fault(
            "has a character that no path has",
            "percent-encode it (RFC 3986 §2.1)",
        );
    }
    let path = text.split('?').next().unwrap_or_default();
    if let Err(error) = schleuse_core::path::check_path(path) {
        return fault(&format!("cannot go out: {error}"), "write it without");
    }
    Ok(())
}
