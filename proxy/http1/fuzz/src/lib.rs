//! What the fuzz targets share: reading a message with the crate under test,
//! forwarding it as the proxy does, reading it with llhttp, and a plain decoder
//! of chunked bodies to compare with.

pub mod message;
pub mod reference;
pub mod second;
