//! The official register, read once, and the routes that most tests use.

use std::sync::{Arc, LazyLock};

use schleuse_core::{
    Facts, Identified, Level, NotIdentified, PoolIndex, RegionalKey, Register, Routes,
    RoutesBuilder, Row, ServiceSpec, TenantFrom, TenantId, TenantSpec,
};

/// One row as the official file has it.
pub(crate) struct OfficialRow {
    pub(crate) ags: String,
    pub(crate) ars: String,
    pub(crate) name: String,
    pub(crate) population: u64,
}

pub(crate) static OFFICIAL: LazyLock<Vec<OfficialRow>> = LazyLock::new(|| {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../config/register/gemeinden.csv"
    );
    let mut reader = csv::Reader::from_path(file).expect("the register");
    let headers = reader.headers().expect("a header line").clone();
    let column = |name| {
        headers
            .iter()
            .position(|header| header == name)
            .expect("a column")
    };
    let [ags, ars, name, population] = ["ags", "ars", "name", "bevoelkerung"].map(column);
    let row = |record: csv::StringRecord| OfficialRow {
        ags: record[ags].to_owned(),
        ars: record[ars].to_owned(),
        name: record[name].to_owned(),
        population: record[population].parse().expect("a number"),
    };
    reader
        .into_records()
        .map(|record| row(record.expect("a record")))
        .collect()
});

/// The official register with one real merger: Eisenach lost its own Kreis on 1 July 2021.
pub(crate) static REGISTER: LazyLock<Arc<Register>> = LazyLock::new(|| {
    let aliases = [(EISENACH_BEFORE.to_owned(), EISENACH.to_owned())];
    let rows = OFFICIAL.iter().map(|row| Row {
        ars: row.ars.clone(),
        name: row.name.clone(),
        population: row.population,
    });
    Arc::new(Register::build(rows, &aliases).expect("the official register has no problems"))
});

pub(crate) const EISENACH_BEFORE: &str = "160560000000";
pub(crate) const EISENACH: &str = "160630105105";
pub(crate) const FRANKFURT: &str = "064120000000";
pub(crate) const BERLIN: &str = "110000000000";

pub(crate) const ALL_WAYS: [TenantFrom; 5] = [
    TenantFrom::Host,
    TenantFrom::Path,
    TenantFrom::Query,
    TenantFrom::Cookie,
    TenantFrom::Header,
];

/// Pool 0 is everybody's, pool 1 Frankfurt's.
pub(crate) fn service(name: &str, level: Level) -> ServiceSpec {
    ServiceSpec {
        name: name.to_owned(),
        hosts: vec![format!("{name}.example"), format!("*.{name}.example")],
        level,
        tenant_from: ALL_WAYS.to_vec(),
        pool: PoolIndex(0),
        pools_by_tenant: Vec::new(),
    }
}

pub(crate) fn tenant(tenant: &str, host: &str, service: Option<&str>) -> TenantSpec {
    TenantSpec {
        tenant: tenant.to_owned(),
        hosts: vec![host.to_owned()],
        service: service.map(str::to_owned),
    }
}

pub(crate) fn builder(services: impl IntoIterator<Item = ServiceSpec>) -> RoutesBuilder {
    let mut builder = RoutesBuilder::new(3);
    for service in services {
        builder.add_service(service);
    }
    builder
}

pub(crate) fn routes(services: impl IntoIterator<Item = ServiceSpec>) -> Routes {
    builder(services)
        .build(REGISTER.clone())
        .expect("good routes")
}

/// `wohngeld` (Gemeinde), `ausweis` (Verband), `zulassung` (Kreis), `bafoeg` (Land) and `rente` (Bund).
pub(crate) static LEVELS: LazyLock<Routes> = LazyLock::new(|| {
    routes([
        service("wohngeld", Level::Gemeinde),
        service("ausweis", Level::Verband),
        service("zulassung", Level::Kreis),
        service("bafoeg", Level::Land),
        service("rente", Level::Bund),
    ])
});

/// A request's facts from one line (`host/path?query`), without cookie and header.
pub(crate) fn facts(url: &str) -> Facts<'_> {
    let (target, query) = url
        .split_once('?')
        .map_or((url, None), |(target, query)| (target, Some(query)));
    let (host, path) = target.split_at(target.find('/').unwrap_or(target.len()));
    Facts {
        host,
        path: if path.is_empty() { "/" } else { path },
        query,
        cookie: None,
        header: None,
    }
}

pub(crate) fn identify(url: &str) -> Result<Identified, NotIdentified> {
    LEVELS.identify(&facts(url))
}

/// The tenant's digits, or the label of the refusal.
pub(crate) fn answer(result: Result<Identified, NotIdentified>) -> String {
    match result {
        Ok(identified) => identified.tenant.to_string(),
        Err(why) => why.refusal().label().to_owned(),
    }
}

pub(crate) fn key(ars: &str) -> RegionalKey {
    RegionalKey::parse_ars(ars).expect("an ARS")
}

pub(crate) fn office_of(ars: &str) -> TenantId {
    TenantId::new(key(ars))
}
