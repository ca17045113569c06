//! What a citizen reads on an error page: plain German (B1) or plain English, no technical words, and always what to do
//! now, unless that is to come back: the page says when, in words, from what `Retry-After` says. Refusals that a citizen
//! cannot tell apart share their words.

use super::Refusal;

/// A language of the error pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// The default.
    German,
    /// For whoever asks for it.
    English,
}

impl Language {
    /// As `lang` and `Content-Language` say it (RFC 5646).
    pub const fn tag(self) -> &'static str {
        match self {
            Self::German => "de",
            Self::English => "en",
        }
    }
}

/// A page's words in one language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words {
    /// A few words, without a full stop.
    pub title: &'static str,
    /// What happened and what to do now, whole sentences; of what passes by itself only what happened.
    pub sentence: &'static str,
}

/// A page's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CitizenText {
    /// For Germany.
    pub german: Words,
    /// The same for those who ask for English.
    pub english: Words,
}

impl CitizenText {
    /// The words in one language.
    pub const fn words(&self, language: Language) -> Words {
        match language {
            Language::German => self.german,
            Language::English => self.english,
        }
    }
}

impl Refusal {
    /// The words for a citizen.
    pub const fn citizen_text(self) -> &'static CitizenText {
        match self {
            Self::UnknownHost | Self::AmbiguousService => &SERVICE_NOT_FOUND,
            Self::NoTenant | Self::KeyTooShort => &PLACE_MISSING,
            Self::UnknownTenant => &PLACE_UNKNOWN,
            Self::RepeatedKey | Self::ContradictingTenants => &PLACE_CONTRADICTS,
            Self::NotAllowed => &NOT_ALLOWED,
            Self::Misdirected => &MISDIRECTED,
            Self::PoolFull
            | Self::ConnectionsFull
            | Self::Exhausted
            | Self::NoEndpoint
            | Self::StreamsFull => &BUSY,
            Self::Starting => &STARTING,
            Self::TenantRate
            | Self::TenantQueueFull
            | Self::QueueFull
            | Self::WaitTooLong
            | Self::WaitExpired
            | Self::Overloaded => &CROWDED,
            Self::ClientRate | Self::ClientWaiting => &TOO_MANY,
            Self::ConnectFailed | Self::UpstreamReset | Self::UpstreamInvalid => &BROKEN,
            Self::StartFailed => &NOT_STARTED,
            Self::ConnectTimeout
            | Self::FirstByteTimeout
            | Self::UpstreamIdleTimeout
            | Self::ExchangeTimeout => &SLOW,
            Self::HeaderTimeout
            | Self::ClientBodyTimeout
            | Self::ClientStalled
            | Self::ClientTooSlow
            | Self::BadRequest(_, 408) => &LINE_SLOW,
            Self::BodyTooLarge | Self::BadRequest(_, 413) => &TOO_LARGE,
            Self::BadPath | Self::BadRequest(..) => &UNREADABLE,
        }
    }
}

