//! Header fields that an operator may set or remove, and values with placeholders.
//!
//! Framing, routing, forwarding and Schleuse's own fields are ours alone: a config that could set `Content-Length` could
//! smuggle, one that could set `Schleuse-Tenant` could mix tenants up.

use crate::{
    snapshot::{HeaderPart, HeaderValue},
    spelling::closest,
    units::{Fault, quoted},
};

/// Hop-by-hop fields (RFC 9110 §7.6.1), framing and routing, and what the proxy writes itself.
const RESERVED: [&str; 17] = [
    "connection",
    "content-length",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-connection",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-real-ip",
    "x-request-id",
];

const RESERVED_PREFIXES: [&str; 2] = ["schleuse-", "x-forwarded-"];

const PLACEHOLDERS: [(&str, HeaderPart); 4] = [
    ("tenant.ars", HeaderPart::TenantArs),
    ("tenant.name", HeaderPart::TenantName),
    ("service", HeaderPart::Service),
    ("client.ip", HeaderPart::ClientIp),
];

/// A field name that is neither reserved nor ambiguous.
pub(crate) fn check_header_name(name: &str) -> Result<(), Fault> {
    let fault =
        |wrong: &str, remedy: String| Err(Fault::new(format!("{} {wrong}", quoted(name)), remedy));
    let token = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte));
    if name.is_empty() || !token || name.len() > 128 {
        return fault(
            "is not a header name",
            "use letters, digits and -, at most 128".to_owned(),
        );
    }
    let plain = name.to_ascii_lowercase().replace('_', "-");
    let reserved = RESERVED.contains(&plain.as_str())
        || RESERVED_PREFIXES
            .iter()
            .any(|prefix| plain.starts_with(prefix));
    if reserved {
        return fault(
            "is written by Schleuse itself",
            "remove it, or use another name".to_owned(),
        );
    }
    if name.contains('_') {
        // CGI and WSGI read X_Mandant and X-Mandant as one name (RFC 3875 §4.1.18).
        return fault(
            "has a _, which many backends take for -",
            format!("write {}", name.replace('_', "-")),
        );
    }
    Ok(())
}

/// Cuts a value into text and placeholders; `{{` and `}}` are braces.
pub(crate) fn parse_header_value(text: &str) -> Result<HeaderValue, Fault> {
    let visible = text
        .bytes()
        .all(|byte| byte.is_ascii_graphic() || byte == b' ' || byte == b'\t');
    if !visible || text.trim() != text {
        return Err(Fault::new(
            format!("{} cannot be a header value", quoted(text)),
            "use visible ASCII without blanks at the ends; percent-encode the rest",
        ));
    }
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(index) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(index);
        literal.push_str(before);
        if let Some(tail) = from.strip_prefix("{{").or_else(|| from.strip_prefix("}}")) {
            literal.push_str(from.get(..1).unwrap_or_default());
            rest = tail;
            continue;
        }
        let Some((name, tail)) = from
            .strip_prefix('{')
            .and_then(|inner| inner.split_once('}'))
        else {
            return Err(Fault::new(
                format!("{} has a single brace", quoted(text)),
                "write {{ or }} for a brace",
            ));
        };
        if !literal.is_empty() {
            parts.push(HeaderPart::Text(std::mem::take(&mut literal)));
        }
        parts.push(placeholder(name)?);
        rest = tail;
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        parts.push(HeaderPart::Text(literal));
    }
    Ok(HeaderValue(parts))
}

fn placeholder(name: &str) -> Result<HeaderPart, Fault> {
    let names = PLACEHOLDERS.iter().map(|(known, _)| *known);
    match PLACEHOLDERS.iter().find(|(known, _)| *known == name) {
        Some((_, part)) => Ok(part.clone()),
        None => Err(Fault::new(
            format!("there is no placeholder {}", quoted(&format!("{{{name}}}"))),
            match closest(name, names.clone()) {
                Some(near) => format!("did you mean {{{near}}}?"),
                None => format!(
                    "known: {}",
                    names
                        .map(|known| format!("{{{known}}}"))
                        .collect::<Vec<_>>()
                        .join(", ")
                ),
            },
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message<T: std::fmt::Debug>(result: Result<T, Fault>) -> String {
        let fault = result.unwrap_err();
        format!("{}; {}", fault.wrong, fault.remedy)
    }

    #[test]
    fn placeholders_become_parts() {
        let parts = parse_header_value("a {tenant.ars}/{service}{{x}}")
            .unwrap()
            .0;
        assert_eq!(
            parts,
            [
                HeaderPart::Text("a ".to_owned()),
                HeaderPart::TenantArs,
                HeaderPart::Text("/".to_owned()),
                HeaderPart::Service,
                HeaderPart::Text("{x}".to_owned()),
            ]
        );
    }

    #[test]
    fn unknown_placeholders_and_single_braces_are_refused() {
        for (value, expected) in [
            (
                "{tenant.arz}",
                "there is no placeholder `{tenant.arz}`; did you mean {tenant.ars}?",
            ),
            (
                "{population}",
                "there is no placeholder `{population}`; known: {tenant.ars}, {tenant.name}, {service}, {client.ip}",
            ),
            (
                "{tenant.ars",
                "`{tenant.ars` has a single brace; write {{ or }} for a brace",
            ),
            ("a}", "`a}` has a single brace; write {{ or }} for a brace"),
        ] {
            assert_eq!(message(parse_header_value(value)), expected);
        }
    }

    #[test]
    fn a_value_cannot_end_the_field_or_hide_blanks() {
        for value in ["a\r\nX-Evil: b", "a\0", " a", "a ", "Köln"] {
            assert!(parse_header_value(value).is_err(), "{value:?}");
        }
    }

    #[test]
    fn framing_routing_and_forwarding_fields_are_refused_in_every_spelling() {
        for name in [
            "Host",
            "Content-Length",
            "content_length",
            "Transfer-Encoding",
            "Connection",
            "TE",
            "Upgrade",
            "Forwarded",
            "X-Forwarded-For",
            "x_forwarded_proto",
            "X-Real-IP",
            "Schleuse-Tenant",
            "SCHLEUSE_SERVICE",
            "Via",
            "traceparent",
        ] {
            let expected =
                format!("`{name}` is written by Schleuse itself; remove it, or use another name");
            assert_eq!(message(check_header_name(name)), expected);
        }
    }

    #[test]
    fn names_are_tokens_without_underscore() {
        assert_eq!(check_header_name("X-Mandant"), Ok(()));
        assert_eq!(
            message(check_header_name("X_Mandant")),
            "`X_Mandant` has a _, which many backends take for -; write X-Mandant"
        );
        for name in ["", "X Mandant", "X-Mandant:", "X-Müller", "X\r\n"] {
            assert!(check_header_name(name).is_err(), "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn a_value_without_braces_stays_one_text(value in "[!-z]([ -z]{0,20}[!-z])?") {
            let parts = parse_header_value(&value).unwrap();
            prop_assert_eq!(parts, HeaderValue(vec![HeaderPart::Text(value)]));
        }
    }
}
