//! Routes with mistakes are refused with all of them, each with the entry it is about.

use schleuse_core::routes::{RouteMistake, RouteSubject};
use schleuse_core::{Level, PoolIndex, RoutesBuilder, RoutesProblem, TenantFrom, host::HostError};

use crate::support::{BERLIN, FRANKFURT, REGISTER, builder, service, tenant};

fn problems(builder: RoutesBuilder) -> Vec<RoutesProblem> {
    builder.build(REGISTER.clone()).err().unwrap_or_default()
}

fn of_service(name: &str) -> RouteSubject {
    RouteSubject::Service {
        service: name.to_owned(),
    }
}

fn of_host(name: &str, host: &str) -> RouteSubject {
    RouteSubject::ServiceHost {
        service: name.to_owned(),
        host: host.to_owned(),
    }
}

fn of_tenant_host(tenant: &str, host: &str) -> RouteSubject {
    RouteSubject::TenantHost {
        tenant: tenant.to_owned(),
        host: host.to_owned(),
    }
}

#[test]
fn every_mistake_of_a_service_is_reported_at_once() {
    let mut bad = service("bad", Level::Kreis);
    bad.pool = PoolIndex(3);
    bad.tenant_from = vec![TenantFrom::Path, TenantFrom::Query, TenantFrom::Path];
    bad.pools_by_tenant = [("06412", 0), ("06412000", 1), ("99", 0), ("05", 7)]
        .map(|(tenant, pool)| (tenant.to_owned(), PoolIndex(pool)))
        .to_vec();
    let mut mute = service("mute", Level::Gemeinde);
    mute.tenant_from.clear();
    let of_pool = |tenant: &str| RouteSubject::ServiceTenant {
        service: "bad".to_owned(),
        tenant: tenant.to_owned(),
    };
    let expected = [
        (of_service("bad"), RouteMistake::RepeatedWay),
        (of_service("bad"), RouteMistake::UnknownPool),
        (of_pool("06412000"), RouteMistake::KeyTooLong { digits: 5 }),
        (of_pool("99"), RouteMistake::UnknownTenant),
        (of_pool("05"), RouteMistake::UnknownPool),
        (of_service("mute"), RouteMistake::NoWay),
    ];
    let expected = expected.map(|(subject, mistake)| RoutesProblem { subject, mistake });
    assert_eq!(problems(builder([bad, mute])), expected);
}

#[test]
fn two_keys_of_one_place_are_one_entry_too_many() {
    let mut wohngeld = service("wohngeld", Level::Gemeinde);
    wohngeld.pools_by_tenant = vec![
        (FRANKFURT.to_owned(), PoolIndex(1)),
        ("06412000".to_owned(), PoolIndex(2)),
    ];
    let mut builder = builder([wohngeld]);
    builder
        .add_tenant(tenant(BERLIN, "a.example", None))
        .add_tenant(tenant("11000000", "b.example", None));
    let mistakes: Vec<_> = problems(builder)
        .into_iter()
        .map(|problem| problem.mistake)
        .collect();
    let repeated = |first: &str| RouteMistake::RepeatedTenant {
        first: first.to_owned(),
    };
    assert_eq!(mistakes, [repeated(FRANKFURT), repeated(BERLIN)]);
}

