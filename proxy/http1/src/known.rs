//! The field names that the proxy treats specially, recognised once when a
//! head is parsed, so that nobody compares names afterwards.
//!
//! A name is found by its length and first letter, then compared: no hash, no
//! lower-case copy, and one comparison for most names.

/// One line per name: variant, name in lower case.
macro_rules! known {
    ($($variant:ident $name:literal)*) => {
        /// A field name that the proxy treats specially, or `Other`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Known {
            $(#[doc = concat!("`", $name, "`")] $variant,)*
            /// Another name that starts with `schleuse-`.
            SchleuseOther,
            /// Another name that starts with `x-forwarded-`.
            XForwardedOther,
            /// Any other name.
            Other,
        }

        impl Known {
            /// The name in lower case; `None` for a prefix and for `Other`.
            pub const fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$variant => Some($name),)*
                    Self::SchleuseOther | Self::XForwardedOther | Self::Other => None,
                }
            }

            /// Those that are one name each.
            #[cfg(test)]
            const NAMED: &[Self] = &[$(Self::$variant,)*];
        }
    };
}

known! {
    Accept "accept"
    AcceptLanguage "accept-language"
    Authorization "authorization"
    Connection "connection"
    ContentLength "content-length"
    ContentType "content-type"
    Cookie "cookie"
    Date "date"
    Expect "expect"
    Forwarded "forwarded"
    Host "host"
    Http2Settings "http2-settings"
    KeepAlive "keep-alive"
    Location "location"
    Origin "origin"
    Proxy "proxy"
    ProxyAuthenticate "proxy-authenticate"
    ProxyAuthenticationInfo "proxy-authentication-info"
    ProxyAuthorization "proxy-authorization"
    ProxyConnection "proxy-connection"
    Referer "referer"
    RetryAfter "retry-after"
    SchleuseService "schleuse-service"
    SchleuseTenant "schleuse-tenant"
    Server "server"
    SetCookie "set-cookie"
    Te "te"
    Traceparent "traceparent"
    Tracestate "tracestate"
    Trailer "trailer"
    TransferEncoding "transfer-encoding"
    Upgrade "upgrade"
    UserAgent "user-agent"
    Via "via"
    WwwAuthenticate "www-authenticate"
    XForwardedFor "x-forwarded-for"
    XForwardedHost "x-forwarded-host"
    XForwardedPort "x-forwarded-port"
    XForwardedProto "x-forwarded-proto"
    XForwardedServer "x-forwarded-server"
    XRealIp "x-real-ip"
    XRequestId "x-request-id"
}

impl Known {
    /// Which name this is, in any case.
    pub fn of(name: &[u8]) -> Self {
        let Some(candidate) = candidate(name) else {
            return Self::of_prefix(name);
        };
        match candidate.name() {
            Some(known) if name.eq_ignore_ascii_case(known.as_bytes()) => candidate,
            _ => Self::of_prefix(name),
        }
    }

