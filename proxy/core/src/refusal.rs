//! The one list of reasons for which the proxy, not a backend, answers a request.
//!
//! Status, label, waiting time and the citizen's words are decided here once, so that the error page, the metric and
//! the access log cannot tell different stories. Renaming a variant is free; renaming a label breaks dashboards.

use std::time::Duration;

/// A reason for which the proxy answers by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// The HTTP engine did not accept the message: its label (snake case, stable) and its status.
    #[error("the request is not acceptable HTTP: {0}")]
    BadRequest(&'static str, u16),
    /// The path leaves its own directory, holds a NUL or a broken percent escape.
    #[error("the path has a dot segment, a NUL or a broken percent escape")]
    BadPath,
    /// `ars` or `ags` stands in the query more than once, or they disagree.
    #[error("ars or ags is repeated in the query")]
    RepeatedKey,
    /// Host, path, query or header name different tenants.
    #[error("host, path, query and header name different tenants")]
    ContradictingTenants,
    /// No service and no tenant has this host.
    #[error("no service has this host")]
    UnknownHost,
    /// The service needs a tenant and nothing names one.
    #[error("nothing in the request names a tenant")]
    NoTenant,
    /// The key names a whole region, the service needs one office in it.
    #[error("the key is too short for the service's level of responsibility")]
    KeyTooShort,
    /// The key names no place of the register.
    #[error("the key names no place of the register")]
    UnknownTenant,
    /// A tenant's own host, and nothing says which of the services is meant.
    #[error("the host belongs to a tenant and the path names no service")]
    AmbiguousService,
    /// The client's network may not use the service.
    #[error("the client's network may not use this service")]
    NotAllowed,
    /// The certificate for this host is not the one that the connection was opened with (RFC 9110 §15.5.20).
    #[error("the host is not served on this connection")]
    Misdirected,
    /// The body is larger than the service accepts.
    #[error("the body is larger than the service accepts")]
    BodyTooLarge,
    /// The head was not complete in time.
    #[error("the head was not complete in time")]
    HeaderTimeout,
    /// Not one byte of the body came in time.
    #[error("the client stopped sending its body")]
    ClientBodyTimeout,
    /// Not one byte of the answer was taken in time.
    #[error("the client stopped taking the answer")]
    ClientStalled,
    /// The client sends or reads below the least rate.
    #[error("the client is below the least transfer rate")]
    ClientTooSlow,
    /// No connection to an endpoint could be opened.
    #[error("no connection to the backend")]
    ConnectFailed,
    /// No connection to an endpoint was there in time.
    #[error("no connection to the backend in time")]
    ConnectTimeout,
    /// The endpoint closed or reset the connection before its answer was complete.
    #[error("the backend closed the connection before it answered")]
    UpstreamReset,
    /// The endpoint's answer is not acceptable HTTP.
    #[error("the backend's answer is not acceptable HTTP")]
    UpstreamInvalid,
    /// The endpoint took the request and did not begin to answer in time.
    #[error("the backend did not begin to answer in time")]
    FirstByteTimeout,
    /// The endpoint stopped in the middle.
    #[error("the backend stopped in the middle of the exchange")]
    UpstreamIdleTimeout,
    /// The whole exchange took longer than the service allows.
    #[error("the exchange took longer than the service allows")]
    ExchangeTimeout,
    /// The pool has no endpoint that may be used.
    #[error("the pool has no usable endpoint")]
    NoEndpoint,
    /// All seats of the pool are taken.
    #[error("all seats of the pool are taken")]
    PoolFull,
    /// The proxy itself has no file handle, port or memory for one more connection.
    #[error("the proxy has nothing left to open a connection with")]
    Exhausted,
    /// All connections that the endpoint may have are in use, tunnels among them.
    #[error("all connections to the backend are in use")]
    ConnectionsFull,
}

/// What a citizen reads on the error page: plain German (B1), no technical words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CitizenText {
    /// A few words, without a full stop.
    pub title: &'static str,
    /// What happened and what to do now, whole sentences.
    pub sentence: &'static str,
}

