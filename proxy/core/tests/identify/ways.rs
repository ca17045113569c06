//! The ways to name a tenant, one at a time, and what the level of responsibility makes of the key.

use schleuse_core::{Facts, Level, NotIdentified, PoolIndex, ServiceIndex, TenantFrom, Way};

use crate::support::{
    BERLIN, EISENACH, EISENACH_BEFORE, FRANKFURT, LEVELS, REGISTER, answer, builder, facts,
    identify, office_of, routes, service,
};

#[test]
fn each_way_names_the_tenant_and_is_told() {
    for (url, way) in [
        ("frankfurt-am-main.wohngeld.example/", Way::Host),
        ("064120000000.wohngeld.example/", Way::Host),
        ("06412000.wohngeld.example/", Way::Host),
        ("wohngeld.example/064120000000/antrag", Way::Path),
        ("wohngeld.example/06412000/", Way::Path),
        ("wohngeld.example/antrag?ars=064120000000", Way::Query),
        (
            "wohngeld.example/antrag?leikaId=99107023018000&ags=06412000",
            Way::Query,
        ),
    ] {
        let identified = identify(url).expect(url);
        assert_eq!(
            (identified.tenant, identified.way),
            (office_of(FRANKFURT), way),
            "{url}"
        );
    }
    let by_header = LEVELS.identify(&Facts {
        header: Some(" 06412000 "),
        ..facts("wohngeld.example/")
    });
    assert_eq!(
        by_header.map(|identified| (identified.tenant, identified.way)),
        Ok((office_of(FRANKFURT), Way::Header))
    );
    let by_cookie = LEVELS.identify(&Facts {
        cookie: Some(FRANKFURT),
        ..facts("wohngeld.example/")
    });
    assert_eq!(
        by_cookie.map(|identified| (identified.tenant, identified.way)),
        Ok((office_of(FRANKFURT), Way::Cookie))
    );
}

#[test]
fn one_key_leads_to_a_different_office_per_service() {
    for (host, office) in [
        ("wohngeld", "072325008007"),
        ("ausweis", "072325008"),
        ("zulassung", "07232"),
        ("bafoeg", "07"),
        ("rente", "bund"),
    ] {
        assert_eq!(
            answer(identify(&format!("{host}.example/072325008007/"))),
            office,
            "{host}"
        );
    }
}

#[test]
fn a_key_of_a_region_serves_where_its_office_is_in_charge_and_is_too_short_elsewhere() {
    assert_eq!(answer(identify("zulassung.example/05334/")), "05334");
    assert_eq!(answer(identify("zulassung.example/05334000/")), "05334");
    assert_eq!(answer(identify("bafoeg.example/?ars=05")), "05");
    assert_eq!(answer(identify("wohngeld.example/05334/")), "key_too_short");
    assert_eq!(
        answer(identify("wohngeld.example/05334000/")),
        "key_too_short"
    );
    assert_eq!(answer(identify("ausweis.example/05334/")), "key_too_short");
}

#[test]
fn an_ags_with_three_zeros_is_a_city_where_there_is_one() {
    assert_eq!(
        answer(identify("wohngeld.example/05315000/")),
        "053150000000"
    );
    assert_eq!(answer(identify("zulassung.example/05315000/")), "05315");
}

#[test]
fn a_service_of_the_bund_needs_no_key() {
    let without = identify("rente.example/antrag").expect("identified");
    assert_eq!(
        (
            without.tenant.to_string().as_str(),
            without.way,
            without.strip
        ),
        ("bund", Way::Only, 0)
    );
    assert!(!without.cookie_stale, "there is nothing to remember");
    let with = identify("rente.example/064120000000/antrag").expect("identified");
    assert_eq!(
        (with.tenant.to_string().as_str(), with.way, with.strip),
        ("bund", Way::Path, 13)
    );
}

#[test]
fn an_old_key_leads_to_the_merged_municipality() {
    for url in [
        format!("wohngeld.example/{EISENACH_BEFORE}/"),
        format!("wohngeld.example/?ags={}", "16056000"),
        format!("{EISENACH_BEFORE}.wohngeld.example/"),
    ] {
        assert_eq!(answer(identify(&url)), EISENACH, "{url}");
    }
}

#[test]
fn a_name_that_several_places_share_is_answered_with_its_reason() {
    let why = identify("neuenkirchen.wohngeld.example/").expect_err("ambiguous");
    assert_eq!(
        why,
        NotIdentified::AmbiguousName {
            service: ServiceIndex(0)
        }
    );
    assert_eq!(why.refusal().label(), "unknown_tenant");
}

