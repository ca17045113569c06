//! Request heads: what a client may send and what it meant.
//!
//! The order of judgement is fixed, so that a head gets the same answer however
//! its bytes were split: empty lines, first octet, line ends and size, syntax,
//! fields, method and target, Host, framing, expectations.

use std::mem::MaybeUninit;

use bytes::{BufMut, BytesMut};

use crate::authority::Authority;
use crate::fields::{Field, FieldTable, Side, Summary, take};
use crate::framing::BodyLength;
use crate::grammar::{Span, is_field_value, is_token, is_token_byte};
use crate::known::Known;
use crate::scan::Section;
use crate::target::{Form, Scheme, classify};
use crate::{FIELDS_CEILING, HEAD_BYTES_CEILING, HeadLimits, Reject, Version, diagnosis};

/// A checked request head. It owns its bytes; everything it gives out is a view of them.
#[derive(Clone, Debug)]
pub struct RequestHead {
    bytes: BytesMut,
    parts: Parts,
}

/// What was found, as positions in the bytes.
#[derive(Clone, Debug)]
struct Parts {
    version: Version,
    method: Span,
    target: Span,
    path: Span,
    query: Option<Span>,
    host: Span,
    scheme: Option<Scheme>,
    fields: FieldTable,
    body: BodyLength,
    keep_alive: bool,
    expect_continue: bool,
    websocket: bool,
    /// The authority in front of an empty absolute path, and what stands for that path.
    empty_path: Option<(Span, u8)>,
}

/// Takes one request head off the front of `buf` once it is complete.
///
/// `scanned` is how many bytes of `buf` earlier calls looked at: the caller keeps it beside the
/// buffer, starting with 0, and it is 0 again after a head. One empty line in front is dropped
/// with the head (RFC 9112 §2.2).
///
/// # Errors
/// Any [`Reject`] about heads. What `buf` holds then is unspecified, and the connection cannot be
/// used further.
pub fn take_request(
    buf: &mut BytesMut,
    scanned: &mut usize,
    limits: &HeadLimits,
) -> Result<Option<RequestHead>, Reject> {
    let Some(start) = first_line_start(buf)? else {
        return Ok(None);
    };
    let section = Section {
        start,
        bytes_max: limits.bytes_max.min(HEAD_BYTES_CEILING),
    };
    // Most heads arrive whole, and then their end need not be searched for first. Anything else
    // that comes out of this attempt is judged again below, as for a head in pieces.
    if *scanned == 0
        && let Ok(Some((parts, end))) = Parts::parse(section.window(buf), start, limits)
    {
        return Ok(Some(RequestHead::new(take(buf, end), parts)));
    }
    let Some(end) = section.end(buf, scanned)? else {
        return Ok(None);
    };
    *scanned = 0;
    let head = buf.get(..end).unwrap_or_default();
    let (parts, end) = Parts::parse(head, start, limits)?.ok_or(Reject::Malformed)?;
    Ok(Some(RequestHead::new(take(buf, end), parts)))
}

/// Where the request line starts; `None` while that cannot be said.
fn first_line_start(buf: &[u8]) -> Result<Option<usize>, Reject> {
    let (start, first) = match buf {
        [] | [b'\r'] | [b'\r', b'\n'] => return Ok(None),
        [b'\r', b'\n', b'\r' | b'\n', ..] => return Err(Reject::EmptyLine),
        [b'\r', b'\n', first, ..] => (2, first),
        [b'\r', ..] => return Err(Reject::BareCr),
        [b'\n', ..] => return Err(Reject::BareLf),
        [first, ..] => (0, first),
    };
    if is_token_byte(*first) {
        Ok(Some(start))
    } else {
        Err(Reject::BadMethod)
    }
}

