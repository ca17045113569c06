//! Regional keys: which place, and which office, by the official numbers of Germany.
//!
//! A key is a string of digits, never a number: `01054039` starts with a zero. Inside it is kept as one digit per
//! four bits, left-aligned, with its length in the lowest bits: eight bytes, cutting to a prefix is one mask, and keys
//! sort as their digits do. No key has a check digit, so the checks are those of the official structure (Statistische
//! Ämter, Regionalschlüssel): Länder 01–16, and the sixth digit says how the place is administered.

use std::fmt;

/// Why a string is no regional key. Says which check failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Holds something other than `0`–`9`.
    #[error("a regional key consists of digits only")]
    NotDigits,
    /// The length belongs to no key of this kind.
    #[error("an ARS has 2, 3, 5, 9 or 12 digits, an AGS has 8; this has {0}")]
    Length(usize),
    /// The first two digits name no Land.
    #[error("the first two digits name a Land, 01 to 16")]
    Land,
    /// The sixth digit of an ARS of 9 or 12 digits.
    #[error("the sixth digit of an ARS is 0, 5 or 9")]
    SixthDigit,
    /// Sixth digit 0 (no Verband), but digits 7–9 do not repeat digits 10–12.
    #[error("digits 7 to 9 equal digits 10 to 12 when the sixth is 0 (no Verband)")]
    Unaffiliated,
}

/// A place or region: a prefix of an ARS with 0 (Bund), 2 (Land), 3 (Regierungsbezirk), 5 (Kreis), 9 (Verband) or 12
/// (Gemeinde) digits.
///
/// ```
/// use schleuse_core::RegionalKey;
///
/// let groede = RegionalKey::parse_ars("010545459039")?;
/// assert!(RegionalKey::parse_ars("01054")?.contains(groede));
/// assert!(RegionalKey::BUND.contains(groede));
/// # Ok::<(), schleuse_core::KeyError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegionalKey(u64);

/// Bits of the packed form that hold no digit: the length in the lowest four, twelve unused above.
const DIGITLESS: u32 = 16;

impl RegionalKey {
    /// The whole of Germany.
    pub const BUND: Self = Self(0);

    /// Digits of the longest key.
    pub const DIGITS_MAX: usize = 12;

    /// Reads an ARS of 2, 3, 5, 9 or 12 digits.
    ///
    /// # Errors
    ///
    /// The first check of the official structure that fails. A key that passes may still name no existing place; only
    /// the [`Register`](crate::register::Register) knows that.
    pub fn parse_ars(text: &str) -> Result<Self, KeyError> {
        let digits = text.as_bytes();
        if !matches!(digits.len(), 2 | 3 | 5 | 9 | 12) {
            return Err(length_or_digits(digits));
        }
        let key = Self(pack(digits)? | digits.len() as u64);
        key.check_land()?;
        key.check_verband()?;
        Ok(key)
    }

    /// The key of a Land by its number, 1 to 16.
    pub const fn land(number: u8) -> Option<Self> {
        if number == 0 || number > 16 {
            return None;
        }
        let digits = ((number / 10) << 4) | (number % 10);
        Some(Self((digits as u64) << 56 | 2))
    }

    /// Whether the place is administered by a Verband with other municipalities (sixth digit 5). False for keys of less
    /// than 9 digits.
    pub const fn in_verband(self) -> bool {
        self.len() >= 9 && self.0 >> 40 & 0xf == 5
    }

    /// Number of digits: 0, 2, 3, 5, 9 or 12.
    pub const fn len(self) -> u8 {
        (self.0 & 0xf) as u8
    }

    /// Whether this is the Bund, the key without digits.
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The first `len` digits. None when the key is shorter, or keys have no such length.
    #[inline]
    pub const fn prefix(self, len: u8) -> Option<Self> {
        if len > self.len() || !matches!(len, 0 | 2 | 3 | 5 | 9 | 12) {
            return None;
        }
        Some(Self(self.0 & digit_mask(len) | len as u64))
    }

    /// Whether `other` is this region or lies in it.
    #[inline]
    pub const fn contains(self, other: Self) -> bool {
        self.len() <= other.len() && (self.0 ^ other.0) & digit_mask(self.len()) == 0
    }

    /// The key's digits, written into `buffer`. Empty for the Bund.
    pub fn digits(self, buffer: &mut [u8; Self::DIGITS_MAX]) -> &str {
        for (place, digit) in (0..u32::from(self.len())).zip(buffer.iter_mut()) {
            *digit = b'0' + (self.0 >> (60 - 4 * place) & 0xf) as u8;
        }
        let written = buffer.get(..usize::from(self.len())).unwrap_or_default();
        str::from_utf8(written).unwrap_or_default()
    }

