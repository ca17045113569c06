//! Connections that did one request and now wait, as a citizen's browser does while the form is filled in.

use std::{
    net::{SocketAddr, TcpStream},
    sync::Arc,
};

use rustls::{ClientConfig, ClientConnection, StreamOwned, pki_types::ServerName};

use crate::{Outcome, http};

/// Opens `count` connections with one answered request each.
///
/// # Errors
///
/// When one cannot be opened or is refused.
pub(crate) fn open(
    address: SocketAddr,
    count: usize,
    request: &str,
    tls: Option<&Arc<ClientConfig>>,
) -> Outcome<Vec<TcpStream>> {
    (0..count)
        .map(|_| open_one(address, request, tls))
        .collect()
}

fn open_one(
    address: SocketAddr,
    request: &str,
    tls: Option<&Arc<ClientConfig>>,
) -> Outcome<TcpStream> {
    let mut stream = http::connect(address)?;
    let (answer, stream) = match tls {
        None => (http::ask(&mut stream, request)?, stream),
        Some(config) => {
            let name = ServerName::try_from("localhost")?;
            let mut tls =
                StreamOwned::new(ClientConnection::new(Arc::clone(config), name)?, stream);
            let answer = http::ask(&mut tls, request)?;
            // Our half of the session is done; the socket alone keeps the server's alive.
            (answer, tls.sock)
        }
    };
    if answer.status == 200 {
        Ok(stream)
    } else {
        Err(format!("{address} answers {answer:?}").into())
    }
}
