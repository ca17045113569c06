//! The demo's own certification authority and two certificates for two domains.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};

/// Name of a pair's files, and the hosts that its certificate is for.
pub const PAIRS: [(&str, &[&str]); 2] = [
    (
        "services",
        &[
            "wohngeld.localhost",
            "*.wohngeld.localhost",
            "ummeldung.localhost",
            "kfz-zulassung.localhost",
        ],
    ),
    ("berlin", &["antrag.berlin.localhost"]),
];

/// Writes `ca.pem`, and `tls/NAME.crt` and `tls/NAME.key` per pair. The authority's key is thrown away.
///
/// # Errors
///
/// The system's, or the library's in other words.
pub fn write(directory: &Path) -> io::Result<()> {
    let authority = authority().map_err(io::Error::other)?;
    fs::write(directory.join("ca.pem"), authority.pem())?;
    let tls = directory.join("tls");
    fs::create_dir(&tls)?;
    for (name, hosts) in PAIRS {
        let (chain, key) = pair(hosts, &authority).map_err(io::Error::other)?;
        fs::write(tls.join(name).with_extension("crt"), chain)?;
        write_secret(&tls.join(name).with_extension("key"), &key)?;
    }
    Ok(())
}

fn write_secret(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())
}

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Result<Authority, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
        .distinguished_name
        .push(DnType::CommonName, "Schleuse demo");
    CertifiedIssuer::self_signed(params, KeyPair::generate()?)
}

fn pair(hosts: &[&str], authority: &Authority) -> Result<(String, String), rcgen::Error> {
    let names: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut params = CertificateParams::new(names)?;
    if let Some(host) = hosts.first() {
        params.distinguished_name.push(DnType::CommonName, *host);
    }
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, authority)?;
    Ok((certificate.pem(), key.serialize_pem()))
}
