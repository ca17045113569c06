//! Old keys of merged municipalities: keys change each 1 January, the links of a citizen's bookmarks do not.
//!
//! Chains (A to B in 2024, B to C in 2026) are followed once, when the register is built, so that a lookup is one probe.

use rustc_hash::FxHashMap;

use super::{AliasProblem, Register, RegisterProblem};
use crate::key::{Ags, RegionalKey};

/// An alias whose keys were read.
struct Alias {
    index: usize,
    old: RegionalKey,
    new: RegionalKey,
}

impl Register {
    pub(super) fn add_aliases(
        &mut self,
        written: &[(String, String)],
        problems: &mut Vec<RegisterProblem>,
    ) {
        let mut aliases = Vec::new();
        let mut by_old = FxHashMap::default();
        for (index, (old, new)) in written.iter().enumerate() {
            match self.read_alias(index, old, new, &by_old) {
                Ok(alias) => {
                    by_old.insert(alias.old, (index, alias.new));
                    aliases.push(alias);
                }
                Err(wrong) => problems.push(RegisterProblem::Alias {
                    alias: index,
                    wrong,
                }),
            }
        }
        for alias in aliases {
            if let Err(wrong) = self.add_alias(&alias, &by_old) {
                problems.push(RegisterProblem::Alias {
                    alias: alias.index,
                    wrong,
                });
            }
        }
    }

    fn read_alias(
        &self,
        index: usize,
        old: &str,
        new: &str,
        by_old: &FxHashMap<RegionalKey, (usize, RegionalKey)>,
    ) -> Result<Alias, AliasProblem> {
        let old = RegionalKey::parse_ars(old).map_err(AliasProblem::OldKey)?;
        let new = RegionalKey::parse_ars(new).map_err(AliasProblem::NewKey)?;
        if old.len() != new.len() || old.len() < 5 {
            return Err(AliasProblem::Lengths);
        }
        if self.regions.contains_key(&old) {
            return Err(AliasProblem::OldKeyLives);
        }
        if let Some(&(first_alias, _)) = by_old.get(&old) {
            return Err(AliasProblem::Repeated { first_alias });
        }
        Ok(Alias { index, old, new })
    }

    fn add_alias(
        &mut self,
        alias: &Alias,
        by_old: &FxHashMap<RegionalKey, (usize, RegionalKey)>,
    ) -> Result<(), AliasProblem> {
        // A chain visits each alias once; one that is longer turns in a circle.
        let mut living = alias.new;
        for _ in 0..by_old.len() {
            match by_old.get(&living) {
                Some(&(_, newer)) => living = newer,
                None => break,
            }
        }
        if !self.regions.contains_key(&living) {
            return Err(AliasProblem::NewKeyUnknown);
        }
        self.renamed.insert(alias.old, living);
        let Some(old_ags) = Ags::of(alias.old) else {
            return Ok(());
        };
        // A place that changed its Verband keeps its AGS, so the same place may answer to it already.
        match *self.by_ags.entry(old_ags).or_insert(living) {
            place if place == living => Ok(()),
            _ => Err(AliasProblem::OldAgsLives),
        }
    }
}
