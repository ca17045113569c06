//! Reads one HTTP/1.1 answer from whatever pieces arrive, keeps what a citizen reacts to and drops the rest. No sockets.
//!
//! Nothing is copied unless a head is split over two reads or has a field that is wanted; a body is counted, not kept.
//! Framing follows RFC 9112 §6.3; what is ambiguous is malformed, because a generator that guesses reports nonsense.

use std::mem::MaybeUninit;

use httparse::{Header, Status};

use super::{chunks::Chunks, retry_after, set_cookie};

/// Most bytes of a head.
const HEAD_MAX: usize = 65_536;
/// Most fields of a head.
const FIELDS_MAX: usize = 128;

/// Bytes that are no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// What is kept of an answer.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Whether the connection must not be used again.
    pub(crate) closes: bool,
    pub(crate) retry_after_seconds: Option<u32>,
    /// `Location` of a redirect; empty: none.
    pub(crate) location: String,
    /// What is kept of each `Set-Cookie`, ended by a line feed.
    pub(crate) cookies: Vec<u8>,
    /// Bytes of the body so far, without its coding.
    pub(crate) body_bytes: u64,
}

impl Answer {
    fn clear(&mut self) {
        self.status = 0;
        self.closes = false;
        self.retry_after_seconds = None;
        self.location.clear();
        self.cookies.clear();
        self.body_bytes = 0;
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Stage {
    #[default]
    Head,
    Length(u64),
    Chunked(Chunks),
    UntilClose,
    Done,
}

/// How one answer on a connection is read.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    stage: Stage,
    /// The beginning of a head that was split.
    held: Vec<u8>,
    /// To a HEAD request: no body.
    without_body: bool,
    pub(crate) answer: Answer,
}

impl Reader {
    /// Expects the answer to a new request.
    pub(crate) fn expect(&mut self, without_body: bool) {
        self.stage = Stage::Head;
        self.held.clear();
        self.without_body = without_body;
        self.answer.clear();
    }

    /// Takes what arrived; true when the answer is complete. Bytes behind the end are malformed: nobody asked for them.
    pub(crate) fn feed(&mut self, mut input: &[u8]) -> Result<bool, Malformed> {
        while !input.is_empty() {
            input = match self.stage {
                Stage::Head => match self.head(input)? {
                    Some(used) => input.get(used..).unwrap_or_default(),
                    None => return Ok(false),
                },
                Stage::Length(left) => {
                    let taken = left.min(input.len() as u64);
                    self.answer.body_bytes += taken;
                    self.stage = after_length(left - taken);
                    let taken = usize::try_from(taken).unwrap_or(input.len());
                    input.get(taken..).unwrap_or_default()
                }
                Stage::Chunked(mut chunks) => {
                    let (used, data) = chunks.take(input)?;
                    self.answer.body_bytes += data;
                    self.stage = if chunks.is_ended() {
                        Stage::Done
                    } else {
                        Stage::Chunked(chunks)
                    };
                    input.get(used..).unwrap_or_default()
                }
                Stage::UntilClose => {
                    self.answer.body_bytes += input.len() as u64;
                    &[]
                }
                Stage::Done => return Err(Malformed),
            };
        }
        Ok(self.stage == Stage::Done)
    }

    /// The peer closed; true if that completes the answer.
    pub(crate) fn end(&mut self) -> bool {
        let completes = self.stage == Stage::UntilClose;
        if completes {
            self.stage = Stage::Done;
            self.answer.closes = true;
        }
        completes
    }

    /// Takes a head, or keeps its beginning; how much of `input` belonged to it once it is complete.
    fn head(&mut self, input: &[u8]) -> Result<Option<usize>, Malformed> {
        if self.held.is_empty() {
            let end = self.parse(input)?;
            if end.is_none() {
                self.held.extend_from_slice(input);
            }
            return Ok(end);
        }
        let before = self.held.len();
        let mut held = std::mem::take(&mut self.held);
        held.extend_from_slice(input);
        let end = self.parse(&held)?;
        if held.len() > HEAD_MAX && end.is_none() {
            return Err(Malformed);
        }
        if end.is_some() {
            held.clear();
        }
        self.held = held;
        Ok(end.map(|end| end.saturating_sub(before)))
    }

