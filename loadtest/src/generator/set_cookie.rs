//! What of a `Set-Cookie` field is kept (RFC 6265 §5.2, §5.3): the pair, without its value where the server deletes it.
//!
//! A server deletes by a date that is past, as most frameworks do, or by `Max-Age` of 0, which goes before the date. How long
//! others live does not matter: no run is as long.

use std::time::SystemTime;

use httpdate::parse_http_date;

/// Longest date that is read, with room for a weekday written out.
const DATE_MAX: usize = 40;

/// Appends `name=value`, or `name=` if it is deleted, and a line feed.
pub(crate) fn keep(field: &[u8], cookies: &mut Vec<u8>) {
    let mut parts = field.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let pair = parts.next().unwrap_or_default();
    let kept = if is_deleted(parts) {
        let name = pair.iter().position(|byte| *byte == b'=');
        pair.get(..name.map_or(0, |equals| equals + 1))
            .unwrap_or_default()
    } else {
        pair
    };
    cookies.extend_from_slice(kept);
    cookies.push(b'\n');
}

fn is_deleted<'f>(attributes: impl Iterator<Item = &'f [u8]>) -> bool {
    let (mut by_age, mut by_date) = (None, None);
    for attribute in attributes {
        let mut halves = attribute.splitn(2, |byte| *byte == b'=');
        let name = halves.next().unwrap_or_default().trim_ascii();
        let value = halves.next().unwrap_or_default().trim_ascii();
        if name.eq_ignore_ascii_case(b"max-age") {
            by_age = is_no_age(value).or(by_age);
        } else if name.eq_ignore_ascii_case(b"expires") {
            by_date = is_past(value).or(by_date);
        }
    }
    by_age.or(by_date).unwrap_or(false)
}

/// None if it is no number.
fn is_no_age(value: &[u8]) -> Option<bool> {
    let (is_negative, digits) = match value.strip_prefix(b"-") {
        Some(digits) => (true, digits),
        None => (false, value),
    };
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    is_number.then(|| is_negative || digits.iter().all(|digit| *digit == b'0'))
}

/// None if it is no date. `Thu, 01-Jan-1970 00:00:01 GMT`, of which HTTP knows only the form without dashes, is widespread.
fn is_past(value: &[u8]) -> Option<bool> {
    let mut plain = [0; DATE_MAX];
    let plain = plain.get_mut(..value.len())?;
    for (plain, byte) in plain.iter_mut().zip(value) {
        *plain = if *byte == b'-' { b' ' } else { *byte };
    }
    let date = str::from_utf8(value)
        .ok()
        .and_then(|date| parse_http_date(date).ok());
    let date = date.or_else(|| parse_http_date(str::from_utf8(plain).ok()?).ok());
    date.map(|date| date <= SystemTime::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(field: &str) -> String {
        let mut cookies = Vec::new();
        keep(field.as_bytes(), &mut cookies);
        String::from_utf8(cookies).unwrap()
    }

    #[test]
    fn what_the_server_deletes_has_no_value_left() {
        for field in [
            "s=deleted; Max-Age=0",
            "s=deleted; path=/; max-age=-1; Expires=Fri, 31 Dec 9999 23:59:59 GMT",
            "s=deleted; expires=Thu, 01-Jan-1970 00:00:01 GMT; Max-Age=never",
            "s=x; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly",
            "s=x;EXPIRES = Thursday, 01-Jan-70 00:00:00 GMT",
        ] {
            assert_eq!(kept(field), "s=\n", "{field}");
        }
    }

    #[test]
    fn everything_else_is_kept_as_it_is() {
        for field in [
            "s=a=b",
            "s=a=b; Path=/; Secure; HttpOnly",
            "s=a=b; Max-Age=3600; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
            "s=a=b; Expires=Fri, 31 Dec 9999 23:59:59 GMT",
            "s=a=b; Expires=yesterday, or some other time that nobody ever writes; Max-Age=",
        ] {
            assert_eq!(kept(field), "s=a=b\n", "{field}");
        }
        assert_eq!(kept("nonsense; Max-Age=0"), "\n");
    }
}
