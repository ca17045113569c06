//! Whose citizens they are: all Kommunen of a register by population, or the names of a file with weights; one of them may
//! ask for more than its share.

use std::{collections::HashSet, fs, path::Path};

use schleuse_config::{
    OFFICIAL_REGISTER, load_register, parse_register,
    yaml::{Fault, Report, quoted},
};
use schleuse_core::{TenantId, register::land_name};

use super::section::Section;

/// The word for the register that comes with the program, in place of a path.
const OFFICIAL: &str = "official";

/// One tenant and its part of the demand.
#[derive(Debug, Clone, PartialEq)]
pub struct Tenant {
    /// ARS, or the name in the file of weights.
    pub key: String,
    /// Name.
    pub name: String,
    /// The Land by name; empty when unknown.
    pub land: String,
    /// Inhabitants, if known.
    pub population: Option<u64>,
    /// Part of the demand, a noisy one's factor included.
    pub weight: f64,
    /// Part of what it is entitled to: its weight without that factor.
    pub entitlement: f64,
}

/// All Kommunen of the register at this path.
///
/// # Errors
///
/// What is wrong with the file.
pub fn of_register(path: &Path) -> Result<Vec<Tenant>, String> {
    register(path, false).map_err(|Fault { wrong, .. }| format!("{} {wrong}", path.display()))
}

pub(super) fn read(top: &Section<'_, '_>, directory: &Path, report: &mut Report) -> Vec<Tenant> {
    let Some(node) = top.node("tenants") else {
        return Vec::new();
    };
    let section = Section::open(node, "tenants", "tenants", report);
    let equal = section.parsed("by", report, |text| match text {
        "population" => Ok(false),
        "equal" => Ok(true),
        _ => Err(Fault::new(
            format!("{} is no way to draw tenants", quoted(text)),
            "write population or equal",
        )),
    });
    let mut tenants = match (section.node("register"), section.node("weights")) {
        (Some(_), Some(_)) => {
            let wrong = "`register` and `weights` exclude each other";
            report.wrong(section.place, "tenants", wrong, "keep one of them");
            return Vec::new();
        }
        (None, None) => {
            section.required("register", report);
            return Vec::new();
        }
        (Some(_), None) => section.parsed("register", report, |file| {
            register(&directory.join(file), equal.unwrap_or_default())
        }),
        (None, Some(_)) => section.parsed("weights", report, |file| weights(&directory.join(file))),
    }
    .unwrap_or_default();
    noise(&section, &mut tenants, report);
    tenants
}

fn noise(tenants: &Section<'_, '_>, list: &mut [Tenant], report: &mut Report) {
    let Some(node) = tenants.node("noisy") else {
        return;
    };
    let section = Section::open(node, "tenants.noisy", "tenants.noisy", report);
    let factor = section.required("factor", report).is_some();
    let factor = factor.then(|| section.number("factor", report)).flatten();
    let Some(key) = section.required("tenant", report) else {
        return;
    };
    let name = section.text("tenant", report).unwrap_or_default();
    let unread = list.is_empty();
    match list.iter_mut().find(|tenant| tenant.key == name) {
        Some(tenant) => tenant.weight *= factor.unwrap_or(1.0),
        None if unread => {} // why there is none was noted
        None => report.wrong(
            key.place,
            section.path("tenant"),
            format!("no tenant has the key {}", quoted(name)),
            "write a key of the register or of the file of weights",
        ),
    }
}

fn register(path: &Path, equal: bool) -> Result<Vec<Tenant>, Fault> {
    let read = if path.ends_with(OFFICIAL) {
        parse_register(path, OFFICIAL_REGISTER)
    } else {
        load_register(path)
    };
    let register = read.map_err(|problems| {
        Fault::new(format!("cannot be used:\n{problems}"), "mend the register")
    })?;
    let tenants = register.places().map(|place| {
        let tenant = TenantId::new(place);
        let population = register.population(tenant);
        let key = tenant.to_string();
        #[expect(clippy::cast_precision_loss, reason = "inhabitants")]
        let weight = if equal { 1.0 } else { population as f64 };
        Tenant {
            name: register.name(tenant).unwrap_or_default().to_owned(),
            land: land(&key).to_owned(),
            population: Some(population),
            weight,
            entitlement: weight,
            key,
        }
    });
    Ok(tenants.collect())
}

fn weights(path: &Path) -> Result<Vec<Tenant>, Fault> {
    let text = fs::read_to_string(path).map_err(|error| {
        let wrong = format!("{} cannot be read: {error}", path.display());
        Fault::new(
            wrong,
            "name a file that is there; paths begin beside the scenario",
        )
    })?;
    let mut tenants = Vec::new();
    let mut keys = HashSet::new();
    for (number, line) in text.lines().enumerate().skip(1) {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        let read = line.rsplit_once(',').and_then(|(key, weight)| {
            let weight = weight.trim().parse().ok();
            let weight = weight.filter(|weight: &f64| weight.is_finite() && *weight >= 0.0)?;
            Some((key.trim(), weight))
        });
        let Some((key, weight)) = read else {
            let wrong = format!(
                "{}:{}: {} has no weight",
                path.display(),
                number + 1,
                quoted(line)
            );
            return Err(Fault::new(
                wrong,
                "write TENANT,WEIGHT below a line with these names",
            ));
        };
        let refused = if !is_sendable(key) {
            let remedy = "use letters, digits, `-`, `.`, `_` and `~`";
            Some(("cannot stand in a request", remedy))
        } else if keys.insert(key) {
            None
        } else {
            Some(("stands twice", "remove one of them"))
        };
        if let Some((why, remedy)) = refused {
            let (path, key) = (path.display(), quoted(key));
            let wrong = format!("{path}:{}: {key} {why}", number + 1);
            return Err(Fault::new(wrong, remedy));
        }
        tenants.push(Tenant {
            key: key.to_owned(),
            name: key.to_owned(),
            land: land(key).to_owned(),
            population: None,
            weight,
            entitlement: weight,
        });
    }
    if tenants.is_empty() {
        let wrong = format!("{} names no tenant", path.display());
        return Err(Fault::new(
            wrong,
            "write TENANT,WEIGHT below a line with these names",
        ));
    }
    if tenants.iter().all(|tenant: &Tenant| tenant.weight <= 0.0) {
        let wrong = format!("{} gives nobody a weight above 0", path.display());
        return Err(Fault::new(wrong, "raise one of the weights"));
    }
    Ok(tenants)
}

/// It goes into request lines and field values as it is.
fn is_sendable(key: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    !key.is_empty() && key.bytes().all(plain)
}

/// By the first two digits of the ARS; empty when there are none.
fn land(key: &str) -> &'static str {
    let digits = key.get(..2).and_then(|digits| digits.parse().ok());
    digits.and_then(land_name).unwrap_or_default()
}
