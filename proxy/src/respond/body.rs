//! What stands in an answer of our own: a page for people, problem+json (RFC 9457) for programs. Put together from pieces
//! in one allocation of the right size.

use std::time::Duration;

use schleuse_config::{FallbackPage, PagePart};
use schleuse_core::{Refusal, refusal::Language};
use smallvec::SmallVec;

use super::when::try_again;
use crate::{log::push_string, reference::Reference};

/// Media type RFC 9457 §3.
pub(super) fn problem(refusal: Refusal, reference: &Reference) -> Vec<u8> {
    use std::io::Write as _;
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(b"{\"type\":\"about:blank\",\"title\":\"");
    // Into the buffer and unescaped: the list of refusals has no title that needs escaping; writing to memory cannot fail.
    let _ = write!(out, "{refusal}");
    out.extend_from_slice(b"\",\"status\":");
    out.extend_from_slice(itoa::Buffer::new().format(refusal.status()).as_bytes());
    out.extend_from_slice(b",\"reason\":");
    push_string(&mut out, refusal.label().as_bytes());
    out.extend_from_slice(b",\"reference\":");
    push_string(&mut out, reference.as_str().as_bytes());
    out.extend_from_slice(b"}\n");
    out
}

/// The page fits the first congestion window (14 kB), needs nothing from elsewhere, reflows at 320 px and says its state
/// in the title and its language in `lang` (WCAG 2.1: 1.4.10, 2.4.2, 3.1.1).
///
/// `after`: when to come back, if that is known.
pub(super) fn page(
    refusal: Refusal,
    after: Option<Duration>,
    language: Language,
    reference: &Reference,
) -> Vec<u8> {
    let again = after.map_or_else(String::new, |after| {
        format!(" {}", try_again(language, after))
    });
    let words = refusal.citizen_text().words(language);
    let ask = match language {
        Language::German => {
            "Wenn Sie sich deswegen an die Behörde wenden, nennen Sie bitte diese Kennung:"
        }
        Language::English => "If you contact the office about this, please give this reference:",
    };
    let pieces = [
        "<!doctype html>\n<html lang=\"",
        language.tag(),
        "\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"robots\" content=\"noindex\">\n<title>",
        words.title,
        "</title>\n<style>\nbody{font:1.125rem/1.5 system-ui,sans-serif;color:#1b1b1b;background:#fff;margin:0}\n\
         main{max-width:38rem;margin:0 auto;padding:3rem 1rem}\nh1{font-size:1.6rem;line-height:1.25}\n\
         code{font-size:1rem;overflow-wrap:anywhere}\n</style>\n</head>\n<body>\n<main>\n<h1>",
        words.title,
        "</h1>\n<p>",
        words.sentence,
        &again,
        "</p>\n<p>",
        ask,
        "<br><code>",
        reference.as_str(),
        "</code></p>\n</main>\n</body>\n</html>\n",
    ];
    pieces.concat().into_bytes()
}

/// The service's own page. `retry_after` is in seconds; neither that nor a reference needs escaping.
pub(super) fn fallback_page(
    page: &FallbackPage,
    reference: &Reference,
    retry_after: &str,
) -> Vec<u8> {
    let parts = page.0.iter().map(|part| match part {
        PagePart::Text(text) => text.as_str(),
        PagePart::Reference => reference.as_str(),
        PagePart::RetryAfter => retry_after,
    });
    let pieces: SmallVec<[&str; 8]> = parts.collect();
    pieces.concat().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_carries_the_reference() {
        let reference = Reference::new();
        let refusal = Refusal::ClientRate;
        for body in [
            page(refusal, None, Language::German, &reference),
            page(refusal, None, Language::English, &reference),
            problem(refusal, &reference),
        ] {
            let body = String::from_utf8(body).unwrap();
            assert!(body.contains(reference.as_str()));
        }
    }

    #[test]
    fn a_problem_document_is_json_with_status_and_reason() {
        for refusal in [
            Refusal::ClientRate,
            Refusal::BadRequest("head_too_large", 431),
        ] {
            let body = problem(refusal, &Reference::new());
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(body["title"], refusal.to_string());
            assert_eq!(body["status"], refusal.status());
            assert_eq!(body["reason"], refusal.label());
        }
    }

    #[test]
    fn a_page_of_what_passes_by_itself_says_when_and_nothing_else_of_time() {
        let after = Some(Duration::from_secs(7_000));
        for refusal in [
            Refusal::ClientRate,
            Refusal::TenantRate,
            Refusal::WaitTooLong,
            Refusal::Starting,
            Refusal::StartFailed,
            Refusal::NoEndpoint,
        ] {
            for (language, when) in [
                (Language::German, "in etwa 2 Stunden noch einmal."),
                (Language::English, "in about 2 hours."),
            ] {
                let body = page(refusal, after, language, &Reference::new());
                let body = String::from_utf8(body).unwrap();
                assert!(body.contains(when), "{body}");
                for other in ["a moment", "einen Moment", "minute", "Minute"] {
                    assert!(!body.contains(other), "{refusal}: {other}");
                }
            }
        }
    }

    #[test]
    fn a_page_says_its_language() {
        let text = |language| page(Refusal::WaitTooLong, None, language, &Reference::new());
        assert!(text(Language::German).starts_with(b"<!doctype html>\n<html lang=\"de\">"));
        assert!(text(Language::English).starts_with(b"<!doctype html>\n<html lang=\"en\">"));
    }
}
