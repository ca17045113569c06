//! TLS towards clients: certificates by SNI, swapped with the config without touching open connections.
//!
//! rustls with aws-lc-rs. TLS 1.3 and 1.2, AES-GCM suites with ECDHE only (BSI TR-02102-2 lists neither `ChaCha20` nor
//! CBC without encrypt-then-MAC). Sessions resume by tickets whose key rotates in the process; nothing is kept per
//! client. The `ServerConfig` of a listener is made once: its resolver reads the current certificates.

use std::{fmt, path::PathBuf, sync::Arc};

use arc_swap::ArcSwap;
use rustc_hash::FxHashMap;
use schleuse_config::{CertificateSet, ScalerTls};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, RootCertStore, ServerConfig,
        crypto::{CryptoProvider, aws_lc_rs},
        pki_types::{CertificateDer, PrivateKeyDer},
        server::{
            ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier,
            danger::ClientCertVerifier,
        },
        sign::CertifiedKey,
    },
};

/// Why TLS cannot be served with what the config names.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The key is of a kind that is not supported.
    #[error("{file}: the private key cannot be used: {why}")]
    Key {
        /// The certificate's file.
        file: PathBuf,
        /// In the words of the TLS library.
        why: String,
    },
    /// No certificate at all.
    #[error("a TLS listener needs at least one certificate")]
    Empty,
    /// The certificate authority for clients is unusable.
    #[error("the certificates that clients of the scaler are judged by cannot be used: {0}")]
    ClientCa(String),
    /// The TLS library refused its settings.
    #[error("TLS: {0}")]
    Library(#[from] rustls::Error),
}

/// The certificates of a listener, ready to sign and found by name.
pub struct Certificates {
    /// By `find`'s number.
    keys: Vec<Arc<CertifiedKey>>,
    /// Lower case; a wildcard under its domain with the leading dot.
    by_name: FxHashMap<String, usize>,
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates")
            .field("names", &self.by_name)
            .finish_non_exhaustive()
    }
}

impl Certificates {
    /// From checked files.
    ///
    /// # Errors
    ///
    /// [`CertificateError`].
    pub fn new(set: &CertificateSet) -> Result<Self, CertificateError> {
        let mut keys = Vec::with_capacity(set.certificates.len());
        let mut by_name = FxHashMap::default();
        for (number, certificate) in set.certificates.iter().enumerate() {
            let fail = |why: String| CertificateError::Key {
                file: certificate.file.clone(),
                why,
            };
            let key = PrivateKeyDer::try_from(certificate.key.clone())
                .map_err(|why| fail(why.to_owned()))?;
            let key =
                aws_lc_rs::sign::any_supported_type(&key).map_err(|why| fail(why.to_string()))?;
            let chain = certificate
                .chain
                .iter()
                .map(|der| CertificateDer::from(der.clone()))
                .collect();
            keys.push(Arc::new(CertifiedKey::new(chain, key)));
            for name in &certificate.names {
                // The first file that names it serves it, so that adding a file never moves a name.
                by_name
                    .entry(name.strip_prefix('*').unwrap_or(name).to_owned())
                    .or_insert(number);
            }
        }
        if keys.is_empty() {
            Err(CertificateError::Empty)
        } else {
            Ok(Self { keys, by_name })
        }
    }

    /// The number of the certificate for `host` (lower case, no port): its own name, a wildcard one label up, else the
    /// first. Without a name the first.
    pub fn find(&self, host: Option<&str>) -> usize {
        let Some(host) = host else { return 0 };
        let exact = self.by_name.get(host);
        let wildcard = || self.by_name.get(&host[host.find('.')?..]);
        exact.or_else(wildcard).copied().unwrap_or(0)
    }
}

/// Accepts TLS on one listener for as long as that lives.
pub struct TlsFrontend {
    config: Arc<ServerConfig>,
    resolver: Arc<Resolver>,
}

impl fmt::Debug for TlsFrontend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsFrontend")
            .field("resolver", &self.resolver)
            .finish_non_exhaustive()
    }
}

impl TlsFrontend {
    /// With these certificates to begin with.
    ///
    /// # Errors
    ///
    /// The library's, when it refuses the suites or has no entropy for ticket keys.
    pub fn new(certificates: Arc<Certificates>) -> Result<Self, CertificateError> {
        let resolver = Arc::new(Resolver {
            certificates: ArcSwap::new(certificates),
        });
        let mut config = server_config(resolver.clone(), WebPkiClientVerifier::no_client_auth())?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.ticketer = aws_lc_rs::Ticketer::new()?;
        Ok(Self {
            config: Arc::new(config),
            resolver,
        })
    }

    /// From now on handshakes use these.
    pub fn replace(&self, certificates: Arc<Certificates>) {
        self.resolver.certificates.store(certificates);
    }

    /// For one handshake.
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.config.clone())
    }
}

/// What both kinds of listener have in common.
fn server_config(
    resolver: Arc<Resolver>,
    clients: Arc<dyn ClientCertVerifier>,
) -> Result<ServerConfig, CertificateError> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_client_cert_verifier(clients)
        .with_cert_resolver(resolver);
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(config)
}

/// TLS of the scaler: HTTP/2 only, and with an authority for clients nobody else gets in. No session resumes, so that an
/// authority that was replaced counts from the next connection on; KEDA keeps one open for hours.
///
/// # Errors
///
/// [`CertificateError`].
pub fn scaler(tls: &ScalerTls) -> Result<Arc<ServerConfig>, CertificateError> {
    let certificates = Arc::new(Certificates::new(&tls.certificates)?);
    let resolver = Arc::new(Resolver {
        certificates: ArcSwap::new(certificates),
    });
    let clients = match &tls.client_ca {
        Some(authorities) => client_verifier(authorities)?,
        None => WebPkiClientVerifier::no_client_auth(),
    };
    let mut config = server_config(resolver, clients)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}

fn client_verifier(
    authorities: &[Vec<u8>],
) -> Result<Arc<dyn ClientCertVerifier>, CertificateError> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(CertificateDer::from(authority.clone()))?;
    }
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::new(provider()));
    verifier
        .build()
        .map_err(|error| CertificateError::ClientCa(error.to_string()))
}

/// AES-GCM with forward secrecy only.
fn provider() -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites = vec![
        aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256,
        aws_lc_rs::cipher_suite::TLS13_AES_256_GCM_SHA384,
        aws_lc_rs::cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        aws_lc_rs::cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        aws_lc_rs::cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        aws_lc_rs::cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    ];
    provider
}

#[derive(Debug)]
struct Resolver {
    certificates: ArcSwap<Certificates>,
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let certificates = self.certificates.load();
        let name = hello.server_name().map(str::to_ascii_lowercase);
        certificates
            .keys
            .get(certificates.find(name.as_deref()))
            .cloned()
    }
}
