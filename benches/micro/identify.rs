//! Who a request belongs to, over the official register: by host, path and query; the first, the last and a random tenant.
//!
//! The naive rivals answer less (no rules against ambiguity, no levels) and are what is written first: a scan over the
//! rows, and the standard library's map behind a mutex.

use std::{
    collections::HashMap,
    hint::black_box,
    sync::{LazyLock, Mutex},
};

use divan::Bencher;
use schleuse_benches::inputs::{
    Place, drawn_by_population, generator, official_places, official_routes,
};
use schleuse_core::{Facts, Routes};

fn main() {
    divan::main();
}

static PLACES: LazyLock<Vec<Place>> = LazyLock::new(|| official_places().unwrap_or_default());
static ROUTES: LazyLock<Option<Routes>> = LazyLock::new(|| official_routes(&PLACES).ok());

/// Requests of one kind that are looked up in turn.
const REQUESTS: usize = 4_096;

const TENANTS: [&str; 3] = ["first", "last", "random"];

/// The keys of the requests: the same one each time, or drawn by population.
fn keys(tenant: &str) -> Vec<&'static str> {
    let keys: Vec<&str> = match tenant {
        "first" => PLACES
            .first()
            .map(|place| &*place.ars)
            .into_iter()
            .collect(),
        "last" => PLACES.last().map(|place| &*place.ars).into_iter().collect(),
        _ => drawn_by_population(&PLACES, REQUESTS, &mut generator())
            .into_iter()
            .map(|place| &*place.ars)
            .collect(),
    };
    keys.into_iter().cycle().take(REQUESTS).collect()
}

/// Host, path and query of a request.
type Target = (String, String, Option<String>);

fn bench_identify(bencher: Bencher<'_, '_>, targets: &[Target]) {
    let Some(routes) = &*ROUTES else {
        return;
    };
    let mut turn = targets.iter().cycle();
    bencher.bench_local(|| {
        let (host, path, query) = turn.next()?;
        let facts = Facts {
            host,
            path,
            query: query.as_deref(),
            cookie: None,
            header: None,
        };
        Some(routes.identify(black_box(&facts)))
    });
}

#[divan::bench(args = TENANTS)]
fn by_host(bencher: Bencher<'_, '_>, tenant: &str) {
    let target = |key| {
        (
            format!("{key}.wohngeld.example"),
            "/antrag/neu".to_owned(),
            None,
        )
    };
    bench_identify(
        bencher,
        &keys(tenant).into_iter().map(target).collect::<Vec<_>>(),
    );
}

#[divan::bench(args = TENANTS)]
fn by_path(bencher: Bencher<'_, '_>, tenant: &str) {
    let target = |key| {
        (
            "wohngeld.example".to_owned(),
            format!("/{key}/antrag/neu"),
            None,
        )
    };
    bench_identify(
        bencher,
        &keys(tenant).into_iter().map(target).collect::<Vec<_>>(),
    );
}

#[divan::bench(args = TENANTS)]
fn by_query(bencher: Bencher<'_, '_>, tenant: &str) {
    let target = |key| {
        let query = format!("step=2&ars={key}&lang=de");
        (
            "wohngeld.example".to_owned(),
            "/antrag/neu".to_owned(),
            Some(query),
        )
    };
    bench_identify(
        bencher,
        &keys(tenant).into_iter().map(target).collect::<Vec<_>>(),
    );
}

#[divan::bench(args = TENANTS)]
fn naive_scan(bencher: Bencher<'_, '_>, tenant: &str) {
    let keys = keys(tenant);
    let mut turn = keys.iter().cycle();
    bencher.bench_local(|| {
        let key = *turn.next()?;
        PLACES.iter().position(|place| place.ars == black_box(key))
    });
}

#[divan::bench(args = TENANTS)]
fn naive_locked_map(bencher: Bencher<'_, '_>, tenant: &str) {
    let rows = PLACES.iter().enumerate();
    let map: HashMap<String, usize> = rows.map(|(at, place)| (place.ars.clone(), at)).collect();
    let map = Mutex::new(map);
    let keys = keys(tenant);
    let mut turn = keys.iter().cycle();
    bencher.bench_local(|| {
        let key = *turn.next()?;
        let map = map.lock().ok()?;
        map.get(black_box(key)).copied()
    });
}
