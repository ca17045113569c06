//! The fields of a head: where each lies, which name it has, and whether it
//! ends at this hop; and what they say together about framing, the connection
//! and expectations. One pass, no copies, no allocation up to 24 fields.
//!
//! `Connection` can nominate further fields to drop (RFC 9110 §7.6.1). What the
//! proxy decides by or sets itself cannot be nominated away, so that a client
//! cannot steer what a backend trusts.

use bytes::{BufMut, BytesMut};
use smallvec::SmallVec;

use crate::Reject;
use crate::framing::{Framing, leading_zeros};
use crate::grammar::{Span, list};
use crate::known::Known;

/// Fields that a head holds without allocating; a browser sends 10 to 20.
const FIELDS_INLINE: usize = 24;

/// Between name and value.
const SEPARATOR: &[u8] = b": ";
const LINE_END: &[u8] = b"\r\n";

/// Most options over all `Connection` lines; each is compared with every field.
const CONNECTION_OPTIONS_MAX: usize = 32;

/// One field of a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'h> {
    /// The name as received, a token.
    pub name: &'h str,
    /// The value without outer whitespace: visible octets, spaces and tabs. A Content-Length has
    /// no leading zeros.
    pub value: &'h [u8],
    /// Which name it is.
    pub known: Known,
    /// Whether the field ends here and must not be passed on.
    pub hop_by_hop: bool,
}

/// Whose fields they are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// A client's: names with `_` are dropped, because CGI and WSGI read `A_B` and `A-B` alike.
    Request,
    /// A backend's.
    Response,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    name: Span,
    value: Span,
    known: Known,
    hop_by_hop: bool,
}

impl Entry {
    /// Whether the line reads as it would be written: one space after the colon, none at the end.
    fn is_canonical(&self, head: &[u8]) -> bool {
        let (name_end, value_end) = (usize::from(self.name.end), usize::from(self.value.end));
        usize::from(self.value.start) == name_end + SEPARATOR.len()
            && head.get(name_end..name_end + SEPARATOR.len()) == Some(SEPARATOR)
            && head.get(value_end..value_end + LINE_END.len()) == Some(LINE_END)
    }
}

/// Where the fields of a head lie in its bytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct FieldTable {
    entries: SmallVec<[Entry; FIELDS_INLINE]>,
    /// How many were dropped for a `_` in their name.
    pub(crate) dropped_underscore: u16,
}

/// What the fields say about message and connection.
#[derive(Clone, Copy, Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one fact that some field states on its own"
)]
pub(crate) struct Summary {
    pub(crate) framing: Framing,
    pub(crate) host: Option<Span>,
    pub(crate) close: bool,
    pub(crate) keep_alive: bool,
    /// `Connection` lists `upgrade`.
    pub(crate) upgrade: bool,
    /// `Upgrade` lists `websocket`.
    pub(crate) websocket: bool,
    pub(crate) expect_continue: bool,
    pub(crate) expect_other: bool,
    connection_options: usize,
    nominates: bool,
}