#[test]
fn an_unknown_key_never_falls_through_to_the_next_way() {
    for url in [
        "wohngeld.example/064129999999/?ars=064120000000",
        "wohngeld.example/99999/?ars=064120000000",
        "atlantis.wohngeld.example/064120000000/",
        "wohngeld.example/064120000000/?ars=",
        "wohngeld.example/064120000000/?ars=x",
        "wohngeld.example/064120000000/?ags=06412+000",
        "wohngeld.example/064120000000/?ars=0641200000000000000000",
    ] {
        assert_eq!(answer(identify(url)), "unknown_tenant", "{url}");
    }
    let header = LEVELS.identify(&Facts {
        header: Some(""),
        ..facts("wohngeld.example/064120000000/")
    });
    assert_eq!(answer(header), "unknown_tenant");
}

#[test]
fn a_segment_that_is_no_key_is_a_page() {
    for url in [
        "wohngeld.example/antrag/064120000000",
        "wohngeld.example/0641/x",
        "wohngeld.example/06/x",
    ] {
        assert_eq!(answer(identify(url)), "no_tenant", "{url}");
    }
}

#[test]
fn stripping_ends_with_the_segment_of_the_key() {
    for (url, rest) in [
        ("wohngeld.example/064120000000/antrag", "/antrag"),
        ("wohngeld.example/06412000", ""),
        ("wohngeld.example//06412000//x", "//x"),
        ("wohngeld.example/%306412000/a%2Fb", "/a%2Fb"),
        ("wohngeld.example/antrag?ars=064120000000", "/antrag"),
    ] {
        let facts = facts(url);
        let identified = LEVELS.identify(&facts).expect(url);
        assert_eq!(&facts.path[identified.strip..], rest, "{url}");
    }
}

#[test]
fn a_way_that_the_service_does_not_list_is_not_looked_at() {
    let mut only_path = service("wohngeld", Level::Gemeinde);
    only_path.tenant_from = vec![TenantFrom::Path];
    let routes = routes([only_path]);
    let everything_else = Facts {
        host: "berlin.wohngeld.example",
        path: "/064120000000/",
        query: Some("ars=x&ars=y"),
        cookie: Some(BERLIN),
        header: Some(BERLIN),
    };
    let identified = routes.identify(&everything_else).expect("identified");
    assert_eq!(
        (identified.tenant, identified.cookie_stale),
        (office_of(FRANKFURT), false)
    );
}

#[test]
fn a_host_nobody_has_is_unknown() {
    for host in [
        "",
        "example",
        "other.example",
        "a.b.wohngeld.example",
        "wohngeld.example.",
        "[::1]",
        "127.0.0.1",
    ] {
        assert_eq!(
            answer(identify(&format!("{host}/064120000000/"))),
            "unknown_host",
            "{host}"
        );
    }
}

#[test]
fn an_exact_host_comes_before_a_wildcard() {
    let mut portal = service("portal", Level::Bund);
    portal.hosts = vec!["www.wohngeld.example".to_owned()];
    let routes = routes([service("wohngeld", Level::Gemeinde), portal]);
    let identified = routes
        .identify(&facts("www.wohngeld.example/"))
        .expect("identified");
    assert_eq!(identified.service, ServiceIndex(1));
    assert!(routes.knows_host("berlin.wohngeld.example") && !routes.knows_host("berlin.example"));
}

#[test]
fn the_longest_prefix_with_a_pool_of_its_own_wins() {
    let mut wohngeld = service("wohngeld", Level::Gemeinde);
    wohngeld.pools_by_tenant = vec![
        ("06".to_owned(), PoolIndex(1)),
        ("06412000".to_owned(), PoolIndex(2)),
    ];
    let routes = builder([wohngeld])
        .build(REGISTER.clone())
        .expect("good routes");
    let pool = |ars: &str| {
        let url = format!("wohngeld.example/{ars}/");
        routes
            .identify(&facts(&url))
            .map(|identified| identified.pool)
    };
    assert_eq!(pool(FRANKFURT), Ok(PoolIndex(2)));
    assert_eq!(
        pool("064110000000"),
        Ok(PoolIndex(1)),
        "Darmstadt, by its Land"
    );
    assert_eq!(pool(BERLIN), Ok(PoolIndex(0)));
}
