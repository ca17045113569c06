//! What holds for every request, over the official register.

use proptest::prelude::*;
use schleuse_core::{Facts, Identified, Level, NotIdentified, RegionalKey, Way, level::office};

use crate::support::{LEVELS, OFFICIAL, identify, key};

const SERVICES: [&str; 5] = ["wohngeld", "ausweis", "zulassung", "bafoeg", "rente"];
const LEVELS_OF_SERVICES: [Level; 5] = [
    Level::Gemeinde,
    Level::Verband,
    Level::Kreis,
    Level::Land,
    Level::Bund,
];

fn place() -> impl Strategy<Value = &'static str> {
    (0..OFFICIAL.len()).prop_map(|row| OFFICIAL[row].ars.as_str())
}

/// A key of the register, cut to any of its lengths, or digits that look like one.
fn key_text() -> impl Strategy<Value = String> {
    let cut = (place(), prop::sample::select(vec![2_usize, 3, 5, 9, 12]));
    prop_oneof![
        4 => cut.prop_map(|(ars, len)| ars[..len].to_owned()),
        1 => "[0-9]{5}|[0-9]{8}|[0-9]{9}|[0-9]{12}",
        1 => "[a-zäöü0-9%;-]{0,14}",
    ]
}

prop_compose! {
    fn any_request()(
        service in prop::sample::select(SERVICES.to_vec()),
        label in prop::option::weighted(0.3, key_text()),
        segment in prop::option::weighted(0.5, key_text()),
        query in prop::option::weighted(0.5, prop_oneof![
            key_text().prop_map(|key| format!("ars={key}")),
            (key_text(), key_text()).prop_map(|(ars, ags)| format!("ars={ars}&ags={ags}")),
            ".*",
        ]),
        cookie in prop::option::weighted(0.5, key_text()),
        header in prop::option::weighted(0.2, key_text()),
    ) -> (String, String, Option<String>, Option<String>, Option<String>) {
        let host = label.map_or(format!("{service}.example"), |label| format!("{label}.{service}.example"));
        let path = segment.map_or("/".to_owned(), |segment| format!("/{segment}/antrag"));
        (host, path, query, cookie, header)
    }
}

fn ask(
    (host, path, query, cookie, header): &(
        String,
        String,
        Option<String>,
        Option<String>,
        Option<String>,
    ),
) -> Result<Identified, NotIdentified> {
    LEVELS.identify(&Facts {
        host,
        path,
        query: query.as_deref(),
        cookie: cookie.as_deref(),
        header: header.as_deref(),
    })
}

proptest! {
    #[test]
    fn an_office_is_a_prefix_of_every_key_it_is_in_charge_of(ars in place(), level in 0_usize..5) {
        let level = LEVELS_OF_SERVICES[level];
        let office = office(key(ars), level).expect("a whole key is long enough");
        prop_assert!(office.key().contains(key(ars)));
        prop_assert_eq!(office.key().len(), level.digits());
    }

    #[test]
    fn no_text_makes_identification_panic(
        host in ".*", path in ".*", query in ".*", cookie in ".*", header in ".*",
    ) {
        for host in [host.as_str(), "wohngeld.example", "berlin.wohngeld.example"] {
            let _ = LEVELS.identify(&Facts {
                host, path: &path, query: Some(&query), cookie: Some(&cookie), header: Some(&header),
            });
        }
    }

    #[test]
    fn a_cookie_changes_nothing_once_host_path_query_or_header_name_a_tenant(request in any_request()) {
        let (host, path, query, _, header) = request.clone();
        let without = ask(&(host, path, query, None, header));
        if without.as_ref().is_ok_and(|found| found.way == Way::Only)
            || matches!(without, Err(NotIdentified::NoTenant { .. }))
        {
            return Ok(());
        }
        let with = ask(&request);
        let decided = |found: Identified| (found.service, found.tenant, found.pool, found.strip, found.way);
        prop_assert_eq!(with.map(decided), without.map(decided));
    }

    #[test]
    fn the_tenant_is_always_an_office_of_the_services_level(request in any_request()) {
        if let Ok(found) = ask(&request) {
            let level = LEVELS_OF_SERVICES[found.service.as_usize()];
            prop_assert_eq!(found.tenant.key().len(), level.digits());
            prop_assert!(found.strip <= request.1.len());
            prop_assert!(request.1.get(found.strip..).is_some(), "cuts at a character");
        }
    }

    #[test]
    fn path_and_query_agree_exactly_when_their_offices_do(one in place(), other in place(), service in 0_usize..5) {
        let name = SERVICES[service];
        let level = LEVELS_OF_SERVICES[service];
        let found = identify(&format!("{name}.example/{one}/?ars={other}"));
        let same = office(key(one), level) == office(key(other), level);
        prop_assert_eq!(found.is_ok(), same);
        let contradicts = matches!(found, Err(NotIdentified::ContradictingTenants { .. }));
        prop_assert_eq!(contradicts, !same);
    }

    #[test]
    fn a_register_key_that_is_cut_still_names_a_region(ars in place(), len in prop::sample::select(vec![2_u8, 3, 5, 9])) {
        let region = key(ars).prefix(len).map(|region: RegionalKey| region.to_string()).unwrap_or_default();
        let found = identify(&format!("rente.example/?ars={region}"));
        prop_assert!(found.is_ok(), "{}", region);
    }
}
