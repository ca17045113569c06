//! `--set PATH=VALUE`: what if the config said something else there. A closed list of paths; the units are the config's.

use std::{sync::Arc, time::Duration};

use schleuse_config::{Pool, Snapshot, read_duration, yaml::did_you_mean};
use schleuse_core::FairBy;

/// One `PATH=VALUE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// As `pools.wohngeld.max`.
    pub path: String,
    /// As the config would say it.
    pub value: String,
}

impl std::str::FromStr for Change {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (path, value) = text.split_once('=').ok_or_else(|| {
            format!("{text} sets nothing; write PATH=VALUE, as pools.wohngeld.max=200")
        })?;
        Ok(Self {
            path: path.to_owned(),
            value: value.to_owned(),
        })
    }
}

/// What may be changed in a pool.
const KEYS: [&str; 6] = [
    "min",
    "max",
    "cold_start",
    "concurrency",
    "wait_max",
    "fair_by",
];

/// Changes the config.
///
/// # Errors
///
/// In words: no such pool or key, or a value that the key cannot have.
pub fn apply(config: &mut Snapshot, change: &Change) -> Result<(), String> {
    let parts: Vec<&str> = change.path.split('.').collect();
    let ["pools", name, key] = parts.as_slice() else {
        let keys = KEYS.join(", ");
        return Err(format!(
            "{}: what can be set is pools.NAME.KEY, KEY one of {keys}",
            change.path
        ));
    };
    let names: Vec<String> = config.pools.iter().map(|pool| pool.name.clone()).collect();
    let Some(place) = config.pools.iter_mut().find(|pool| pool.name == *name) else {
        let hint = did_you_mean(name, names.iter().map(String::as_str));
        return Err(format!(
            "there is no pool {name}; {}",
            hint.unwrap_or_else(|| names.join(", "))
        ));
    };
    let mut pool = Pool::clone(place);
    set(&mut pool, key, &change.value).map_err(|why| format!("{}: {why}", change.path))?;
    *place = Arc::new(pool);
    Ok(())
}

fn set(pool: &mut Pool, key: &str, value: &str) -> Result<(), String> {
    let number = || {
        value
            .parse::<u32>()
            .map_err(|_| format!("{value} is not a whole number"))
    };
    let time = || -> Result<Duration, String> { read_duration(value) };
    match key {
        "concurrency" => {
            let seats = number()?.max(1);
            pool.policy.concurrency = seats;
            if let Some(scale) = &mut pool.scale {
                scale.policy.seats_per_replica = seats;
            }
        }
        "wait_max" => pool.policy.queue.wait_max = time()?,
        "fair_by" => {
            pool.policy.queue.fair_by = match value {
                "population" => FairBy::Population,
                "square_root" => FairBy::SquareRoot,
                "equal" => FairBy::Equal,
                "none" => FairBy::None,
                _ => return Err("write population, square_root, equal or none".to_owned()),
            };
        }
        "min" | "max" | "cold_start" => {
            let Some(scale) = &mut pool.scale else {
                return Err("nobody scales this pool".to_owned());
            };
            match key {
                "min" => scale.policy.min = number()?,
                "max" => {
                    let max = number()?.max(1);
                    scale.policy.max = max;
                    if let Some(activation) = &mut pool.policy.activation {
                        activation.replicas_max = max;
                    }
                }
                _ => scale.policy.cold_start = time()?,
            }
        }
        other => {
            let hint = did_you_mean(other, KEYS).unwrap_or_else(|| KEYS.join(", "));
            return Err(format!("cannot be set; {hint}"));
        }
    }
    Ok(())
}
