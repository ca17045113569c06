//! Answers of the admin listener: JSON, plain text, and problems as RFC 9457 has them.

/// An answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) media_type: &'static str,
    pub(super) body: Vec<u8>,
    /// A field that this status asks for.
    pub(super) field: Option<(&'static str, String)>,
}

impl Reply {
    pub(super) fn new(status: u16, media_type: &'static str, body: Vec<u8>) -> Self {
        Self {
            status,
            media_type,
            body,
            field: None,
        }
    }

    pub(super) fn json(status: u16, value: &impl serde::Serialize) -> Self {
        let mut body = serde_json::to_vec_pretty(value).unwrap_or_default();
        body.push(b'\n');
        Self::new(status, "application/json", body)
    }

    pub(super) fn text(status: u16, text: &str) -> Self {
        let body = format!("{text}\n").into_bytes();
        Self::new(status, "text/plain; charset=utf-8", body)
    }

    pub(super) fn problem(status: u16, title: &str) -> Self {
        let value = serde_json::json!({ "type": "about:blank", "title": title, "status": status });
        let body = format!("{value}\n").into_bytes();
        Self::new(status, "application/problem+json", body)
    }

    /// RFC 9110 §11.6.1, RFC 6750 §3.
    pub(super) fn unauthorized() -> Self {
        Self {
            field: Some(("WWW-Authenticate", "Bearer".to_owned())),
            ..Self::problem(
                401,
                "this needs Authorization: Bearer with the token of the config",
            )
        }
    }

    /// RFC 9110 §15.5.6.
    pub(super) fn method_not_allowed(allowed: String) -> Self {
        Self {
            field: Some(("Allow", allowed)),
            ..Self::problem(405, "this resource has other methods")
        }
    }
}
