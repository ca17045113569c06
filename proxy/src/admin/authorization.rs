//! Whether a request shows the admin token, decided in a time that says nothing about the token.

use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    digest::{SHA256, digest},
};
use schleuse_config::AdminToken;

/// Whether the `Authorization` fields of a request are one, and that one is `Bearer` with the token (RFC 6750 §2.1).
///
/// Compared are digests: they have one length, so that not even the token's own shows.
pub(super) fn shows<'f>(token: &AdminToken, fields: impl IntoIterator<Item = &'f [u8]>) -> bool {
    let mut fields = fields.into_iter();
    let (Some(field), None) = (fields.next(), fields.next()) else {
        return false;
    };
    let Some((scheme, shown)) = field.split_at_checked(b"Bearer ".len()) else {
        return false;
    };
    let (shown, wanted) = (
        digest(&SHA256, shown.trim_ascii()),
        digest(&SHA256, &token.0),
    );
    scheme.eq_ignore_ascii_case(b"Bearer ")
        && verify_slices_are_equal(shown.as_ref(), wanted.as_ref()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(fields: &[&str]) -> bool {
        let token = AdminToken(b"0123456789abcdef".as_slice().into());
        shows(&token, fields.iter().map(|field| field.as_bytes()))
    }

    #[test]
    fn the_token_is_accepted_whatever_the_case_of_the_scheme() {
        assert!(accepted(&["Bearer 0123456789abcdef"]));
        assert!(accepted(&["bearer  0123456789abcdef"]));
    }

    #[test]
    fn anything_else_is_refused() {
        for fields in [
            &[][..],
            &[""],
            &["Bearer"],
            &["Bearer "],
            &["Bearer 0123456789abcde"],
            &["Bearer 0123456789abcdef0"],
            &["Bearer 0123456789ABCDEF"],
            &["Basic 0123456789abcdef"],
            &["0123456789abcdef"],
            &["Bearer 0123456789abcdef", "Bearer 0123456789abcdef"],
        ] {
            assert!(!accepted(fields), "{fields:?}");
        }
    }
}