/// Seats come free within a service time; a second is the least that the field can say.
const FULL_RETRY_AFTER: Duration = Duration::from_secs(1);
/// An endpoint comes back after its next probe (every 5 s by default).
const ABSENT_RETRY_AFTER: Duration = Duration::from_secs(5);

impl Refusal {
    /// The status code: 4xx when the request must change, 502 to 504 when a backend failed or is missing.
    pub const fn status(self) -> u16 {
        match self {
            Self::BadRequest(_, status) => status,
            Self::BadPath | Self::RepeatedKey | Self::ContradictingTenants => 400,
            Self::NotAllowed => 403,
            Self::UnknownHost
            | Self::NoTenant
            | Self::KeyTooShort
            | Self::UnknownTenant
            | Self::AmbiguousService => 404,
            Self::HeaderTimeout
            | Self::ClientBodyTimeout
            | Self::ClientStalled
            | Self::ClientTooSlow => 408,
            Self::BodyTooLarge => 413,
            Self::Misdirected => 421,
            Self::ConnectFailed | Self::UpstreamReset | Self::UpstreamInvalid => 502,
            Self::NoEndpoint | Self::PoolFull | Self::ConnectionsFull | Self::Exhausted => 503,
            Self::ConnectTimeout
            | Self::FirstByteTimeout
            | Self::UpstreamIdleTimeout
            | Self::ExchangeTimeout => 504,
        }
    }

    /// The reason in metrics, logs and problem documents: snake case, stable.
    pub const fn label(self) -> &'static str {
        match self {
            Self::BadRequest(label, _) => label,
            Self::BadPath => "bad_path",
            Self::RepeatedKey => "repeated_key",
            Self::ContradictingTenants => "contradicting_tenants",
            Self::UnknownHost => "unknown_host",
            Self::NoTenant => "no_tenant",
            Self::KeyTooShort => "key_too_short",
            Self::UnknownTenant => "unknown_tenant",
            Self::AmbiguousService => "ambiguous_service",
            Self::NotAllowed => "not_allowed",
            Self::Misdirected => "misdirected",
            Self::BodyTooLarge => "body_too_large",
            Self::HeaderTimeout => "header_timeout",
            Self::ClientBodyTimeout => "client_body_timeout",
            Self::ClientStalled => "client_stalled",
            Self::ClientTooSlow => "client_too_slow",
            Self::ConnectFailed => "connect_failed",
            Self::ConnectTimeout => "connect_timeout",
            Self::UpstreamReset => "upstream_reset",
            Self::UpstreamInvalid => "upstream_invalid",
            Self::FirstByteTimeout => "first_byte_timeout",
            Self::UpstreamIdleTimeout => "upstream_idle_timeout",
            Self::ExchangeTimeout => "exchange_timeout",
            Self::NoEndpoint => "no_endpoint",
            Self::PoolFull => "pool_full",
            Self::ConnectionsFull => "connections_full",
            Self::Exhausted => "exhausted",
        }
    }

    /// When the same request may succeed, for `Retry-After` (RFC 9110 §10.2.3). None where waiting cannot help or
    /// nobody knows how long.
    pub const fn retry_after(self) -> Option<Duration> {
        match self {
            Self::PoolFull | Self::ConnectionsFull | Self::Exhausted => Some(FULL_RETRY_AFTER),
            Self::NoEndpoint => Some(ABSENT_RETRY_AFTER),
            _ => None,
        }
    }

    /// The words for a citizen.
    pub const fn citizen_text(self) -> CitizenText {
        match self {
            Self::UnknownHost | Self::AmbiguousService => SERVICE_NOT_FOUND,
            Self::NoTenant | Self::KeyTooShort => PLACE_MISSING,
            Self::UnknownTenant => PLACE_UNKNOWN,
            Self::RepeatedKey | Self::ContradictingTenants => PLACE_CONTRADICTS,
            Self::NotAllowed => NOT_ALLOWED,
            Self::Misdirected => MISDIRECTED,
            Self::PoolFull | Self::ConnectionsFull | Self::Exhausted | Self::NoEndpoint => BUSY,
            Self::ConnectFailed | Self::UpstreamReset | Self::UpstreamInvalid => BROKEN,
            Self::ConnectTimeout
            | Self::FirstByteTimeout
            | Self::UpstreamIdleTimeout
            | Self::ExchangeTimeout => SLOW,
            Self::HeaderTimeout
            | Self::ClientBodyTimeout
            | Self::ClientStalled
            | Self::ClientTooSlow
            | Self::BadRequest(_, 408) => LINE_SLOW,
            Self::BodyTooLarge | Self::BadRequest(_, 413) => TOO_LARGE,
            Self::BadPath | Self::BadRequest(..) => UNREADABLE,
        }
    }
}