    fn parse(&mut self, bytes: &[u8]) -> Result<Option<usize>, Malformed> {
        let mut fields = [const { MaybeUninit::uninit() }; FIELDS_MAX];
        let mut response = httparse::Response::new(&mut []);
        let config = httparse::ParserConfig::default();
        let end = match config.parse_response_with_uninit_headers(&mut response, bytes, &mut fields)
        {
            Ok(Status::Complete(end)) => end,
            Ok(Status::Partial) => return Ok(None),
            Err(_) => return Err(Malformed),
        };
        let status = response.code.unwrap_or_default();
        if (100..200).contains(&status) {
            // Others may follow (RFC 9110 §15.2), but nobody asked to switch protocols.
            return if status == 101 {
                Err(Malformed)
            } else {
                Ok(Some(end))
            };
        }
        self.answer.status = status;
        self.answer.closes = response.version == Some(0);
        let mut framing = Framing::default();
        for field in response.headers.iter() {
            self.note(field, &mut framing)?;
        }
        if framing.asks_to_wait {
            let value = |name| {
                let mut fields = response.headers.iter();
                fields
                    .find(|field| field.name.eq_ignore_ascii_case(name))
                    .map(|field| field.value)
            };
            self.answer.retry_after_seconds =
                value("retry-after").and_then(|asked| retry_after::seconds(asked, value("date")));
        }
        let bodiless = self.without_body || matches!(status, 204 | 304);
        self.stage = if bodiless {
            Stage::Done
        } else {
            framing.stage()?
        };
        Ok(Some(end))
    }

    fn note(&mut self, field: &Header<'_>, framing: &mut Framing) -> Result<(), Malformed> {
        let (name, value) = (field.name, field.value);
        // The length alone excludes most fields.
        match name.len() {
            14 if name.eq_ignore_ascii_case("content-length") => framing.note_length(value)?,
            17 if name.eq_ignore_ascii_case("transfer-encoding") => framing.note_coding(value)?,
            10 if name.eq_ignore_ascii_case("connection") => {
                if has_token(value, b"close") {
                    self.answer.closes = true;
                } else if has_token(value, b"keep-alive") {
                    self.answer.closes = false;
                }
            }
            11 if name.eq_ignore_ascii_case("retry-after") => framing.asks_to_wait = true,
            8 if name.eq_ignore_ascii_case("location") => {
                if let Ok(text) = str::from_utf8(value) {
                    self.answer.location.clear();
                    self.answer.location.push_str(text);
                }
            }
            10 if name.eq_ignore_ascii_case("set-cookie") => {
                set_cookie::keep(value, &mut self.answer.cookies);
            }
            _ => {}
        }
        Ok(())
    }
}

const fn after_length(left: u64) -> Stage {
    if left == 0 {
        Stage::Done
    } else {
        Stage::Length(left)
    }
}

/// What frames the body, and what has to be looked at once all fields are known.
#[derive(Debug, Default)]
struct Framing {
    length: Option<u64>,
    chunked: bool,
    /// Has `Retry-After`, which may need a field that comes behind it.
    asks_to_wait: bool,
}

impl Framing {
    fn note_length(&mut self, value: &[u8]) -> Result<(), Malformed> {
        let digits = value.trim_ascii();
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return Err(Malformed);
        }
        let text = str::from_utf8(digits).map_err(|_| Malformed)?;
        let length = text.parse().map_err(|_| Malformed)?;
        match self.length.replace(length) {
            Some(other) if other != length => Err(Malformed),
            _ => Ok(()),
        }
    }

