//! A request with holes: bytes prepared once, into which tenant and citizen are copied when it is sent.
//!
//! The holes are `{tenant.ars}` (or `{tenant}`) and `{citizen}`; every other brace is itself, so that JSON needs no
//! escaping. Three copies of a few bytes cost less than fetching one of 10,751 ready-made heads from memory.

use bytes::Bytes;
use http::Request;

use crate::scenario::Body;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(Box<[u8]>),
    Tenant,
    Citizen,
}

/// What is put into a request when it is sent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filling<'a> {
    /// Key of the tenant.
    pub tenant: &'a [u8],
    /// Number of the citizen.
    pub citizen: u64,
    /// `name=value; name=value`; empty: no cookies.
    pub cookies: &'a [u8],
    /// Where a redirect led, in place of the path; empty: the step's own.
    pub redirect: &'a [u8],
    /// Whether the redirect keeps method and body (RFC 9110 §15.4).
    pub keeps_method: bool,
}

/// A request of one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    method: Box<[u8]>,
    path: Vec<Piece>,
    /// From the space after the path to the last own field.
    fields: Vec<Piece>,
    /// The same without what tells of the body, for a redirect that leaves it behind.
    bodiless_fields: Vec<Piece>,
    /// The first by name, without `Host`, for HTTP/2.
    named: Vec<(String, Vec<Piece>)>,
    /// What stands in `Host`.
    authority: Vec<Piece>,
    text: Vec<Piece>,
    filler: u64,
    has_body: bool,
}

impl Template {
    /// A request for `path` at `authority`. `fields` are sent as they are; one named `Host` replaces the authority's.
    pub fn new(
        method: &str,
        path: &str,
        authority: &str,
        fields: &[(String, String)],
        body: &Body,
    ) -> Self {
        let own = |name: &str| {
            fields
                .iter()
                .find(|(own, _)| own.eq_ignore_ascii_case(name))
        };
        let authority = own("host").map_or(authority, |(_, value)| value);
        let mut named: Vec<(&str, &str)> = Vec::new();
        if own("user-agent").is_none() {
            let agent = concat!("launchday/", env!("CARGO_PKG_VERSION"));
            named.push(("User-Agent", agent));
        }
        if own("accept").is_none() {
            named.push(("Accept", "*/*"));
        }
        let others = fields
            .iter()
            .filter(|(name, _)| !name.eq_ignore_ascii_case("host"));
        named.extend(others.map(|(name, value)| (name.as_str(), value.as_str())));
        let head = |has_body| {
            let kept = named
                .iter()
                .filter(|(name, _)| has_body || !is_of_body(name));
            let start = format!(" HTTP/1.1\r\nHost: {authority}\r\n");
            kept.fold(start, |head, (name, value)| {
                head + name + ": " + value + "\r\n"
            })
        };
        Self {
            method: method.as_bytes().into(),
            path: pieces(path),
            fields: pieces(&head(true)),
            bodiless_fields: pieces(&head(false)),
            named: named
                .iter()
                .map(|(name, value)| (name.to_ascii_lowercase(), pieces(value)))
                .collect(),
            authority: pieces(authority),
            text: match body {
                Body::Text(text) => pieces(text),
                Body::None | Body::Size(_) => Vec::new(),
            },
            filler: match body {
                Body::Size(size) => *size,
                Body::None | Body::Text(_) => 0,
            },
            has_body: *body != Body::None,
        }
    }

    /// Path and query for this tenant.
    pub fn target(&self, tenant: &[u8]) -> String {
        text_for(&self.path, tenant)
    }

    /// Host and port for this tenant, as `Host` says them.
    pub fn authority(&self, tenant: &[u8]) -> String {
        text_for(&self.authority, tenant)
    }

    /// Writes path and query, those of a redirect if one led on, behind what `out` holds.
    pub fn write_target(&self, filling: &Filling<'_>, out: &mut Vec<u8>) {
        if filling.redirect.is_empty() {
            fill(&self.path, filling, out);
        } else {
            out.extend_from_slice(filling.redirect);
        }
    }

    /// Writes what stands in `Host` behind what `out` holds.
    pub fn write_authority(&self, filling: &Filling<'_>, out: &mut Vec<u8>) {
        fill(&self.authority, filling, out);
    }

    /// Whether it posts something.
    pub fn is_post(&self) -> bool {
        &*self.method == b"POST"
    }

    /// Whether the answer has no body, whatever its head says.
    pub fn is_head(&self) -> bool {
        &*self.method == b"HEAD"
    }