const SERVICE_NOT_FOUND: CitizenText = CitizenText {
    title: "Diese Seite gibt es hier nicht",
    sentence: "Unter dieser Adresse gibt es keinen Online-Dienst. Bitte prüfen Sie die Adresse oder suchen Sie den Dienst \
               auf der Internetseite Ihrer Gemeinde.",
};
const PLACE_MISSING: CitizenText = CitizenText {
    title: "Ihr Ort fehlt noch",
    sentence: "Wir wissen nicht, welche Behörde für Sie zuständig ist. Bitte öffnen Sie den Dienst über den Link auf der \
               Internetseite Ihrer Gemeinde.",
};
const PLACE_UNKNOWN: CitizenText = CitizenText {
    title: "Diesen Ort kennen wir nicht",
    sentence: "Der Ort in der Adresse ist uns nicht bekannt. Bitte prüfen Sie die Adresse oder öffnen Sie den Dienst über \
               den Link auf der Internetseite Ihrer Gemeinde.",
};
const PLACE_CONTRADICTS: CitizenText = CitizenText {
    title: "Die Adresse nennt zwei verschiedene Orte",
    sentence: "Wir wissen nicht, welcher Ort gemeint ist. Zu Ihrem Schutz geben wir die Anfrage nicht weiter. Bitte öffnen \
               Sie den Dienst neu über den Link auf der Internetseite Ihrer Gemeinde.",
};
const NOT_ALLOWED: CitizenText = CitizenText {
    title: "Dieser Dienst ist von hier aus nicht erreichbar",
    sentence: "Der Dienst ist nur aus bestimmten Netzen erreichbar, zum Beispiel aus dem Netz der Verwaltung.",
};
const MISDIRECTED: CitizenText = CitizenText {
    title: "Bitte laden Sie die Seite neu",
    sentence: "Ihr Browser hat für diese Seite eine falsche Verbindung benutzt. Laden Sie die Seite neu, dann öffnet er \
               die richtige.",
};
const BUSY: CitizenText = CitizenText {
    title: "Der Dienst ist gerade nicht verfügbar",
    sentence: "Im Moment nutzen sehr viele Menschen diesen Dienst, oder er wird gerade gewartet. Bitte versuchen Sie es in \
               wenigen Minuten noch einmal.",
};
const BROKEN: CitizenText = CitizenText {
    title: "Der Dienst hat gerade eine Störung",
    sentence: "Das liegt nicht an Ihnen. Bitte versuchen Sie es in einigen Minuten noch einmal. Wenn Sie gerade etwas \
               abgeschickt haben, prüfen Sie bitte zuerst, ob es angekommen ist.",
};
const SLOW: CitizenText = CitizenText {
    title: "Der Dienst antwortet zu langsam",
    sentence: "Das liegt nicht an Ihnen. Bitte versuchen Sie es in einigen Minuten noch einmal. Wenn Sie gerade etwas \
               abgeschickt haben, prüfen Sie bitte zuerst, ob es angekommen ist.",
};
const LINE_SLOW: CitizenText = CitizenText {
    title: "Die Verbindung war zu langsam",
    sentence: "Ihre Anfrage ist nicht vollständig bei uns angekommen. Bitte prüfen Sie Ihre Internetverbindung und \
               versuchen Sie es noch einmal.",
};
const TOO_LARGE: CitizenText = CitizenText {
    title: "Die Datei ist zu groß",
    sentence: "Der Dienst nimmt so große Dateien nicht an. Bitte verkleinern Sie die Datei oder teilen Sie sie auf.",
};
const UNREADABLE: CitizenText = CitizenText {
    title: "Die Anfrage war fehlerhaft",
    sentence: "Wir konnten die Anfrage Ihres Browsers nicht verarbeiten. Bitte prüfen Sie die Adresse oder öffnen Sie den \
               Dienst neu über die Internetseite Ihrer Gemeinde.",
};

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Refusal; 27] = [
        Refusal::BadRequest("bad_chunk", 400),
        Refusal::BadPath,
        Refusal::RepeatedKey,
        Refusal::ContradictingTenants,
        Refusal::UnknownHost,
        Refusal::NoTenant,
        Refusal::KeyTooShort,
        Refusal::UnknownTenant,
        Refusal::AmbiguousService,
        Refusal::NotAllowed,
        Refusal::Misdirected,
        Refusal::BodyTooLarge,
        Refusal::HeaderTimeout,
        Refusal::ClientBodyTimeout,
        Refusal::ClientTooSlow,
        Refusal::ConnectFailed,
        Refusal::ConnectTimeout,
        Refusal::UpstreamReset,
        Refusal::UpstreamInvalid,
        Refusal::FirstByteTimeout,
        Refusal::UpstreamIdleTimeout,
        Refusal::ExchangeTimeout,
        Refusal::NoEndpoint,
        Refusal::PoolFull,
        Refusal::ConnectionsFull,
        Refusal::ClientStalled,
        Refusal::Exhausted,
    ];

    #[test]
    fn labels_are_snake_case_and_belong_to_one_reason_each() {
        let mut labels: Vec<&str> = ALL.iter().map(|refusal| refusal.label()).collect();
        assert!(
            labels
                .iter()
                .all(|label| label.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
        );
        labels.sort_unstable();
        labels.dedup();
        assert_eq!(labels.len(), ALL.len());
    }

    #[test]
    fn every_refusal_is_an_error_status_and_has_words_for_a_citizen() {
        for refusal in ALL {
            assert!((400..600).contains(&refusal.status()), "{refusal}");
            let CitizenText { title, sentence } = refusal.citizen_text();
            assert!(
                !title.ends_with('.') && sentence.ends_with('.'),
                "{refusal}"
            );
        }
    }

    #[test]
    fn only_an_unavailable_pool_asks_to_come_back() {
        for refusal in ALL {
            assert_eq!(
                refusal.retry_after().is_some(),
                refusal.status() == 503,
                "{refusal}"
            );
        }
    }

    #[test]
    fn docs_request_md_lists_exactly_these_refusals() {
        let page = include_str!("../../../docs/request.md");
        let (_, section) = page.split_once("\n## Refusals\n").unwrap();
        let (section, _) = section.split_once("\n### ").unwrap();
        let rows = section.lines().filter_map(|line| {
            let mut cells = line.strip_prefix("| `")?.split(" | ");
            let label = cells.next()?.trim_end_matches('`');
            Some((label, cells.next()?.parse::<u16>().unwrap()))
        });
        let mut documented: Vec<_> = rows.collect();
        let listed = ALL
            .iter()
            .filter(|refusal| !matches!(refusal, Refusal::BadRequest(..)));
        let mut expected: Vec<_> = listed
            .map(|refusal| (refusal.label(), refusal.status()))
            .collect();
        documented.sort_unstable();
        expected.sort_unstable();
        assert_eq!(documented, expected);
    }

    #[test]
    fn the_reasons_of_the_http_engine_pass_unchanged() {
        let refusal = Refusal::BadRequest("head_too_large", 431);
        assert_eq!((refusal.label(), refusal.status()), ("head_too_large", 431));
    }
}
