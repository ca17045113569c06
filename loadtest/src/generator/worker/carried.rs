//! What a citizen carries from an answer to the next request: cookies, and where a redirect leads.
//!
//! Cookies go back to the one host that is asked, whatever their attributes; an empty value deletes. A redirect to another
//! host is not followed: the test is about this target, and nobody gave leave to load another.

use super::Entry;
use crate::{generator::answer::Answer, workload::Workload};

/// Most bytes of cookies of one citizen, as browsers send at most in one field.
const COOKIES_MAX: usize = 8_192;

/// Cookies and redirect.
#[derive(Debug, Default)]
pub(super) struct Carried {
    /// `name=value; name=value`
    pub(super) cookies: Vec<u8>,
    /// Path and query.
    pub(super) redirect: String,
    /// Whether method and body stay (307, 308).
    pub(super) keeps_method: bool,
}

impl Carried {
    /// Takes `name=value` in, in place of what had that name.
    fn set_cookie(&mut self, pair: &[u8]) {
        let Some(equals) = pair.iter().position(|byte| *byte == b'=') else {
            return;
        };
        let (name, value) = pair.split_at(equals + 1);
        let mut kept = Vec::with_capacity(self.cookies.len() + pair.len() + 2);
        let others = self
            .cookies
            .split(|byte| *byte == b';')
            .map(<[u8]>::trim_ascii);
        let new = (!value.is_empty()).then_some(pair);
        for other in others
            .filter(|other| !other.is_empty() && !other.starts_with(name))
            .chain(new)
        {
            if !kept.is_empty() {
                kept.extend_from_slice(b"; ");
            }
            kept.extend_from_slice(other);
        }
        if kept.len() <= COOKIES_MAX {
            self.cookies = kept;
        }
    }
}

impl Entry {
    /// Keeps what this answer gives to carry; whether it says where to go.
    pub(super) fn carry(&mut self, answer: &Answer, workload: &Workload) -> bool {
        let keeps_cookies = self
            .citizen
            .journey_in(workload)
            .is_some_and(|journey| journey.cookies);
        if keeps_cookies && !answer.cookies.is_empty() {
            let carried = self.carried.get_or_insert_default();
            for pair in answer.cookies.split(|byte| *byte == b'\n') {
                carried.set_cookie(pair);
            }
        }
        if !(300..400).contains(&answer.status) {
            return false;
        }
        let Some(path) = path_of(&answer.location, &workload.target.url) else {
            return false;
        };
        let carried = self.carried.get_or_insert_default();
        carried.redirect.clear();
        carried.redirect.push_str(path);
        carried.keeps_method = matches!(answer.status, 307 | 308);
        true
    }
}

/// The path to ask for, if `location` is on this target: absolute there, or a path from its root.
fn path_of<'l>(location: &'l str, target: &str) -> Option<&'l str> {
    let location = location.split('#').next().unwrap_or_default();
    let path = match location.strip_prefix(target) {
        Some("") => "/",
        Some(path) => path,
        None => location,
    };
    let is_clean = path.bytes().all(|byte| byte > b' ' && byte != 0x7f);
    (path.starts_with('/') && !path.starts_with("//") && is_clean).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_value_replaces_the_cookie_of_that_name_and_an_empty_one_deletes_it() {
        let mut carried = Carried::default();
        for pair in [&b"a=1"[..], b"ab=2", b"a=3", b"c=4", b"ab=", b"nonsense"] {
            carried.set_cookie(pair);
        }
        assert_eq!(carried.cookies, b"a=3; c=4");
    }

    #[test]
    fn only_redirects_within_the_target_are_followed() {
        let target = "http://a.example:81";
        for (location, path) in [
            ("/x?y=1#z", Some("/x?y=1")),
            ("http://a.example:81/x", Some("/x")),
            ("http://a.example:81", Some("/")),
            ("http://a.example:8100/x", None),
            ("//b.example/x", None),
            ("https://b.example/", None),
            ("/x\r\nHost: b", None),
            ("", None),
        ] {
            assert_eq!(path_of(location, target), path, "{location}");
        }
    }
}
