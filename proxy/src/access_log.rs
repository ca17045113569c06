//! One line per request, from what the gateway learnt of it.
//!
//! Anonymised by default: no query, no cookie, no full address, and never the key a citizen came with where the office in
//! charge is larger than the Gemeinde it names; the key's path segment is replaced by the office's own.

use std::{borrow::Cow, net::IpAddr, net::SocketAddr, time::Duration};

use schleuse_config::{AccessLog, ClientAddress};
use schleuse_core::{Refusal, RegionalKey, TenantId};
use schleuse_http1::{Known, RequestHead};

use crate::{
    clock, log,
    reference::Reference,
    text::{push_address, push_ip, push_number, push_octets},
};

/// What is known of a request at its end.
#[derive(Debug)]
pub struct Line<'r> {
    /// The reference that the citizen and the backend saw.
    pub reference: &'r Reference,
    /// Config generation it was served under.
    pub generation: u64,
    /// The head; none when it was refused before it was understood.
    pub head: Option<&'r RequestHead>,
    /// Service and tenant, once known.
    pub identified: Option<(&'r str, TenantId)>,
    /// Bytes of the path that named service and tenant.
    pub key_bytes: usize,
    /// The client, as `trusted_proxies` let us believe it.
    pub client: IpAddr,
    /// Over TLS.
    pub secure: bool,
    /// Status sent; 0 when the client left before an answer (as nginx's 499).
    pub status: u16,
    /// Why we answered ourselves.
    pub refusal: Option<Refusal>,
    /// The service whose rules refused it, when no tenant was found.
    pub refused_service: Option<&'r str>,
    /// What was wrong with the endpoint's answer.
    pub detail: Option<&'static str>,
    /// The answer broke off.
    pub aborted: bool,
    /// Endpoint of the last attempt.
    pub endpoint: Option<SocketAddr>,
    /// Attempts made.
    pub attempts: u32,
    /// Bytes of the answer's body.
    pub sent_bytes: u64,
    /// End of the head to the end of the answer.
    pub duration: Duration,
    /// Last attempt's start to the head of its answer.
    pub first_byte: Option<Duration>,
    /// How long it waited for a seat; none: it did not.
    pub waited: Option<Duration>,
}

/// Writes a request's line.
pub fn write(policy: &AccessLog, line: &Line<'_>) {
    if policy.enabled || line.refusal.is_some() {
        log::append(|out| compose(out, policy, line));
    }
}

fn compose(out: &mut Vec<u8>, policy: &AccessLog, line: &Line<'_>) {
    out.extend_from_slice(b"{\"time\":\"");
    log::push_time(out, clock::unix_recent());
    out.extend_from_slice(b"\",\"reference\":\"");
    out.extend_from_slice(line.reference.as_str().as_bytes());
    out.push(b'"');
    if let Some((service, tenant)) = line.identified {
        text(out, b",\"service\":", service.as_bytes());
        out.extend_from_slice(b",\"tenant\":\"");
        out.extend_from_slice(tenant.text(&mut [0; RegionalKey::DIGITS_MAX]).as_bytes());
        out.push(b'"');
    }
    if let Some(service) = line.refused_service {
        text(out, b",\"service\":", service.as_bytes());
    }
    if let Some(head) = line.head {
        request(out, policy, line, head);
    }
    number(out, b",\"status\":", u64::from(line.status));
    if let Some(refusal) = line.refusal {
        text(out, b",\"refusal\":", refusal.label().as_bytes());
    }
    if let Some(detail) = line.detail {
        text(out, b",\"detail\":", detail.as_bytes());
    }
    if line.aborted {
        out.extend_from_slice(b",\"aborted\":true");
    }
    number(out, b",\"sent_bytes\":", line.sent_bytes);
    micros(out, b",\"duration_ms\":", line.duration);
    if let Some(waited) = line.waited {
        micros(out, b",\"waited_ms\":", waited);
    }
    if let Some(first_byte) = line.first_byte {
        micros(out, b",\"first_byte_ms\":", first_byte);
    }
    if let Some(endpoint) = line.endpoint {
        out.extend_from_slice(b",\"endpoint\":\"");
        push_address(out, endpoint);
        out.push(b'"');
        if line.attempts > 1 {
            number(out, b",\"attempts\":", u64::from(line.attempts));
        }
    }
    if policy.client != ClientAddress::None {
        out.extend_from_slice(b",\"client\":\"");
        push_client(out, policy.client, line.client);
        out.push(b'"');
    }
    if line.secure {
        out.extend_from_slice(b",\"tls\":true");
    }
    number(out, b",\"generation\":", line.generation);
    out.extend_from_slice(b"}\n");
}

fn request(out: &mut Vec<u8>, policy: &AccessLog, line: &Line<'_>, head: &RequestHead) {
    text(out, b",\"method\":", head.method().as_bytes());
    if line.identified.is_some() {
        text(out, b",\"path\":", logged_path(line, head).as_bytes());
        if policy.query
            && let Some(query) = head.query()
        {
            text(out, b",\"query\":", query.as_bytes());
        }
    } else if line.refusal == Some(Refusal::UnknownHost) {
        text(out, b",\"host\":", head.host().as_bytes());
    }
    if policy.user_agent
        && let Some(agent) = head.get(Known::UserAgent)
    {
        text(out, b",\"user_agent\":", agent);
    }
    if policy.referer
        && let Some(referer) = head.get(Known::Referer)
    {
        let end = memchr::memchr2(b'?', b'#', referer).unwrap_or(referer.len());
        text(out, b",\"referer\":", &referer[..end]);
    }
}

/// The path without the key that the citizen came with.
fn logged_path<'h>(line: &Line<'_>, head: &'h RequestHead) -> Cow<'h, str> {
    let path = head.path();
    match (line.key_bytes, line.identified) {
        (0, _) | (_, None) => Cow::Borrowed(path),
        (bytes, Some((_, tenant))) => {
            let rest = path.get(bytes..).unwrap_or_default();
            let mut out = String::with_capacity(path.len());
            out.push('/');
            out.push_str(tenant.text(&mut [0; RegionalKey::DIGITS_MAX]));
            out.push_str(rest);
            Cow::Owned(out)
        }
    }
}

fn text(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    out.extend_from_slice(key);
    log::push_string(out, value);
}

fn number(out: &mut Vec<u8>, key: &[u8], value: u64) {
    out.extend_from_slice(key);
    push_number(out, value);
}

/// Milliseconds with three decimals.
fn micros(out: &mut Vec<u8>, key: &[u8], value: Duration) {
    let micros = u64::try_from(value.as_micros()).unwrap_or(u64::MAX);
    number(out, key, micros / 1000);
    let rest = u32::try_from(micros % 1000).unwrap_or(0);
    let digit = |value: u32| b'0' + u8::try_from(value % 10).unwrap_or(0);
    out.extend_from_slice(&[b'.', digit(rest / 100), digit(rest / 10), digit(rest)]);
}

/// IPv4 to /24, IPv6 to /48, or whole.
fn push_client(out: &mut Vec<u8>, how: ClientAddress, client: IpAddr) {
    match (how, client) {
        (ClientAddress::Network, IpAddr::V4(v4)) => {
            push_octets(out, &v4.octets()[..3]);
            out.extend_from_slice(b".0/24");
        }
        (ClientAddress::Network, IpAddr::V6(v6)) => {
            let [a, b, c, ..] = v6.segments();
            out.extend_from_slice(
                format!("{}/48", std::net::Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0)).as_bytes(),
            );
        }
        (_, whole) => push_ip(out, whole),
    }
}
