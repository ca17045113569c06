//! Keys as they stand in a request: in the first path segment and in the query.
//!
//! Both are read as the backend will read them: percent escapes decoded once, on a copy of at most twelve bytes on the
//! stack. Whatever cannot be a key comes out as a text that no register knows, never as another key.
//!
//! Backends differ in what they take for a separator, a blank or the same name, and path and query go out byte for byte.
//! So a key that only the most lenient of them would find is refused: we cannot know which of them stands behind us.

use std::iter;

use crate::{
    key::RegionalKey,
    path::{PathError, decode_first, first_segment},
};

/// A key's digits decoded.
pub(crate) type KeyBuffer = [u8; RegionalKey::DIGITS_MAX];

/// The key in the first segment of `path`, decoded, and the bytes of the raw path up to the end of that segment.
///
/// A key is exactly 12, 9, 8 or 5 digits; any other segment is none. What stands behind a `;` in the segment is no part
/// of the key, because Java servers cut it off too.
///
/// # Errors
///
/// [`PathError::HiddenKey`] when the segment is none, but some backend would find a key there.
#[inline]
pub(crate) fn path_key<'k>(
    path: &'k str,
    buffer: &'k mut KeyBuffer,
) -> Result<Option<(&'k str, usize)>, PathError> {
    let Some((segment, end)) = first_segment(path) else {
        return Ok(None);
    };
    let raw = segment
        .split_once(';')
        .map_or(segment, |(name, _parameters)| name);
    let digits = decoded(raw, buffer);
    if is_key(digits) {
        Ok(Some((digits, end)))
    } else if hides_key(path) {
        Err(PathError::HiddenKey)
    } else {
        Ok(None)
    }
}

/// Whether the most lenient backend finds a key at the start of `path`: one that decodes first, ends a name at either
/// slash, `;`, `?` and `#`, passes over empty names and parameters, and trims.
fn hides_key(path: &str) -> bool {
    let mut name = Name::Empty;
    let mut is_parameter = false;
    for byte in decoded_bytes(path) {
        if matches!(byte, b'/' | b'\\' | b';' | b'?' | b'#') {
            if name.is_key() {
                return true;
            }
            if matches!(name, Name::Digits(_) | Name::Trailed(_)) && !is_parameter {
                return false;
            }
            is_parameter = byte == b';';
            name = Name::Empty;
            continue;
        }
        name = name.with(byte);
        if matches!(name, Name::Other) && !is_parameter {
            return false;
        }
    }
    name.is_key()
}

/// What a name of the path is so far, with its blanks trimmed.
#[derive(Clone, Copy)]
enum Name {
    /// Nothing but blanks.
    Empty,
    /// That many digits.
    Digits(usize),
    /// The same, and blanks behind them.
    Trailed(usize),
    /// Something that is no key any more.
    Other,
}

impl Name {
    const fn with(self, byte: u8) -> Self {
        match self {
            Self::Empty if is_blank(byte) => Self::Empty,
            Self::Empty if byte.is_ascii_digit() => Self::Digits(1),
            Self::Digits(count) if byte.is_ascii_digit() => Self::Digits(count + 1),
            Self::Digits(count) | Self::Trailed(count) if is_blank(byte) => Self::Trailed(count),
            _ => Self::Other,
        }
    }

    const fn is_key(self) -> bool {
        matches!(self, Self::Digits(count) | Self::Trailed(count) if is_key_length(count))
    }
}

/// What some server trims: blanks and control characters (Java's `trim`), and `+`, which stands for a blank.
const fn is_blank(byte: u8) -> bool {
    byte <= b' ' || byte == b'+'
}

const fn is_key_length(digits: usize) -> bool {
    matches!(digits, 5 | 8 | 9 | 12)
}

/// Whether a path segment or a host label is a key rather than a name.
#[inline]
pub(crate) fn is_key(text: &str) -> bool {
    is_key_length(text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `ars` or `ags` stands in the query more than once, or in a spelling that only some backends read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Repeated;

/// The raw values of `ars` and `ags` in a query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct QueryKeys<'q> {
    pub(crate) ars: Option<&'q str>,
    pub(crate) ags: Option<&'q str>,
}

/// Finds `ars` and `ags` among the pairs of a raw query.
///
/// Names are compared after decoding. `;` ends a pair as `&` does: some servers take it so, and a second key that only
/// they see must not pass. Nor must a name that only some take for `ars` or `ags`.
pub(crate) fn query_keys(query: &str) -> Result<QueryKeys<'_>, Repeated> {
    let mut keys = QueryKeys::default();
    for pair in query.split(['&', ';']) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if !folds_to_key(name) {
            continue;
        }
        let slot = match decoded(name, &mut KeyBuffer::default()) {
            "ars" => &mut keys.ars,
            "ags" => &mut keys.ags,
            _ => return Err(Repeated),
        };
        if slot.replace(value).is_some() {
            return Err(Repeated);
        }
    }
    Ok(keys)
}

