//! Inputs of every measurement: the official register, requests drawn by population, and one seed.
//!
//! One generator with a fixed seed feeds all of them, so that two runs, two peers and two commits get the same requests.

use std::{path::PathBuf, sync::Arc};

use fastrand::Rng;
use schleuse_core::{
    Level, PoolIndex, Register, Routes, RoutesBuilder, Row, ServiceSpec, TenantFrom,
};

use crate::Outcome;

/// The services of the side-by-side run; each has its own hosts and its own pool.
pub const SERVICES: [&str; 4] = ["wohngeld", "meldewesen", "bauantrag", "elterngeld"];

/// A municipality as the official register has it.
#[derive(Debug, Clone)]
pub struct Place {
    /// Twelve digits.
    pub ars: String,
    /// Official name.
    pub name: String,
    /// Inhabitants.
    pub population: u64,
}

/// The generator of all inputs.
#[must_use]
pub fn generator() -> Rng {
    // Any fixed number will do; this is the day of the census that the population register builds on.
    Rng::with_seed(20_220_515)
}

/// Where the official register lies in this repository.
#[must_use]
pub fn register_file() -> PathBuf {
    PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../config/register/gemeinden.csv"
    ))
}

/// All rows, in the order of the register.
///
/// # Errors
///
/// When the register cannot be read or lacks a column.
pub fn official_places() -> Outcome<Vec<Place>> {
    let file = register_file();
    let mut reader =
        csv::Reader::from_path(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let headers = reader.headers()?.clone();
    let column = |name: &str| {
        headers
            .iter()
            .position(|header| header == name)
            .ok_or_else(|| format!("{}: no column `{name}`", file.display()))
    };
    let (ars, name, population) = (column("ars")?, column("name")?, column("bevoelkerung")?);
    let mut places = Vec::with_capacity(11_000);
    for record in reader.into_records() {
        let record = record?;
        let text = |at: usize| record.get(at).unwrap_or_default().to_owned();
        places.push(Place {
            ars: text(ars),
            name: text(name),
            population: text(population).parse()?,
        });
    }
    Ok(places)
}

/// `count` places, each drawn with the probability of its share of all inhabitants.
#[must_use]
pub fn drawn_by_population<'p>(places: &'p [Place], count: usize, rng: &mut Rng) -> Vec<&'p Place> {
    let mut ends = Vec::with_capacity(places.len());
    let mut total = 0;
    for place in places {
        total += place.population;
        ends.push(total);
    }
    (0..count)
        .filter_map(|_| {
            let citizen = rng.u64(0..total.max(1));
            places.get(ends.partition_point(|&end| end <= citizen))
        })
        .collect()
}

/// Routes over the official register: one service at the level of the Gemeinde, reached by every way.
///
/// # Errors
///
/// When the register or the routes have a problem, which says that this repository is broken.
pub fn official_routes(places: &[Place]) -> Outcome<Routes> {
    let rows = places.iter().map(|place| Row {
        ars: place.ars.clone(),
        name: place.name.clone(),
        population: place.population,
    });
    let register =
        Register::build(rows, &[]).map_err(|problems| format!("register: {problems:?}"))?;
    let mut builder = RoutesBuilder::new(SERVICES.len());
    for (index, name) in (0..).zip(SERVICES) {
        builder.add_service(ServiceSpec {
            name: name.to_owned(),
            hosts: vec![format!("{name}.example"), format!("*.{name}.example")],
            level: Level::Gemeinde,
            tenant_from: vec![
                TenantFrom::Host,
                TenantFrom::Path,
                TenantFrom::Query,
                TenantFrom::Cookie,
            ],
            pool: PoolIndex(index),
            pools_by_tenant: Vec::new(),
        });
    }
    builder
        .build(Arc::new(register))
        .map_err(|problems| format!("routes: {problems:?}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(ars: &str, population: u64) -> Place {
        Place {
            ars: ars.to_owned(),
            name: String::new(),
            population,
        }
    }

    #[test]
    fn the_official_register_is_read_whole() {
        let places = official_places().unwrap();
        // All Gemeinden and the two inhabited areas outside of any.
        assert_eq!(places.len(), 10_751 + 2);
        assert!(places.iter().all(|place| place.ars.len() == 12));
    }

    #[test]
    fn a_place_without_inhabitants_is_never_drawn() {
        let places = [place("a", 0), place("b", 5), place("c", 0)];
        let drawn = drawn_by_population(&places, 1_000, &mut generator());
        assert_eq!(drawn.len(), 1_000);
        assert!(drawn.iter().all(|place| place.ars == "b"));
    }

    #[test]
    fn places_are_drawn_in_proportion_to_their_inhabitants() {
        let places = [place("a", 1), place("b", 3)];
        let drawn = drawn_by_population(&places, 40_000, &mut generator());
        let share = drawn.iter().filter(|place| place.ars == "a").count();
        assert!((9_500..10_500).contains(&share), "{share} of 40,000");
    }
}
