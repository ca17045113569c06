//! Names of places for the demo's backends, from the official register that the binary carries.
//!
//! The proxy itself reads three columns of it; the names of Verbände, Kreise and Länder stand in others.

use std::collections::HashMap;

use serde::Deserialize;

/// The official register as committed; its source notice stands in `config/register/README.md`.
pub const REGISTER: &[u8] = include_bytes!("../../../config/register/gemeinden.csv");

/// A place that may be in charge of a service.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Place {
    name: String,
    inhabitants: u64,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} ({} Einwohner)",
            self.name,
            thousands(self.inhabitants)
        )
    }
}

/// All places by the digits of their tenant: 12, 9, 5 or 2.
#[derive(Debug, Default)]
pub struct Places(HashMap<String, Place>);

#[derive(Debug, Deserialize)]
struct Row {
    ars: String,
    kurzname: String,
    land_key: String,
    land: String,
    kreis_key: String,
    kreis: String,
    kreis_typ: String,
    verband_key: String,
    verband: String,
    verband_typ: String,
    bevoelkerung: u64,
}

impl Places {
    /// Of the register that the binary carries.
    ///
    /// # Errors
    ///
    /// None while the committed register is well-formed.
    pub fn official() -> Result<Self, csv::Error> {
        let mut places = Self::default();
        for row in csv::Reader::from_reader(REGISTER).deserialize() {
            let row: Row = row?;
            let inhabitants = row.bevoelkerung;
            places.count(row.land_key, inhabitants, || row.land);
            let kreis = || with_kind(&row.kreis_typ, &row.kreis);
            places.count(row.kreis_key, inhabitants, kreis);
            let verband = || with_kind(&row.verband_typ, &row.verband);
            places.count(row.verband_key, inhabitants, verband);
            places.count(row.ars, inhabitants, || row.kurzname);
        }
        Ok(places)
    }

    /// The place of a tenant.
    pub fn find(&self, tenant: &str) -> Option<&Place> {
        self.0.get(tenant)
    }

    fn count(&mut self, key: String, inhabitants: u64, name: impl FnOnce() -> String) {
        let place = self.0.entry(key).or_insert_with(|| Place {
            name: name(),
            inhabitants: 0,
        });
        place.inhabitants += inhabitants;
    }
}

/// `Verbandsgemeinde Konz`, but `Berlin` and `Alb-Donau-Kreis`, which are their own kind.
fn with_kind(kind: &str, name: &str) -> String {
    let short = name.split_once(',').map_or(name, |(short, _title)| short);
    let own = matches!(kind, "Kreisfreie Stadt" | "Verbandsfreie Gemeinde")
        || short.to_lowercase().contains("kreis");
    if own {
        short.to_owned()
    } else {
        format!("{kind} {short}")
    }
}

/// `3.685.265`.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            out.push('.');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_has_its_own_name() {
        let places = Places::official().unwrap();
        for (tenant, text) in [
            ("010545459039", "Gröde (7 Einwohner)"),
            ("110000000000", "Berlin (3.685.265 Einwohner)"),
            ("072355003", "Verbandsgemeinde Konz (32.030 Einwohner)"),
            ("01054", "Kreis Nordfriesland (170.029 Einwohner)"),
            ("11", "Berlin (3.685.265 Einwohner)"),
        ] {
            assert_eq!(places.find(tenant).unwrap().to_string(), text);
        }
        assert!(places.find("999999999999").is_none());
    }

    #[test]
    fn numbers_are_grouped_as_in_german() {
        assert_eq!(
            [7, 999, 1000, 1_234_567].map(thousands),
            ["7", "999", "1.000", "1.234.567"]
        );
    }
}