    fn note_coding(&mut self, value: &[u8]) -> Result<(), Malformed> {
        if self.chunked || !value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
            return Err(Malformed);
        }
        self.chunked = true;
        Ok(())
    }

    fn stage(&self) -> Result<Stage, Malformed> {
        match (self.chunked, self.length) {
            (true, Some(_)) => Err(Malformed),
            (true, None) => Ok(Stage::Chunked(Chunks::default())),
            (false, Some(length)) => Ok(after_length(length)),
            (false, None) => Ok(Stage::UntilClose),
        }
    }
}

fn has_token(value: &[u8], token: &[u8]) -> bool {
    value
        .split(|byte| *byte == b',')
        .any(|part| part.trim_ascii().eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8], cuts: &[usize]) -> Result<(bool, Reader), Malformed> {
        let mut reader = Reader::default();
        reader.expect(false);
        let (mut from, mut done) = (0, false);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
        cuts.push(bytes.len());
        cuts.sort_unstable();
        for cut in cuts {
            done = reader.feed(&bytes[from..cut])? || done;
            from = cut;
        }
        Ok((done, reader))
    }

    const CHUNKED: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\
        Retry-After: 17\r\nSet-Cookie: a=1; Path=/\r\nset-cookie: b=2\r\n\r\n5;x=y\r\nhello\r\n10\r\n0123456789abcdef\r\n0\r\nt: u\r\n\r\n";

    #[test]
    fn what_a_citizen_reacts_to_is_kept() {
        let (done, reader) = read(CHUNKED, &[]).unwrap();
        assert!(done);
        let answer = &reader.answer;
        assert_eq!((answer.status, answer.body_bytes), (503, 21));
        assert_eq!(answer.retry_after_seconds, Some(17));
        assert_eq!(answer.cookies, b"a=1\nb=2\n");
    }

    #[test]
    fn a_wait_until_a_date_counts_from_the_date_of_the_answer() {
        let bytes = b"HTTP/1.1 503 Busy\r\nRetry-After: Wed, 25 Nov 2026 12:00:30 GMT\r\n\
            Content-Length: 0\r\nDate: Wed, 25 Nov 2026 12:00:00 GMT\r\n\r\n";
        let (_, reader) = read(bytes, &[]).unwrap();
        assert_eq!(reader.answer.retry_after_seconds, Some(30));
    }

    #[test]
    fn ambiguous_or_broken_answers_are_malformed() {
        for bytes in [
            &b"SSH-2.0-OpenSSH\r\n"[..],
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabc",
            b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        ] {
            assert!(
                read(bytes, &[]).is_err(),
                "{}",
                String::from_utf8_lossy(bytes)
            );
        }
    }

    #[test]
    fn a_body_without_length_ends_with_the_connection_and_any_other_does_not() {
        let (done, mut reader) = read(b"HTTP/1.0 200 OK\r\n\r\nabc", &[]).unwrap();
        assert!(!done && reader.end());
        let (_, mut reader) =
            read(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc", &[]).unwrap();
        assert!(!reader.end());
    }

    #[test]
    fn answers_without_a_body_end_with_their_head() {
        for bytes in [
            &b"HTTP/1.1 204 No Content\r\n\r\n"[..],
            b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        ] {
            assert!(read(bytes, &[]).unwrap().0);
        }
        let mut reader = Reader::default();
        reader.expect(true);
        assert_eq!(
            reader.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"),
            Ok(true)
        );
    }

    proptest! {
        #[test]
        fn however_it_is_split_an_answer_is_the_same(cuts in prop::collection::vec(0_usize..400, 0..12)) {
            let (done, reader) = read(CHUNKED, &cuts).unwrap();
            prop_assert!(done);
            prop_assert_eq!((reader.answer.status, reader.answer.body_bytes), (503, 21));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0_usize..200) {
            let mut answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
            answer.extend(&bytes);
            let _ = read(&answer, &[cut]);
            let _ = read(&bytes, &[cut]);
        }
    }
}
