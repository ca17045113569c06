//! Finds the end of a chunked body and counts its data (RFC 9112 §7.1); extensions and trailers are passed over.

use super::answer::Malformed;

/// Longest line of size and extension, and all trailers together: a peer must not keep us reading for ever.
const LINE_MAX: u16 = 16_384;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// In the hexadecimal size, after so many digits.
    Size(u8),
    /// Behind the size, before its line feed.
    Extension,
    Data,
    /// The line ending behind the data.
    DataEnd,
    /// In a trailer line, which is empty so far or not.
    Trailer {
        empty: bool,
    },
    Ended,
}

/// How far a chunked body is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chunks {
    stage: Stage,
    size: u64,
    line: u16,
}

impl Default for Chunks {
    fn default() -> Self {
        Self {
            stage: Stage::Size(0),
            size: 0,
            line: 0,
        }
    }
}

impl Chunks {
    pub(crate) const fn is_ended(self) -> bool {
        matches!(self.stage, Stage::Ended)
    }

    /// Reads on; how many bytes belonged to the body, and how many of them were data.
    pub(crate) fn take(&mut self, input: &[u8]) -> Result<(usize, u64), Malformed> {
        let (mut used, mut data) = (0, 0);
        while let Some(&byte) = input.get(used) {
            if self.stage == Stage::Ended {
                break;
            }
            if self.stage == Stage::Data {
                let taken = self.size.min((input.len() - used) as u64);
                self.size -= taken;
                data += taken;
                used += usize::try_from(taken).unwrap_or(usize::MAX);
                if self.size == 0 {
                    self.stage = Stage::DataEnd;
                }
                continue;
            }
            self.step(byte)?;
            used += 1;
        }
        Ok((used, data))
    }

    fn step(&mut self, byte: u8) -> Result<(), Malformed> {
        self.line = self.line.saturating_add(1);
        if self.line > LINE_MAX {
            return Err(Malformed);
        }
        self.stage = match (self.stage, byte) {
            (Stage::Size(digits), _) if byte.is_ascii_hexdigit() && digits < 15 => {
                let digit = char::from(byte).to_digit(16).ok_or(Malformed)?;
                self.size = self.size << 4 | u64::from(digit);
                Stage::Size(digits + 1)
            }
            (Stage::Size(1..) | Stage::Extension, b'\n') => {
                self.line = 0;
                if self.size == 0 {
                    Stage::Trailer { empty: true }
                } else {
                    Stage::Data
                }
            }
            (Stage::Size(1..), b'\r' | b';' | b' ' | b'\t') | (Stage::Extension, _) => {
                Stage::Extension
            }
            (Stage::DataEnd, b'\r') => Stage::DataEnd,
            (Stage::DataEnd, b'\n') => {
                self.line = 0;
                Stage::Size(0)
            }
            (Stage::Trailer { empty: true }, b'\n') => Stage::Ended,
            (Stage::Trailer { empty: false }, b'\n') => Stage::Trailer { empty: true },
            (Stage::Trailer { empty }, b'\r') => Stage::Trailer { empty },
            (Stage::Trailer { .. }, _) => Stage::Trailer { empty: false },
            _ => return Err(Malformed),
        };
        Ok(())
    }
}
