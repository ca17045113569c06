//! The page that a service shows while it has nothing else to show.
//!
//! It is sent with every refusal while a crowd is refused, so it must be small; and it is cut at its placeholders here,
//! once, so that sending it only joins pieces.

use crate::{
    files::{Sources, explain},
    problem::Report,
    reader::Section,
    snapshot::{FallbackPage, PagePart},
};

/// Larger than our own page (2 KiB) by a logo and a style; still sent at once by any connection that is warm.
const BYTES_MAX: usize = 64 << 10;
const PLACEHOLDERS: [(&str, PagePart); 2] = [
    ("{reference}", PagePart::Reference),
    ("{retry_after}", PagePart::RetryAfter),
];

pub(super) fn read(
    service: &Section<'_, '_>,
    sources: &mut Sources,
    report: &mut Report,
) -> Option<FallbackPage> {
    let written = service.text("fallback_page", report)?;
    let file = sources.resolve(&written.value);
    let page = match sources.read(&file) {
        Ok(bytes) => parse(bytes),
        Err(error) => Err(explain(&error)),
    };
    match page {
        Ok(page) => Some(page),
        Err((wrong, remedy)) => {
            let wrong = format!("{} {wrong}", file.display());
            report.wrong(written.place, written.at, wrong, remedy);
            None
        }
    }
}

fn parse(bytes: Vec<u8>) -> Result<FallbackPage, (String, &'static str)> {
    if bytes.len() > BYTES_MAX {
        let wrong = format!(
            "has {} bytes, at most {BYTES_MAX} go out with a refusal",
            bytes.len()
        );
        return Err((wrong, "leave out what makes it large, images above all"));
    }
    let text = String::from_utf8(bytes).map_err(|_| {
        let wrong = "is not UTF-8".to_owned();
        (wrong, "save it as UTF-8; it is sent as such")
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    if text.trim().is_empty() {
        return Err(("is empty".to_owned(), "write the page, or remove the key"));
    }
    Ok(FallbackPage(cut(text)))
}

/// Braces that are no placeholder, as those of a style, stay what they are.
fn cut(text: &str) -> Vec<PagePart> {
    let mut parts = Vec::new();
    let mut rest = text;
    let next = |rest: &str| {
        let found = PLACEHOLDERS
            .iter()
            .filter_map(|(name, part)| Some((rest.find(name)?, *name, part.clone())));
        found.min_by_key(|(at, ..)| *at)
    };
    while let Some((at, name, part)) = next(rest) {
        let (before, after) = rest.split_at(at);
        parts.push(PagePart::Text(before.to_owned()));
        parts.push(part);
        rest = after.strip_prefix(name).unwrap_or(after);
    }
    parts.push(PagePart::Text(rest.to_owned()));
    parts.retain(|part| !matches!(part, PagePart::Text(text) if text.is_empty()));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> PagePart {
        PagePart::Text(text.to_owned())
    }

    #[test]
    fn a_page_is_cut_at_its_placeholders_and_at_no_other_brace() {
        let page = parse(b"p{x}{reference}: {retry_after}{retry_after} s {Reference}".to_vec());
        let expected = vec![
            text("p{x}"),
            PagePart::Reference,
            text(": "),
            PagePart::RetryAfter,
            PagePart::RetryAfter,
            text(" s {Reference}"),
        ];
        assert_eq!(page, Ok(FallbackPage(expected)));
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_a_page() {
        let page = parse("\u{feff}<p>".into());
        assert_eq!(page, Ok(FallbackPage(vec![text("<p>")])));
    }

    #[test]
    fn what_cannot_be_shown_is_refused() {
        for (bytes, expected) in [
            (vec![b'x'; BYTES_MAX + 1], "has 65537 bytes"),
            (b"Beh\xf6rde".to_vec(), "is not UTF-8"),
            (b" \n".to_vec(), "is empty"),
        ] {
            let (wrong, _) = parse(bytes).unwrap_err();
            assert!(wrong.starts_with(expected), "{wrong}");
        }
    }
}
