//! What needs no target: problems of scenarios, schemas, the built-in ones.

use super::{
    SchemaOf, USAGE,
    print::{remark, say},
};
use crate::{
    results,
    scenario::{self, BUILTIN},
};

/// All problems of all scenarios; 0 when there is none.
pub(super) fn check(names: &[String]) -> Result<u8, String> {
    let mut code = 0;
    for name in names {
        match scenario::load(name) {
            Ok(_) => say(format_args!("{name}: no problem")),
            Err(scenario::LoadError::File(error)) => return Err(format!("{name}: {error}")),
            Err(scenario::LoadError::Problems(problems)) => {
                say(problems);
                code = 1;
            }
        }
    }
    Ok(code)
}

pub(super) fn schema(of: SchemaOf) -> Result<u8, String> {
    let schema = match of {
        SchemaOf::Scenario => scenario::schema(),
        SchemaOf::Result => results::schema(),
    };
    let text = serde_json::to_string_pretty(&schema).map_err(|error| error.to_string())?;
    say(text);
    Ok(0)
}

pub(super) fn show(name: &str) -> u8 {
    if let Some(builtin) = BUILTIN.iter().find(|builtin| builtin.name == name) {
        say(builtin.text.trim_end());
        return 0;
    }
    let names: Vec<&str> = BUILTIN.iter().map(|builtin| builtin.name).collect();
    let names = names.join(", ");
    remark(format_args!(
        "launchday: no scenario is called {name}; there are {names}"
    ));
    USAGE
}
