//! A tenant's own host: the tenant is known, the service may be in question.

use schleuse_core::{Facts, Level, NotIdentified, Routes, ServiceIndex, Way};

use crate::support::{BERLIN, REGISTER, answer, builder, facts, office_of, service, tenant};

const OWN_HOST: &str = "antrag.berlin.example";

fn with_two_services(chosen: Option<&str>) -> Routes {
    let mut builder = builder([
        service("wohngeld", Level::Gemeinde),
        service("zulassung", Level::Kreis),
    ]);
    builder.add_tenant(tenant(BERLIN, OWN_HOST, chosen));
    builder.build(REGISTER.clone()).expect("good routes")
}

#[test]
fn with_one_service_the_host_says_everything() {
    let mut builder = builder([service("wohngeld", Level::Gemeinde)]);
    builder.add_tenant(tenant("11000000", OWN_HOST, None));
    let routes = builder.build(REGISTER.clone()).expect("good routes");
    let identified = routes
        .identify(&facts("antrag.berlin.example/start"))
        .expect("identified");
    assert_eq!(
        (identified.tenant, identified.way, identified.strip),
        (office_of(BERLIN), Way::Host, 0)
    );
}

#[test]
fn with_several_services_the_first_segment_says_which() {
    let routes = with_two_services(None);
    for (path, service, tenant, strip) in [
        ("/wohngeld/start", 0, BERLIN, 9),
        ("/zulassung", 1, "11000", 10),
        ("/wohngeld/110000000000/start", 0, BERLIN, 22),
        ("//wohngeld//11000000/start", 0, BERLIN, 20),
    ] {
        let url = format!("{OWN_HOST}{path}");
        let identified = routes.identify(&facts(&url)).expect(path);
        let found = (identified.service, identified.tenant, identified.strip);
        assert_eq!(
            found,
            (ServiceIndex(service), office_of(tenant), strip),
            "{path}"
        );
    }
}

#[test]
fn a_path_that_names_no_service_is_ambiguous() {
    let routes = with_two_services(None);
    for path in ["/", "/start", "/110000000000/wohngeld", "/wohngeldx"] {
        let url = format!("{OWN_HOST}{path}");
        let why = NotIdentified::AmbiguousService {
            tenant: office_of(BERLIN),
        };
        assert_eq!(routes.identify(&facts(&url)), Err(why), "{path}");
    }
}

#[test]
fn the_service_of_the_override_needs_no_segment() {
    let routes = with_two_services(Some("zulassung"));
    let identified = routes
        .identify(&facts("antrag.berlin.example/wohngeld/x"))
        .expect("identified");
    assert_eq!((identified.service, identified.strip), (ServiceIndex(1), 0));
}

#[test]
fn another_tenants_key_on_an_own_host_is_a_contradiction() {
    let routes = with_two_services(None);
    for url in [
        "antrag.berlin.example/wohngeld/064120000000/",
        "antrag.berlin.example/wohngeld/x?ars=064120000000",
    ] {
        assert_eq!(
            answer(routes.identify(&facts(url))),
            "contradicting_tenants",
            "{url}"
        );
    }
    let cookie = Facts {
        cookie: Some("064120000000"),
        ..facts("antrag.berlin.example/wohngeld/")
    };
    assert_eq!(answer(routes.identify(&cookie)), BERLIN);
}

#[test]
fn a_kreis_with_an_own_host_lets_the_path_say_which_gemeinde() {
    let mut builder = builder([service("wohngeld", Level::Gemeinde)]);
    builder.add_tenant(tenant("05334", "staedteregion.example", None));
    let routes = builder.build(REGISTER.clone()).expect("good routes");
    assert_eq!(
        answer(routes.identify(&facts("staedteregion.example/05334002/"))),
        "053340002002"
    );
    assert_eq!(
        answer(routes.identify(&facts("staedteregion.example/"))),
        "key_too_short"
    );
    assert_eq!(
        answer(routes.identify(&facts("staedteregion.example/11000000/"))),
        "contradicting_tenants"
    );
}
