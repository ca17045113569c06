//! The four forms of a request target (RFC 9112 §3.2) and which of them a
//! reverse proxy serves.
//!
//! Path and query are passed on byte for byte, so what is not visible ASCII is
//! refused rather than encoded: encoding it would change what was asked for.

use crate::Reject;

/// The scheme of an absolute-form target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `http`
    Http,
    /// `https`
    Https,
}

impl Scheme {
    /// The port that the scheme means when none is written.
    pub(crate) const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// What a target turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form<'t> {
    /// `/path?query`
    Origin,
    /// `*`
    Asterisk,
    /// `http://authority/path?query`; `rest` may be empty or start with the query.
    Absolute {
        scheme: Scheme,
        authority: &'t [u8],
        rest: &'t [u8],
    },
}

/// Judges a target for `method`.
///
/// # Errors
/// CONNECT and TRACE whatever the target, then characters, then the form.
pub(crate) fn classify<'t>(method: &[u8], target: &'t [u8]) -> Result<Form<'t>, Reject> {
    match method {
        b"CONNECT" => return Err(Reject::ConnectMethod),
        b"TRACE" => return Err(Reject::TraceMethod),
        _ => {}
    }
    check_characters(target)?;
    match target {
        [b'/', ..] => Ok(Form::Origin),
        b"*" if method == b"OPTIONS" => Ok(Form::Asterisk),
        _ => absolute(target),
    }
}

fn check_characters(target: &[u8]) -> Result<(), Reject> {
    if !target.iter().all(u8::is_ascii_graphic) {
        return Err(Reject::TargetCharacter);
    }
    match memchr::memchr(b'#', target) {
        Some(_) => Err(Reject::FragmentInTarget),
        None => Ok(()),
    }
}

fn absolute(target: &[u8]) -> Result<Form<'_>, Reject> {
    let scheme_end = memchr::memmem::find(target, b"://").ok_or(Reject::BadTarget)?;
    let (name, rest) = target
        .split_at_checked(scheme_end)
        .ok_or(Reject::BadTarget)?;
    if !is_scheme(name) {
        return Err(Reject::BadTarget);
    }
    let scheme = if name.eq_ignore_ascii_case(b"http") {
        Scheme::Http
    } else if name.eq_ignore_ascii_case(b"https") {
        Scheme::Https
    } else {
        return Err(Reject::UnsupportedScheme);
    };
    let rest = rest.strip_prefix(b"://").unwrap_or_default();
    let authority_end = memchr::memchr2(b'/', b'?', rest).unwrap_or(rest.len());
    let (authority, rest) = rest
        .split_at_checked(authority_end)
        .ok_or(Reject::BadTarget)?;
    Ok(Form::Absolute {
        scheme,
        authority,
        rest,
    })
}

/// RFC 3986 §3.1.
fn is_scheme(name: &[u8]) -> bool {
    name.first().is_some_and(u8::is_ascii_alphabetic)
        && name
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}
