//! Whom the process believes, and what it asks of a client's connection.

use std::path::PathBuf;

use crate::{
    files::Sources,
    networks::{Network, NetworkError, Networks},
    problem::Report,
    reader::Section,
    snapshot::{ClientPolicy, Overload},
    units::quoted,
};

pub(super) fn read_trusted_proxies(file: &Section<'_, '_>, report: &mut Report) -> Networks {
    let networks = read_networks(file, "trusted_proxies", report);
    let everybody =
        networks.contains([192, 0, 2, 1].into()) && networks.contains([198, 51, 100, 1].into());
    if everybody {
        // Two of the documentation's networks (RFC 5737) that no operator owns.
        let wrong = "believes everybody: each client can claim any address and tenant";
        report.warn(
            file.place_of("trusted_proxies"),
            "trusted_proxies",
            wrong,
            "name the networks of your proxies",
        );
    }
    networks
}

pub(super) fn read_state_directory(
    file: &Section<'_, '_>,
    sources: &Sources,
    report: &mut Report,
) -> Option<PathBuf> {
    let written = file.text("state_directory", report)?;
    let path = sources.resolve(&written.value);
    if path.exists() && !path.is_dir() {
        let wrong = format!("{} is no directory", path.display());
        let remedy = "name a directory, or one that can be made";
        report.wrong(written.place, written.at, wrong, remedy);
    }
    Some(std::path::absolute(&path).unwrap_or(path))
}

/// A list of networks.
pub(super) fn read_networks(section: &Section<'_, '_>, key: &str, report: &mut Report) -> Networks {
    let mut networks = Vec::new();
    for text in section.texts(key, report) {
        match text.value.parse::<Network>() {
            Ok(network) => networks.push(network),
            Err(error) => {
                let remedy = match &error {
                    NetworkError::HostBits { network } => {
                        format!("write {network}, or the address alone")
                    }
                    NetworkError::Length { .. } | NetworkError::Address => {
                        "write it as 10.0.0.0/8 or 2001:db8::/32".to_owned()
                    }
                };
                report.wrong(
                    text.place,
                    text.at,
                    format!("{} {error}", quoted(&text.value)),
                    remedy,
                );
            }
        }
    }
    Networks::new(networks)
}

pub(super) fn read_client(file: &Section<'_, '_>, report: &mut Report) -> ClientPolicy {
    let client = file.section("client", "client", report);
    let connections_max = client.optional_integer("connections_max", report);
    let ipv6_prefix = client.integer("ipv6_prefix", report);
    if ipv6_prefix > 64 {
        report.warn(
            client.place_of("ipv6_prefix"),
            client.path("ipv6_prefix"),
            "one machine has a whole /64 and is a new client with each of its addresses",
            "write 64 or less",
        );
    }
    ClientPolicy {
        head_bytes_max: usize::try_from(client.size("head_bytes_max", report)).unwrap_or_default(),
        head_fields_max: usize::try_from(client.integer("head_fields_max", report))
            .unwrap_or_default(),
        header_max: client.duration("header_max", report),
        handshake_max: client.duration("handshake_max", report),
        idle_max: client.duration("idle_max", report),
        body_idle_max: client.duration("body_idle_max", report),
        body_rate_min: client.rate("body_rate_min", report),
        connections_max,
        connections_per_network_max: client.integer_within(
            "connections_per_network_max",
            1_000,
            ("connections_max", connections_max.unwrap_or(u32::MAX)),
            report,
        ),
        ipv4_prefix: prefix(client.integer("ipv4_prefix", report)),
        ipv6_prefix: prefix(ipv6_prefix),
    }
}

/// The reference bounds it by the address's length.
fn prefix(bits: u32) -> u8 {
    u8::try_from(bits).unwrap_or(u8::MAX)
}

pub(super) fn read_overload(file: &Section<'_, '_>, report: &mut Report) -> Overload {
    let section = file.section("overload", "overload", report);
    Overload {
        held_bytes_max: section.size("held_bytes_max", report),
        lag_max: section.duration("lag_max", report),
        file_handles_percent: section.percent("file_handles", report),
    }
}

pub(super) fn read_clients_max(file: &Section<'_, '_>, report: &mut Report) -> u32 {
    file.section("limits", "limits", report)
        .integer("clients_max", report)
}
