//! Compares an answer with what a step expects, in words for the terminal.

use std::path::Path;

use super::{
    client::{Answer, certificate},
    step::Expectation,
};

/// Text that is quoted from an answer, characters: about a line of the terminal.
const QUOTE_MAX: usize = 72;
/// The same of a field's value, which stands behind its name.
const FIELD_MAX: usize = 40;
/// Text that is quoted where it is not what was expected.
const DIFFERING_MAX: usize = 400;

/// What is known beside the answer itself.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The demo's directory.
    pub directory: &'a Path,
    /// The endpoint (name and address) that the form is on.
    pub session_endpoint: &'a str,
}

impl Expectation {
    /// What was seen.
    ///
    /// # Errors
    ///
    /// What differs.
    pub fn check(&self, answer: &Answer, context: Context<'_>) -> Result<String, String> {
        match self {
            Self::Status(status) => {
                compare("status", &answer.status.to_string(), &status.to_string())
                    .map(|()| status.to_string())
            }
            Self::Line(name, value) => compare(name, answer.line(name).unwrap_or("nothing"), value)
                .map(|()| format!("{name}: {value}")),
            Self::Says(text) => {
                let line = answer.body.lines().find(|line| line.contains(text));
                line.map(|line| around(line.trim().trim_end_matches(','), text))
                    .ok_or_else(|| {
                        format!(
                            "`{text}` expected in: {}",
                            shortened(&answer.body, DIFFERING_MAX)
                        )
                    })
            }
            Self::SaysNot(text) => {
                let line = answer.body.lines().find(|line| line.contains(text));
                match line {
                    None => Ok(format!("no {text}")),
                    Some(line) => Err(format!("not expected: {}", around(line.trim(), text))),
                }
            }
            Self::Field(name, value) => {
                let mut fields = answer.fields.iter().filter(|(known, _)| known == name);
                match fields.find(|(_, known)| known.contains(value)) {
                    Some((_, known)) => Ok(format!("{name}: {}", shortened(known, FIELD_MAX))),
                    None => Err(format!(
                        "{name}: {value} expected, got: {}",
                        answer.field(name)
                    )),
                }
            }
            Self::Certificate(name) => check_certificate(name, answer, context.directory),
            Self::ProxyExits => match answer.proxy_exit {
                Some(status) if status.success() => Ok("the proxy exits with 0".to_owned()),
                Some(status) => Err(format!("the proxy ended with {status}")),
                None => Err("the proxy does not end".to_owned()),
            },
            Self::SessionEndpoint(same) => {
                let endpoint = answer.line("Endpunkt").unwrap_or("nothing");
                let seen = format!("Endpunkt: {endpoint}");
                if (endpoint == context.session_endpoint) == *same && endpoint != "nothing" {
                    Ok(seen)
                } else {
                    let wanted = if *same { "" } else { "not " };
                    Err(format!(
                        "{seen}; expected: {wanted}{}",
                        context.session_endpoint
                    ))
                }
            }
        }
    }
}

fn compare(what: &str, seen: &str, expected: &str) -> Result<(), String> {
    if seen == expected {
        Ok(())
    } else {
        Err(format!("{what}: {seen}; expected: {expected}"))
    }
}

fn check_certificate(name: &str, answer: &Answer, directory: &Path) -> Result<String, String> {
    let file = directory.join("tls").join(name).with_extension("crt");
    let expected = certificate(&file).map_err(|error| error.to_string())?;
    if answer.certificate.as_deref() == Some(expected.as_ref()) {
        Ok(format!("certificate tls/{name}.crt"))
    } else {
        Err(format!("another certificate than tls/{name}.crt"))
    }
}

/// A line, or the part of it that begins with `text`.
fn around(line: &str, text: &str) -> String {
    if line.chars().count() <= QUOTE_MAX {
        return shortened(line, QUOTE_MAX);
    }
    let start = line.find(text).unwrap_or(0);
    shortened(line.get(start..).unwrap_or_default(), QUOTE_MAX)
}

/// On one line, with single spaces, and not longer than that.
fn shortened(text: &str, characters: usize) -> String {
    let words: Vec<_> = text.split_whitespace().collect();
    let text = words.join(" ");
    match text.char_indices().nth(characters) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default().trim_end()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context() -> Context<'static> {
        Context {
            directory: Path::new("."),
            session_endpoint: "a 127.0.0.1:1",
        }
    }

    fn answer() -> Answer {
        Answer {
            status: 200,
            fields: vec![
                ("set-cookie".to_owned(), "one=1".to_owned()),
                ("set-cookie".to_owned(), "two=2".to_owned()),
            ],
            body: "Ort:      Gröde\nEndpunkt: a 127.0.0.1:1\n".to_owned(),
            ..Answer::default()
        }
    }

    fn check(expectation: &Expectation) -> Result<String, String> {
        expectation.check(&answer(), context())
    }

    #[test]
    fn what_is_as_expected_is_quoted() {
        assert_eq!(check(&Expectation::Status(200)).unwrap(), "200");
        assert_eq!(
            check(&Expectation::Line("Ort", "Gröde")).unwrap(),
            "Ort: Gröde"
        );
        assert!(check(&Expectation::Field("set-cookie", "two=")).is_ok());
        assert!(check(&Expectation::SessionEndpoint(true)).is_ok());
    }

    #[test]
    fn what_differs_is_named_with_what_was_expected() {
        let said = check(&Expectation::Status(404)).unwrap_err();
        assert_eq!(said, "status: 200; expected: 404");
        let said = check(&Expectation::Line("Ort", "Berlin")).unwrap_err();
        assert_eq!(said, "Ort: Gröde; expected: Berlin");
        assert!(check(&Expectation::Says("Kiel".to_owned())).is_err());
        assert!(check(&Expectation::Field("set-cookie", "three=")).is_err());
        assert!(check(&Expectation::SessionEndpoint(false)).is_err());
        assert!(check(&Expectation::Certificate("missing")).is_err());
    }

    #[test]
    fn a_line_that_is_missing_is_no_endpoint_at_all() {
        let nothing = Answer::default();
        for same in [true, false] {
            let expectation = Expectation::SessionEndpoint(same);
            assert!(expectation.check(&nothing, context()).is_err());
        }
    }
}
