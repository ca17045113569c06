//! Bytes of a file to text: UTF-8 or a problem that says where not, and the byte order mark that Windows editors leave.
//!
//! One mark at the start is skipped (YAML 1.2 §5.2); anywhere else it is invisible inside of a key or a name, so it is a
//! problem that names it.

use std::{borrow::Cow, path::Path};

use crate::problem::{Place, Report};

const BYTE_ORDER_MARK: char = '\u{feff}';

/// The text of `file`; none when it is not UTF-8, which was noted.
pub(crate) fn decode<'b>(
    file: &Path,
    bytes: &'b [u8],
    report: &mut Report,
) -> Option<Cow<'b, str>> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let before = String::from_utf8_lossy(valid);
            let utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
            let wrong = if utf16 {
                "is UTF-16".to_owned()
            } else {
                format!("is not UTF-8 at byte {}", error.valid_up_to())
            };
            report.wrong_in(file, end_of(&before), wrong, "save the file as UTF-8");
            return None;
        }
    };
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    if !text.contains(BYTE_ORDER_MARK) {
        return Some(Cow::Borrowed(text));
    }
    for (offset, _) in text.match_indices(BYTE_ORDER_MARK) {
        let before = text.get(..offset).unwrap_or_default();
        report.wrong_in(
            file,
            end_of(before),
            "an invisible byte order mark (U+FEFF)",
            "delete it; only the very start of a file may have one",
        );
    }
    // Without the marks the rest can still be checked.
    Some(Cow::Owned(text.replace(BYTE_ORDER_MARK, "")))
}

/// Where the character behind `before` stands.
fn end_of(before: &str) -> Place {
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count()
        + 1;
    Place {
        line: u32::try_from(line).unwrap_or(u32::MAX),
        column: u32::try_from(column).unwrap_or(u32::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(bytes: &[u8]) -> (Option<String>, String) {
        let file = Path::new("schleuse.yaml");
        let mut report = Report::new(file);
        let text = decode(file, bytes, &mut report).map(Cow::into_owned);
        let problems = report
            .finish(Some(()), Vec::new())
            .err()
            .map(|problems| problems.to_string());
        (text, problems.unwrap_or_default())
    }

    #[test]
    fn p22_one_byte_order_mark_at_the_start_is_skipped() {
        assert_eq!(
            decoded("\u{feff}version: 1".as_bytes()),
            (Some("version: 1".into()), String::new())
        );
    }

    #[test]
    fn p22_a_byte_order_mark_elsewhere_is_named_with_its_place() {
        let (text, problems) = decoded("a: 1\nbc\u{feff}: 2\n".as_bytes());
        assert_eq!(text.as_deref(), Some("a: 1\nbc: 2\n"));
        assert_eq!(
            problems,
            "schleuse.yaml:2:3: an invisible byte order mark (U+FEFF); delete it; only the very start of a file may have one"
        );
    }

    #[test]
    fn bytes_that_are_not_utf8_are_shown_by_offset_and_place() {
        let (text, problems) = decoded(b"a: 1\nstra\xdfe: 2\n");
        assert_eq!(text, None);
        assert_eq!(
            problems,
            "schleuse.yaml:2:5: is not UTF-8 at byte 9; save the file as UTF-8"
        );
    }

    #[test]
    fn utf16_is_named() {
        assert_eq!(
            decoded(b"\xff\xfea\0").1,
            "schleuse.yaml:1:1: is UTF-16; save the file as UTF-8"
        );
    }
}
