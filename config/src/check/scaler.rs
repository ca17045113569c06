//! The listener of KEDA's external scaler.

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

use super::listeners::{Claimed, read_address, read_tls};
use crate::{
    files::{Sources, explain},
    problem::Report,
    reader::{Placed, Section},
    snapshot::{Scaler, ScalerTls},
};

pub(super) fn read(
    file: &Section<'_, '_>,
    claimed: &mut Claimed,
    sources: &mut Sources,
    report: &mut Report,
) -> Option<Scaler> {
    let node = file.node("scaler")?;
    let section = Section::open(node, "scaler", "scaler".to_owned(), report);
    let address = read_address(&section, report);
    let tls = section.node("tls").map(|node| {
        let tls = Section::open(node, "scaler.tls", section.path("tls"), report);
        ScalerTls {
            certificates: read_tls(&tls, sources, report),
            client_ca: tls
                .text("client_ca", report)
                .map(|path| read_authorities(path, sources, report)),
        }
    });
    let address = address?;
    let open = tls.as_ref().is_none_or(|tls| tls.client_ca.is_none());
    if open && !address.value.ip().is_loopback() {
        let wrong = format!(
            "{} is reached from other machines, without a certificate",
            address.value
        );
        let remedy = "set `scaler.tls.client_ca`, or let nobody but KEDA reach it";
        report.warn(address.place, address.at.clone(), wrong, remedy);
    }
    let value = address.value;
    claimed.claim(address, report);
    Some(Scaler {
        address: value,
        tls,
    })
}

/// The certificates of a PEM file; empty when it cannot be used, which was noted.
fn read_authorities(
    path: Placed<String>,
    sources: &mut Sources,
    report: &mut Report,
) -> Vec<Vec<u8>> {
    let file = sources.resolve(&path.value);
    let wrong = match sources.read(&file) {
        Err(error) => {
            let (wrong, remedy) = explain(&error);
            (wrong, remedy.to_owned())
        }
        Ok(bytes) => match authorities(&bytes) {
            Ok(authorities) => return authorities,
            Err(wrong) => (
                wrong,
                "write the authority's certificate as PEM into it".to_owned(),
            ),
        },
    };
    let (wrong, remedy) = wrong;
    report.wrong(
        path.place,
        path.at,
        format!("{} {wrong}", file.display()),
        remedy,
    );
    Vec::new()
}

fn authorities(pem: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let certificates = certificates.map_err(|error| format!("is not PEM: {error}"))?;
    if certificates.is_empty() {
        return Err("holds no certificate (-----BEGIN CERTIFICATE-----)".to_owned());
    }
    let mut roots = RootCertStore::empty();
    for certificate in &certificates {
        let added = roots.add(certificate.clone());
        added.map_err(|error| format!("holds a certificate that cannot be used: {error}"))?;
    }
    Ok(certificates
        .iter()
        .map(|certificate| certificate.to_vec())
        .collect())
}
