//! Keys as they stand in a request: in the first path segment and in the query.
//!
//! Both are read as the backend will read them: percent escapes decoded once, on a copy of at most twelve bytes on the
//! stack. Whatever cannot be a key comes out as a text that no register knows, never as another key.

use crate::{
    key::RegionalKey,
    path::{decode_first, first_segment},
};

/// A key's digits decoded.
pub(crate) type KeyBuffer = [u8; RegionalKey::DIGITS_MAX];

/// The key in the first segment of `path`, decoded, and the bytes of the raw path up to the end of that segment.
///
/// A key is exactly 12, 9, 8 or 5 digits; any other segment is none. What stands behind a `;` in the segment is no part
/// of the key, because Java servers cut it off too.
#[inline]
pub(crate) fn path_key<'k>(path: &'k str, buffer: &'k mut KeyBuffer) -> Option<(&'k str, usize)> {
    let (segment, end) = first_segment(path)?;
    let raw = segment
        .split_once(';')
        .map_or(segment, |(name, _parameters)| name);
    let digits = decoded(raw, buffer);
    is_key(digits).then_some((digits, end))
}

/// Whether a path segment or a host label is a key rather than a name.
#[inline]
pub(crate) fn is_key(text: &str) -> bool {
    matches!(text.len(), 5 | 8 | 9 | 12) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `ars` or `ags` stands in the query more than once.
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
/// they see must not pass.
pub(crate) fn query_keys(query: &str) -> Result<QueryKeys<'_>, Repeated> {
    let mut keys = QueryKeys::default();
    for pair in query.split(['&', ';']) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        // Three letters, each escaped at most: 3 to 9 bytes. Long names are not looked at.
        if !(3..=9).contains(&name.len()) {
            continue;
        }
        let slot = match decoded(name, &mut KeyBuffer::default()) {
            "ars" => &mut keys.ars,
            "ags" => &mut keys.ags,
            _ => continue,
        };
        if slot.replace(value).is_some() {
            return Err(Repeated);
        }
    }
    Ok(keys)
}

/// `raw` with its escapes decoded (`+` is a space, which no key has). Empty when that is longer than any key, or no
/// text.
#[inline]
pub(crate) fn decoded<'k>(raw: &'k str, buffer: &'k mut KeyBuffer) -> &'k str {
    if !raw.contains('%') {
        return raw;
    }
    let mut written = 0;
    let mut rest = raw.as_bytes();
    while let Some((byte, after)) = decode_first(rest) {
        // A broken escape stands for itself, as most servers take it.
        let byte = byte.unwrap_or(b'%');
        let Some(room) = buffer.get_mut(written) else {
            return "";
        };
        *room = byte;
        written += 1;
        rest = after;
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

    fn in_path(path: &str) -> Option<(String, usize)> {
        path_key(path, &mut KeyBuffer::default()).map(|(digits, end)| (digits.to_owned(), end))
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
            "/06412%2f000/",
            "/06412 00",
        ] {
            assert_eq!(in_path(path), None, "{path}");
        }
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
    fn other_names_are_no_keys() {
        for query in [
            "",
            "ARS=06412",
            "xars=06412",
            "ars%20=1",
            "ars[]=1",
            "x=ars",
            "ars+=1",
            "&&=&",
        ] {
            assert_eq!(keys_of(query), Some((None, None)), "{query}");
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
            let _ = in_path(&text);
        }
    }
}