    /// The request for HTTP/2 to `url` (scheme and authority): head, text of the body, and its length with the filler. None
    /// if tenant or path are nothing that a request may hold.
    pub fn streamed(
        &self,
        filling: &Filling<'_>,
        url: &str,
    ) -> Option<(Request<()>, Bytes, Written)> {
        let redirected = !filling.redirect.is_empty();
        let plain = redirected && !filling.keeps_method;
        let scheme = url.split("://").next().unwrap_or_default();
        let mut uri = Vec::from(scheme);
        uri.extend_from_slice(b"://");
        self.write_authority(filling, &mut uri);
        self.write_target(filling, &mut uri);
        let method = if plain && !self.is_head() {
            b"GET"
        } else {
            &*self.method
        };
        let mut request = Request::builder().method(method).uri(uri.as_slice());
        let named = self
            .named
            .iter()
            .filter(|(name, _)| !plain || !is_of_body(name));
        for (name, value) in named {
            request = request.header(name, filled(value, filling));
        }
        if !filling.cookies.is_empty() {
            request = request.header("cookie", filling.cookies);
        }
        if plain || !self.has_body {
            return Some((request.body(()).ok()?, Bytes::new(), Written::default()));
        }
        let text = filled(&self.text, filling);
        let written = Written {
            text: text.len() as u64,
            filler: self.filler,
        };
        request = request.header("content-length", written.body());
        Some((request.body(()).ok()?, text.into(), written))
    }

    /// Writes the request for HTTP/1.1 behind what `out` holds, all but the filler of an upload.
    pub fn write(&self, filling: &Filling<'_>, out: &mut Vec<u8>) -> Written {
        let redirected = !filling.redirect.is_empty();
        let plain = redirected && !filling.keeps_method;
        out.extend_from_slice(if plain && !self.is_head() {
            b"GET"
        } else {
            &self.method
        });
        out.push(b' ');
        self.write_target(filling, out);
        let fields = if plain {
            &self.bodiless_fields
        } else {
            &self.fields
        };
        fill(fields, filling, out);
        if !filling.cookies.is_empty() {
            out.extend_from_slice(b"Cookie: ");
            out.extend_from_slice(filling.cookies);
            out.extend_from_slice(b"\r\n");
        }
        if !self.has_body || plain {
            out.extend_from_slice(b"\r\n");
            return Written::default();
        }
        let text = self.text.iter().map(|piece| length(piece, filling)).sum();
        let written = Written {
            text,
            filler: self.filler,
        };
        out.extend_from_slice(b"Content-Length: ");
        write_decimal(written.body(), out);
        out.extend_from_slice(b"\r\n\r\n");
        fill(&self.text, filling, out);
        written
    }
}

/// How much body a request has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Bytes of it that were written with the head.
    pub text: u64,
    /// Bytes of filler that are still to be written.
    pub filler: u64,
}

impl Written {
    /// Bytes of the body.
    pub const fn body(self) -> u64 {
        self.text.saturating_add(self.filler)
    }
}

/// Whether a field tells of the body (Fetch, "request-body-header name").
fn is_of_body(name: &str) -> bool {
    let of_body = ["encoding", "language", "location", "type"];
    let kind = name
        .get(..8)
        .filter(|start| start.eq_ignore_ascii_case("content-"));
    kind.and_then(|_| name.get(8..))
        .is_some_and(|kind| of_body.iter().any(|known| known.eq_ignore_ascii_case(kind)))
}

fn pieces(text: &str) -> Vec<Piece> {
    const HOLES: [(&str, Piece); 3] = [
        ("{tenant.ars}", Piece::Tenant),
        ("{tenant}", Piece::Tenant),
        ("{citizen}", Piece::Citizen),
    ];
    let mut pieces = Vec::new();
    let mut rest = text;
    loop {
        let first = HOLES
            .iter()
            .filter_map(|(hole, piece)| Some((rest.find(hole)?, hole.len(), piece)))
            .min_by_key(|(at, ..)| *at);
        let (at, length) = first
            .as_ref()
            .map_or((rest.len(), 0), |hole| (hole.0, hole.1));
        let (before, after) = rest.split_at(at);
        if !before.is_empty() {
            pieces.push(Piece::Text(before.as_bytes().into()));
        }
        let Some((.., piece)) = first else {
            return pieces;
        };
        pieces.push(piece.clone());
        rest = after.get(length..).unwrap_or_default();
    }
}

fn text_for(pieces: &[Piece], tenant: &[u8]) -> String {
    let filling = Filling {
        tenant,
        ..Filling::default()
    };
    String::from_utf8_lossy(&filled(pieces, &filling)).into_owned()
}

fn filled(pieces: &[Piece], filling: &Filling<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    fill(pieces, filling, &mut out);
    out
}

