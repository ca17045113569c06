//! Every key of a scenario in one table: what the reader allows, what the JSON Schema and the reference page say.

/// One key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Section that it stands in, as `journeys[].steps[]`; empty at the top.
    pub section: &'static str,
    /// Its name.
    pub name: &'static str,
    /// What stands behind it.
    pub kind: Kind,
    /// What it does, and what holds without it.
    pub meaning: &'static str,
    /// A value as it may be written.
    pub example: &'static str,
}

/// What stands behind a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Keys of the section with this path.
    Section(&'static str),
    /// A list of such sections.
    Sections(&'static str),
    /// A section, or a text that says its most important key.
    TextOrSection(&'static str),
    /// A section, or a list of them.
    SectionOrSections(&'static str),
    /// Names with texts.
    Pairs,
    /// A list of texts.
    Texts,
    /// A list of whole numbers.
    Integers,
    /// A text of the form that the meaning names.
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Integer,
    /// A number.
    Number,
}

macro_rules! keys {
    ($($section:literal $name:literal $kind:expr, $meaning:literal, $example:literal;)*) => {
        &[$(Key { section: $section, name: $name, kind: $kind, meaning: $meaning, example: $example }),*]
    };
}

/// The table.
pub const KEYS: &[Key] = keys! {
    "" "target" Kind::TextOrSection("target"), "What is asked: a URL, or a section.", "http://127.0.0.1:8080";
    "" "arrivals" Kind::SectionOrSections("arrivals"), "When citizens set out. A list: phases one after another.", "{ rate: 500/s, duration: 20s }";
    "" "journeys" Kind::Sections("journeys[]"), "What citizens do.", "[{ name: one, steps: [{ get: / }] }]";
    "" "tenants" Kind::Section("tenants"), "Whose citizens they are; without it they belong to nobody.", "{ register: official }";
    "" "thresholds" Kind::Texts, "What must hold, as `p99 < 500ms`, `failed < 0.1%`, `small: p99 < 1s`, `p95 < 1s after 60s`. Unless one is about `failed` or `answered`, `failed < 1%` must hold as well.", "[\"p99 < 500ms\"]";
    "" "abort" Kind::Texts, "The run ends as soon as one of these no longer holds; the same form.", "[\"failed < 50% after 10s\"]";
    "" "timeouts" Kind::Section("timeouts"), "When an answer is too late.", "{ answer: 60s }";
    "" "warm_up" Kind::Text, "Time before the schedule, at its first rate, that is reported apart; none.", "10s";
    "" "drain" Kind::Text, "Longest wait for answers after the last arrival; 10s.", "10s";
    "" "seed" Kind::Integer, "Of schedule and draws; 1. The same seed gives the same citizens.", "1";
    "" "admin" Kind::Text, "A Schleuse's admin address, for replicas and waiting requests under the plots.", "http://127.0.0.1:9900";
    "target" "url" Kind::Text, "`http://` or `https://`, host and port.", "https://wohngeld.example";
    "target" "connect_to" Kind::Text, "Address to connect to in place of the URL's host.", "127.0.0.1:8443";
    "target" "ca_file" Kind::Text, "PEM file of the authorities to trust; those that the system trusts without it.", "ca.pem";
    "target" "insecure" Kind::Flag, "Believe any certificate; `false`.", "false";
    "target" "http_version" Kind::Word(&["1.1", "2"]), "`1.1` or `2`; `1.1`.", "\"1.1\"";
    "arrivals" "rate" Kind::Text, "Arrivals per second, as `500/s`, or a ramp, as `100/s..5000/s`.", "500/s";
    "arrivals" "duration" Kind::Text, "How long.", "20s";
    "arrivals" "spacing" Kind::Word(&["poisson", "even"]), "`poisson` or `even`; `poisson`. In a list: the first phase's holds for all.", "poisson";
    "arrivals" "csv" Kind::Text, "File with a line per `interval`, its last column the arrivals in it; in place of `rate` and `duration`.", "recorded.csv";
    "arrivals" "interval" Kind::Text, "Length of a line's time; 1s.", "1s";
    "arrivals" "citizens" Kind::Integer, "Closed model in place of `rate`: so many at once, whoever ends is replaced. A slow target is asked less.", "100";
    "tenants" "register" Kind::Text, "`official`, all Kommunen by the register that comes with the program, or a CSV file with the columns ars, name, bevoelkerung.", "official";
    "tenants" "weights" Kind::Text, "CSV with the columns tenant and weight, in place of `register`.", "weights.csv";
    "tenants" "by" Kind::Word(&["population", "equal"]), "Of a register: citizens come by `population` or `equal`ly from all; `population`.", "population";
    "tenants" "noisy" Kind::Section("tenants.noisy"), "One that asks for more than its share.", "{ tenant: \"110000000000\", factor: 100 }";
    "tenants.noisy" "tenant" Kind::Text, "Its key.", "\"110000000000\"";
    "tenants.noisy" "factor" Kind::Number, "How many times its share it asks for.", "100";
    "timeouts" "connect" Kind::Text, "Until a connection is there, TLS included; 10s.", "10s";
    "timeouts" "answer" Kind::Text, "From the send to the last byte; 60s.", "60s";
    "timeouts" "deadline" Kind::Text, "From the plan to the last byte; none.", "90s";
    "journeys[]" "name" Kind::Text, "Of the journey.", "antrag";
    "journeys[]" "weight" Kind::Number, "How often it is made beside the others; 1.", "1";
    "journeys[]" "steps" Kind::Sections("journeys[].steps[]"), "One request each, in order.", "[{ get: / }]";
    "journeys[]" "patience" Kind::Text, "How long a citizen waits for one answer; for ever. A time: `20s`, `uniform 5s..60s`, `exponential 30s`, `lognormal 30s 0.8`, `bimodal 10ms 400ms 10%`.", "exponential 30s";
    "journeys[]" "come_back" Kind::Section("journeys[].come_back"), "What citizens do who left; they stay away.", "{ after: 60s, share: 50%, times_max: 3 }";
    "journeys[]" "retries_max" Kind::Integer, "How often `Retry-After` of a 429 or 503 is obeyed; 0.", "3";
    "journeys[]" "cookies" Kind::Flag, "Whether cookies are kept and sent; `true`.", "true";
    "journeys[]" "own_connection" Kind::Flag, "Whether each citizen has a connection of its own, as browsers do; `false`: any that is free.", "false";
    "journeys[].come_back" "after" Kind::Text, "After how long; a time as for `patience`.", "60s";
    "journeys[].come_back" "share" Kind::Text, "How many of those who left; 100%.", "50%";
    "journeys[].come_back" "times_max" Kind::Integer, "How often at most; 1.", "3";
    "journeys[].steps[]" "get" Kind::Text, "Method and path. In paths, fields and bodies `{tenant.ars}` and `{citizen}` are filled in.", "/{tenant.ars}/antrag";
    "journeys[].steps[]" "head" Kind::Text, "As `get`.", "/";
    "journeys[].steps[]" "post" Kind::Text, "As `get`.", "/{tenant.ars}/antrag";
    "journeys[].steps[]" "put" Kind::Text, "As `get`.", "/anlage";
    "journeys[].steps[]" "patch" Kind::Text, "As `get`.", "/antrag";
    "journeys[].steps[]" "delete" Kind::Text, "As `get`.", "/antrag";
    "journeys[].steps[]" "name" Kind::Text, "Of the step, in reports; method and path without it.", "absenden";
    "journeys[].steps[]" "headers" Kind::Pairs, "Further fields.", "{ Accept: text/html }";
    "journeys[].steps[]" "body" Kind::Text, "A body as text.", "\"{}\"";
    "journeys[].steps[]" "form" Kind::Pairs, "A body as a form: names and values.", "{ name: Muster }";
    "journeys[].steps[]" "upload" Kind::Text, "A body of that size.", "2MiB";
    "journeys[].steps[]" "think" Kind::Text, "Time before this step; a time as for `patience`. None; not before the first.", "lognormal 20s 0.7";
    "journeys[].steps[]" "expect" Kind::Integers, "Statuses that are right; any 2xx, and 3xx where no redirect is followed.", "[200, 303]";
    "journeys[].steps[]" "redirects_max" Kind::Integer, "Redirects that are followed; 5.", "5";
};

/// The keys of a section.
pub(super) fn keys_of(section: &str) -> impl Iterator<Item = &'static Key> + Clone + '_ {
    KEYS.iter().filter(move |key| key.section == section)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_section_that_a_key_leads_to_has_keys() {
        for key in KEYS {
            let (Kind::Section(path)
            | Kind::Sections(path)
            | Kind::TextOrSection(path)
            | Kind::SectionOrSections(path)) = key.kind
            else {
                continue;
            };
            assert!(keys_of(path).next().is_some(), "{path}");
        }
    }
}
