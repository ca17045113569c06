//! Which places exist, found by every key that citizens and offices use for them.
//!
//! Built once from the rows of the official register, then only read: each lookup is one or two probes of a hash map,
//! whatever the number of places. Regions (Verband, Kreis, Land, Bund) are not rows: they exist because places lie in
//! them, and their inhabitants are the sum over those. The maps hold keys of the operator's file only, so a cheap hash
//! that an attacker could foresee does no harm.

mod aliases;
mod problem;

use rustc_hash::FxHashMap;

use crate::{
    key::{Ags, RegionalKey, TenantId},
    request_key::is_key,
    slug::slug,
};

pub use problem::{AliasProblem, RegisterProblem, RowProblem};

/// One municipality as the register lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// 12 digits.
    pub ars: String,
    /// Official name with its title (`Kiel, Landeshauptstadt`).
    pub name: String,
    /// Inhabitants.
    pub population: u64,
}

/// The places of Germany and the regions they lie in.
#[derive(Debug)]
pub struct Register {
    /// All names in one text: 10,753 small allocations less at each reload.
    names: String,
    places: Vec<RegionalKey>,
    regions: FxHashMap<RegionalKey, Region>,
    by_ags: FxHashMap<Ags, RegionalKey>,
    by_slug: FxHashMap<Box<str>, Slug>,
    /// Keys of merged municipalities to the living key, chains followed.
    renamed: FxHashMap<RegionalKey, RegionalKey>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Region {
    population: u64,
    /// Bytes of `names`; empty where the register has no name for a region.
    name: (usize, usize),
}

#[derive(Clone, Copy, Debug)]
enum Slug {
    One(RegionalKey),
    Several(usize),
}

/// The Länder by their keys 01 to 16 (Statistisches Bundesamt, Gemeindeverzeichnis).
const LAENDER: [&str; 16] = [
    "Schleswig-Holstein",
    "Hamburg",
    "Niedersachsen",
    "Bremen",
    "Nordrhein-Westfalen",
    "Hessen",
    "Rheinland-Pfalz",
    "Baden-Württemberg",
    "Bayern",
    "Saarland",
    "Berlin",
    "Brandenburg",
    "Mecklenburg-Vorpommern",
    "Sachsen",
    "Sachsen-Anhalt",
    "Thüringen",
];

/// The name of a Land by the first two digits of its keys, 1 to 16.
pub fn land_name(number: usize) -> Option<&'static str> {
    LAENDER.get(number.checked_sub(1)?).copied()
}

impl Register {
    /// Indexes `rows`, then `aliases` (old key, new key): what a merged municipality was called, as ARS of 5, 9 or 12
    /// digits. An alias of 12 digits also stands for the old AGS.
    ///
    /// # Errors
    ///
    /// Every problem at once, rows first, each with the index of its row or alias.
    pub fn build(
        rows: impl IntoIterator<Item = Row>,
        aliases: &[(String, String)],
    ) -> Result<Self, Vec<RegisterProblem>> {
        let mut register = Self::without_places();
        let mut rows_by_ags = FxHashMap::default();
        let mut problems = Vec::new();
        for (row, content) in rows.into_iter().enumerate() {
            if let Err(wrong) = register.add(row, &content, &mut rows_by_ags) {
                problems.push(RegisterProblem::Row { row, wrong });
            }
        }
        register.name_laender();
        register.add_aliases(aliases, &mut problems);
        if problems.is_empty() {
            Ok(register)
        } else {
            Err(problems)
        }
    }

    fn without_places() -> Self {
        Self {
            names: String::new(),
            places: Vec::new(),
            regions: FxHashMap::default(),
            by_ags: FxHashMap::default(),
            by_slug: FxHashMap::default(),
            renamed: FxHashMap::default(),
        }
    }

    fn add(
        &mut self,
        row: usize,
        content: &Row,
        rows_by_ags: &mut FxHashMap<Ags, usize>,
    ) -> Result<(), RowProblem> {
        let key = RegionalKey::parse_ars(&content.ars).map_err(RowProblem::Key)?;
        let ags = Ags::of(key).ok_or(RowProblem::NoGemeinde { digits: key.len() })?;
        let name = content.name.trim();
        if name.is_empty() {
            return Err(RowProblem::NoName);
        }
        if let Some(&first_row) = rows_by_ags.get(&ags) {
            // Two rows of one ARS have one AGS, so this finds both kinds of repetition.
            return Err(if self.regions.contains_key(&key) {
                RowProblem::RepeatedArs { first_row }
            } else {
                RowProblem::RepeatedAgs { first_row }
            });
        }
        rows_by_ags.insert(ags, row);
        self.by_ags.insert(ags, key);
        self.places.push(key);
        self.add_slug(name, key);
        self.add_regions(key, name, content.population);
        Ok(())
    }

