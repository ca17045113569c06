//! Which office is in charge: the level of responsibility cuts a citizen's key down to the key of the office.
//!
//! One place belongs to different offices: the register office is the Verband's, the car registration the Kreis', the
//! student grant the Land's. So a tenant is a function of the citizen's key and the service's level, never of the key
//! alone.

use crate::key::{RegionalKey, TenantId};

/// The level of administration that is responsible for a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Each of the 10,753 municipalities: 12 digits.
    Gemeinde,
    /// The town hall that administers one or more municipalities (Amt, Verbandsgemeinde, Samtgemeinde …): 9 digits.
    Verband,
    /// Landkreis or kreisfreie Stadt: 5 digits.
    Kreis,
    /// One of the 16 Länder: 2 digits.
    Land,
    /// The one office for all of Germany: no digits.
    Bund,
}

impl Level {
    /// Digits of the key of an office of this level.
    pub const fn digits(self) -> u8 {
        match self {
            Self::Gemeinde => 12,
            Self::Verband => 9,
            Self::Kreis => 5,
            Self::Land => 2,
            Self::Bund => 0,
        }
    }
}

/// The office that is in charge of the place `key` at `level`.
///
/// None when the key is shorter than the level needs: a Kreis does not say which of its municipalities is meant.
pub const fn office(key: RegionalKey, level: Level) -> Option<TenantId> {
    match key.prefix(level.digits()) {
        Some(prefix) => Some(TenantId::new(prefix)),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEVELS: [Level; 5] = [
        Level::Gemeinde,
        Level::Verband,
        Level::Kreis,
        Level::Land,
        Level::Bund,
    ];

    fn key(digits: &str) -> RegionalKey {
        RegionalKey::parse_ars(digits).expect("a valid key")
    }

    #[test]
    fn one_place_has_a_different_office_on_every_level() {
        let offices: Vec<String> = LEVELS
            .iter()
            .filter_map(|&level| office(key("010545459039"), level))
            .map(|office| office.to_string())
            .collect();
        assert_eq!(
            offices,
            ["010545459039", "010545459", "01054", "01", "bund"]
        );
    }

    #[test]
    fn a_kreis_does_not_say_which_gemeinde_is_meant() {
        assert_eq!(office(key("05334"), Level::Gemeinde), None);
        assert_eq!(office(key("05334"), Level::Verband), None);
        assert_eq!(
            office(key("05334"), Level::Kreis),
            Some(TenantId::new(key("05334")))
        );
    }
}
