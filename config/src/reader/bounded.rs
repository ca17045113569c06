//! Values that another value bounds: a part that must not be larger than its whole.
//!
//! One that is written and too large is noted; a default follows its whole in silence, so that lowering the whole is one
//! edit and not two.

use std::fmt::Display;

use super::Section;
use crate::{problem::Report, units::spell_size};

impl Section<'_, '_> {
    /// A number that defaults to `default` and is at most the `whole` (its key and value).
    pub(crate) fn integer_within(
        &self,
        key: &str,
        default: u32,
        whole: (&str, u32),
        report: &mut Report,
    ) -> u32 {
        let written = self.optional_integer(key, report);
        if written.is_some() && whole.1 == 0 {
            let wrong = format!("is a part of nothing: `{}` is 0", whole.0);
            let remedy = format!("remove it, or raise `{}`", whole.0);
            report.wrong(self.place_of(key), self.path(key), wrong, remedy);
        } else {
            self.check_within(key, written, whole, |number| *number, report);
        }
        written.unwrap_or(default.min(whole.1))
    }

    /// A size in bytes that defaults to `default` and is at most the `whole` (its key and value).
    pub(crate) fn size_within(
        &self,
        key: &str,
        default: u64,
        whole: (&str, u64),
        report: &mut Report,
    ) -> u64 {
        let written = self.optional_size(key, report);
        self.check_within(key, written, whole, |bytes| spell_size(*bytes), report);
        written.unwrap_or(default.min(whole.1))
    }

    fn check_within<T: PartialOrd, S: Display>(
        &self,
        key: &str,
        written: Option<T>,
        (whole, max): (&str, T),
        spell: impl Fn(&T) -> S,
        report: &mut Report,
    ) {
        if let Some(part) = written.filter(|part| *part > max) {
            let wrong = format!(
                "{} is more than the whole, {} (`{whole}`)",
                spell(&part),
                spell(&max)
            );
            let remedy = format!("write at most {}, or raise `{whole}`", spell(&max));
            report.wrong(self.place_of(key), self.path(key), wrong, remedy);
        }
    }
}