const SERVICE_NOT_FOUND: CitizenText = CitizenText {
    german: Words {
        title: "Diese Seite gibt es hier nicht",
        sentence: "Unter dieser Adresse gibt es keinen Online-Dienst. Bitte prüfen Sie die Adresse oder suchen Sie den \
                   Dienst auf der Internetseite Ihrer Gemeinde.",
    },
    english: Words {
        title: "This page does not exist",
        sentence: "There is no online service at this address. Please check the address, or look for the service on \
                   your municipality's website.",
    },
};
const PLACE_MISSING: CitizenText = CitizenText {
    german: Words {
        title: "Ihr Ort fehlt noch",
        sentence: "Wir wissen nicht, welche Behörde für Sie zuständig ist. Bitte öffnen Sie den Dienst über den Link auf \
                   der Internetseite Ihrer Gemeinde.",
    },
    english: Words {
        title: "Your place of residence is missing",
        sentence: "We do not know which office is responsible for you. Please open the service from the link on your \
                   municipality's website.",
    },
};
const PLACE_UNKNOWN: CitizenText = CitizenText {
    german: Words {
        title: "Diesen Ort kennen wir nicht",
        sentence: "Der Ort in der Adresse ist uns nicht bekannt. Bitte prüfen Sie die Adresse oder öffnen Sie den Dienst \
                   über den Link auf der Internetseite Ihrer Gemeinde.",
    },
    english: Words {
        title: "We do not know this place",
        sentence: "The address names a place that we do not know. Please check the address, or open the service from \
                   the link on your municipality's website.",
    },
};
const PLACE_CONTRADICTS: CitizenText = CitizenText {
    german: Words {
        title: "Die Adresse nennt zwei verschiedene Orte",
        sentence: "Wir wissen nicht, welcher Ort gemeint ist. Zu Ihrem Schutz geben wir die Anfrage nicht weiter. Bitte \
                   öffnen Sie den Dienst neu über den Link auf der Internetseite Ihrer Gemeinde.",
    },
    english: Words {
        title: "The address names two different places",
        sentence: "We do not know which place is meant. For your protection we do not pass the request on. Please open \
                   the service again from the link on your municipality's website.",
    },
};
const NOT_ALLOWED: CitizenText = CitizenText {
    german: Words {
        title: "Dieser Dienst ist von hier aus nicht erreichbar",
        sentence: "Der Dienst ist nur aus bestimmten Netzen erreichbar, zum Beispiel aus dem Netz der Verwaltung.",
    },
    english: Words {
        title: "This service cannot be reached from here",
        sentence: "The service can only be reached from certain networks, for example from the administration's own.",
    },
};
const MISDIRECTED: CitizenText = CitizenText {
    german: Words {
        title: "Bitte laden Sie die Seite neu",
        sentence: "Ihr Browser hat für diese Seite eine falsche Verbindung benutzt. Laden Sie die Seite neu, dann öffnet \
                   er die richtige.",
    },
    english: Words {
        title: "Please reload the page",
        sentence: "Your browser used the wrong connection for this page. Reload the page, and it will open the right \
                   one.",
    },
};
const BUSY: CitizenText = CitizenText {
    german: Words {
        title: "Der Dienst ist gerade nicht verfügbar",
        sentence: "Im Moment nutzen sehr viele Menschen diesen Dienst, oder er wird gerade gewartet.",
    },
    english: Words {
        title: "The service is not available right now",
        sentence: "Very many people are using this service at the moment, or it is being maintained.",
    },
};
const STARTING: CitizenText = CitizenText {
    german: Words {
        title: "Der Dienst wird gerade gestartet",
        sentence: "Ihre Anfrage wurde deshalb nicht bearbeitet.",
    },
    english: Words {
        title: "The service is starting",
        sentence: "Your request has therefore not been processed.",
    },
};
const NOT_STARTED: CitizenText = CitizenText {
    german: Words {
        title: "Der Dienst hat gerade eine Störung",
        sentence: "Das liegt nicht an Ihnen. Ihre Anfrage wurde nicht bearbeitet.",
    },
    english: Words {
        title: "The service is having a problem",
        sentence: "This is not your fault. Your request has not been processed.",
    },
};
const CROWDED: CitizenText = CitizenText {
    german: Words {
        title: "Gerade nutzen sehr viele Menschen diesen Dienst",
        sentence: "Wir konnten Ihre Anfrage deshalb nicht annehmen. Sie wurde nicht bearbeitet.",
    },
    english: Words {
        title: "Very many people are using this service right now",
        sentence: "We could therefore not accept your request. It has not been processed.",
    },
};
const TOO_MANY: CitizenText = CitizenText {
    german: Words {
        title: "Von Ihrem Internet-Anschluss kommen gerade zu viele Anfragen",
        sentence: "Vielleicht nutzen mehrere Menschen denselben Anschluss. Ihre Anfrage wurde nicht bearbeitet.",
    },
    english: Words {
        title: "Too many requests are coming from your internet connection",
        sentence: "Several people may be sharing the connection. Your request has not been processed.",
    },
};
const BROKEN: CitizenText = CitizenText {
    german: Words {
        title: "Der Dienst hat gerade eine Störung",
        sentence: "Das liegt nicht an Ihnen. Bitte versuchen Sie es in einigen Minuten noch einmal. Wenn Sie gerade etwas \
                   abgeschickt haben, prüfen Sie bitte zuerst, ob es angekommen ist.",
    },
    english: Words {
        title: "The service is having a problem",
        sentence: "This is not your fault. Please try again in a few minutes. If you have just sent something, please \
                   check first whether it has arrived.",
    },
};
const SLOW: CitizenText = CitizenText {
    german: Words {
        title: "Der Dienst antwortet zu langsam",
        sentence: "Das liegt nicht an Ihnen. Bitte versuchen Sie es in einigen Minuten noch einmal. Wenn Sie gerade etwas \
                   abgeschickt haben, prüfen Sie bitte zuerst, ob es angekommen ist.",
    },
    english: Words {
        title: "The service is answering too slowly",
        sentence: "This is not your fault. Please try again in a few minutes. If you have just sent something, please \
                   check first whether it has arrived.",
    },
};
const LINE_SLOW: CitizenText = CitizenText {
    german: Words {
        title: "Die Verbindung war zu langsam",
        sentence: "Ihre Anfrage ist nicht vollständig bei uns angekommen. Bitte prüfen Sie Ihre Internetverbindung und \
                   versuchen Sie es noch einmal.",
    },
    english: Words {
        title: "The connection was too slow",
        sentence: "Your request did not reach us completely. Please check your internet connection and try again.",
    },
};
const TOO_LARGE: CitizenText = CitizenText {
    german: Words {
        title: "Die Datei ist zu groß",
        sentence: "Der Dienst nimmt so große Dateien nicht an. Bitte verkleinern Sie die Datei oder teilen Sie sie auf.",
    },
    english: Words {
        title: "The file is too large",
        sentence: "The service does not accept files of this size. Please make the file smaller or split it up.",
    },
};
const UNREADABLE: CitizenText = CitizenText {
    german: Words {
        title: "Die Anfrage war fehlerhaft",
        sentence: "Wir konnten die Anfrage Ihres Browsers nicht verarbeiten. Bitte prüfen Sie die Adresse oder öffnen Sie \
                   den Dienst neu über die Internetseite Ihrer Gemeinde.",
    },
    english: Words {
        title: "The request was faulty",
        sentence: "We could not process your browser's request. Please check the address, or open the service again \
                   from your municipality's website.",
    },
};

#[cfg(test)]
mod tests {
    use super::super::tests::ALL;
    use super::*;

    #[test]
    fn every_refusal_has_words_for_a_citizen_in_both_languages() {
        for refusal in ALL {
            let text = refusal.citizen_text();
            assert_ne!(text.german, text.english, "{refusal}");
            for Words { title, sentence } in [text.german, text.english] {
                assert!(
                    !title.ends_with('.') && sentence.ends_with('.'),
                    "{refusal}"
                );
            }
        }
    }

    #[test]
    fn no_words_need_escaping_in_html() {
        for text in ALL.map(Refusal::citizen_text) {
            for Words { title, sentence } in [text.german, text.english] {
                assert!(!format!("{title}{sentence}").contains(['<', '>', '&', '"']));
            }
        }
    }
}
