//! The octet classes and lists of RFC 9110 §5.6 that several modules judge by,
//! and the 16-bit spans in which a head remembers where its parts lie.

/// A range of bytes inside a head of at most 65,535 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u16,
    pub(crate) end: u16,
}

impl Span {
    /// `start..end`; positions beyond 65,535 saturate (and read as empty), which the head ceiling rules out.
    pub(crate) fn new(start: usize, end: usize) -> Self {
        Self {
            start: u16::try_from(start).unwrap_or(u16::MAX),
            end: u16::try_from(end).unwrap_or(u16::MAX),
        }
    }

    /// Where `part` lies in `whole`; empty when it is no part of it.
    pub(crate) fn of(part: &[u8], whole: &[u8]) -> Self {
        let start = part.as_ptr().addr().wrapping_sub(whole.as_ptr().addr());
        match start.checked_add(part.len()) {
            Some(end) if end <= whole.len() => Self::new(start, end),
            _ => Self::default(),
        }
    }

    /// The bytes, or none when the span does not fit.
    pub(crate) fn bytes(self, whole: &[u8]) -> &[u8] {
        whole
            .get(usize::from(self.start)..usize::from(self.end))
            .unwrap_or_default()
    }

    /// The bytes as text. Only used for parts that were checked to be ASCII.
    pub(crate) fn text(self, whole: &[u8]) -> &str {
        str::from_utf8(self.bytes(whole)).unwrap_or_default()
    }
}

/// The octets of a `token`.
static TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        table[byte as usize] = byte.is_ascii_alphanumeric()
            || matches!(
                byte,
                b'!' | b'#'
                    | b'$'
                    | b'%'
                    | b'&'
                    | b'\''
                    | b'*'
                    | b'+'
                    | b'-'
                    | b'.'
                    | b'^'
                    | b'_'
                    | b'`'
                    | b'|'
                    | b'~'
            );
        byte += 1;
    }
    table
};

/// Whether `byte` may stand in a `token` (RFC 9110 §5.6.2).
pub(crate) fn is_token_byte(byte: u8) -> bool {
    TOKEN.get(usize::from(byte)).copied().unwrap_or(false)
}

/// Whether `bytes` is a `token`, so at least one octet long.
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&byte| is_token_byte(byte))
}

/// Whether a field value holds only what RFC 9110 §5.5 allows: no controls but tab.
pub(crate) fn is_field_value(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .all(|&byte| byte == b'\t' || (byte >= b' ' && byte != 0x7f))
}

/// Whether `byte` is optional whitespace (RFC 9110 §5.6.3).
pub(crate) const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Without whitespace at either end.
pub(crate) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = bytes
        && is_blank(*first)
    {
        bytes = rest;
    }
    while let [rest @ .., last] = bytes
        && is_blank(*last)
    {
        bytes = rest;
    }
    bytes
}

/// The non-empty elements of a comma list (RFC 9110 §5.6.1.2).
pub(crate) fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value
        .split(|&byte| byte == b',')
        .map(trim)
        .filter(|element| !element.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_skips_empty_elements_and_outer_whitespace() {
        let elements: Vec<_> = list(b" ,a,\t b c ,,d").collect();
        assert_eq!(elements, [&b"a"[..], b"b c", b"d"]);
    }

    #[test]
    fn a_part_of_another_buffer_has_an_empty_span() {
        let (one, other) = (b"abc".to_vec(), b"abc".to_vec());
        assert_eq!(Span::of(&one, &other).bytes(&other), b"");
        assert_eq!(Span::of(&one[1..], &one).bytes(&one), b"bc");
    }
}