/// Whether some backend takes the raw `name` for `ars` or `ags`. PHP skips blanks in front and cuts it at
/// a NUL and at `[` (`php_register_variable_ex`), ASP.NET ignores case, and others trim both ends.
fn folds_to_key(name: &str) -> bool {
    let mut bytes = decoded_bytes(name).skip_while(|&byte| is_blank(byte));
    let is_key = bytes
        .next()
        .is_some_and(|byte| byte.eq_ignore_ascii_case(&b'a'))
        && bytes
            .next()
            .is_some_and(|byte| matches!(byte, b'r' | b'R' | b'g' | b'G'))
        && bytes
            .next()
            .is_some_and(|byte| byte.eq_ignore_ascii_case(&b's'));
    let cut = |byte: &u8| *byte == 0 || !is_blank(*byte);
    is_key && matches!(bytes.find(cut), None | Some(0 | b'['))
}

/// The bytes of `raw` with its escapes decoded. A broken escape stands for itself, as most servers take it.
fn decoded_bytes(raw: &str) -> impl Iterator<Item = u8> {
    let mut rest = raw.as_bytes();
    iter::from_fn(move || {
        let (byte, after) = decode_first(rest)?;
        rest = after;
        Some(byte.unwrap_or(b'%'))
    })
}

/// `raw` with its escapes decoded (`+` is a space, which no key has). Empty when that is longer than any key, or no
/// text.
#[inline]
pub(crate) fn decoded<'k>(raw: &'k str, buffer: &'k mut KeyBuffer) -> &'k str {
    if !raw.contains('%') {
        return raw;
    }
    let mut written = 0;
    for byte in decoded_bytes(raw) {
        let Some(room) = buffer.get_mut(written) else {
            return "";
        };
        *room = byte;
        written += 1;
    }
    buffer
        .get(..written)
        .and_then(|bytes| str::from_utf8(bytes).ok())
        .unwrap_or("")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read_path(path: &str) -> Result<Option<(String, usize)>, PathError> {
        let mut buffer = KeyBuffer::default();
        let found = path_key(path, &mut buffer)?;
        Ok(found.map(|(digits, end)| (digits.to_owned(), end)))
    }

    fn in_path(path: &str) -> Option<(String, usize)> {
        read_path(path).expect("no hidden key")
    }

    fn keys_of(query: &str) -> Option<(Option<&str>, Option<&str>)> {
        query_keys(query).ok().map(|keys| (keys.ars, keys.ags))
    }

    #[test]
    fn only_a_whole_first_segment_of_digits_is_a_key() {
        assert_eq!(
            in_path("/064120000000/antrag"),
            Some(("064120000000".to_owned(), 13))
        );
        assert_eq!(in_path("/06412000"), Some(("06412000".to_owned(), 9)));
        for path in [
            "/",
            "/antrag/064120000000",
            "/0641200/",
            "/06",
            "/064120000000a/",
            "/06412 00",
            "/0641%2f06412",
            "/antrag%2F064120000000/x",
            "/antrag;06412/06412",
            "/%2506412/",
        ] {
            assert_eq!(in_path(path), None, "{path}");
        }
    }

    #[test]
    fn a_key_that_only_a_lenient_backend_finds_is_refused() {
        for path in [
            "/064120000000%2Fx",
            "/064120000000%2f",
            "/06412%2f000/",
            "/%2F064120000000/x",
            "/%2f%2F//064120000000",
            "/\\064120000000/x",
            "/%5C064120000000/x",
            "/064120000000\\x",
            "/064120000000%5cx",
            "/;x/064120000000/x",
            "/;x;y/;/064120000000",
            "/;064120000000/x",
            "/%3Bx/064120000000/x",
            "/064120000000%3Bx/x",
            "/%20064120000000/x",
            "/064120000000%20/x",
            "/064120000000%20;x/x",
            "/%20/064120000000/x",
            "/%09064120000000/x",
            "/064120000000%09%0a/x",
            "/+064120000000/x",
            "/064120000000%3Fx",
            "/064120000000#x",
            "/%2F%30%36412%2Fx",
            "/%2F064120000",
            "/%2F06412000",
        ] {
            assert_eq!(read_path(path), Err(PathError::HiddenKey), "{path}");
        }
    }

    #[test]
    fn an_escaped_slash_behind_the_first_segment_hides_nothing() {
        assert_eq!(
            in_path("/06412/a%2F110000000000"),
            Some(("06412".to_owned(), 6))
        );
        assert_eq!(in_path("/antrag/a%2F110000000000"), None);
    }

    #[test]
    fn escaped_digits_and_parameters_name_the_same_key() {
        assert_eq!(in_path("/%30641%32/x"), Some(("06412".to_owned(), 10)));
        assert_eq!(
            in_path("/06412;jsessionid=1/x"),
            Some(("06412".to_owned(), 19))
        );
    }

    #[test]
    fn keys_of_a_query_are_found_in_any_order_and_spelling() {
        assert_eq!(
            keys_of("x=1&ars=06412&leikaId=99"),
            Some((Some("06412"), None))
        );
        assert_eq!(keys_of("%61rs=06412"), Some((Some("06412"), None)));
        assert_eq!(
            keys_of("ags=06412000&ars=064120000000"),
            Some((Some("064120000000"), Some("06412000")))
        );
        assert_eq!(keys_of("ars"), Some((Some(""), None)));
        assert_eq!(keys_of("ars=a=b"), Some((Some("a=b"), None)));
    }

    #[test]
    fn names_that_no_backend_takes_for_a_key_are_passed_over() {
        for query in [
            "",
            "xars=06412",
            "arsx=1",
            "ar=1",
            "ars_=1",
            "ars.x=1",
            "[ars]=1",
            "a%20rs=1",
            "x=ars",
            "x=ARS&y[ars]=1",
            "%2561rs=1",
            "ars%=1",
            "&&=&",
        ] {
            assert_eq!(keys_of(query), Some((None, None)), "{query}");
        }
    }

    #[test]
    fn a_name_that_only_some_backends_take_for_a_key_is_an_error() {
        for query in [
            "ARS=1",
            "Ars=1",
            "aGs=1",
            "%41rs=1",
            " ars=1",
            "+ars=1",
            "%20ars=1",
            "%09%0A+%20%20%20%20ars=1",
            "ars+=1",
            "ars%20=1",
            "ars%00=1",
            "ars%00x=1",
            "ars\0=1",
            "ars[]=1",
            "ars[0]=1",
            "ars%5B%5D=1",
            "%61%72%73%5B0%5D=1",
            "ars%20[x]=1",
            "ags[",
            "ars=1&x=2;AGS=3",
        ] {
            assert_eq!(keys_of(query), None, "{query}");
        }
    }

    #[test]
    fn a_repeated_key_is_an_error_even_when_both_agree() {
        for query in [
            "ars=06412&ars=06412",
            "ars=1&%61%72%73=2",
            "ars=1;ars=2",
            "ars&ars",
            "ags=1&x=2&ags=3",
        ] {
            assert_eq!(keys_of(query), None, "{query}");
        }
    }

    proptest! {
        #[test]
        fn no_path_and_no_query_makes_them_panic(text in ".*") {
            let _ = keys_of(&text);
            let _ = read_path(&text);
        }

        #[test]
        fn whoever_decodes_and_splits_finds_no_key_that_we_do_not(
            path in "/(/|%2f|\\\\|%5C|;|%3b|%20|\\+|x|06412|%3064%31%32|110000000000){0,6}",
        ) {
            let decoded: Vec<u8> = decoded_bytes(&path).collect();
            let first = decoded
                .split(|byte| matches!(byte, b'/' | b'\\'))
                .filter_map(|segment| segment.split(|&byte| byte == b';').next())
                .map(|name| str::from_utf8(name).unwrap_or("").trim_matches([' ', '+']))
                .find(|name| !name.is_empty())
                .filter(|name| is_key(name));
            if let (Some(first), Ok(found)) = (first, read_path(&path)) {
                prop_assert_eq!(found.map(|(digits, _)| digits), Some(first.to_owned()));
            }
        }
    }
}
