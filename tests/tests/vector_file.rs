//! Reads vector files: one vector a line, columns between ` | `, `#` for comments.

/// The vectors of `file`, each with `N` columns; the last may hold the separator.
pub(crate) fn rows<const N: usize>(file: &str) -> Vec<[&str; N]> {
    let lines = file.lines();
    let vectors = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    vectors
        .map(|line| {
            let columns: Vec<_> = line.splitn(N, " | ").collect();
            columns
                .try_into()
                .unwrap_or_else(|_| panic!("a column is missing in: {line}"))
        })
        .collect()
}

/// The octets that a column stands for: `~` is CRLF, and `\r \n \t \0 \xHH \\` are octets.
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
            let digits = [*high, *low];
            let digits = std::str::from_utf8(&digits).expect("hexadecimal digits");
            let octet = u8::from_str_radix(digits, 16).expect("hexadecimal digits");
            (octet, rest)
        }
        _ => panic!("an escape that is not known"),
    };
    octets.push(octet);
    rest
}
