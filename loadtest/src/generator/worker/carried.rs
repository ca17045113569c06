//! What a citizen carries from an answer to the next request: cookies, and where a redirect leads.
//!
//! Cookies go back to the one host that is asked, wherever their attributes send them; an empty value deletes.

use super::{
    Entry,
    redirect::{Asked, resolve},
};
use crate::{generator::answer::Answer, workload::Workload};

/// Most bytes of cookies of one citizen, as browsers send at most in one field.
const COOKIES_MAX: usize = 8_192;

/// Cookies and redirect.
#[derive(Debug, Default)]
pub(super) struct Carried {
    /// `name=value; name=value`
    pub(super) cookies: Vec<u8>,
    /// Path and query.
    pub(super) redirect: Vec<u8>,
    /// Whether method and body stay.
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
        let Some((path, is_post)) = self.redirect_of(&answer.location, workload) else {
            return false;
        };
        let is_first = !self.citizen.is_redirected();
        let carried = self.carried.get_or_insert_default();
        carried.redirect = path;
        // As browsers do (Fetch, HTTP-redirect fetch, step 13): 301 and 302 make a GET of POST alone. What became a GET stays one.
        let keeps_method = match answer.status {
            307 | 308 => true,
            301 | 302 => !is_post,
            _ => false,
        };
        carried.keeps_method = keeps_method && (is_first || carried.keeps_method);
        true
    }

    /// Path and query that `location` leads to, and whether the step is a POST.
    fn redirect_of(&self, location: &str, workload: &Workload) -> Option<(Vec<u8>, bool)> {
        let step = self.citizen.step_in(workload)?;
        if step.redirects_max == 0 {
            return None;
        }
        let filling = self.filling(workload.key_of(self.citizen.tenant));
        let (mut path, mut authority) = (Vec::new(), Vec::new());
        step.request.write_target(&filling, &mut path);
        step.request.write_authority(&filling, &mut authority);
        let asked = Asked {
            scheme: workload.target.url.split("://").next()?,
            authorities: [str::from_utf8(&authority).ok()?, &workload.target.authority],
            path: str::from_utf8(&path).ok()?,
        };
        Some((resolve(location, &asked)?, step.request.is_post()))
    }
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
}
