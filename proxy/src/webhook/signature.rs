//! The signature of a webhook: Standard Webhooks (standardwebhooks.com, specification of 2023), so that a receiver
//! verifies with a library that exists, in whatever language.
//!
//! HMAC-SHA256 over `ID.TIMESTAMP.BODY`, in base64 behind `v1,`. The timestamp is part of it, so that what was
//! overheard cannot be sent again later.

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use base64::{Engine as _, engine::general_purpose::STANDARD};

/// The value of `webhook-signature`. `timestamp` is in seconds since 1970.
pub(super) fn signature(secret: &[u8], id: &str, timestamp: u64, body: &[u8]) -> String {
    let key = Key::new(HMAC_SHA256, secret);
    let signed = [
        id.as_bytes(),
        b".",
        timestamp.to_string().as_bytes(),
        b".",
        body,
    ]
    .concat();
    format!("v1,{}", STANDARD.encode(sign(&key, &signed)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_specification_is_signed_as_it_says() {
        let secret = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let body = br#"{"test": 2432232314}"#;
        assert_eq!(
            signature(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }
}
