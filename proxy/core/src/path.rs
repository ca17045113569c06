//! Which raw paths may be routed, and where their first segment ends.
//!
//! A path is never rewritten: it goes out byte for byte, so whatever the backend makes of it must not be another tenant
//! than the one we read. That rules out paths a backend may walk out of: dot segments in every spelling that some
//! server understands (`%2e`, `%2f`, `\`, `%5c`, and Tomcat's `..;x`, see O. Tsai, "Breaking Parser Logic", Black Hat
//! 2018), NUL, and broken escapes. Escapes are decoded once: a backend that decodes twice is broken by itself.

/// Why a path is not routed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum PathError {
    /// A segment is `.` or `..` once it is decoded.
    #[error("the path has a dot segment")]
    DotSegment,
    /// Holds a NUL, plain or as `%00`.
    #[error("the path has a NUL")]
    Nul,
    /// A `%` without two hexadecimal digits behind it.
    #[error("the path has a broken percent escape")]
    BrokenEscape,
    /// The path starts with a key that only some backends find: behind an escaped slash, with blanks around it and the
    /// like.
    #[error("the path starts with a key in a spelling that backends read differently")]
    HiddenKey,
}

/// Checks a raw path (`/…`, without the query). Any text is accepted as input; no allocation.
///
/// # Errors
///
/// The first reason, from the left, not to route it.
#[inline]
pub fn check_path(path: &str) -> Result<(), PathError> {
    // Most paths hold none of the three bytes that matter, and this loop runs on 16 bytes at a time.
    let suspicious = path
        .bytes()
        .fold(false, |found, byte| found | matches!(byte, b'.' | b'%' | 0));
    if suspicious {
        check_bytes(path.as_bytes())
    } else {
        Ok(())
    }
}

fn check_bytes(path: &[u8]) -> Result<(), PathError> {
    let mut segment = Segment::Dots(0);
    let mut rest = path;
    while let Some((byte, after)) = decode_first(rest) {
        rest = after;
        segment = match byte {
            None => return Err(PathError::BrokenEscape),
            Some(0) => return Err(PathError::Nul),
            Some(b'/' | b'\\' | b';') if segment.is_dot_segment() => {
                return Err(PathError::DotSegment);
            }
            Some(b'/' | b'\\') => Segment::Dots(0),
            Some(b'.') => segment.dot(),
            Some(_) => Segment::Named,
        };
    }
    if segment.is_dot_segment() {
        Err(PathError::DotSegment)
    } else {
        Ok(())
    }
}

/// What stands in a segment so far.
#[derive(Clone, Copy)]
enum Segment {
    /// That many dots and nothing else; more than two are counted as [`Segment::Named`].
    Dots(u8),
    /// Something that is no dot segment any more.
    Named,
}

impl Segment {
    const fn is_dot_segment(self) -> bool {
        matches!(self, Self::Dots(1 | 2))
    }

    const fn dot(self) -> Self {
        match self {
            Self::Dots(0) => Self::Dots(1),
            Self::Dots(1) => Self::Dots(2),
            Self::Dots(_) | Self::Named => Self::Named,
        }
    }
}

/// The first byte of `text` with a percent escape decoded, and what follows. The byte is None when the escape is broken;
/// then one byte was taken.
pub(crate) fn decode_first(text: &[u8]) -> Option<(Option<u8>, &[u8])> {
    let (&first, rest) = text.split_first()?;
    if first != b'%' {
        return Some((Some(first), rest));
    }
    let escaped = rest
        .split_first_chunk::<2>()
        .and_then(|([high, low], after)| {
            let byte = hex_digit(*high)? << 4 | hex_digit(*low)?;
            Some((Some(byte), after))
        });
    Some(escaped.unwrap_or((None, rest)))
}

const fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// The first segment of a raw path that is not empty, and where it ends: the bytes of `path` up to the next `/`.
///
/// Leading slashes are passed over, because backends merge them: what `//x/` names there must be seen here. An escaped
/// slash (`%2f`) does not end a segment; a key in front of or behind one is refused where keys are read
/// ([`PathError::HiddenKey`]). None when the path has slashes only.
///
/// ```
/// use schleuse_core::path::first_segment;
///
/// assert_eq!(first_segment("/064120000000/antrag"), Some(("064120000000", 13)));
/// assert_eq!(first_segment("/"), None);
/// ```
#[inline]
pub fn first_segment(path: &str) -> Option<(&str, usize)> {
    let segment = path.trim_start_matches('/');
    let start = path.len() - segment.len();
    let (segment, _) = segment.split_once('/').unwrap_or((segment, ""));
    (!segment.is_empty()).then_some((segment, start + segment.len()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_dot_segment_is_refused_in_every_spelling() {
        for path in [
            "/a/../b",
            "/a/./b",
            "/..",
            "/.",
            "/a/%2e%2E/b",
            "/a/.%2e/b",
            "/a%2f..%2Fb",
            "/a%2F%2e%2e",
            "/a\\..\\b",
            "/a%5c..%5Cb",
            "/a/..;x=1/b",
            "/a/..%3bx/b",
            "/064120000000/../110000000000/",
        ] {
            assert_eq!(check_path(path), Err(PathError::DotSegment), "{path}");
        }
    }

    #[test]
    fn dots_within_a_name_are_no_dot_segment() {
        for path in [
            "/",
            "*",
            "",
            "/a.b",
            "/.well-known/x",
            "/...",
            "/a/..b",
            "/a/b..",
            "/style.css",
            "/a;v=1.0/b",
        ] {
            assert_eq!(check_path(path), Ok(()), "{path}");
        }
    }

    #[test]
    fn escapes_are_decoded_once() {
        assert_eq!(check_path("/a/%252e%252e/b"), Ok(()));
        assert_eq!(check_path("/a/%25%32%65/b"), Ok(()));
    }

    #[test]
    fn a_nul_and_a_broken_escape_are_refused() {
        assert_eq!(check_path("/a%00b"), Err(PathError::Nul));
        assert_eq!(check_path("/a\0b"), Err(PathError::Nul));
        for path in ["/%zz", "/%", "/a%4", "/%u002e", "/%%41"] {
            assert_eq!(check_path(path), Err(PathError::BrokenEscape), "{path}");
        }
    }

    #[test]
    fn a_segment_ends_at_plain_slashes_and_keeps_its_escapes() {
        assert_eq!(first_segment("/antrag%2fneu/x"), Some(("antrag%2fneu", 13)));
    }

    #[test]
    fn empty_segments_in_front_are_passed_over() {
        assert_eq!(first_segment("//06412/x"), Some(("06412", 7)));
        assert_eq!(first_segment("///"), None);
        assert_eq!(first_segment(""), None);
    }

    /// The same rule, told differently: decode everything, cut at both slashes, look at each piece.
    fn has_dot_segment(path: &str) -> bool {
        let mut decoded = Vec::new();
        let mut rest = path.as_bytes();
        while let Some((byte, after)) = decode_first(rest) {
            decoded.extend(byte);
            rest = after;
        }
        decoded
            .split(|byte| matches!(byte, b'/' | b'\\'))
            .filter_map(|segment| segment.split(|&byte| byte == b';').next())
            .any(|segment| segment == b"." || segment == b"..")
    }

    proptest! {
        #[test]
        fn a_path_is_refused_exactly_when_a_decoded_segment_is_dots(
            path in "(/|\\.|%2e|%2E|%2f|%5C|\\\\|;|a|%41|%25){0,12}",
        ) {
            prop_assert_eq!(check_path(&path) == Err(PathError::DotSegment), has_dot_segment(&path));
        }

        #[test]
        fn no_path_makes_the_checks_panic(path in ".*") {
            let _ = check_path(&path);
            if let Some((segment, end)) = first_segment(&path) {
                prop_assert!(path[..end].ends_with(segment));
            }
        }
    }
}
