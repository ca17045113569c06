//! A certificate authority of the tests' own, the certificates it issues, and clients that trust it.

use std::{fs, path::Path, sync::Arc};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::{
    ClientConfig, RootCertStore, SupportedCipherSuite,
    client::Resumption,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, pem::PemObject as _},
    version::{TLS12, TLS13},
};

/// An authority.
#[derive(Debug)]
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate with its key, as PEM.
#[derive(Debug, Clone)]
pub struct Pair {
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Authority {
    /// With a new key.
    ///
    /// # Panics
    ///
    /// Without entropy.
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "Schleuse tests");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a certificate");
        Self { issuer }
    }

    /// The authority's own certificate, as PEM.
    pub fn certificate(&self) -> String {
        self.issuer.pem()
    }

    /// Issues a certificate that is valid now.
    pub fn issue(&self, names: &[&str]) -> Pair {
        self.issue_until(names, 2040)
    }

    /// Issues one that ended years ago.
    pub fn issue_expired(&self, names: &[&str]) -> Pair {
        self.issue_until(names, 2021)
    }

    fn issue_until(&self, names: &[&str], year: i32) -> Pair {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Pair {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }

    /// Settings of a client that trusts this authority and nobody else.
    pub fn client(&self) -> Arc<ClientConfig> {
        self.client_with(&aws_lc_rs::default_provider().cipher_suites)
    }

    /// The same with these suites only.
    ///
    /// # Panics
    ///
    /// When the TLS library refuses them.
    pub fn client_with(&self, suites: &[SupportedCipherSuite]) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).expect("a root");
        let provider = CryptoProvider {
            cipher_suites: suites.to_vec(),
            ..aws_lc_rs::default_provider()
        };
        let versions: Vec<_> = [&TLS12, &TLS13]
            .into_iter()
            .filter(|version| suites.iter().any(|suite| suite.version() == *version))
            .collect();
        let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&versions)
            .expect("suites that fit the versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        // A resumed session shows the certificate that it began with.
        config.resumption = Resumption::disabled();
        Arc::new(config)
    }
}

impl Pair {
    /// Writes `NAME.crt` and `NAME.key`.
    ///
    /// # Panics
    ///
    /// When the directory does not take them.
    pub fn write(&self, directory: &Path, name: &str) {
        fs::create_dir_all(directory).expect("a directory");
        fs::write(directory.join(format!("{name}.key")), &self.key).expect("a key");
        fs::write(directory.join(format!("{name}.crt")), &self.certificate).expect("a certificate");
    }

    /// The certificate as DER.
    ///
    /// # Panics
    ///
    /// When it is none.
    pub fn der(&self) -> Vec<u8> {
        let der = CertificateDer::from_pem_slice(self.certificate.as_bytes());
        der.expect("a certificate").to_vec()
    }
}