    fn add_slug(&mut self, name: &str, key: RegionalKey) {
        let slug = slug(name);
        if !slug.is_empty() {
            let shared = |slug: &mut Slug| {
                *slug = Slug::Several(match slug {
                    Slug::One(_) => 2,
                    Slug::Several(places) => *places + 1,
                });
            };
            self.by_slug
                .entry(slug.into_boxed_str())
                .and_modify(shared)
                .or_insert(Slug::One(key));
        }
    }

    /// Counts the place's inhabitants in every region it lies in. A place that is its own Verband (sixth digit 0 or 9)
    /// or its own Kreis (the AGS ends in 000) names that region too.
    fn add_regions(&mut self, key: RegionalKey, name: &str, population: u64) {
        let start = self.names.len();
        self.names.push_str(name);
        let name = (start, self.names.len());
        let own_kreis = Ags::of(key).is_some_and(|ags| ags.padded_kreis().is_some());
        for digits in [12, 9, 5, 3, 2, 0] {
            let Some(prefix) = key.prefix(digits) else {
                continue;
            };
            let region = self.regions.entry(prefix).or_default();
            region.population = region.population.saturating_add(population);
            if digits == 12 || digits == 9 && !key.in_verband() || digits == 5 && own_kreis {
                region.name = name;
            }
        }
    }

    fn name_laender(&mut self) {
        for (number, name) in (1..).zip(LAENDER) {
            let land = RegionalKey::land(number);
            if let Some(region) = land.and_then(|land| self.regions.get_mut(&land)) {
                let start = self.names.len();
                self.names.push_str(name);
                region.name = (start, self.names.len());
            }
        }
    }

    /// The living key of a place or region: `key` itself, or what it was renamed to. None when no place has it as a
    /// prefix and no alias knows it.
    #[inline]
    pub fn place_by_ars(&self, key: RegionalKey) -> Option<RegionalKey> {
        if self.regions.contains_key(&key) {
            Some(key)
        } else {
            self.renamed.get(&key).copied()
        }
    }

    /// The place of an AGS, old ones included. One that ends in `000` and is no city is the Kreis that it pads.
    #[inline]
    pub fn place_by_ags(&self, ags: Ags) -> Option<RegionalKey> {
        let place = self.by_ags.get(&ags).copied();
        place.or_else(|| self.place_by_ars(ags.padded_kreis()?))
    }

    /// The place or region of a key in digits: an AGS when there are 8, an ARS otherwise.
    #[inline]
    pub fn place_by_digits(&self, digits: &str) -> Option<RegionalKey> {
        if digits.len() == 8 {
            self.place_by_ags(Ags::parse_ags(digits).ok()?)
        } else {
            self.place_by_ars(RegionalKey::parse_ars(digits).ok()?)
        }
    }

    /// The place whose name has this slug, when no other has it too.
    #[inline]
    pub fn place_by_slug(&self, slug: &str) -> Option<RegionalKey> {
        match self.by_slug.get(slug)? {
            Slug::One(key) => Some(*key),
            Slug::Several(_) => None,
        }
    }

    /// The place that a label of a host names: by its digits when it looks like a key (12, 9, 8 or 5 digits), by its
    /// slug otherwise.
    #[inline]
    pub fn place_by_label(&self, label: &str) -> Option<RegionalKey> {
        if is_key(label) {
            self.place_by_digits(label)
        } else {
            self.place_by_slug(label)
        }
    }

    /// How many places share this slug.
    pub fn places_with_slug(&self, slug: &str) -> usize {
        match self.by_slug.get(slug) {
            None => 0,
            Some(Slug::One(_)) => 1,
            Some(Slug::Several(places)) => *places,
        }
    }

    /// The name of a municipality, a Land, the Bund, or of a Verband or Kreis that consists of one municipality. Other
    /// regions have no name in the register.
    pub fn name(&self, tenant: TenantId) -> Option<&str> {
        if tenant == TenantId::BUND {
            return Some("Bund");
        }
        let (start, end) = self.regions.get(&tenant.key())?.name;
        self.names.get(start..end).filter(|name| !name.is_empty())
    }

    /// Inhabitants; for a region the sum over its municipalities. 0 when it does not exist.
    pub fn population(&self, tenant: TenantId) -> u64 {
        self.regions
            .get(&tenant.key())
            .map_or(0, |region| region.population)
    }

    /// The municipalities in the order of the rows.
    pub fn places(&self) -> impl ExactSizeIterator<Item = RegionalKey> {
        self.places.iter().copied()
    }

    /// Number of municipalities.
    pub fn tenant_count(&self) -> usize {
        self.places.len()
    }
}
