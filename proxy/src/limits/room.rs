//! Memory of a request that is still being read, in the same books as that of those who wait.
//!
//! A client that sends slowly holds what it sent: up to a head and 16 KiB of a body, and 100,000 connections of that
//! kind are gigabytes, for 16 s at the least rate of a body. So what was read is entered before more is awaited. The
//! first KiB is free: most requests need no more, and must not pay for an atomic that all workers share.

use super::{Action, HeldBytes, Limits};
use schleuse_core::Refusal;

/// Bytes of a head and its body that are not entered.
pub(crate) const FREE_BYTES: usize = 1024;

/// What one request holds while it is read; dropping it gives it back.
#[derive(Debug)]
pub struct Room<'l> {
    limits: &'l Limits,
    /// `overload.held_bytes_max`.
    bytes_max: u64,
    held: HeldBytes<'l>,
}

impl<'l> Room<'l> {
    pub(super) fn new(limits: &'l Limits, bytes_max: u64) -> Self {
        Self {
            limits,
            bytes_max,
            held: limits.overload.hold_nothing(),
        }
    }

    /// Enters that `read` bytes are here and more are awaited. Counted when there is no room for them.
    ///
    /// # Errors
    ///
    /// [`Refusal::Overloaded`].
    pub fn cover(&mut self, read: usize) -> Result<(), Refusal> {
        let bytes = read.saturating_sub(FREE_BYTES) as u64;
        if bytes <= self.held.bytes() {
            return Ok(());
        }
        self.held
            .grow_to(bytes, self.bytes_max)
            .map_err(|shortage| {
                self.limits.metrics.acted(Action::RefuseRead, 1);
                shortage.refusal()
            })
    }

    /// Bytes that are entered.
    pub fn bytes(&self) -> u64 {
        self.held.bytes()
    }

    /// Gives all of it back.
    pub fn clear(&mut self) {
        self.held = self.limits.overload.hold_nothing();
    }
}