    /// One number per key, 0 for the Bund.
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    fn check_land(self) -> Result<(), KeyError> {
        match self.0 >> 56 {
            0x01..=0x09 | 0x10..=0x16 => Ok(()),
            _ => Err(KeyError::Land),
        }
    }

    fn check_verband(self) -> Result<(), KeyError> {
        if self.len() < 9 {
            return Ok(());
        }
        let kind = self.0 >> 40 & 0xf;
        let number_in_verband = self.0 >> 28 & 0xfff;
        let number_of_gemeinde = self.0 >> DIGITLESS & 0xfff;
        match kind {
            0 if self.len() == 12 && number_in_verband != number_of_gemeinde => {
                Err(KeyError::Unaffiliated)
            }
            0 | 5 | 9 => Ok(()),
            _ => Err(KeyError::SixthDigit),
        }
    }
}

impl fmt::Display for RegionalKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.digits(&mut [0; Self::DIGITS_MAX]))
    }
}

impl fmt::Debug for RegionalKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RegionalKey({self})")
    }
}

/// The amtlicher Gemeindeschlüssel: 8 digits, the ARS of a Gemeinde without its Verband (digits 6–9).
///
/// Says which place only together with the register: `05315000` is the city of Köln, `05334000` is a whole Kreis padded
/// with zeros.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ags(u64);

impl Ags {
    /// Reads 8 digits.
    ///
    /// # Errors
    ///
    /// [`KeyError::Length`], [`KeyError::NotDigits`] or [`KeyError::Land`].
    pub fn parse_ags(text: &str) -> Result<Self, KeyError> {
        let digits = text.as_bytes();
        if digits.len() != 8 {
            return Err(length_or_digits(digits));
        }
        let packed = pack(digits)?;
        RegionalKey(packed).check_land()?;
        Ok(Self(packed))
    }

    /// The AGS of a Gemeinde. None when `gemeinde` has fewer than 12 digits.
    pub const fn of(gemeinde: RegionalKey) -> Option<Self> {
        if gemeinde.len() != 12 {
            return None;
        }
        let kreis = gemeinde.0 & digit_mask(5);
        let number = gemeinde.0 >> DIGITLESS & 0xfff;
        Some(Self(kreis | number << 32))
    }

    /// The Kreis that this AGS names when it ends in `000`. For the 106 kreisfreie Städte that is the city itself.
    pub const fn padded_kreis(self) -> Option<RegionalKey> {
        if self.0 & !digit_mask(5) == 0 {
            Some(RegionalKey(self.0 | 5))
        } else {
            None
        }
    }
}

impl fmt::Display for Ags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0 >> 32)
    }
}

impl fmt::Debug for Ags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ags({self})")
    }
}

/// The office in charge of a service for a place: the key of a Gemeinde, Verband, Kreis or Land, or the Bund.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(RegionalKey);

impl TenantId {
    /// The one office for all of Germany.
    pub const BUND: Self = Self(RegionalKey::BUND);

    /// The office whose key this is.
    pub const fn new(key: RegionalKey) -> Self {
        Self(key)
    }

    /// The office's key.
    pub const fn key(self) -> RegionalKey {
        self.0
    }

    /// One number per tenant, for maps and labels.
    pub const fn to_bits(self) -> u64 {
        self.0.to_bits()
    }

    /// The office's name in headers, logs and cookies without going through `fmt`: its digits, `bund` for the Bund.
    pub fn text(self, buffer: &mut [u8; RegionalKey::DIGITS_MAX]) -> &str {
        if self.0.is_empty() {
            "bund"
        } else {
            self.0.digits(buffer)
        }
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.text(&mut [0; RegionalKey::DIGITS_MAX]))
    }
}

/// Digits to left-aligned nibbles. At most 12 bytes are passed in, so the sum of shifts stays below 64 bits.
fn pack(digits: &[u8]) -> Result<u64, KeyError> {
    let mut packed = 0_u64;
    let mut shift = 60;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return Err(KeyError::NotDigits);
        }
        packed |= u64::from(digit) << shift;
        shift -= 4;
    }
    Ok(packed)
}

/// The mask over the first `len` digits of a packed key; `len` ≤ 12.
const fn digit_mask(len: u8) -> u64 {
    if len == 0 {
        0
    } else {
        u64::MAX << (64 - 4 * len as u32)
    }
}

