//! Certificates and keys of a TLS listener: found, read, and checked to belong together.
//!
//! A pair that cannot be used is a problem of the config, so the old set stays live and a first start is refused, never
//! without TLS. An expired one is served and warned about: one forgotten name must not take down the others
//! (apache/trafficserver#9533).

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    Error, InconsistentKeys,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use x509_parser::{certificate::X509Certificate, extensions::GeneralName, prelude::FromDer};

use crate::{
    files::{Sources, explain},
    moment::now,
    problem::Report,
    reader::Placed,
    snapshot::{Certificate, CertificateSet},
};

const CHAIN_ENDINGS: [&str; 2] = ["crt", "pem"];

/// All certificates that the entries of `certificates` name.
pub(crate) fn read_certificates(
    entries: &[Placed<String>],
    sources: &mut Sources,
    report: &mut Report,
) -> CertificateSet {
    let mut certificates = Vec::new();
    for entry in entries {
        let path = sources.resolve(&entry.value);
        let pairs = if path.is_dir() {
            pairs_of_directory(entry, &path, sources, report)
        } else {
            pair_of_prefix(entry, &path, sources, report)
        };
        for pair in pairs {
            let name = pair.file.display().to_string();
            match read_pair(pair, sources, report) {
                Ok(certificate) => certificates.extend(certificate),
                Err((wrong, remedy)) => report.wrong(
                    entry.place,
                    entry.at.clone(),
                    format!("{name}: {wrong}"),
                    remedy,
                ),
            }
        }
    }
    CertificateSet { certificates }
}

/// A certificate's file and where its key is.
#[derive(Debug)]
struct Pair {
    file: PathBuf,
    key: PathBuf,
    /// Found in a directory, so that a CA's certificate without key may lie beside the pairs.
    found: bool,
}

type Wrong = (String, String);

fn pairs_of_directory(
    entry: &Placed<String>,
    directory: &Path,
    sources: &mut Sources,
    report: &mut Report,
) -> Vec<Pair> {
    let files = match sources.list(directory) {
        Ok(files) => files,
        Err(error) => {
            let (wrong, remedy) = explain(&error);
            report.wrong(
                entry.place,
                entry.at.clone(),
                format!("{} {wrong}", directory.display()),
                remedy,
            );
            return Vec::new();
        }
    };
    let mut pairs: Vec<Pair> = Vec::new();
    for file in files {
        let ending = file
            .extension()
            .and_then(|ending| ending.to_str())
            .unwrap_or_default();
        if !CHAIN_ENDINGS.contains(&ending) {
            continue;
        }
        let key = file.with_extension("key");
        if let Some(first) = pairs.iter().find(|pair| pair.key == key) {
            let wrong = format!(
                "{} and {} share one name",
                first.file.display(),
                file.display()
            );
            report.wrong(
                entry.place,
                entry.at.clone(),
                wrong,
                "remove one of the two",
            );
            continue;
        }
        pairs.push(Pair {
            file,
            key,
            found: true,
        });
    }
    if pairs.is_empty() {
        let wrong = format!("{} holds no certificate", directory.display());
        report.wrong(
            entry.place,
            entry.at.clone(),
            wrong,
            "put NAME.crt and NAME.key there",
        );
    }
    pairs
}

fn pair_of_prefix(
    entry: &Placed<String>,
    prefix: &Path,
    sources: &mut Sources,
    report: &mut Report,
) -> Vec<Pair> {
    // A name may have dots of its own (tls/wohngeld.example), so an ending is put behind it, not in place of one.
    let with = |ending: &str| {
        let mut name = prefix.as_os_str().to_owned();
        name.push(".");
        name.push(ending);
        PathBuf::from(name)
    };
    let written = prefix
        .extension()
        .and_then(|ending| ending.to_str())
        .unwrap_or_default();
    if prefix.is_file() && (CHAIN_ENDINGS.contains(&written) || written == "key") {
        return vec![Pair {
            file: if written == "key" {
                prefix.with_extension("crt")
            } else {
                prefix.to_owned()
            },
            key: prefix.with_extension("key"),
            found: false,
        }];
    }
    let key = with("key");
    if let Some(file) = CHAIN_ENDINGS
        .map(with)
        .into_iter()
        .find(|file| file.is_file())
    {
        return vec![Pair {
            file,
            key,
            found: false,
        }];
    }
    // Looked for, so that the watcher sees it appear.
    let _ = sources.read(&with("crt"));
    let _ = sources.list(prefix);
    let wrong = format!(
        "there is neither a directory {} nor a file {}",
        prefix.display(),
        with("crt").display()
    );
    let remedy =
        "name a directory with NAME.crt and NAME.key, or the path of one pair without its ending";
    report.wrong(entry.place, entry.at.clone(), wrong, remedy);
    Vec::new()
}