    fn of_prefix(name: &[u8]) -> Self {
        let starts_with = |prefix: &[u8]| {
            name.get(..prefix.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        };
        match name.first() {
            Some(b's' | b'S') if starts_with(b"schleuse-") => Self::SchleuseOther,
            Some(b'x' | b'X') if starts_with(b"x-forwarded-") => Self::XForwardedOther,
            _ => Self::Other,
        }
    }

    /// Whether a proxy never passes the field on (RFC 9110 §7.6.1).
    ///
    /// Besides the standard's list: the proxy's own authentication fields (RFC 9110 §11.7), and
    /// `Proxy`, which CGI turns into the environment variable `HTTP_PROXY` (CVE-2016-5385).
    pub const fn is_hop_by_hop(self) -> bool {
        matches!(
            self,
            Self::Connection
                | Self::Http2Settings
                | Self::KeepAlive
                | Self::Proxy
                | Self::ProxyAuthenticate
                | Self::ProxyAuthenticationInfo
                | Self::ProxyAuthorization
                | Self::ProxyConnection
                | Self::Te
                | Self::Trailer
                | Self::TransferEncoding
                | Self::Upgrade
        )
    }

    /// Whether the proxy decides by this field or sets it itself, so that a client that names it
    /// in `Connection` must not make it vanish.
    pub const fn is_kept_from_nomination(self) -> bool {
        matches!(
            self,
            Self::ContentLength
                | Self::Expect
                | Self::Forwarded
                | Self::Host
                | Self::SchleuseOther
                | Self::SchleuseService
                | Self::SchleuseTenant
                | Self::Traceparent
                | Self::Tracestate
                | Self::Via
                | Self::XForwardedFor
                | Self::XForwardedHost
                | Self::XForwardedOther
                | Self::XForwardedPort
                | Self::XForwardedProto
                | Self::XForwardedServer
                | Self::XRealIp
                | Self::XRequestId
        )
    }
}

/// The only known name that a name of this length and these letters can be.
///
/// One more letter is looked at where two names share length and first letter.
fn candidate(name: &[u8]) -> Option<Known> {
    let lower = |at: usize| name.get(at).map_or(0, |byte| byte | 0x20);
    Some(match (name.len(), lower(0)) {
        (2, b't') => Known::Te,
        (3, b'v') => Known::Via,
        (4, b'd') => Known::Date,
        (4, b'h') => Known::Host,
        (5, b'p') => Known::Proxy,
        (6, b'a') => Known::Accept,
        (6, b'c') => Known::Cookie,
        (6, b'e') => Known::Expect,
        (6, b'o') => Known::Origin,
        (6, b's') => Known::Server,
        (7, b'r') => Known::Referer,
        (7, b't') => Known::Trailer,
        (7, b'u') => Known::Upgrade,
        (8, b'l') => Known::Location,
        (9, b'f') => Known::Forwarded,
        (9, b'x') => Known::XRealIp,
        (10, b'c') => Known::Connection,
        (10, b'k') => Known::KeepAlive,
        (10, b's') => Known::SetCookie,
        (10, b't') => Known::Tracestate,
        (10, b'u') => Known::UserAgent,
        (11, b'r') => Known::RetryAfter,
        (11, b't') => Known::Traceparent,
        (12, b'c') => Known::ContentType,
        (12, b'x') => Known::XRequestId,
        (13, b'a') => Known::Authorization,
        (14, b'c') => Known::ContentLength,
        (14, b'h') => Known::Http2Settings,
        (15, b'a') => Known::AcceptLanguage,
        (15, b's') => Known::SchleuseTenant,
        (15, b'x') => Known::XForwardedFor,
        (16, b'p') => Known::ProxyConnection,
        (16, b's') => Known::SchleuseService,
        (16, b'w') => Known::WwwAuthenticate,
        (16, b'x') if lower(12) == b'h' => Known::XForwardedHost,
        (16, b'x') => Known::XForwardedPort,
        (17, b't') => Known::TransferEncoding,
        (17, b'x') => Known::XForwardedProto,
        (18, b'p') => Known::ProxyAuthenticate,
        (18, b'x') => Known::XForwardedServer,
        (19, b'p') => Known::ProxyAuthorization,
        (25, b'p') => Known::ProxyAuthenticationInfo,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_name_is_recognised_in_any_case() {
        for &known in Known::NAMED {
            let name = known.name().unwrap();
            assert_eq!(Known::of(name.as_bytes()), known);
            assert_eq!(Known::of(name.to_ascii_uppercase().as_bytes()), known);
        }
    }

    #[test]
    fn a_name_that_differs_in_one_letter_is_not_recognised() {
        for &known in Known::NAMED {
            let mut name = known.name().unwrap().as_bytes().to_vec();
            *name.last_mut().unwrap() = b'~';
            assert_ne!(Known::of(&name), known);
        }
    }

    #[test]
    fn unknown_names_under_our_prefixes_are_recognised_as_such() {
        assert_eq!(Known::of(b"Schleuse-Pool"), Known::SchleuseOther);
        assert_eq!(Known::of(b"schleuse-secret"), Known::SchleuseOther);
        assert_eq!(Known::of(b"X-Forwarded-Prefix"), Known::XForwardedOther);
        assert_eq!(Known::of(b"x-forwarded"), Known::Other);
        assert_eq!(Known::of(b""), Known::Other);
    }
}
