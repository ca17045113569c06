//! Where a request came from: what earlier hops said, as far as they are trusted, and what we tell the backend.
//!
//! A peer that is not in `trusted_proxies` says nothing: every forwarding field it sent is dropped and the peer itself is
//! the client. From a trusted peer the chain is read from right to left, and the first address that is not trusted is the
//! client (RFC 7239 §8.1); what stands left of it is the client's own invention and only kept as the chain it claims.

use std::net::{IpAddr, SocketAddr};

use bytes::BytesMut;
use schleuse_config::Networks;
use schleuse_http1::{Known, RequestHead, encode::write_field};

use crate::{connection::ConnectionInfo, text::push_ip};

/// The client's address by the chain of a trusted peer: `X-Forwarded-For`, or `Forwarded` where that is all there is.
pub fn client(head: &RequestHead, peer: IpAddr, trusted: &Networks) -> IpAddr {
    let plain = || elements(head, Known::XForwardedFor);
    let chain: Vec<&[u8]> = if plain().next().is_some() {
        plain().collect()
    } else {
        elements(head, Known::Forwarded)
            .map(forwarded_for)
            .collect()
    };
    let mut client = peer;
    for hop in chain.into_iter().rev() {
        let Some(address) = parse_hop(hop.trim_ascii()) else {
            break;
        };
        client = address;
        if !trusted.contains(address) {
            break;
        }
    }
    client
}

fn elements(head: &RequestHead, known: Known) -> impl Iterator<Item = &[u8]> {
    head.values(known)
        .flat_map(|field| field.split(|byte| *byte == b','))
}

/// The node of a `Forwarded` element (RFC 7239 §4, §6), without quotes; empty when it names none.
fn forwarded_for(element: &[u8]) -> &[u8] {
    let mut parameters = element.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let node = parameters.find_map(|parameter| {
        let (name, value) = parameter.split_at_checked(4)?;
        name.eq_ignore_ascii_case(b"for=").then_some(value)
    });
    let node = node.unwrap_or_default();
    node.strip_prefix(b"\"")
        .and_then(|node| node.strip_suffix(b"\""))
        .unwrap_or(node)
}

/// An address with or without port, IPv6 with or without brackets.
fn parse_hop(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?;
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    let address = bare
        .parse()
        .or_else(|_| bare.parse().map(|with_port: SocketAddr| with_port.ip()));
    let address = address.or_else(|_| text.parse().map(|with_port: SocketAddr| with_port.ip()));
    address.ok().map(|address| address.to_canonical())
}

/// Fields that describe earlier hops; never passed on as received.
pub fn describes_hops(known: Known) -> bool {
    matches!(
        known,
        Known::Forwarded
            | Known::XForwardedFor
            | Known::XForwardedHost
            | Known::XForwardedPort
            | Known::XForwardedProto
            | Known::XForwardedServer
            | Known::XForwardedOther
            | Known::XRealIp
    )
}

/// Writes `X-Forwarded-For`, `-Host`, `-Proto` and `Forwarded` (RFC 7239).
pub fn write(out: &mut BytesMut, head: &RequestHead, info: &ConnectionInfo, trusted: bool) {
    let scheme = trusted
        .then(|| head.get(Known::XForwardedProto))
        .flatten()
        .filter(|scheme| is_scheme(scheme));
    let scheme = scheme.unwrap_or(info.scheme().as_bytes());
    let host = trusted
        .then(|| head.get(Known::XForwardedHost))
        .flatten()
        .unwrap_or(head.host().as_bytes());
    out.extend_from_slice(b"X-Forwarded-For: ");
    if trusted {
        write_earlier(out, head, Known::XForwardedFor);
    }
    push_ip(out, info.peer_ip());
    out.extend_from_slice(b"\r\n");
    write_field(out, "X-Forwarded-Host", host);
    write_field(out, "X-Forwarded-Proto", scheme);
    out.extend_from_slice(b"Forwarded: ");
    if trusted {
        write_earlier(out, head, Known::Forwarded);
    }
    out.extend_from_slice(b"for=");
    push_node(out, info.peer_ip());
    out.extend_from_slice(b";host=\"");
    out.extend_from_slice(head.host().as_bytes());
    out.extend_from_slice(b"\";proto=");
    out.extend_from_slice(info.scheme().as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn is_scheme(value: &[u8]) -> bool {
    matches!(value, b"http" | b"https")
}

fn write_earlier(out: &mut BytesMut, head: &RequestHead, known: Known) {
    for field in head.values(known).filter(|field| !field.is_empty()) {
        out.extend_from_slice(field);
        out.extend_from_slice(b", ");
    }
}

/// IPv6 in brackets and quotes (RFC 7239 §6).
fn push_node(out: &mut BytesMut, address: IpAddr) {
    if address.is_ipv6() {
        out.extend_from_slice(b"\"[");
        push_ip(out, address);
        out.extend_from_slice(b"]\"");
    } else {
        push_ip(out, address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client_of(fields: &[(&str, &str)]) -> String {
        let fields = fields.iter().map(|(name, value)| (*name, value.as_bytes()));
        let head = RequestHead::from_parts("GET", "/", "a.example", fields).unwrap();
        let trusted = Networks::new(["10.0.0.0/8".parse().unwrap()]);
        client(&head, "10.0.0.1".parse().unwrap(), &trusted).to_string()
    }

    #[test]
    fn p06_the_first_untrusted_address_from_the_right_is_the_client() {
        assert_eq!(
            client_of(&[("x-forwarded-for", "1.1.1.1, 192.0.2.7, 10.0.0.9")]),
            "192.0.2.7"
        );
        assert_eq!(
            client_of(&[
                ("x-forwarded-for", "192.0.2.7"),
                ("x-forwarded-for", "10.0.0.9")
            ]),
            "192.0.2.7"
        );
        assert_eq!(client_of(&[("x-forwarded-for", "unknown")]), "10.0.0.1");
        assert_eq!(client_of(&[]), "10.0.0.1");
    }

    #[test]
    fn forwarded_is_read_where_it_is_all_there_is() {
        assert_eq!(
            client_of(&[(
                "forwarded",
                "for=192.0.2.7;proto=https, For=\"10.0.0.9:80\""
            )]),
            "192.0.2.7"
        );
        assert_eq!(
            client_of(&[("forwarded", "proto=http;for=\"[2001:db8::7]:4711\"")]),
            "2001:db8::7"
        );
        assert_eq!(client_of(&[("forwarded", "for=_hidden")]), "10.0.0.1");
    }
}