impl Parts {
    /// The head that starts at `start`, and where it ends.
    fn parse(
        buf: &[u8],
        start: usize,
        limits: &HeadLimits,
    ) -> Result<Option<(Self, usize)>, Reject> {
        let unread = buf.get(start..).unwrap_or_default();
        let mut room = [const { MaybeUninit::uninit() }; FIELDS_CEILING];
        let room = room
            .get_mut(..limits.fields_max.min(FIELDS_CEILING))
            .unwrap_or_default();
        let mut request = httparse::Request::new(&mut []);
        let length = match request.parse_with_uninit_headers(unread, room) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(error) => return Err(diagnosis::request(unread, error)),
        };
        let end = start + length;
        let bytes = buf.get(..end).unwrap_or_default();
        let version = request.version.map_or(Version::Http10, Version::from_minor);
        let method = request.method.unwrap_or_default().as_bytes();
        let target = request.path.unwrap_or_default().as_bytes();
        let (fields, summary) = FieldTable::read(request.headers, bytes, Side::Request)?;
        let mut parts = Self::empty(version, Span::of(method, bytes), fields);
        parts.set_target(method, target, bytes, summary.host)?;
        parts.set_message(method, &summary)?;
        Ok(Some((parts, end)))
    }

    fn empty(version: Version, method: Span, fields: FieldTable) -> Self {
        Self {
            version,
            method,
            target: Span::default(),
            path: Span::default(),
            query: None,
            host: Span::default(),
            scheme: None,
            fields,
            body: BodyLength::Empty,
            keep_alive: false,
            expect_continue: false,
            websocket: false,
            empty_path: None,
        }
    }

    /// Target and Host, and that they do not contradict each other (RFC 9112 §3.2.2).
    fn set_target(
        &mut self,
        method: &[u8],
        target: &[u8],
        bytes: &[u8],
        host: Option<Span>,
    ) -> Result<(), Reject> {
        let form = classify(method, target)?;
        let named = match host {
            Some(host) => Some(Authority::parse(host.bytes(bytes))?),
            None if self.version == Version::Http11 => return Err(Reject::MissingHost),
            None => None,
        };
        self.host = host.unwrap_or_default();
        self.target = Span::of(target, bytes);
        if let Form::Absolute {
            scheme,
            authority,
            rest,
        } = form
        {
            let wanted = Authority::parse(authority)?;
            if named.is_some_and(|named| !named.same(wanted, scheme)) {
                return Err(Reject::AuthorityMismatch);
            }
            self.scheme = Some(scheme);
            self.target = Span::of(rest, bytes);
            let authority = Span::of(authority, bytes);
            if host.is_none() {
                self.host = authority;
            }
            if rest.first() != Some(&b'/') {
                let whole_server = rest.is_empty() && method == b"OPTIONS";
                let path = if whole_server { b'*' } else { b'/' };
                self.make_room_for_path(authority, path);
            }
        }
        self.split_target(bytes);
        Ok(())
    }

    /// An empty path is sent as `/` (or `*`, RFC 9112 §3.2.4). The octet for it is won by moving
    /// the authority over the second slash in front of it, once the bytes are ours.
    fn make_room_for_path(&mut self, authority: Span, path: u8) {
        let moved = Span {
            start: authority.start.saturating_sub(1),
            end: authority.end.saturating_sub(1),
        };
        if self.host == authority {
            self.host = moved;
        }
        self.target = Span {
            start: moved.end,
            end: self.target.end.max(authority.end),
        };
        self.empty_path = Some((authority, path));
    }

    fn split_target(&mut self, bytes: &[u8]) {
        let Span { start, end } = self.target;
        let mark = memchr::memchr(b'?', self.target.bytes(bytes))
            .and_then(|mark| u16::try_from(mark).ok())
            .map(|mark| start.saturating_add(mark));
        self.path = Span {
            start,
            end: mark.unwrap_or(end),
        };
        self.query = mark.map(|mark| Span {
            start: mark.saturating_add(1),
            end,
        });
    }

    /// Framing, persistence, expectation and upgrade.
    fn set_message(&mut self, method: &[u8], summary: &Summary) -> Result<(), Reject> {
        self.body = summary.framing.judge(self.version, BodyLength::Empty)?;
        self.keep_alive = summary.persists(self.version);
        let current = self.version == Version::Http11;
        if current && summary.expect_other {
            return Err(Reject::UnknownExpectation);
        }
        let body_follows = self.body != BodyLength::Empty;
        self.expect_continue = current && summary.expect_continue && body_follows;
        if !self.expect_continue {
            self.fields.keep_at_this_hop(Known::Expect);
        }
        self.websocket =
            current && summary.upgrade && summary.websocket && method == b"GET" && !body_follows;
        Ok(())
    }
}

impl RequestHead {
    fn new(mut bytes: BytesMut, parts: Parts) -> Self {
        if let Some((authority, path)) = parts.empty_path {
            let range = usize::from(authority.start).saturating_sub(1)..usize::from(authority.end);
            if let Some(moving) = bytes.get_mut(range) {
                moving.rotate_left(1);
                if let Some(last) = moving.last_mut() {
                    *last = path;
                }
            }
        }
        Self { bytes, parts }
    }

