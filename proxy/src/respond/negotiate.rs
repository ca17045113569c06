//! Which form and which language an answer of our own has, by what the client says it prefers.

use schleuse_core::refusal::Language;
use schleuse_http1::{Known, RequestHead};

/// Whether `Accept` prefers HTML: a browser names `text/html`, a program `application/json` or nothing.
pub(super) fn wants_html(head: &RequestHead) -> bool {
    head.get(Known::Accept).is_some_and(|accept| {
        let html = best(accept, |kind| kind.eq_ignore_ascii_case(b"text/html"));
        let json = best(accept, |kind| {
            kind.eq_ignore_ascii_case(b"application/problem+json")
                || kind.eq_ignore_ascii_case(b"application/json")
        });
        html.is_some_and(|html| html > 0 && json.is_none_or(|json| html >= json))
    })
}

/// German, unless `Accept-Language` gives English more weight. `*` and a tie leave it at German: the field's order means
/// nothing (RFC 9110 §12.5.4).
pub(super) fn language(head: &RequestHead) -> Language {
    let Some(accept) = head.get(Known::AcceptLanguage) else {
        return Language::German;
    };
    let weight = |primary| best(accept, |range| has_primary(range, primary)).unwrap_or(0);
    if weight(*b"en") > weight(*b"de") {
        Language::English
    } else {
        Language::German
    }
}

/// Whether a language range is this language, in whatever region (RFC 4647 §3.3.1): `en`, `en-GB`.
fn has_primary(range: &[u8], primary: [u8; 2]) -> bool {
    range
        .get(..2)
        .is_some_and(|start| start.eq_ignore_ascii_case(&primary))
        && matches!(range.get(2), None | Some(b'-'))
}

/// The greatest weight among the members of a list that `wanted` accepts, in thousandths; none when it accepts none.
fn best(list: &[u8], wanted: impl Fn(&[u8]) -> bool) -> Option<u16> {
    let members = list.split(|byte| *byte == b',');
    let weights = members.filter_map(|member| {
        let mut parts = member.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        if !wanted(parts.next()?) {
            return None;
        }
        let weight = parts.find_map(|part| {
            part.strip_prefix(b"q=")
                .or_else(|| part.strip_prefix(b"Q="))
        });
        Some(weight.map_or(1000, thousandths))
    });
    weights.max()
}

/// A `qvalue` (RFC 9110 §12.4.2): `0`, `1`, or up to three decimals. Whatever else stands there counts as 0.
fn thousandths(weight: &[u8]) -> u16 {
    let (whole, decimals) = match weight {
        [whole, b'.', decimals @ ..] if decimals.len() <= 3 => (*whole, decimals),
        [whole] => (*whole, &[][..]),
        _ => return 0,
    };
    if !whole.is_ascii_digit() || !decimals.iter().all(u8::is_ascii_digit) {
        return 0;
    }
    let digits = decimals.iter().chain(b"000").take(3);
    let fraction = digits.fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
    (u16::from(whole - b'0') * 1000 + fraction).min(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(name: &str, value: &str) -> RequestHead {
        RequestHead::from_parts("GET", "/", "a.example", [(name, value.as_bytes())]).unwrap()
    }

    #[test]
    fn a_browser_gets_a_page_and_a_program_a_problem() {
        let wants = |accept| wants_html(&head("accept", accept));
        assert!(wants(
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
        ));
        assert!(!wants("*/*"));
        assert!(!wants("application/json"));
        assert!(!wants("application/json, text/html;q=0.5"));
        assert!(!wants("text/html;q=0"));
        assert!(!wants("text/html;q=nan"));
    }

    #[test]
    fn the_page_is_english_only_for_those_who_prefer_it() {
        let of = |accept| language(&head("accept-language", accept));
        for english in [
            "en",
            "en-GB,en;q=0.9",
            "EN-us",
            "de;q=0.5, en;q=0.8",
            "fr, en;q=0.1",
        ] {
            assert_eq!(of(english), Language::English, "{english}");
        }
        for german in [
            "",
            "de",
            "de-DE,de;q=0.9,en;q=0.8",
            "fr",
            "*",
            "en, de",
            "enm",
        ] {
            assert_eq!(of(german), Language::German, "{german}");
        }
        assert_eq!(language(&head("accept", "text/html")), Language::German);
    }

    #[test]
    fn weights_are_read_to_three_decimals() {
        assert_eq!(thousandths(b"1"), 1000);
        assert_eq!(thousandths(b"0.8"), 800);
        assert_eq!(thousandths(b"0.125"), 125);
        assert_eq!(thousandths(b"1.5"), 1000);
        assert_eq!(thousandths(b"0.1234"), 0);
        assert_eq!(thousandths(b"x"), 0);
    }
}