/// None: a CA's certificate that lies in the directory, as cert-manager puts it there (`ca.crt`).
fn read_pair(
    pair: Pair,
    sources: &mut Sources,
    report: &mut Report,
) -> Result<Option<Certificate>, Wrong> {
    let chain = read_chain(&pair.file, sources)?;
    let leaf = chain.first().ok_or_else(|| no_certificate(&pair.file))?;
    let Ok((_, parsed)) = X509Certificate::from_der(leaf) else {
        return Err((
            "its first certificate cannot be read".to_owned(),
            "make it anew".to_owned(),
        ));
    };
    if pair.found && parsed.is_ca() && !pair.key.exists() {
        return Ok(None);
    }
    let key = read_key(&pair.key, sources)?;
    check_pair(&chain, &key).map_err(|wrong| {
        (
            wrong,
            format!("put the certificate's own key into {}", pair.key.display()),
        )
    })?;
    let not_after = warn_of_validity(&pair.file, &parsed, report);
    let names = dns_names(&parsed);
    if names.is_empty() {
        let remedy = "make one with its host names as subject alternative names (RFC 9525 §2)";
        report.warn_in(&pair.file, "names no host: clients will refuse it", remedy);
    }
    Ok(Some(Certificate {
        names,
        not_after,
        key: key.secret_der().to_vec(),
        chain: chain
            .iter()
            .map(|certificate| certificate.to_vec())
            .collect(),
        file: pair.file,
    }))
}

fn read_chain(file: &Path, sources: &mut Sources) -> Result<Vec<CertificateDer<'static>>, Wrong> {
    let bytes = read(file, sources)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match chain {
        Ok(chain) if chain.is_empty() => Err(no_certificate(file)),
        Ok(chain) => Ok(chain),
        Err(error) => Err((
            format!("is not PEM: {error}"),
            "write the certificate as PEM, leaf first".to_owned(),
        )),
    }
}

fn no_certificate(file: &Path) -> Wrong {
    let remedy = format!(
        "write the leaf and its intermediates as PEM into {}, leaf first",
        file.display()
    );
    (
        "holds no certificate (-----BEGIN CERTIFICATE-----)".to_owned(),
        remedy,
    )
}

fn read_key(file: &Path, sources: &mut Sources) -> Result<PrivateKeyDer<'static>, Wrong> {
    let bytes = read(file, sources)
        .map_err(|(wrong, remedy)| (format!("its key {} {wrong}", file.display()), remedy))?;
    match PrivateKeyDer::from_pem_slice(&bytes) {
        Ok(key) => Ok(key),
        Err(_) if bytes.windows(9).any(|word| word == b"ENCRYPTED") => Err((
            format!("its key {} is encrypted", file.display()),
            "decrypt it: openssl pkey -in NAME.key -out NAME.key".to_owned(),
        )),
        Err(_) => Err((
            format!("its key {} holds no private key", file.display()),
            "write it as PEM (-----BEGIN PRIVATE KEY-----)".to_owned(),
        )),
    }
}

fn read(file: &Path, sources: &mut Sources) -> Result<Vec<u8>, Wrong> {
    sources.read(file).map_err(|error| {
        let (wrong, remedy) = explain(&error);
        (wrong, remedy.to_owned())
    })
}

/// Whether the key can sign and is the certificate's own.
fn check_pair(
    chain: &[CertificateDer<'static>],
    key: &PrivateKeyDer<'static>,
) -> Result<(), String> {
    let signing_key = rustls::crypto::aws_lc_rs::sign::any_supported_type(key)
        .map_err(|error| format!("its key cannot be used: {error}"))?;
    match CertifiedKey::new(chain.to_vec(), Arc::clone(&signing_key)).keys_match() {
        Ok(()) => Ok(()),
        Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            Err("its key belongs to another certificate".to_owned())
        }
        Err(error) => Err(format!("it cannot be used with its key: {error}")),
    }
}

/// The end of validity, seconds since 1970.
fn warn_of_validity(file: &Path, certificate: &X509Certificate<'_>, report: &mut Report) -> i64 {
    let validity = certificate.validity();
    let (start, end) = (
        validity.not_before.timestamp(),
        validity.not_after.timestamp(),
    );
    let now = now().unix_millis() / 1_000;
    if end < now {
        let wrong = format!("expired at {}", validity.not_after);
        report.warn_in(file, wrong, "renew it; it is served until then");
    } else if start > now {
        let wrong = format!("is valid from {} on", validity.not_before);
        report.warn_in(file, wrong, "check the clock; it is served all the same");
    }
    end
}

fn dns_names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    let names = extension
        .value
        .general_names
        .iter()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
            _ => None,
        });
    names.collect()
}
