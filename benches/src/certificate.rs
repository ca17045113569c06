//! One P-256 certificate for all hosts of the run, as each peer wants to read it.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{ClientConfig, RootCertStore, pki_types::CertificateDer};

use crate::{Outcome, inputs::SERVICES};

/// The files, and what a client needs to believe them.
#[derive(Debug)]
pub(crate) struct Certificate {
    /// Directory of the pair, for peers that read directories.
    pub(crate) directory: PathBuf,
    /// PEM.
    pub(crate) chain_file: PathBuf,
    /// PEM.
    pub(crate) key_file: PathBuf,
    /// Chain and key in one PEM file.
    pub(crate) both_file: PathBuf,
    root: CertificateDer<'static>,
}

impl Certificate {
    /// Makes one and writes it below `directory`.
    ///
    /// # Errors
    ///
    /// When a file cannot be written.
    pub(crate) fn write(directory: &Path) -> Outcome<Self> {
        let mut names: Vec<String> = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        for service in SERVICES {
            names.push(format!("{service}.example"));
            names.push(format!("*.{service}.example"));
        }
        // rcgen's default key is P-256, the common kind at public edges.
        let made = rcgen::generate_simple_self_signed(names)?;
        let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let pair = directory.join("tls");
        fs::create_dir_all(&pair)?;
        let certificate = Self {
            chain_file: pair.join("bench.crt"),
            key_file: pair.join("bench.key"),
            both_file: directory.join("both.pem"),
            directory: pair,
            root: made.cert.der().clone(),
        };
        fs::write(&certificate.chain_file, &chain)?;
        fs::write(&certificate.key_file, &key)?;
        fs::write(&certificate.both_file, chain + &key)?;
        Ok(certificate)
    }

    /// A client that believes this certificate alone and speaks TLS 1.3.
    ///
    /// # Errors
    ///
    /// When rustls refuses the certificate.
    pub(crate) fn client(&self) -> Outcome<Arc<ClientConfig>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone())?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Arc::new(config))
    }
}