    /// A head from parts that did not arrive as HTTP/1.1 text, under the same rules.
    ///
    /// Several `cookie` fields become one (RFC 9113 §8.2.3); a `host` field must agree with a
    /// non-empty `authority`. The version is 1.1. Without `content-length` the body is empty: a caller whose
    /// transport knows better says so with [`set_body`](Self::set_body).
    ///
    /// # Errors
    /// As for [`take_request`], with the limits' ceilings.
    pub fn from_parts<'p>(
        method: &str,
        path_and_query: &str,
        authority: &str,
        fields: impl IntoIterator<Item = (&'p str, &'p [u8])>,
    ) -> Result<Self, Reject> {
        if !is_token(method.as_bytes()) {
            return Err(Reject::BadMethod);
        }
        if path_and_query.is_empty() {
            return Err(Reject::BadTarget);
        }
        if !path_and_query.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Reject::TargetCharacter);
        }
        let mut text = BytesMut::new();
        crate::encode::write_request_line(&mut text, method, path_and_query);
        let mut draft = Draft {
            text,
            cookie: BytesMut::new(),
            authority: authority.as_bytes(),
        };
        if !authority.is_empty() {
            draft.write("host", authority.as_bytes())?;
        }
        for (name, value) in fields {
            draft.add(name, value)?;
        }
        let mut text = draft.finish()?;
        take_request(&mut text, &mut 0, &HeadLimits::CEILING)?.ok_or(Reject::Malformed)
    }

    /// Memory that its text takes, bytes.
    pub fn text_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The method, a token, in the case received.
    pub fn method(&self) -> &str {
        self.parts.method.text(&self.bytes)
    }

    /// The path as received, from its slash on; `*` for `OPTIONS *`.
    pub fn path(&self) -> &str {
        self.parts.path.text(&self.bytes)
    }

    /// What follows the first `?`, as received; `None` without one.
    pub fn query(&self) -> Option<&str> {
        self.parts.query.map(|query| query.text(&self.bytes))
    }

    /// Path and query as to be sent on: origin-form, or `*`.
    pub fn target(&self) -> &str {
        self.parts.target.text(&self.bytes)
    }

    /// Host and port as received in `Host`, else in an absolute target; empty when an HTTP/1.0
    /// request has neither.
    pub fn host(&self) -> &str {
        self.parts.host.text(&self.bytes)
    }

    /// The version of the client's message.
    pub fn version(&self) -> Version {
        self.parts.version
    }

    /// The scheme of an absolute-form target.
    pub fn scheme_from_target(&self) -> Option<Scheme> {
        self.parts.scheme
    }

    /// The fields in the order received, without those whose name holds a `_`.
    pub fn fields(&self) -> impl Iterator<Item = Field<'_>> {
        self.parts.fields.iter(&self.bytes)
    }

    /// The values of all fields of that name, in the order received.
    pub fn values(&self, known: Known) -> impl Iterator<Item = &[u8]> {
        self.parts.fields.all(known, &self.bytes)
    }

    /// Writes the end-to-end fields that `keep` lets pass, by which name they have and the name as received; the same
    /// bytes as `write_field` for each.
    pub fn write_fields(&self, out: &mut impl BufMut, keep: impl FnMut(Known, &[u8]) -> bool) {
        self.parts.fields.write(&self.bytes, out, keep);
    }

    /// The value of the first field of that name.
    pub fn get(&self, known: Known) -> Option<&[u8]> {
        self.parts.fields.first(known, &self.bytes)
    }

    /// How long the body is; never [`BodyLength::UntilClose`].
    pub fn body(&self) -> BodyLength {
        self.parts.body
    }

    /// Sets how long the body is, for a transport that frames bodies itself.
    pub fn set_body(&mut self, body: BodyLength) {
        self.parts.body = body;
    }

    /// Whether the client wants the connection kept (RFC 9112 §9.3).
    pub fn keep_alive(&self) -> bool {
        self.parts.keep_alive
    }

    /// Whether the client waits for a 100 before it sends the body. When it does not, an `Expect`
    /// field is hop-by-hop.
    pub fn expect_continue(&self) -> bool {
        self.parts.expect_continue
    }

    /// Whether the request asks for a WebSocket (RFC 6455 §4.2.1).
    pub fn websocket(&self) -> bool {
        self.parts.websocket
    }

    /// How many fields were dropped for a `_` in their name.
    pub fn dropped_underscore(&self) -> usize {
        usize::from(self.parts.fields.dropped_underscore)
    }
}

/// The text that parts are written to before they are judged. Nothing gets in that could end a
/// line, so parts cannot become more fields than they are.
struct Draft<'a> {
    text: BytesMut,
    cookie: BytesMut,
    authority: &'a [u8],
}

impl Draft<'_> {
    fn add(&mut self, name: &str, value: &[u8]) -> Result<(), Reject> {
        match Known::of(name.as_bytes()) {
            Known::Cookie => {
                if !self.cookie.is_empty() {
                    self.cookie.extend_from_slice(b"; ");
                }
                self.cookie.extend_from_slice(value);
                Ok(())
            }
            Known::Host if !self.authority.is_empty() => {
                let (one, other) = (Authority::parse(value)?, Authority::parse(self.authority)?);
                // HTTP/2 comes over TLS here, so 443 is the port that may be left out.
                if one.same(other, Scheme::Https) {
                    Ok(())
                } else {
                    Err(Reject::AuthorityMismatch)
                }
            }
            _ => self.write(name, value),
        }
    }

    fn write(&mut self, name: &str, value: &[u8]) -> Result<(), Reject> {
        if !is_token(name.as_bytes()) {
            return Err(Reject::BadFieldName);
        }
        if !is_field_value(value) {
            return Err(Reject::BadFieldValue);
        }
        crate::encode::write_field(&mut self.text, name, value);
        Ok(())
    }

    fn finish(mut self) -> Result<BytesMut, Reject> {
        if !self.cookie.is_empty() {
            let cookie = std::mem::take(&mut self.cookie);
            self.write("cookie", &cookie)?;
        }
        self.text.extend_from_slice(b"\r\n");
        Ok(self.text)
    }
}