impl FieldTable {
    /// Reads the fields that `httparse` found in `head`, which ends with its empty line.
    ///
    /// `httparse` takes a lone LF for a line end, so the line ends are looked at here.
    ///
    /// # Errors
    /// The first that is repeated, malformed or too much.
    pub(crate) fn read(
        fields: &[httparse::Header<'_>],
        head: &[u8],
        side: Side,
    ) -> Result<(Self, Summary), Reject> {
        if !head.ends_with(b"\r\n\r\n") {
            return Err(Reject::BareLf);
        }
        let mut table = Self::default();
        let mut summary = Summary::default();
        for field in fields {
            let name = field.name.as_bytes();
            let span = Span::of(name, head);
            if !follows_line_end(span, head) {
                return Err(Reject::BareLf);
            }
            let known = Known::of(name);
            // No known name holds one, so only the others are searched.
            if side == Side::Request && known.name().is_none() && name.contains(&b'_') {
                table.dropped_underscore = table.dropped_underscore.saturating_add(1);
                continue;
            }
            let mut value = Span::of(field.value, head);
            if known == Known::ContentLength {
                value = Span::of(
                    field
                        .value
                        .get(leading_zeros(field.value)..)
                        .unwrap_or_default(),
                    head,
                );
            }
            if known != Known::Other {
                summary.note(known, field.value, value)?;
            }
            table.entries.push(Entry {
                name: span,
                value,
                known,
                hop_by_hop: known.is_hop_by_hop(),
            });
        }
        if summary.nominates {
            table.drop_nominated(head);
        }
        Ok((table, summary))
    }

    /// The fields in the order received.
    pub(crate) fn iter<'h>(&'h self, head: &'h [u8]) -> impl Iterator<Item = Field<'h>> {
        // Almost every head is text as a whole, and one check is cheaper than one for each name.
        let text = str::from_utf8(head).ok();
        self.entries.iter().map(move |entry| Field {
            name: match text {
                Some(text) => text.get(entry.name.range()).unwrap_or_default(),
                None => entry.name.text(head),
            },
            value: entry.value.bytes(head),
            known: entry.known,
            hop_by_hop: entry.hop_by_hop,
        })
    }

    /// The value of the first field of that name.
    pub(crate) fn first<'h>(&self, known: Known, head: &'h [u8]) -> Option<&'h [u8]> {
        self.entries
            .iter()
            .find(|entry| entry.known == known)
            .map(|entry| entry.value.bytes(head))
    }

    /// The values of all fields of that name, in the order received.
    pub(crate) fn all<'h>(
        &'h self,
        known: Known,
        head: &'h [u8],
    ) -> impl Iterator<Item = &'h [u8]> {
        let found = self
            .entries
            .iter()
            .filter(move |entry| entry.known == known);
        found.map(|entry| entry.value.bytes(head))
    }

    /// Writes the fields that do not end here and that `keep` lets pass, as `write_field` would.
    ///
    /// A line that was received in exactly the form in which it would be written is copied as it is, together with its
    /// neighbours: one copy for most of a head instead of four for each field.
    pub(crate) fn write(
        &self,
        head: &[u8],
        out: &mut impl BufMut,
        mut keep: impl FnMut(Known, &[u8]) -> bool,
    ) {
        let mut run = 0..0;
        for entry in &self.entries {
            if entry.hop_by_hop || !keep(entry.known, entry.name.bytes(head)) {
                continue;
            }
            let (start, end) = (
                usize::from(entry.name.start),
                usize::from(entry.value.end) + LINE_END.len(),
            );
            if entry.is_canonical(head) {
                if run.end != start {
                    out.put_slice(head.get(run).unwrap_or_default());
                    run = start..start;
                }
                run.end = end;
            } else {
                out.put_slice(head.get(run).unwrap_or_default());
                run = 0..0;
                crate::encode::write_line(out, entry.name.bytes(head), entry.value.bytes(head));
            }
        }
        out.put_slice(head.get(run).unwrap_or_default());
    }

    /// Lets all fields of that name end here.
    pub(crate) fn keep_at_this_hop(&mut self, known: Known) {
        for entry in &mut self.entries {
            entry.hop_by_hop |= entry.known == known;
        }
    }

    fn drop_nominated(&mut self, head: &[u8]) {
        let lines: SmallVec<[Span; 4]> = self
            .entries
            .iter()
            .filter(|entry| entry.known == Known::Connection)
            .map(|entry| entry.value)
            .collect();
        for option in lines.iter().flat_map(|line| list(line.bytes(head))) {
            for entry in &mut self.entries {
                entry.hop_by_hop |= !entry.known.is_kept_from_nomination()
                    && entry.name.bytes(head).eq_ignore_ascii_case(option);
            }
        }
    }
}

impl Summary {
    fn note(&mut self, known: Known, value: &[u8], span: Span) -> Result<(), Reject> {
        match known {
            Known::Host if self.host.is_some() => return Err(Reject::RepeatedHost),
            Known::Host => self.host = Some(span),
            Known::ContentLength => self.framing.length(value)?,
            Known::TransferEncoding => self.framing.coding(value)?,
            Known::Connection => self.connection(value)?,
            Known::Upgrade => {
                self.websocket |= list(value).any(|name| name.eq_ignore_ascii_case(b"websocket"));
            }
            Known::Expect => self.expect(value),
            _ => {}
        }
        Ok(())
    }

    fn connection(&mut self, value: &[u8]) -> Result<(), Reject> {
        for option in list(value) {
            self.connection_options += 1;
            if option.eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = true;
            } else if option.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else if option.eq_ignore_ascii_case(b"upgrade") {
                self.upgrade = true;
            } else {
                self.nominates = true;
            }
        }
        if self.connection_options > CONNECTION_OPTIONS_MAX {
            return Err(Reject::TooManyConnectionOptions);
        }
        Ok(())
    }

    fn expect(&mut self, value: &[u8]) {
        for expectation in list(value) {
            if expectation.eq_ignore_ascii_case(b"100-continue") {
                self.expect_continue = true;
            } else {
                self.expect_other = true;
            }
        }
    }

    /// Whether the connection outlives the message (RFC 9112 §9.3).
    pub(crate) const fn persists(&self, version: crate::Version) -> bool {
        match version {
            crate::Version::Http11 => !self.close,
            crate::Version::Http10 => self.keep_alive && !self.close,
        }
    }
}

/// Whether the line before a name ended in CRLF.
fn follows_line_end(name: Span, head: &[u8]) -> bool {
    let start = usize::from(name.start);
    head.get(start.saturating_sub(2)..start) == Some(b"\r\n")
}

/// Takes the first `length` bytes out of the buffer: the buffer itself when nothing follows, which
/// allocates nothing.
pub(crate) fn take(buf: &mut BytesMut, length: usize) -> BytesMut {
    if length >= buf.len() {
        std::mem::take(buf)
    } else {
        buf.split_to(length)
    }
}
