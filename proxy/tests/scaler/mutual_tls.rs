//! TLS and certificates of clients: who gets in, and that a reload changes it for the next connection.

use std::{io, net::SocketAddr, sync::Arc};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use schleuse::scaler::messages::IsActiveResponse;
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    },
};

use crate::{
    client::{Client, whom},
    site::{Site, needs},
};

pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // A name of its own: BoringSSL takes a certificate whose issuer has its name for signed by itself.
        params
            .distinguished_name
            .push(DnType::CommonName, "Schleuse tests");
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn certificate(&self) -> String {
        self.0.pem()
    }

    /// Certificate and key of a name.
    pub(crate) fn issue(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        (
            params.signed_by(&key, &self.0).unwrap().pem(),
            key.serialize_pem(),
        )
    }

    /// Connects as somebody who believes this authority and shows `identity`.
    async fn connect(
        &self,
        address: SocketAddr,
        identity: Option<&(String, String)>,
    ) -> io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(certificate(&self.certificate())).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match identity {
            None => config.with_no_client_auth(),
            Some((chain, key)) => {
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
                config
                    .with_client_auth_cert(vec![certificate(chain)], key)
                    .unwrap()
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        let tcp = TcpStream::connect(address).await?;
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config))
            .connect(name, tcp)
            .await
    }
}

fn certificate(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

/// A site that shows a certificate of `authority`, with the rest of its `tls` section.
pub(crate) fn site(authority: &Authority, rest: &str) -> Site {
    let (chain, key) = authority.issue("localhost");
    let files = [
        ("scaler.crt", chain),
        ("scaler.key", key),
        ("ca.pem", authority.certificate()),
    ];
    let section =
        format!("scaler: {{ address: \"127.0.0.1:9\", tls: {{ certificates: [scaler]{rest} }} }}");
    let site = Site::with_files(&section, &files);
    site.publish("a", needs(1));
    site
}

/// Whether a call gets an answer.
async fn gets_in(
    authority: &Authority,
    address: SocketAddr,
    identity: Option<&(String, String)>,
) -> bool {
    let Ok(stream) = authority.connect(address, identity).await else {
        return false;
    };
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let call = tokio::spawn(async move {
        let client = Client::over(stream).await;
        client
            .call::<IsActiveResponse>("IsActive", &whom(&[("pool", "a")]))
            .await
    });
    // With TLS 1.3 a client hears after its handshake that it was refused: the call panics then.
    matches!(call.await, Ok(Ok(IsActiveResponse { result: true })))
}

#[tokio::test]
async fn with_an_authority_only_those_get_in_whom_it_signed() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let site = site(&authority, ", client_ca: ca.pem");
    let serving = site.serve().await;
    let address = serving.address;
    assert!(gets_in(&authority, address, Some(&authority.issue("keda"))).await);
    assert!(!gets_in(&authority, address, Some(&stranger.issue("keda"))).await);
    assert!(!gets_in(&authority, address, None).await);
}

#[tokio::test]
async fn after_a_reload_the_new_authority_decides_who_gets_in() {
    let (authority, next) = (Authority::new(), Authority::new());
    let site = site(&authority, ", client_ca: ca.pem");
    let serving = site.serve().await;
    let (before, after) = (authority.issue("keda"), next.issue("keda"));
    assert!(gets_in(&authority, serving.address, Some(&before)).await);
    site.reload_with("ca.pem", &next.certificate());
    assert!(gets_in(&authority, serving.address, Some(&after)).await);
    assert!(!gets_in(&authority, serving.address, Some(&before)).await);
}

#[tokio::test]
async fn without_an_authority_nobody_is_asked_for_a_certificate() {
    let authority = Authority::new();
    let site = site(&authority, "");
    let serving = site.serve().await;
    let address = serving.address;
    assert!(gets_in(&authority, address, None).await);
    assert!(
        !gets_in(&Authority::new(), address, None).await,
        "who does not believe its certificate leaves"
    );
}

#[tokio::test]
async fn whoever_speaks_no_tls_disturbs_nobody() {
    let authority = Authority::new();
    let site = site(&authority, "");
    let serving = site.serve().await;
    let address = serving.address;
    let _silent = TcpStream::connect(address).await.unwrap();
    assert!(gets_in(&authority, address, None).await);
}
