//! Secrets, each from a file or from an environment variable, and never shown.
//!
//! A file is watched as all others are, so a secret rotates with a reload. A process cannot get a new environment.

use std::ffi::OsString;

use crate::{
    files::{Sources, explain},
    problem::Report,
    reader::{Placed, Section},
    snapshot::AdminToken,
};

/// Shorter ones can be guessed by trying: 16 random letters and digits are 95 bits.
const TOKEN_CHARACTERS_MIN: usize = 16;

/// Reads what the `file` or `env` of `section` holds; none when there is not exactly one that can be read, which was noted.
/// `what` is its name in messages, `trim` takes from the bytes of a file what is no part of the secret.
pub(super) fn read_secret(
    section: &Section<'_, '_>,
    what: &str,
    trim: fn(Vec<u8>) -> Vec<u8>,
    sources: &mut Sources,
    report: &mut Report,
) -> Option<Placed<Vec<u8>>> {
    let path = section.text("file", report);
    let variable = section.text("env", report);
    match (path, variable) {
        (Some(path), None) => read_file(path, trim, sources, report),
        (None, Some(variable)) => read_variable(variable, report),
        (Some(_), Some(_)) => {
            report.wrong(
                section.place,
                section.at.clone(),
                "has a file and a variable",
                "keep one of the two",
            );
            None
        }
        (None, None) => {
            if !section.has("file") && !section.has("env") {
                report.wrong(
                    section.place,
                    section.at.clone(),
                    format!("names no {what}"),
                    "write `file: PATH` or `env: NAME`",
                );
            }
            None
        }
    }
}

fn read_file(
    path: Placed<String>,
    trim: fn(Vec<u8>) -> Vec<u8>,
    sources: &mut Sources,
    report: &mut Report,
) -> Option<Placed<Vec<u8>>> {
    let file = sources.resolve(&path.value);
    match sources.read(&file) {
        Ok(bytes) => Some(Placed {
            value: trim(bytes),
            place: path.place,
            at: path.at,
        }),
        Err(error) => {
            let (wrong, remedy) = explain(&error);
            let wrong = format!("{} {wrong}", file.display());
            report.wrong(path.place, path.at, wrong, remedy);
            None
        }
    }
}

fn read_variable(variable: Placed<String>, report: &mut Report) -> Option<Placed<Vec<u8>>> {
    let value = std::env::var_os(&variable.value).map(OsString::into_encoded_bytes);
    let Some(value) = value else {
        let wrong = format!("the environment has no variable {}", variable.value);
        let remedy = "set it, or name a `file`";
        report.wrong(variable.place, variable.at, wrong, remedy);
        return None;
    };
    Some(Placed {
        value,
        place: variable.place,
        at: variable.at,
    })
}

/// The token of the admin listener, as `admin` names it.
pub(super) fn read_admin_token(
    admin: &Section<'_, '_>,
    sources: &mut Sources,
    report: &mut Report,
) -> Option<AdminToken> {
    let node = admin.node("token")?;
    let section = Section::open(node, "admin.token", admin.path("token"), report);
    let read = read_secret(&section, "token", std::convert::identity, sources, report)?;
    let token = without_newline(&read.value);
    let remedy = "make one: openssl rand -hex 32";
    if token.len() < TOKEN_CHARACTERS_MIN {
        let wrong = format!(
            "the token has {} characters, at least {TOKEN_CHARACTERS_MIN} are needed",
            token.len()
        );
        report.wrong(read.place, read.at, wrong, remedy);
        return None;
    }
    if !is_bearer_token(token) {
        let wrong = "the token holds a character that no Authorization field can carry (RFC 6750 section 2.1)";
        report.wrong(read.place, read.at, wrong, remedy);
        return None;
    }
    Some(AdminToken(token.into()))
}

/// Editors and `echo` put one newline behind a text.
fn without_newline(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}

/// `b64token` of RFC 6750 §2.1: letters, digits and `-._~+/`, then any number of `=`.
fn is_bearer_token(token: &[u8]) -> bool {
    let end = token.iter().rposition(|byte| *byte != b'=');
    let (text, _padding) = token.split_at(end.map_or(0, |last| last + 1));
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(byte);
    !text.is_empty() && text.iter().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_newline_behind_a_token_is_no_part_of_it() {
        assert_eq!(without_newline(b"secret\n"), b"secret");
        assert_eq!(without_newline(b"secret\r\n"), b"secret");
        assert_eq!(without_newline(b"secret\n\n"), b"secret\n");
    }

    #[test]
    fn a_token_is_what_rfc_6750_lets_a_client_send() {
        for good in ["abc", "a-._~+/9==", "a="] {
            assert!(is_bearer_token(good.as_bytes()), "{good}");
        }
        for bad in ["", "=", "a b", "a=b", "ä", "a\n", "a\""] {
            assert!(!is_bearer_token(bad.as_bytes()), "{bad}");
        }
    }
}
