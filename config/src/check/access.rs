//! Keys that sign affinity cookies, and what the access log says.

use super::secrets::read_secret;
use crate::{
    files::Sources,
    problem::Report,
    reader::{Placed, Section},
    snapshot::{AccessLog, AffinityKey, ClientAddress},
};

/// Below this a key can be guessed; HMAC-SHA-256 gains nothing from more (RFC 2104 §3).
const KEY_BYTES_MIN: usize = 32;

pub(super) fn read_affinity_keys(
    file: &Section<'_, '_>,
    sources: &mut Sources,
    report: &mut Report,
) -> Vec<AffinityKey> {
    let Some(node) = file.node("affinity") else {
        return Vec::new();
    };
    let affinity = Section::open(node, "affinity", "affinity".to_owned(), report);
    let mut keys = Vec::new();
    for (index, item) in affinity.list("keys", report).iter().enumerate() {
        let at = format!("{}[{index}]", affinity.path("keys"));
        let section = Section::open(item, "affinity.keys[]", at, report);
        keys.extend(read_key(&section, sources, report));
    }
    keys
}

fn read_key(
    section: &Section<'_, '_>,
    sources: &mut Sources,
    report: &mut Report,
) -> Option<AffinityKey> {
    let Placed {
        value: bytes,
        place,
        at,
    } = read_secret(section, "key", without_newline, sources, report)?;
    if bytes.len() < KEY_BYTES_MIN {
        let wrong = format!(
            "the key has {} bytes, at least {KEY_BYTES_MIN} are needed",
            bytes.len()
        );
        report.wrong(place, at, wrong, "make one: openssl rand -hex 32");
        return None;
    }
    Some(AffinityKey(bytes.into()))
}

/// Editors and `echo` put a newline behind a text; random bytes that happen to end in one keep it.
fn without_newline(mut bytes: Vec<u8>) -> Vec<u8> {
    if std::str::from_utf8(&bytes).is_ok() {
        while bytes
            .last()
            .is_some_and(|byte| matches!(byte, b'\n' | b'\r'))
        {
            bytes.pop();
        }
    }
    bytes
}

pub(super) fn read_access_log(file: &Section<'_, '_>, report: &mut Report) -> AccessLog {
    let section = file.section("access_log", "access_log", report);
    AccessLog {
        enabled: section.flag("enabled", report),
        client: match section.choice("client", report) {
            Some("none") => ClientAddress::None,
            Some("full") => ClientAddress::Full,
            _ => ClientAddress::Network,
        },
        query: section.flag("query", report),
        user_agent: section.flag("user_agent", report),
        referer: section.flag("referer", report),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newline_behind_a_text_is_no_part_of_the_key() {
        assert_eq!(without_newline(b"secret\r\n".to_vec()), b"secret");
        assert_eq!(without_newline(b"\xff\n".to_vec()), b"\xff\n");
    }
}
