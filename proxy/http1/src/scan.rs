//! Finds the end of a head as its bytes arrive, looking at each byte once.
//!
//! Only CRLF ends a line: a lone LF is refused as soon as it is seen, since
//! recipients that take it for a line end (RFC 9112 §2.2 permits it) and ones
//! that do not would disagree about where a head ends. A lone CR is left to the
//! parser, which refuses it wherever it stands.

use crate::Reject;

/// Where a section of lines starts and how large it may get.
#[derive(Clone, Copy)]
pub(crate) struct Section {
    /// Position of its first line.
    pub(crate) start: usize,
    /// Bytes from the start of the buffer that the section may take, last empty line included.
    pub(crate) bytes_max: usize,
}

impl Section {
    /// Position after the empty line that ends the section, or `None` when it has not arrived.
    ///
    /// `scanned` is how far an earlier call looked.
    ///
    /// # Errors
    /// [`Reject::BareLf`], or [`Reject::HeadTooLarge`] when more than `bytes_max` bytes hold no
    /// end ([`Reject::TargetTooLong`] when they hold not even one line).
    pub(crate) fn end(self, buf: &[u8], scanned: &mut usize) -> Result<Option<usize>, Reject> {
        let window = buf.get(..self.bytes_max).unwrap_or(buf);
        let from = (*scanned).clamp(self.start, window.len().max(self.start));
        for offset in memchr::memchr_iter(b'\n', window.get(from..).unwrap_or_default()) {
            let line_feed = from + offset;
            let before = window.get(self.start..line_feed).unwrap_or_default();
            match before {
                [.., b'\r', b'\n', b'\r'] => return Ok(Some(line_feed + 1)),
                [.., b'\r'] => {}
                _ => return Err(Reject::BareLf),
            }
        }
        *scanned = window.len();
        if buf.len() <= self.bytes_max {
            return Ok(None);
        }
        let first_line = window.get(self.start..).unwrap_or_default();
        Err(match memchr::memchr(b'\n', first_line) {
            Some(_) => Reject::HeadTooLarge,
            None => Reject::TargetTooLong,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_found_when_it_arrives_byte_by_byte() {
        let head = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
        let section = Section {
            start: 0,
            bytes_max: 100,
        };
        let mut scanned = 0;
        for length in 0..head.len() {
            assert_eq!(section.end(&head[..length], &mut scanned), Ok(None));
        }
        assert_eq!(section.end(head, &mut scanned), Ok(Some(head.len())));
    }

    #[test]
    fn a_head_of_exactly_the_limit_is_taken_and_one_byte_more_is_not() {
        let head = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
        for (bytes_max, expected) in [
            (head.len(), Ok(Some(head.len()))),
            (head.len() - 1, Err(Reject::HeadTooLarge)),
            (10, Err(Reject::TargetTooLong)),
        ] {
            let section = Section {
                start: 0,
                bytes_max,
            };
            assert_eq!(section.end(head, &mut 0), expected, "{bytes_max}");
        }
    }
}
