//! Reads vector files: one vector a line, columns between ` | `, `#` for comments.

/// The vectors of `file`, each with `N` columns; the last may hold the separator.
pub(crate) fn rows<const N: usize>(file: &str) -> impl Iterator<Item = [&str; N]> {
    file.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let mut columns = line.splitn(N, " | ");
            std::array::from_fn(|at| {
                let missing = || panic!("column {at} is missing in: {line}");
                columns.next().unwrap_or_else(missing)
            })
        })
}

/// The octets that a column stands for: `~` is CRLF, and `\\r \\n \\t \\0 \\xHH \\\\` are octets.
pub(crate) fn octets(column: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut rest = column.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        match first {
            b'~' => octets.extend_from_slice(b"\r\n"),
            b'\\' => rest = escape(after, &mut octets),
            other => octets.push(*other),
        }
    }
    octets
}

fn escape<'a>(escape: &'a [u8], octets: &mut Vec<u8>) -> &'a [u8] {
    let (octet, rest) = match escape {
        [b'r', rest @ ..] => (b'\r', rest),
        [b'n', rest @ ..] => (b'\n', rest),
        [b't', rest @ ..] => (b'\t', rest),
        [b'0', rest @ ..] => (0, rest),
        [b'\\', rest @ ..] => (b'\\', rest),
        [b'x', high, low, rest @ ..] => {
            let digit = |digit: &u8| char::from(*digit).to_digit(16);
            let octet = digit(high)
                .zip(digit(low))
                .map(|(high, low)| high * 16 + low);
            let octet = octet.and_then(|octet| u8::try_from(octet).ok());
            (
                octet.unwrap_or_else(|| panic!("bad hexadecimal escape")),
                rest,
            )
        }
        _ => panic!("unknown escape"),
    };
    octets.push(octet);
    rest
}
