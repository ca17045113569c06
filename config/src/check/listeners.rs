//! Addresses of the public side and of the operators, none of them twice.

use std::{net::SocketAddr, sync::Arc};

use super::secrets::read_admin_token;
use crate::{
    certificates::read_certificates,
    files::Sources,
    hosts::parse_address,
    problem::Report,
    reader::{Placed, Section},
    snapshot::{Admin, CertificateSet, Listener},
    units::{Fault, quoted},
};

/// Addresses that listeners have claimed.
#[derive(Debug, Default)]
pub(super) struct Claimed(Vec<Placed<SocketAddr>>);

impl Claimed {
    /// Claims an address; notes when another listener holds it, by itself or because that one takes its port on all
    /// addresses.
    pub(super) fn claim(&mut self, address: Placed<SocketAddr>, report: &mut Report) {
        let new = address.value;
        let taken = |other: SocketAddr| {
            // `[::]` takes IPv4 as well.
            let covers = |one: SocketAddr, two: SocketAddr| {
                one.ip().is_unspecified() && (one.is_ipv6() || two.is_ipv4())
            };
            new.port() == other.port()
                && new.port() != 0
                && (new == other || covers(new, other) || covers(other, new))
        };
        match self.0.iter().find(|first| taken(first.value)) {
            Some(first) => {
                let wrong = format!(
                    "{new} is taken by {} ({}, line {})",
                    first.at, first.value, first.place.line
                );
                report.wrong(
                    address.place,
                    address.at,
                    wrong,
                    "choose another port, or remove one of the two",
                );
            }
            None => self.0.push(address),
        }
    }
}

pub(super) fn read(
    file: &Section<'_, '_>,
    claimed: &mut Claimed,
    sources: &mut Sources,
    report: &mut Report,
) -> Vec<Listener> {
    let items = file.list("listeners", report);
    if file.is_empty_list("listeners") {
        let place = file.place_of("listeners");
        report.wrong(
            place,
            "listeners",
            "no listener",
            "write at least `- address: 0.0.0.0:8080`",
        );
    }
    let mut listeners = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let section = Section::open(item, "listeners[]", format!("listeners[{index}]"), report);
        let address = read_address(&section, report);
        let tls = section.node("tls").map(|node| {
            let tls = Section::open(node, "listeners[].tls", section.path("tls"), report);
            read_tls(&tls, sources, report)
        });
        let redirect = section
            .word("redirect_https", report, parse_redirect)
            .flatten();
        if redirect.is_some() && section.has("tls") {
            report.wrong(
                section.place_of("redirect_https"),
                section.path("redirect_https"),
                "a TLS listener would redirect to itself",
                "put it on the plain listener, or remove it",
            );
        }
        let Some(address) = address else {
            continue;
        };
        listeners.push(Listener {
            address: address.value,
            tls: tls.map(Arc::new),
            redirect_https_port: redirect,
        });
        claimed.claim(address, report);
    }
    listeners
}

pub(super) fn read_admin(
    file: &Section<'_, '_>,
    claimed: &mut Claimed,
    sources: &mut Sources,
    report: &mut Report,
) -> Option<Admin> {
    let node = file.node("admin")?;
    let section = Section::open(node, "admin", "admin".to_owned(), report);
    let address = read_address(&section, report);
    let token = read_admin_token(&section, sources, report);
    let address = address?;
    claimed.claim(address.clone(), report);
    if !address.value.ip().is_loopback() && !section.has("token") {
        let wrong = format!(
            "{} is reached from other machines, without a token",
            address.value
        );
        report.warn(
            address.place,
            address.at,
            wrong,
            "set `admin.token`, use a loopback address, or a network of your own",
        );
    }
    Some(Admin {
        address: address.value,
        token,
    })
}

pub(super) fn read_address(
    section: &Section<'_, '_>,
    report: &mut Report,
) -> Option<Placed<SocketAddr>> {
    let address = section.parsed("address", report, parse_address)?;
    if address.value.port() == 0 {
        let wrong = "port 0: the system chooses another one at each start";
        report.warn(address.place, address.at.clone(), wrong, "write a port");
    }
    Some(address)
}

/// The certificates of a section `tls`.
pub(super) fn read_tls(
    tls: &Section<'_, '_>,
    sources: &mut Sources,
    report: &mut Report,
) -> CertificateSet {
    let entries = tls.texts("certificates", report);
    if tls.is_empty_list("certificates") {
        let place = tls.place_of("certificates");
        let remedy = "name a directory with NAME.crt and NAME.key";
        report.wrong(place, tls.path("certificates"), "no certificate", remedy);
    }
    read_certificates(&entries, sources, report)
}

/// `true`, `false` or a port.
fn parse_redirect(text: &str) -> Result<Option<u16>, Fault> {
    match text {
        "true" => Ok(Some(443)),
        "false" => Ok(None),
        _ => match text.parse::<u16>() {
            Ok(port) if port > 0 => Ok(Some(port)),
            _ => Err(Fault::new(
                format!("{} is neither true nor a port", quoted(text)),
                "write true for port 443, or the port of the TLS listener as clients see it",
            )),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_is_a_switch_or_a_port() {
        assert_eq!(parse_redirect("true"), Ok(Some(443)));
        assert_eq!(parse_redirect("false"), Ok(None));
        assert_eq!(parse_redirect("8443"), Ok(Some(8443)));
        for text in ["0", "65536", "https", "yes"] {
            assert!(parse_redirect(text).is_err(), "{text}");
        }
    }
}
