//! The start of a request's body, read before a seat is asked for.
//!
//! A seat is not held by the slow: an upload that trickles in over a bad line would keep a seat of the backend idle for as
//! long as it likes. So the body is read first, up to 16 KiB or its end, at the client's expense alone: its deadlines, its
//! connection, and the memory is in the process's budget while more is awaited. Beyond that it has shown that it can send, and [`crate::pace`] bounds the rest. Nothing is read ahead when
//! the client waits for a 100, which is the backend's to give, and of gRPC, whose client may wait for the answer's head.

use bytes::{Bytes, BytesMut};
use schleuse_http1::{BodyLength, Known, RequestHead, Trailer};

use crate::{
    exchange::{BodyIn, ClientError},
    limits::Room,
    upstream::relay::Fault,
};

/// How much of a body shows that it comes. What fits a first congestion window and a bit: most forms are smaller.
const PREFETCH_BYTES: usize = 16 * 1024;

/// A body of which the start may have been read already; the pieces come out again in order.
#[derive(Debug)]
pub struct Prefetched<'b, B> {
    body: &'b mut B,
    /// Uncopied, as it came: the only one for most bodies.
    first: Bytes,
    /// The pieces behind it, joined: thousands of tiny chunks must not cost a handle each.
    more: BytesMut,
    /// Of all that, and of the head, in the process's budget; until it is taken out, so that who waits is not entered twice.
    room: Room<'b>,
}

impl<'b, B: BodyIn> Prefetched<'b, B> {
    /// Of which nothing has been read yet; what is read is entered in `room`.
    pub fn new(body: &'b mut B, room: Room<'b>) -> Self {
        Self {
            body,
            first: Bytes::new(),
            more: BytesMut::new(),
            room,
        }
    }

    /// Reads until 16 KiB or the end are there; see the head of this file.
    ///
    /// # Errors
    ///
    /// What the client did wrong, [`Fault::TooLarge`] for more than `bytes_max`, [`Fault::Overloaded`] when more would have
    /// to be awaited and there is no room for what is here.
    pub async fn fill(&mut self, head: &RequestHead, bytes_max: u64) -> Result<(), Fault> {
        if self.body.length() == BodyLength::Empty || self.body.held_back() || is_grpc(head) {
            return Ok(());
        }
        while self.held_bytes() < PREFETCH_BYTES {
            let piece = match self.body.ready()? {
                Some(piece) => piece,
                None if self.body.ended() => break,
                None => {
                    let covered = self.room.cover(head.text_bytes() + self.held_bytes());
                    covered.map_err(|_| Fault::Overloaded)?;
                    match self.body.next().await? {
                        Some(piece) => piece,
                        None => break,
                    }
                }
            };
            self.hold(piece);
            if self.held_bytes() as u64 > bytes_max {
                return Err(Fault::TooLarge);
            }
        }
        Ok(())
    }

    /// Bytes that are held here.
    pub fn held_bytes(&self) -> usize {
        self.first.len() + self.more.len()
    }

    /// Of those and the head's, in the process's budget.
    pub fn covered_bytes(&self) -> u64 {
        self.room.bytes()
    }

    fn hold(&mut self, piece: Bytes) {
        if self.first.is_empty() {
            self.first = piece;
        } else {
            self.more.extend_from_slice(&piece);
        }
    }

    fn take(&mut self) -> Option<Bytes> {
        let piece = if self.first.is_empty() {
            std::mem::take(&mut self.more).freeze()
        } else {
            std::mem::take(&mut self.first)
        };
        if self.room.bytes() > 0 && self.held_bytes() == 0 {
            self.room.clear();
        }
        (!piece.is_empty()).then_some(piece)
    }
}

/// Whether the request is gRPC of any kind (`application/grpc`, `+proto`, `-web`).
pub(crate) fn is_grpc(head: &RequestHead) -> bool {
    head.get(Known::ContentType).is_some_and(is_grpc_type)
}

/// Whether a `Content-Type` is gRPC's.
pub(crate) fn is_grpc_type(content_type: &[u8]) -> bool {
    const PREFIX: &[u8] = b"application/grpc";
    content_type
        .get(..PREFIX.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
}

impl<B: BodyIn> BodyIn for Prefetched<'_, B> {
    fn length(&self) -> BodyLength {
        self.body.length()
    }

    async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        match self.take() {
            Some(piece) => Ok(Some(piece)),
            None => self.body.next().await,
        }
    }

    fn ready(&mut self) -> Result<Option<Bytes>, ClientError> {
        match self.take() {
            Some(piece) => Ok(Some(piece)),
            None => self.body.ready(),
        }
    }

    fn held_back(&self) -> bool {
        self.body.held_back()
    }

    fn ended(&self) -> bool {
        self.held_bytes() == 0 && self.body.ended()
    }

    fn trailers(&self) -> &[Trailer] {
        self.body.trailers()
    }

    fn become_tunnel(&mut self) {
        self.body.become_tunnel();
    }
}

#[cfg(test)]
mod tests {
    use schleuse_config::Overload as Budget;

