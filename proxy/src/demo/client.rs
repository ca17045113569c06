//! The tour's HTTP client: one request per connection, blocking, so that a demo needs no `curl`.
//!
//! Every host is on loopback; certificates are verified against the demo's authority as a browser would.

use std::{
    collections::BTreeMap,
    fs, io,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::Path,
    process::ExitStatus,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};

use super::{
    request::{Door, Request},
    site::{Ports, Site},
};
use crate::blocking_client::{Response, exchange};

/// For a connect, and for each read and write.
const PATIENCE: Duration = Duration::from_secs(30);

/// What came back.
#[derive(Debug, Default)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Names in lower case.
    pub fields: Vec<(String, String)>,
    /// As text.
    pub body: String,
    /// HTTPS only: the certificate that the server showed, DER.
    pub certificate: Option<Vec<u8>>,
    /// How the proxy ended after this answer, if it did.
    pub proxy_exit: Option<ExitStatus>,
}

impl From<Response> for Answer {
    fn from(response: Response) -> Self {
        Self {
            status: response.status,
            fields: response.fields,
            body: response.body,
            ..Self::default()
        }
    }
}

impl Answer {
    /// The value of the first field with this name (lower case), or nothing.
    pub fn field(&self, name: &str) -> &str {
        let mut fields = self.fields.iter();
        fields
            .find(|(known, _)| known == name)
            .map_or("", |(_, value)| value)
    }

    /// The value behind `NAME:` at the start of a line of the body.
    pub fn line(&self, name: &str) -> Option<&str> {
        self.body.lines().find_map(|line| {
            let (known, value) = line.split_once(':')?;
            (known == name).then(|| value.trim())
        })
    }
}

/// Sends requests to one demo.
#[derive(Debug)]
pub struct Client {
    ports: Ports,
    tls: Arc<ClientConfig>,
    /// Cookies of the form that is being filled in.
    cookies: Mutex<BTreeMap<String, String>>,
}

impl Client {
    /// That trusts the authority of this demo and nobody else.
    ///
    /// # Errors
    ///
    /// An unreadable `ca.pem`, or the TLS library's.
    pub fn new(site: &Site) -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        roots
            .add(certificate(&site.path().join("ca.pem"))?)
            .map_err(io::Error::other)?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            ports: site.ports,
            tls: Arc::new(tls),
            cookies: Mutex::default(),
        })
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    ///
    /// The system's, an answer that is no HTTP, or a certificate that does not verify.
    pub fn send(&self, request: &Request) -> io::Result<Answer> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, request.port(self.ports)));
        let tcp = TcpStream::connect_timeout(&address, PATIENCE)?;
        tcp.set_read_timeout(Some(PATIENCE))?;
        tcp.set_write_timeout(Some(PATIENCE))?;
        let text = self.compose(request);
        let answer = if request.door == Door::Https {
            let name = ServerName::try_from(request.host.clone()).map_err(io::Error::other)?;
            let tls = ClientConnection::new(self.tls.clone(), name).map_err(io::Error::other)?;
            let mut stream = StreamOwned::new(tls, tcp);
            let mut answer = Answer::from(exchange(&mut stream, &text)?);
            answer.certificate = stream
                .conn
                .peer_certificates()
                .and_then(|chain| chain.first())
                .map(|certificate| certificate.to_vec());
            answer
        } else {
            exchange(&mut &tcp, &text)?.into()
        };
        if request.cookies {
            self.keep_cookies(&answer);
        }
        Ok(answer)
    }

    fn compose(&self, request: &Request) -> String {
        let method = if request.post.is_some() {
            "POST"
        } else {
            "GET"
        };
        let body = request.post.unwrap_or_default();
        let mut lines = vec![
            format!("{method} {} HTTP/1.1", request.target),
            format!("Host: {}", request.authority(self.ports)),
        ];
        let others = request.fields.iter().filter(|(name, _)| *name != "Host");
        lines.extend(others.map(|(name, value)| format!("{name}: {value}")));
        if request.cookies {
            let cookies = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
            let pairs: Vec<_> = cookies
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            if !pairs.is_empty() {
                lines.push(format!("Cookie: {}", pairs.join("; ")));
            }
        }
        if request.post.is_some() {
            lines.push("Content-Type: application/x-www-form-urlencoded".to_owned());
            lines.push(format!("Content-Length: {}", body.len()));
        }
        format!("{}\r\n\r\n{body}", lines.join("\r\n"))
    }

    fn keep_cookies(&self, answer: &Answer) {
        let mut cookies = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
        let set = answer
            .fields
            .iter()
            .filter(|(name, _)| name == "set-cookie");
        for (_, value) in set {
            let pair = value.split(';').next().unwrap_or_default();
            if let Some((name, value)) = pair.split_once('=') {
                cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

/// The first certificate of a PEM file.
///
/// # Errors
///
/// The system's, or a file without one.
pub fn certificate(file: &Path) -> io::Result<CertificateDer<'static>> {
    CertificateDer::from_pem_slice(&fs::read(file)?).map_err(io::Error::other)
}
