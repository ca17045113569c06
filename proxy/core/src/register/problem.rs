//! What can be wrong with a register, in words that a config problem can carry as they stand.

use crate::key::KeyError;

/// One problem of the register's rows or aliases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegisterProblem {
    /// A row cannot be used.
    #[error("row {row}: {wrong}")]
    Row {
        /// Index of the row, from 0.
        row: usize,
        /// Why.
        wrong: RowProblem,
    },
    /// An alias cannot be used.
    #[error("alias {alias}: {wrong}")]
    Alias {
        /// Index of the alias, from 0.
        alias: usize,
        /// Why.
        wrong: AliasProblem,
    },
}

/// Why a row cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowProblem {
    /// The ARS fails a check of the official structure.
    #[error("{0}")]
    Key(KeyError),
    /// A region instead of a municipality.
    #[error("the ARS of a municipality has 12 digits, this has {digits}")]
    NoGemeinde {
        /// Digits of the ARS.
        digits: u8,
    },
    /// The name is empty.
    #[error("the name is empty")]
    NoName,
    /// The ARS stands in an earlier row as well.
    #[error("the ARS stands in row {first_row} as well")]
    RepeatedArs {
        /// Index of that row, from 0.
        first_row: usize,
    },
    /// Another ARS with the same AGS stands in an earlier row.
    #[error("the AGS (the ARS without digits 6 to 9) belongs to row {first_row} as well")]
    RepeatedAgs {
        /// Index of that row, from 0.
        first_row: usize,
    },
}

/// Why an alias cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AliasProblem {
    /// The old key fails a check of the official structure.
    #[error("the old key: {0}")]
    OldKey(KeyError),
    /// The new key fails a check of the official structure.
    #[error("the new key: {0}")]
    NewKey(KeyError),
    /// Old and new key have different lengths, or fewer than 5 digits: a Land is never renamed.
    #[error("old and new key both need 12, 9 or 5 digits")]
    Lengths,
    /// The old key is in the register, so it needs no alias.
    #[error("the old key is a place of the register")]
    OldKeyLives,
    /// The old key's AGS is another living place's.
    #[error("the old key's AGS belongs to another place of the register")]
    OldAgsLives,
    /// The old key has an alias already.
    #[error("the old key stands in alias {first_alias} as well")]
    Repeated {
        /// Index of that alias, from 0.
        first_alias: usize,
    },
    /// Following the aliases ends at no place of the register.
    #[error("the new key is no place of the register")]
    NewKeyUnknown,
}
