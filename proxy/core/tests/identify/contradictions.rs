//! A request that two readers could give to two tenants is refused; a cookie is no contradiction.

use schleuse_core::{Facts, NotIdentified, ServiceIndex, Way};

use crate::support::{BERLIN, FRANKFURT, LEVELS, answer, facts, identify, office_of};

#[test]
fn host_path_query_and_header_must_name_one_tenant() {
    for url in [
        "berlin.wohngeld.example/064120000000/",
        "berlin.wohngeld.example/?ags=06412000",
        "wohngeld.example/064120000000/?ars=110000000000",
        "wohngeld.example//064120000000/?ars=110000000000",
        "wohngeld.example/%3064120000000/?ars=110000000000",
        "wohngeld.example/064120000000;v=1/?ars=110000000000",
        "wohngeld.example/064120000000/?%61rs=%31%310000000000",
        "wohngeld.example/05334/?ars=064120000000",
    ] {
        assert_eq!(answer(identify(url)), "contradicting_tenants", "{url}");
    }
    let header = LEVELS.identify(&Facts {
        header: Some(BERLIN),
        ..facts("wohngeld.example/064120000000/")
    });
    let why = NotIdentified::ContradictingTenants {
        service: ServiceIndex(0),
        one: Way::Path,
        other: Way::Header,
    };
    assert_eq!(header, Err(why));
}

#[test]
fn keys_of_one_office_agree() {
    // Frankfurt and Kassel both lie in Hessen, which is what the service asks for.
    let identified = identify("bafoeg.example/064120000000/?ars=066110000000").expect("identified");
    assert_eq!(
        (identified.tenant, identified.way),
        (office_of("06"), Way::Path)
    );
    assert_eq!(
        answer(identify("wohngeld.example/064120000000/?ars=066110000000")),
        "contradicting_tenants"
    );
}

#[test]
fn a_longer_key_makes_a_shorter_one_precise() {
    for url in [
        "wohngeld.example/05334/?ars=053340002002",
        "wohngeld.example/053340002002/?ars=05334",
        "aachen.wohngeld.example/05334/?ags=05334002",
        "05334.wohngeld.example/?ags=05334002",
    ] {
        assert_eq!(answer(identify(url)), "053340002002", "{url}");
    }
}

#[test]
fn ars_and_ags_of_one_place_agree_and_anything_repeated_is_refused() {
    assert_eq!(
        answer(identify("wohngeld.example/?ars=064120000000&ags=06412000")),
        FRANKFURT
    );
    assert_eq!(
        answer(identify("wohngeld.example/?ags=05334002&ars=05334")),
        "053340002002"
    );
    for query in [
        "ars=064120000000&ars=064120000000",
        "ars=064120000000;ars=110000000000",
        "ars=064120000000&%61%72s=110000000000",
        "ags=06412000&x=1&ags=06412000",
        "ars=064120000000&ags=11000000",
    ] {
        assert_eq!(
            answer(identify(&format!("wohngeld.example/?{query}"))),
            "repeated_key",
            "{query}"
        );
    }
}

#[test]
fn a_path_that_a_backend_may_walk_out_of_is_refused_before_anything_else() {
    for path in [
        "/064120000000/../110000000000/",
        "/064120000000/%2e%2e/110000000000/",
        "/064120000000/..%2f110000000000/",
        "/064120000000/..%5c110000000000/",
        "/064120000000\\..\\110000000000/",
        "/064120000000/..;/110000000000/",
        "/064120000000/x%00",
        "/064120000000/%zz",
    ] {
        assert_eq!(
            answer(identify(&format!("wohngeld.example{path}"))),
            "bad_path",
            "{path}"
        );
        assert_eq!(
            answer(identify(&format!("other.example{path}"))),
            "bad_path",
            "{path}"
        );
    }
}

#[test]
fn a_key_that_only_some_backends_find_in_the_path_is_refused_whatever_else_names_a_tenant() {
    for path in [
        "/064120000000%2Fx",
        "/%2F064120000000/x",
        "/\\064120000000/x",
        "/064120000000\\x",
        "/;x/064120000000/x",
        "/064120000000%3Bx/x",
        "/%20064120000000/x",
        "/064120000000%20/x",
        "/%09064120000000/x",
    ] {
        let by_label = format!("berlin.wohngeld.example{path}");
        assert_eq!(answer(identify(&by_label)), "bad_path", "{path}");
        let by_cookie = with_cookie(&format!("wohngeld.example{path}"), Some(BERLIN));
        assert_eq!(by_cookie, ("bad_path".to_owned(), false), "{path}");
    }
    let later = "berlin.wohngeld.example/akte/a%2F064120000000";
    assert_eq!(answer(identify(later)), BERLIN);
}

#[test]
fn a_name_that_only_some_backends_take_for_ars_or_ags_is_refused() {
    for name in [
        "+ars",
        "%20ars",
        "ars%00",
        "ars[]",
        "ars[0]",
        "ars%5B%5D",
        "ARS",
        "Ars",
        "AGS",
    ] {
        let url = format!("berlin.wohngeld.example/?{name}=064120000000");
        assert_eq!(answer(identify(&url)), "repeated_key", "{name}");
    }
}

fn with_cookie(url: &str, cookie: Option<&str>) -> (String, bool) {
    let identified = LEVELS.identify(&Facts {
        cookie,
        ..facts(url)
    });
    (
        answer(identified),
        identified.is_ok_and(|identified| identified.cookie_stale),
    )
}

#[test]
fn a_cookie_that_differs_loses_and_is_set_anew() {
    for url in [
        "wohngeld.example/064120000000/",
        "wohngeld.example/?ars=064120000000",
        "064120000000.wohngeld.example/",
    ] {
        assert_eq!(
            with_cookie(url, Some(BERLIN)),
            (FRANKFURT.to_owned(), true),
            "{url}"
        );
        assert_eq!(
            with_cookie(url, Some("rubbish")),
            (FRANKFURT.to_owned(), true),
            "{url}"
        );
        assert_eq!(
            with_cookie(url, None),
            (FRANKFURT.to_owned(), true),
            "{url}"
        );
        assert_eq!(
            with_cookie(url, Some(FRANKFURT)),
            (FRANKFURT.to_owned(), false),
            "{url}"
        );
    }
}

#[test]
fn a_cookie_alone_carries_the_rest_of_a_form() {
    assert_eq!(
        with_cookie("wohngeld.example/seite/2", Some(FRANKFURT)),
        (FRANKFURT.to_owned(), false)
    );
    assert_eq!(
        with_cookie("zulassung.example/seite/2", Some(FRANKFURT)),
        ("06412".to_owned(), true)
    );
}

#[test]
fn a_cookie_of_no_use_counts_as_absent() {
    for cookie in ["", "rubbish", "064129999999", "05334"] {
        assert_eq!(
            with_cookie("wohngeld.example/", Some(cookie)),
            ("no_tenant".to_owned(), false),
            "{cookie}"
        );
    }
    assert_eq!(
        with_cookie("rente.example/", Some("rubbish")),
        ("bund".to_owned(), false)
    );
}
