//! Where a redirect leads: its reference, resolved against the request that was answered (RFC 9110 §10.2.2, RFC 3986 §5.2).
//!
//! A redirect to another host is not followed: the test is about this target, and nobody gave leave to load another. The
//! host is the one that the step names in `Host`, or the target's own. Either's port will do: a proxy that writes absolute
//! redirects puts the port on which it listens behind the name that it was asked for.

/// What was asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    /// `http` or `https`.
    pub(super) scheme: &'a str,
    /// Host and, if written out, port: the step's `Host` and the target's own.
    pub(super) authorities: [&'a str; 2],
    /// Path and query.
    pub(super) path: &'a str,
}

/// The path and query to ask for next; none if `location` leads elsewhere, or nowhere.
pub(super) fn resolve(location: &str, asked: &Asked<'_>) -> Option<Vec<u8>> {
    if location.is_empty() || location.bytes().any(|byte| byte.is_ascii_control()) {
        return None;
    }
    let reference = location.split('#').next().unwrap_or_default();
    let (before, query) = split_query(reference);
    let asked_path = split_query(asked.path).0;
    let path = match after_authority(before, asked)? {
        Some("") => "/",
        Some(path) => path,
        None => before,
    };
    let mut out = Vec::new();
    if let Some(rest) = path.strip_prefix('/') {
        push_path("", rest, &mut out);
    } else if path.is_empty() {
        push_path("", asked_path.strip_prefix('/')?, &mut out);
    } else {
        let folder = asked_path.rsplit_once('/')?.0;
        push_path(folder, path, &mut out);
    }
    // A bare fragment is in the same place, its query included.
    let query = query.or_else(|| split_query(asked.path).1.filter(|_| reference.is_empty()));
    if let Some(query) = query {
        out.push(b'?');
        push_encoded(query, &mut out);
    }
    Some(out)
}

fn split_query(text: &str) -> (&str, Option<&str>) {
    text.split_once('?')
        .map_or((text, None), |(path, query)| (path, Some(query)))
}

/// What follows scheme and authority, if `reference` has them (or the authority alone); none in place of all if they are not
/// what was asked.
#[expect(
    clippy::option_option,
    reason = "elsewhere, here, or the path that follows"
)]
fn after_authority<'r>(reference: &'r str, asked: &Asked<'_>) -> Option<Option<&'r str>> {
    let first = reference.split('/').next().unwrap_or_default();
    let rest = match first.split_once(':') {
        Some((scheme, _)) if scheme.eq_ignore_ascii_case(asked.scheme) => {
            reference.get(scheme.len() + 1..)?.strip_prefix("//")?
        }
        Some(_) => return None,
        None => match reference.strip_prefix("//") {
            Some(rest) => rest,
            None => return Some(None),
        },
    };
    let end = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end)?;
    is_asked(authority, asked).then_some(Some(path))
}

fn is_asked(authority: &str, asked: &Asked<'_>) -> bool {
    let (host, port) = host_and_port(authority, asked.scheme);
    let known = asked
        .authorities
        .map(|known| host_and_port(known, asked.scheme));
    known.iter().any(|known| known.0.eq_ignore_ascii_case(host))
        && known.iter().any(|known| known.1 == port)
}

/// The scheme's own port where none is written (RFC 9110 §4.2).
fn host_and_port<'a>(authority: &'a str, scheme: &str) -> (&'a str, &'a str) {
    let own = if scheme == "https" { "443" } else { "80" };
    match authority.rsplit_once(':') {
        // The last colon of an IPv6 address stands within brackets.
        Some((host, port)) if !port.ends_with(']') => {
            (host, if port.is_empty() { own } else { port })
        }
        _ => (authority, own),
    }
}

/// Writes `folder`, which is empty or begins with a slash, and `rest` behind it, without segments that are dots.
fn push_path(folder: &str, rest: &str, out: &mut Vec<u8>) {
    let mut segments = folder.split('/').skip(1).chain(rest.split('/')).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." => {}
            ".." => {
                let parent = out.iter().rposition(|byte| *byte == b'/');
                out.truncate(parent.unwrap_or_default());
            }
            _ => {
                out.push(b'/');
                push_encoded(segment, out);
                continue;
            }
        }
        if is_last {
            out.push(b'/');
        }
    }
}

/// As browsers do, with what a request line must not hold.
fn push_encoded(text: &str, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte == b' ' || !byte.is_ascii() {
            let digit = |four: u8| DIGITS.get(usize::from(four)).copied().unwrap_or(b'0');
            out.extend([b'%', digit(byte >> 4), digit(byte & 15)]);
        } else {
            out.push(byte);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn resolved(location: &str) -> Option<String> {
        let asked = Asked {
            scheme: "http",
            authorities: ["wohngeld.example", "127.0.0.1:8080"],
            path: "/091620000000/antrag/neu?schritt=1",
        };
        resolve(location, &asked).map(|path| String::from_utf8(path).unwrap())
    }

    #[test]
    fn relative_references_lead_on_from_what_was_asked() {
        for (location, path) in [
            ("danke", "/091620000000/antrag/danke"),
            ("./danke?nr=7", "/091620000000/antrag/danke?nr=7"),
            ("../", "/091620000000/"),
            ("..", "/091620000000/"),
            ("../../../../x", "/x"),
            (".", "/091620000000/antrag/"),
            ("?schritt=2", "/091620000000/antrag/neu?schritt=2"),
            ("#oben", "/091620000000/antrag/neu?schritt=1"),
            ("/a/./b/../c", "/a/c"),
            ("/x?y=1/../2#z", "/x?y=1/../2"),
            ("/größe 2", "/gr%C3%B6%C3%9Fe%202"),
            ("a/b:c", "/091620000000/antrag/a/b:c"),
        ] {
            assert_eq!(resolved(location).as_deref(), Some(path), "{location}");
        }
    }

    #[test]
    fn absolute_ones_are_followed_to_the_host_that_the_step_names_and_to_the_target() {
        for location in [
            "http://wohngeld.example/x",
            "HTTP://Wohngeld.Example:80/x",
            "http://wohngeld.example:8080/x",
            "http://127.0.0.1:8080/x",
            "//wohngeld.example/x",
        ] {
            assert_eq!(resolved(location).as_deref(), Some("/x"), "{location}");
        }
        assert_eq!(resolved("http://wohngeld.example").as_deref(), Some("/"));
        assert_eq!(
            resolved("http://wohngeld.example?a=b").as_deref(),
            Some("/?a=b")
        );
    }

    #[test]
    fn nothing_else_is_followed() {
        for location in [
            "",
            "//b.example/x",
            "http://b.example/",
            "https://wohngeld.example/",
            "http://wohngeld.example:81/",
            "http://a@wohngeld.example/",
            "http:/x",
            "mailto:a@b",
            "/x\r\nHost: b",
        ] {
            assert_eq!(resolved(location), None, "{location}");
        }
    }

    #[test]
    fn addresses_of_version_six_have_their_ports_outside_of_brackets() {
        assert_eq!(host_and_port("[::1]", "http"), ("[::1]", "80"));
        assert_eq!(host_and_port("[::1]:81", "http"), ("[::1]", "81"));
        assert_eq!(host_and_port("a", "https"), ("a", "443"));
    }

    proptest! {
        #[test]
        fn whatever_is_followed_is_a_path_that_a_request_line_can_hold(location in "\\PC{0,40}") {
            if let Some(path) = resolved(&location) {
                prop_assert!(path.starts_with('/'), "{path}");
                prop_assert!(path.bytes().all(|byte| byte.is_ascii_graphic()), "{path}");
            }
        }
    }
}