/// A wrong length matters less to whoever reads the message than a letter among the digits.
fn length_or_digits(text: &[u8]) -> KeyError {
    if text.iter().all(u8::is_ascii_digit) {
        KeyError::Length(text.len())
    } else {
        KeyError::NotDigits
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(digits: &str) -> RegionalKey {
        RegionalKey::parse_ars(digits).expect("a valid key")
    }

    #[test]
    fn every_length_of_an_ars_is_read_and_written_back() {
        for digits in ["01", "010", "01054", "010545459", "010545459039"] {
            assert_eq!(key(digits).to_string(), digits);
            assert_eq!(usize::from(key(digits).len()), digits.len());
        }
        assert_eq!(RegionalKey::BUND.to_string(), "");
        assert_eq!(TenantId::BUND.to_string(), "bund");
    }

    #[test]
    fn a_wrong_key_is_told_which_check_failed() {
        for (text, why) in [
            ("", KeyError::Length(0)),
            ("0105", KeyError::Length(4)),
            ("01054039", KeyError::Length(8)),
            ("0105454590390", KeyError::Length(13)),
            ("01O545459039", KeyError::NotDigits),
            ("köln", KeyError::NotDigits),
            ("00", KeyError::Land),
            ("17", KeyError::Land),
            ("99012", KeyError::Land),
            ("010543459039", KeyError::SixthDigit),
            ("010541459", KeyError::SixthDigit),
            ("064120001000", KeyError::Unaffiliated),
        ] {
            assert_eq!(RegionalKey::parse_ars(text), Err(why), "{text}");
        }
    }

    #[test]
    fn an_ags_is_the_ars_without_its_verband() {
        let ags = |digits| Ags::of(key(digits)).map(|ags| ags.to_string());
        assert_eq!(ags("010545459039").as_deref(), Some("01054039"));
        assert_eq!(ags("110000000000").as_deref(), Some("11000000"));
        assert_eq!(ags("010545459"), None);
    }

    #[test]
    fn only_an_ags_of_eight_digits_is_read() {
        assert_eq!(Ags::parse_ags("1054039"), Err(KeyError::Length(7)));
        assert_eq!(Ags::parse_ags("0105403x"), Err(KeyError::NotDigits));
        assert_eq!(Ags::parse_ags("17054039"), Err(KeyError::Land));
        assert_eq!(
            Ags::parse_ags("01054039")
                .map(|ags| ags.to_string())
                .as_deref(),
            Ok("01054039")
        );
    }

    #[test]
    fn the_laender_are_numbered_from_one_to_sixteen() {
        let laender: Vec<String> = (0..20)
            .filter_map(RegionalKey::land)
            .map(|land| land.to_string())
            .collect();
        assert_eq!(laender.first().map(String::as_str), Some("01"));
        assert_eq!(laender.last().map(String::as_str), Some("16"));
        assert!(
            laender
                .iter()
                .all(|land| RegionalKey::parse_ars(land).is_ok())
        );
    }

    #[test]
    fn three_zeros_at_the_end_of_an_ags_name_a_kreis() {
        let kreis = |digits| Ags::parse_ags(digits).ok().and_then(Ags::padded_kreis);
        assert_eq!(kreis("05334000"), Some(key("05334")));
        assert_eq!(kreis("05334002"), None);
    }

    proptest! {
        #[test]
        fn a_key_contains_exactly_what_starts_with_its_digits(
            one in "(0[1-9]|1[0-6])([0-9]|[0-9]{3}|[0-9]{3}5[0-9]{3}|[0-9]{3}5[0-9]{6})?",
            other in "(0[1-9]|1[0-6])([0-9]|[0-9]{3}|[0-9]{3}5[0-9]{3}|[0-9]{3}5[0-9]{6})?",
        ) {
            prop_assert_eq!(key(&one).contains(key(&other)), other.starts_with(&one));
            prop_assert_eq!(key(&one).cmp(&key(&other)), one.cmp(&other), "keys sort as their digits do");
            prop_assert_eq!(key(&one) == key(&other), key(&one).to_bits() == key(&other).to_bits());
        }

        #[test]
        fn a_prefix_is_what_its_digits_say(digits in "(0[1-9]|1[0-6])[0-9]{3}5[0-9]{6}", len in 0_u8..14) {
            let prefix = key(&digits).prefix(len);
            match len {
                0 => prop_assert_eq!(prefix, Some(RegionalKey::BUND)),
                2 | 3 | 5 | 9 | 12 => prop_assert_eq!(prefix, Some(key(&digits[..usize::from(len)]))),
                _ => prop_assert_eq!(prefix, None),
            }
        }

        #[test]
        fn no_text_makes_the_parsers_panic(text in ".*") {
            let _ = (RegionalKey::parse_ars(&text), Ags::parse_ags(&text));
        }
    }
}
