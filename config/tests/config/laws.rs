//! What holds for every config: nothing makes the loader panic, everything valid loads, and problems have a place.

use proptest::prelude::*;
use schleuse_config::{Kind, reference};

use crate::support::{BODY, HEAD, Site};

/// A valid value of a key, some also at its bounds.
fn value_of(kind: Kind) -> BoxedStrategy<String> {
    match kind {
        Kind::Integer(min, max) => (min..=max).prop_map(|number| number.to_string()).boxed(),
        Kind::Percent(min, max) => (min..=max).prop_map(|number| format!("{number}%")).boxed(),
        Kind::Duration(min, max) => (min.as_millis()..=max.as_millis())
            .prop_map(|millis| format!("{millis}ms"))
            .boxed(),
        Kind::Size(min, max) => (min..=max).prop_map(|bytes| format!("{bytes}B")).boxed(),
        Kind::Rate(min, max) => (min..=max).prop_map(|bytes| format!("{bytes}B/s")).boxed(),
        Kind::RequestRate => (1_u32..=1_000_000)
            .prop_map(|number| format!("{number}/s"))
            .boxed(),
        Kind::Burst => prop_oneof![
            (1_u32..=1_000_000).prop_map(|number| number.to_string()),
            (1_u32..=3600).prop_map(|seconds| format!("{seconds}s")),
        ]
        .boxed(),
        Kind::Flag => any::<bool>().prop_map(|flag| flag.to_string()).boxed(),
        Kind::Choice(words) => prop::sample::select(words).prop_map(str::to_owned).boxed(),
        _ => Just(String::new()).boxed(),
    }
}

/// Any of the single values of a section, each absent or valid; keys that depend on each other are left out.
fn section_of(section: &'static str) -> impl Strategy<Value = String> {
    const DEPENDENT: [&str; 10] = [
        "connections_max",
        "connections_per_network_max",
        "base",
        "max",
        "responsible",
        "waiting_per_tenant_max",
        "bytes_max",
        "bytes_per_tenant_max",
        "in_flight",
        "rate_per_1000_inhabitants",
    ];
    let lines: Vec<_> = reference()
        .iter()
        .filter(|doc| doc.section() == section && !DEPENDENT.contains(&doc.key()))
        .map(|doc| {
            let key = doc.key();
            prop::option::of(value_of(doc.kind)).prop_map(move |value| match value {
                Some(value) if !value.is_empty() => format!("{key}: {value}"),
                _ => String::new(),
            })
        })
        .collect();
    lines.prop_map(|lines| {
        lines
            .into_iter()
            .filter(|line| !line.is_empty())
            .collect::<Vec<_>>()
            .join(", ")
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn every_config_made_of_valid_values_loads(
        client in section_of("client"),
        log in section_of("access_log"),
        pool in section_of("pools.NAME"),
        timeouts in section_of("pools.NAME.timeouts"),
        ejection in section_of("pools.NAME.ejection"),
        retry in section_of("pools.NAME.retry"),
        service in section_of("services.NAME"),
        affinity in section_of("services.NAME.affinity"),
        queue in section_of("pools.NAME.queue").prop_filter("a wait within any timeout", |queue| !queue.contains("wait_max")),
        tenant in section_of("services.NAME.limits.tenant"),
        overload in section_of("overload"),
    ) {
        let pool = if pool.is_empty() { pool } else { format!("{pool}, ") };
        let service = if service.is_empty() { service } else { format!("{service}, ") };
        let yaml = format!(
            "{HEAD}client: {{ {client} }}\noverload: {{ {overload} }}\naccess_log: {{ {log} }}\n\
             services:\n  w: {{ {service}hosts: [w.example], responsible: kreis, pool: a, affinity: {{ {affinity} }}, limits: {{ tenant: {{ rate_per_1000_inhabitants: 1/s, {tenant} }} }} }}\n\
             pools:\n  a: {{ {pool}endpoints: [\"10.0.0.1:80\"], queue: {{ {queue} }}, timeouts: {{ {timeouts} }}, ejection: {{ {ejection} }}, retry: {{ {retry} }} }}\n"
        );
        let site = Site::new(&yaml);
        let loaded = schleuse_config::load(&site.path("schleuse.yaml"));
        prop_assert!(loaded.is_ok(), "{}\n{}", yaml, loaded.unwrap_err());
    }

    #[test]
    fn no_bytes_make_the_loader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let site = Site::new(&bytes);
        prop_assert!(schleuse_config::load(&site.path("schleuse.yaml")).is_err());
    }

    #[test]
    fn no_edit_of_a_good_config_makes_the_loader_panic_or_forget_the_place(
        at in 0_usize..400,
        cut in 0_usize..40,
        put in "[a-z0-9:\\[\\]{}\"'*&,\n\t -]{0,6}",
    ) {
        let good = format!("{HEAD}{BODY}client: {{ header_max: 5s }}\n");
        let start = at.min(good.len());
        let end = (start + cut).min(good.len());
        let site = Site::new(format!("{}{put}{}", &good[..start], &good[end..]));
        if let Err(problems) = schleuse_config::load(&site.path("schleuse.yaml")) {
            prop_assert!(problems.count() > 0);
            let placed = problems.iter().all(|problem| problem.line > 0 || problem.wrong == "is empty");
            prop_assert!(placed, "{}", problems);
            prop_assert!(problems.iter().all(|problem| !problem.wrong.is_empty() && !problem.remedy.is_empty()), "{}", problems);
        }
    }

    #[test]
    fn no_bytes_in_a_register_make_the_loader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let site = Site::new(format!("{HEAD}{BODY}"));
        let mut csv = b"ars,name,bevoelkerung\n".to_vec();
        csv.extend(bytes);
        site.write("gemeinden.csv", csv);
        let _ = schleuse_config::load(&site.path("schleuse.yaml"));
    }
}