fn fill(pieces: &[Piece], filling: &Filling<'_>, out: &mut Vec<u8>) {
    for piece in pieces {
        match piece {
            Piece::Text(text) => out.extend_from_slice(text),
            Piece::Tenant => out.extend_from_slice(filling.tenant),
            Piece::Citizen => write_decimal(filling.citizen, out),
        }
    }
}

fn length(piece: &Piece, filling: &Filling<'_>) -> u64 {
    match piece {
        Piece::Text(text) => text.len() as u64,
        Piece::Tenant => filling.tenant.len() as u64,
        Piece::Citizen => u64::from(filling.citizen.checked_ilog10().unwrap_or(0)) + 1,
    }
}

fn write_decimal(mut number: u64, out: &mut Vec<u8>) {
    let start = out.len();
    loop {
        out.push(b'0' + (number % 10) as u8);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    if let Some(digits) = out.get_mut(start..) {
        digits.reverse();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(template: &Template, filling: &Filling<'_>) -> (String, Written) {
        let mut out = Vec::new();
        let written = template.write(filling, &mut out);
        (String::from_utf8(out).unwrap(), written)
    }

    fn form() -> Template {
        let fields = [(
            "Content-Type".to_owned(),
            "text/plain; c={citizen}".to_owned(),
        )];
        let body = Body::Text("{\"ars\": \"{tenant}\"}".to_owned());
        Template::new("POST", "/{tenant.ars}/antrag", "a.example", &fields, &body)
    }

    #[test]
    fn tenant_and_citizen_are_filled_in_and_other_braces_stay() {
        let filling = Filling {
            tenant: b"064120000000",
            citizen: 170,
            ..Filling::default()
        };
        let (text, body) = written(&form(), &filling);
        assert!(
            text.starts_with("POST /064120000000/antrag HTTP/1.1\r\nHost: a.example\r\n"),
            "{text}"
        );
        assert!(
            text.contains("\r\nContent-Type: text/plain; c=170\r\n"),
            "{text}"
        );
        assert!(
            text.ends_with("\r\nContent-Length: 23\r\n\r\n{\"ars\": \"064120000000\"}"),
            "{text}"
        );
        assert_eq!(
            body,
            Written {
                text: 23,
                filler: 0
            }
        );
    }

    #[test]
    fn a_redirect_is_got_without_the_body_unless_its_status_keeps_the_method() {
        let mut filling = Filling {
            redirect: b"/done",
            ..Filling::default()
        };
        let (text, body) = written(&form(), &filling);
        assert!(text.starts_with("GET /done HTTP/1.1\r\n"), "{text}");
        assert!(!text.contains("Content-Type"), "{text}");
        assert_eq!(body.body(), 0);
        let (request, ..) = form().streamed(&filling, "http://a.example").unwrap();
        assert!(!request.headers().contains_key("content-type"));
        filling.keeps_method = true;
        assert!(
            written(&form(), &filling)
                .0
                .starts_with("POST /done HTTP/1.1\r\n")
        );
    }

    #[test]
    fn an_upload_announces_the_filler_that_is_written_later() {
        let upload = Template::new("PUT", "/", "a", &[], &Body::Size(5_000_000));
        let (text, body) = written(&upload, &Filling::default());
        assert!(text.ends_with("Content-Length: 5000000\r\n\r\n"), "{text}");
        assert_eq!(body.filler, 5_000_000);
    }

    #[test]
    fn the_request_is_the_same_over_http2() {
        let filling = Filling {
            tenant: b"064120000000",
            citizen: 17,
            cookies: b"s=1",
            ..Filling::default()
        };
        let (request, text, body) = form().streamed(&filling, "https://a.example").unwrap();
        assert_eq!(request.method(), "POST");
        assert_eq!(request.uri(), "https://a.example/064120000000/antrag");
        assert_eq!(request.headers()["content-type"], "text/plain; c=17");
        assert_eq!(request.headers()["cookie"], "s=1");
        assert_eq!(
            (&text[..], body.body()),
            (&b"{\"ars\": \"064120000000\"}"[..], 23)
        );
    }

    #[test]
    fn own_fields_replace_the_usual_ones_and_cookies_come_last() {
        let fields = [("host".to_owned(), "b".to_owned())];
        let get = Template::new("GET", "/", "a", &fields, &Body::None);
        let filling = Filling {
            cookies: b"s=1",
            ..Filling::default()
        };
        let (text, _) = written(&get, &filling);
        assert!(
            text.contains("\r\nHost: b\r\n") && !text.contains("Host: a"),
            "{text}"
        );
        assert!(
            text.ends_with("Accept: */*\r\nCookie: s=1\r\n\r\n"),
            "{text}"
        );
    }
}
