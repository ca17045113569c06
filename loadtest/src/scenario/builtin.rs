//! Scenarios that come with the program: a first look, and launches that really happened, as loads.
//!
//! Their figures are those that press and authorities published; each file names them. What nobody published (think times,
//! patience) is an assumption and says so. They ask `http://127.0.0.1:8080` unless `--target` names another, on behalf of
//! all Kommunen of the register that comes with the program, or of the file that `--register` names.

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Builtin {
    /// As on the command line.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
}

macro_rules! builtin {
    ($($name:literal),*) => {
        &[$(Builtin { name: $name, text: include_str!(concat!("builtin/", $name, ".yaml")) }),*]
    };
}

/// All of them.
pub const BUILTIN: &[Builtin] = builtin!["smoke", "ez200", "ibb", "sh", "nrw", "elster", "kfw"];

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{
        scenario::{Arrivals, read},
        schedule::Schedule,
    };

    fn visitors(name: &str) -> f64 {
        let builtin = BUILTIN.iter().find(|builtin| builtin.name == name).unwrap();
        let scenario = read(Path::new(name), builtin.text).unwrap();
        let Arrivals::Open { phases, spacing } = scenario.arrivals else {
            panic!("{name} is a closed model");
        };
        Schedule::new(phases, spacing, 1).expected()
    }

    #[test]
    fn each_is_a_scenario_without_problems() {
        for builtin in BUILTIN {
            let read = read(Path::new(builtin.name), builtin.text);
            assert!(read.is_ok(), "{}: {}", builtin.name, read.unwrap_err());
        }
    }

    /// Published: 264,000 applications on the first day (about a sixth leave before), 200,000 tickets, 20 million
    /// requests in eight hours at 700/s, 190,000 visitors in ten hours.
    #[test]
    fn as_many_come_as_came() {
        for (name, from, to) in [
            ("ez200", 264_000.0, 330_000.0),
            ("ibb", 190_000.0, 210_000.0),
            ("nrw", 19_500_000.0, 20_500_000.0),
            ("sh", 300_000.0, 420_000.0),
            ("kfw", 185_000.0, 195_000.0),
        ] {
            let found = visitors(name);
            assert!((from..=to).contains(&found), "{name}: {found}");
        }
    }
}
