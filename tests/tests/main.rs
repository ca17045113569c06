//! What an operator and a client would notice, asked of the real binary. One executable: it links once.

mod first;
