//! A request that waits for its turn: until a seat is granted, its client leaves, or it has waited too long.
//!
//! Nothing is read meanwhile and nothing is sent: the client's bytes wait in the kernel, which slows it down, and one that
//! wants a 100 first gets it from the backend. That it left shows in its socket's readiness, behind unread bytes and
//! under TLS alike. The one timer of its connection has the end of the wait among its deadlines.

use std::{future::poll_fn, task::Poll};

use schleuse_core::{Refusal, Refused};

use crate::{
    deadlines::{Deadlines, Limit, Stop},
    exchange::Responder,
    registry::{HeldSlot, Place, plain},
};

/// Waits at `place` for a seat.
///
/// # Errors
///
/// Why there is none; `None` when the client left.
pub async fn wait<'p, R: Responder>(
    mut place: Place<'p>,
    responder: &mut R,
    deadlines: &Deadlines,
) -> Result<HeldSlot<'p>, Option<Refused>> {
    deadlines.set(Limit::Queue, place.until());
    let granted = poll_fn(|cx| {
        // First: nothing goes to a backend for a client that has left.
        if responder.poll_gone(cx).is_ready() {
            return Poll::Ready(Ok(Err(None)));
        }
        match place.fetch(cx.waker()) {
            Some(ended) => Poll::Ready(Ok(ended.map_err(Some))),
            None => deadlines.pending(&[Limit::Queue, Limit::Exchange]),
        }
    })
    .await;
    deadlines.clear(Limit::Queue);
    match granted {
        Ok(ended) => ended,
        Err(Stop::Expired(Limit::Exchange)) => Err(Some(plain(Refusal::ExchangeTimeout))),
        Err(_) => place.expire().map_err(Some),
    }
}
