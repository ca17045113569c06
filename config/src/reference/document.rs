//! The table of keys as a page for people.

use std::fmt::Write as _;

use super::{DefaultValue, KeyDoc, reference};

const HEAD: &str = "# Configuration

<!-- Written by the test `docs_config_md_is_current` from the table that the checker reads (config/src/reference). -->

One YAML file, `schleuse.yaml` or `/etc/schleuse/schleuse.yaml` unless `--config` names another. Paths in it are relative
to its directory. `schleuse check` reports every problem with line, column and remedy; `config/examples/` has a minimal
and a full file.

- Durations are a whole number and `ms`, `s`, `m` or `h`; sizes a whole number and `B`, `KiB`, `MiB` or `GiB`; rates of
  requests a number, with decimals if need be, and `/s`, `/min` or `/h`. A number without unit is refused.
- What is a part of something larger cannot be written larger than that; where it is left out, it follows.
- ARS, AGS and Leistungsschlüssel are taken digit for digit, leading zeros included. Quote them all the same: other tools
  that read the file may not.
- Unknown keys, keys written twice and keys without a value are refused.
- A config is taken whole or not at all: while the new one has a problem, the old one stays live.
- YAML anchors and aliases work; merge keys (`<<`) and several documents do not.

`NAME` and `ARS` stand for names that you choose, `[]` for the items of a list.
";

/// `docs/config.md`: every key with its type, default, meaning and an example.
pub fn document() -> String {
    let mut page = HEAD.to_owned();
    let mut section = None;
    for doc in reference() {
        let group = group_of(doc);
        if section != Some(group) {
            section = Some(group);
            // Writing to a String cannot fail.
            let _ = write!(
                page,
                "\n## {group}\n\n| key | type | default | meaning | example |\n|---|---|---|---|---|\n"
            );
        }
        let default = match doc.default {
            DefaultValue::Required => "required".to_owned(),
            DefaultValue::Value("") => "empty".to_owned(),
            DefaultValue::Value(value) => format!("`{value}`"),
            DefaultValue::Otherwise(words) => words.to_owned(),
        };
        let KeyDoc {
            path,
            meaning,
            example,
            ..
        } = doc;
        let kind = doc.kind.to_string().replace('|', "\\|");
        let _ = writeln!(
            page,
            "| `{path}` | {kind} | {default} | {meaning} | `{example}` |"
        );
    }
    page
}

/// The top-level key that a key belongs to; single values share one table.
fn group_of(doc: &KeyDoc) -> &'static str {
    let first = doc.path.split(['.', '[']).next().unwrap_or(doc.path);
    match first {
        "version" | "workers" | "drain_max" | "state_directory" => "process",
        other => other,
    }
}