    use super::*;
    use crate::limits::{LimitMetrics, Limits};

    fn limits() -> Limits {
        let metrics = LimitMetrics::new(&prometheus::Registry::new());
        Limits::new(64, 1, metrics.unwrap())
    }

    fn budget(held_bytes_max: u64) -> Budget {
        Budget {
            held_bytes_max,
            lag_max: std::time::Duration::MAX,
            file_handles_percent: 90,
        }
    }

    /// A body whose pieces come when they are awaited.
    struct Pieces(Vec<&'static [u8]>);

    impl BodyIn for Pieces {
        fn length(&self) -> BodyLength {
            BodyLength::Chunked
        }

        async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
            Ok((!self.0.is_empty()).then(|| Bytes::from_static(self.0.remove(0))))
        }

        fn ready(&mut self) -> Result<Option<Bytes>, ClientError> {
            Ok(None)
        }

        fn ended(&self) -> bool {
            self.0.is_empty()
        }

        fn trailers(&self) -> &[Trailer] {
            &[]
        }

        fn become_tunnel(&mut self) {}
    }

    fn head(content_type: &'static str) -> RequestHead {
        let fields = [("content-type", content_type.as_bytes())];
        RequestHead::from_parts("POST", "/", "amt.example", fields).unwrap()
    }

    async fn drained(body: &mut impl BodyIn) -> Vec<u8> {
        let mut all = Vec::new();
        while let Some(piece) = body.next().await.unwrap() {
            all.extend_from_slice(&piece);
        }
        all
    }

    #[tokio::test]
    async fn a_short_body_is_held_whole_and_comes_out_as_it_came() {
        let mut pieces = Pieces(vec![b"one", b"two", b"three"]);
        let limits = limits();
        let mut body = Prefetched::new(&mut pieces, limits.room(&budget(u64::MAX)));
        body.fill(&head("text/plain"), 100).await.unwrap();
        assert_eq!((body.held_bytes(), body.ended()), (11, false));
        assert_eq!(drained(&mut body).await, b"onetwothree");
        assert!(body.ended());
    }

    #[tokio::test]
    async fn of_a_long_body_no_more_than_16_kib_and_a_piece_are_held() {
        static BLOCK: [u8; 10_000] = [b'x'; 10_000];
        let mut pieces = Pieces(vec![&BLOCK; 5]);
        let limits = limits();
        let mut body = Prefetched::new(&mut pieces, limits.room(&budget(u64::MAX)));
        body.fill(&head("text/plain"), u64::MAX).await.unwrap();
        assert_eq!(body.held_bytes(), 20_000);
        assert_eq!(drained(&mut body).await.len(), 50_000);
    }

    #[tokio::test]
    async fn a_body_above_the_limit_is_refused_before_anybody_is_asked() {
        let mut pieces = Pieces(vec![b"12345", b"67890"]);
        let limits = limits();
        let mut body = Prefetched::new(&mut pieces, limits.room(&budget(u64::MAX)));
        let filled = body.fill(&head("text/plain"), 9).await;
        assert!(matches!(filled, Err(Fault::TooLarge)));
    }

    #[tokio::test]
    async fn of_grpc_nothing_is_read_ahead() {
        let mut pieces = Pieces(vec![b"12345"]);
        let limits = limits();
        let mut body = Prefetched::new(&mut pieces, limits.room(&budget(u64::MAX)));
        body.fill(&head("Application/gRPC+proto"), 100)
            .await
            .unwrap();
        assert_eq!(body.held_bytes(), 0);
    }

    #[tokio::test]
    async fn what_is_read_is_in_the_budget_until_it_is_taken_out() {
        static BLOCK: [u8; 10_000] = [b'x'; 10_000];
        let mut pieces = Pieces(vec![&BLOCK; 2]);
        let limits = limits();
        let mut body = Prefetched::new(&mut pieces, limits.room(&budget(u64::MAX)));
        let head = head("text/plain");
        body.fill(&head, u64::MAX).await.unwrap();
        // The second piece ended the reading, so nothing more was awaited with it in hand.
        let covered = head.text_bytes() as u64 + 8_976;
        assert_eq!(
            (body.covered_bytes(), limits.held_bytes()),
            (covered, covered)
        );
        assert_eq!(drained(&mut body).await.len(), 20_000);
        assert_eq!(limits.held_bytes(), 0);
    }

    #[tokio::test]
    async fn without_room_for_what_is_here_no_more_is_awaited() {
        static BLOCK: [u8; 3_000] = [b'x'; 3_000];
        let mut pieces = Pieces(vec![&BLOCK; 9]);
        let limits = limits();
        let mut body = Prefetched::new(&mut pieces, limits.room(&budget(5_000)));
        let filled = body.fill(&head("text/plain"), u64::MAX).await;
        assert!(matches!(filled, Err(Fault::Overloaded)));
        assert_eq!(body.held_bytes(), 6_000);
        drop(body);
        assert_eq!(limits.held_bytes(), 0);
    }
}