#[test]
fn hosts_are_names_without_port_and_have_one_owner() {
    let mut wohngeld = service("wohngeld", Level::Gemeinde);
    wohngeld.hosts = [
        "a.example",
        "A.Example.",
        "b.example:8080",
        "köln.example",
        "*",
        "a.*.example",
        "*.c.example",
    ]
    .map(str::to_owned)
    .to_vec();
    let mut other = service("other", Level::Gemeinde);
    other.hosts = ["*.c.example", "a.example"].map(str::to_owned).to_vec();
    let repeated = |first: RouteSubject| RouteMistake::RepeatedHost { first };
    let expected = [
        (
            of_host("wohngeld", "A.Example."),
            repeated(of_host("wohngeld", "a.example")),
        ),
        (
            of_host("wohngeld", "b.example:8080"),
            RouteMistake::HostWithPort,
        ),
        (
            of_host("wohngeld", "köln.example"),
            RouteMistake::BadHost(HostError::BadCharacter),
        ),
        (of_host("wohngeld", "*"), RouteMistake::BadWildcard),
        (
            of_host("wohngeld", "a.*.example"),
            RouteMistake::BadWildcard,
        ),
        (
            of_host("other", "*.c.example"),
            repeated(of_host("wohngeld", "*.c.example")),
        ),
        (
            of_host("other", "a.example"),
            repeated(of_host("wohngeld", "a.example")),
        ),
    ];
    let expected = expected.map(|(subject, mistake)| RoutesProblem { subject, mistake });
    assert_eq!(problems(builder([wohngeld, other])), expected);
}

#[test]
fn mistakes_of_a_tenants_override_are_reported() {
    let mut builder = builder([service("wohngeld", Level::Gemeinde)]);
    builder
        .add_tenant(tenant("99", "a.example", None))
        .add_tenant(tenant(BERLIN, "a.example", Some("wohngelt")))
        .add_tenant(tenant(FRANKFURT, "*.frankfurt.example", None));
    let of_tenant = |tenant: &str| RouteSubject::Tenant {
        tenant: tenant.to_owned(),
    };
    let expected = [
        (of_tenant("99"), RouteMistake::UnknownTenant),
        (
            of_tenant(BERLIN),
            RouteMistake::UnknownService {
                service: "wohngelt".to_owned(),
            },
        ),
        (
            of_tenant_host(BERLIN, "a.example"),
            RouteMistake::RepeatedHost {
                first: of_tenant_host("99", "a.example"),
            },
        ),
        (
            of_tenant_host(FRANKFURT, "*.frankfurt.example"),
            RouteMistake::BadWildcard,
        ),
    ];
    let expected = expected.map(|(subject, mistake)| RoutesProblem { subject, mistake });
    assert_eq!(problems(builder), expected);
}

#[test]
fn an_exact_host_must_not_take_a_name_from_the_tenant_a_wildcard_gives_it_to() {
    let wohngeld = service("wohngeld", Level::Gemeinde);
    let mut portal = service("portal", Level::Bund);
    portal.hosts = vec![
        "berlin.wohngeld.example".to_owned(),
        "www.wohngeld.example".to_owned(),
        "06.wohngeld.example".to_owned(),
    ];
    let mut builder = builder([wohngeld, portal]);
    builder
        .add_tenant(tenant(
            FRANKFURT,
            "frankfurt-am-main.wohngeld.example",
            Some("wohngeld"),
        ))
        .add_tenant(tenant(
            "053150000000",
            "06412000.wohngeld.example",
            Some("wohngeld"),
        ));
    let hides = |tenant: &str| RouteMistake::HidesTenant {
        domain: "wohngeld.example".to_owned(),
        tenant: tenant.to_owned(),
    };
    let expected = [
        (of_host("portal", "berlin.wohngeld.example"), hides(BERLIN)),
        (
            of_tenant_host("053150000000", "06412000.wohngeld.example"),
            hides(FRANKFURT),
        ),
    ];
    let expected = expected.map(|(subject, mistake)| RoutesProblem { subject, mistake });
    assert_eq!(problems(builder), expected);
}

#[test]
fn two_services_of_one_name_are_refused() {
    let mut second = service("wohngeld", Level::Gemeinde);
    second.hosts.clear();
    let expected = RoutesProblem {
        subject: of_service("wohngeld"),
        mistake: RouteMistake::RepeatedService,
    };
    assert_eq!(
        problems(builder([service("wohngeld", Level::Gemeinde), second])),
        [expected]
    );
}
