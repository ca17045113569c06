//! Response heads: a backend's answer is as untrusted as a request, since one
//! that is misread leaves bytes on a shared connection that become another
//! citizen's answer (RFC 9112 §6.3, §11.1).

use std::mem::MaybeUninit;

use bytes::{BufMut, BytesMut};

use crate::fields::{Field, FieldTable, Side, Summary, take};
use crate::framing::BodyLength;
use crate::grammar::Span;
use crate::known::Known;
use crate::scan::Section;
use crate::{FIELDS_CEILING, HEAD_BYTES_CEILING, HeadLimits, Reject, Version, diagnosis};

/// Length of `HTTP/1.1 200`; the reason follows after a space.
const STATUS_END: usize = 12;

/// What the request was, as far as it decides how its answer is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResponseTo {
    /// The method was HEAD, so no body follows.
    pub head_request: bool,
    /// A WebSocket was asked for, so a 101 may come.
    pub upgrade_asked: bool,
}

/// A checked response head. It owns its bytes; everything it gives out is a view of them.
#[derive(Clone, Debug)]
pub struct ResponseHead {
    bytes: BytesMut,
    version: Version,
    status: u16,
    reason: Span,
    fields: FieldTable,
    body: BodyLength,
    keep_alive: bool,
}

/// Takes one response head off the front of `buf` once it is complete; `scanned` as for
/// [`take_request`](crate::take_request).
///
/// # Errors
/// Any [`Reject`] about heads. What `buf` holds then is unspecified, and the connection cannot be
/// used further.
pub fn take_response(
    buf: &mut BytesMut,
    scanned: &mut usize,
    limits: &HeadLimits,
    to: ResponseTo,
) -> Result<Option<ResponseHead>, Reject> {
    if buf.iter().zip(b"HTTP/").any(|(got, wanted)| got != wanted) {
        return Err(Reject::BadStatusLine);
    }
    let section = Section {
        start: 0,
        bytes_max: limits.bytes_max.min(HEAD_BYTES_CEILING),
    };
    // As for requests: the usual case first, everything else below.
    if *scanned == 0
        && let Ok(Some((parsed, end))) = Parsed::parse(section.window(buf), limits)
    {
        return parsed.judge(take(buf, end), to).map(Some);
    }
    let end = section.end(buf, scanned).map_err(|reject| match reject {
        Reject::TargetTooLong => Reject::HeadTooLarge,
        other => other,
    })?;
    let Some(end) = end else {
        return Ok(None);
    };
    *scanned = 0;
    let head = buf.get(..end).unwrap_or_default();
    let (parsed, end) = Parsed::parse(head, limits)?.ok_or(Reject::Malformed)?;
    parsed.judge(take(buf, end), to).map(Some)
}

struct Parsed {
    version: Version,
    status: u16,
    reason: Span,
    fields: FieldTable,
    summary: Summary,
}

impl Parsed {
    /// The head at the front of `buf`, and where it ends.
    fn parse(buf: &[u8], limits: &HeadLimits) -> Result<Option<(Self, usize)>, Reject> {
        let mut room = [const { MaybeUninit::uninit() }; FIELDS_CEILING];
        let room = room
            .get_mut(..limits.fields_max.min(FIELDS_CEILING))
            .unwrap_or_default();
        let mut response = httparse::Response::new(&mut []);
        let config = httparse::ParserConfig::default();
        let end = match config.parse_response_with_uninit_headers(&mut response, buf, room) {
            Ok(httparse::Status::Complete(end)) => end,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(error) => return Err(diagnosis::response(buf, error)),
        };
        let head = buf.get(..end).unwrap_or_default();
        let (fields, summary) = FieldTable::read(response.headers, head, Side::Response)?;
        let parsed = Self {
            version: response
                .version
                .map_or(Version::Http10, Version::from_minor),
            status: response.code.unwrap_or_default(),
            reason: reason(head),
            fields,
            summary,
        };
        Ok(Some((parsed, end)))
    }

    fn judge(self, bytes: BytesMut, to: ResponseTo) -> Result<ResponseHead, Reject> {
        let Self {
            version,
            status,
            reason,
            mut fields,
            summary,
        } = self;
        if !(100..=599).contains(&status) {
            return Err(Reject::BadStatus);
        }
        let upgrades = to.upgrade_asked && summary.upgrade && summary.websocket;
        if status == 101 && !upgrades {
            return Err(Reject::UnexpectedUpgrade);
        }
        let informational = status < 200;
        let body = if informational {
            BodyLength::Empty
        } else {
            summary.framing.judge(version, BodyLength::UntilClose)?
        };
        let bodiless = informational || matches!(status, 204 | 304) || to.head_request;
        if informational || status == 204 {
            // Neither may carry a length (RFC 9110 §8.6), and the client must not believe one.
            fields.keep_at_this_hop(Known::ContentLength);
        }
        let body = if bodiless { BodyLength::Empty } else { body };
        Ok(ResponseHead {
            bytes,
            version,
            status,
            reason,
            fields,
            body,
            keep_alive: summary.persists(version) && body != BodyLength::UntilClose,
        })
    }
}

/// The reason phrase of a status line that `httparse` took.
fn reason(head: &[u8]) -> Span {
    let line_end = memchr::memchr(b'\r', head).unwrap_or(STATUS_END);
    Span::new(STATUS_END + 1, line_end.max(STATUS_END + 1))
}

impl ResponseHead {
    /// 100 to 599.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The reason phrase, without control characters; often empty.
    pub fn reason(&self) -> &[u8] {
        self.reason.bytes(&self.bytes)
    }

    /// The version of the backend's message.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The fields in the order received.
    pub fn fields(&self) -> impl Iterator<Item = Field<'_>> {
        self.fields.iter(&self.bytes)
    }

    /// The values of all fields of that name, in the order received.
    pub fn values(&self, known: Known) -> impl Iterator<Item = &[u8]> {
        self.fields.all(known, &self.bytes)
    }

    /// Writes the end-to-end fields that `keep` lets pass, by which name they have and the name as received; the same
    /// bytes as `write_field` for each.
    pub fn write_fields(&self, out: &mut impl BufMut, keep: impl FnMut(Known, &[u8]) -> bool) {
        self.fields.write(&self.bytes, out, keep);
    }

    /// The value of the first field of that name.
    pub fn get(&self, known: Known) -> Option<&[u8]> {
        self.fields.first(known, &self.bytes)
    }

    /// How long the body is.
    pub fn body(&self) -> BodyLength {
        self.body
    }

    /// Whether the backend keeps the connection after this answer.
    pub fn keep_alive(&self) -> bool {
        self.keep_alive
    }

    /// Whether another head follows for the same request: 1xx but 101.
    pub fn interim(&self) -> bool {
        self.status < 200 && self.status != 101
    }
}
