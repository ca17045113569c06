//! What the schema allows: every scenario that the reader takes, and not the mistakes that an editor can show while one writes.
//!
//! Judged by the part of JSON Schema that it uses.

use std::{fs, path::Path};

use schleuse_config::yaml::{self, Node, Report, Value as Written};
use serde_json::{Value, json};

use super::schema;
use crate::scenario::BUILTIN;

/// As an editor's YAML reads it: a scalar without quotes may be a number or a flag.
fn value(node: &Node<'_>) -> Value {
    match &node.value {
        Written::Scalar { text, plain: true } => match serde_json::from_str(text) {
            Ok(Value::Number(number)) => Value::Number(number),
            Ok(Value::Bool(flag)) => json!(flag),
            _ => json!(text),
        },
        Written::Scalar { text, .. } => json!(text),
        Written::Sequence(items) => items.iter().map(value).collect(),
        Written::Mapping(entries) => {
            let entries = entries.iter().map(|(key, entry)| {
                let Written::Scalar { text, .. } = &key.value else {
                    panic!("a key is a text")
                };
                (text.clone().into_owned(), value(entry))
            });
            Value::Object(entries.collect())
        }
        Written::Broken => panic!("broken"),
    }
}

fn parsed(text: &str) -> Value {
    let mut report = Report::new(Path::new("a.yaml"));
    value(&yaml::parse(text, &mut report).unwrap())
}

/// Whether `value` follows `schema`.
fn follows(schema: &Value, value: &Value) -> bool {
    let Value::Object(rules) = schema else {
        panic!("{schema}")
    };
    rules.iter().all(|(rule, said)| match rule.as_str() {
        "$schema" | "title" | "description" | "properties" => true,
        "type" => match said {
            Value::Array(kinds) => kinds.iter().any(|kind| is(kind, value)),
            kind => is(kind, value),
        },
        "enum" => said.as_array().unwrap().contains(value),
        "minimum" => value.as_f64() >= said.as_f64(),
        "exclusiveMinimum" => value.as_f64() > said.as_f64(),
        "minItems" => value
            .as_array()
            .is_none_or(|items| items.len() as u64 >= said.as_u64().unwrap()),
        "items" => value
            .as_array()
            .is_none_or(|items| items.iter().all(|item| follows(said, item))),
        "anyOf" => said
            .as_array()
            .unwrap()
            .iter()
            .any(|one| follows(one, value)),
        "oneOf" => {
            said.as_array()
                .unwrap()
                .iter()
                .filter(|one| follows(one, value))
                .count()
                == 1
        }
        "required" => said
            .as_array()
            .unwrap()
            .iter()
            .all(|key| !value[key.as_str().unwrap()].is_null()),
        "additionalProperties" => value.as_object().is_none_or(|entries| {
            entries
                .iter()
                .all(|(key, entry)| match (rules.get("properties"), said) {
                    (Some(known), Value::Bool(false)) => {
                        known.get(key).is_some_and(|schema| follows(schema, entry))
                    }
                    (_, schema) => follows(schema, entry),
                })
        }),
        other => panic!("this test does not know {other}"),
    })
}

fn is(kind: &Value, value: &Value) -> bool {
    match kind.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        "boolean" => value.is_boolean(),
        other => panic!("{other}"),
    }
}

#[test]
fn every_scenario_that_comes_along_follows_the_schema() {
    let schema = schema();
    for builtin in BUILTIN {
        assert!(follows(&schema, &parsed(builtin.text)), "{}", builtin.name);
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for file in [
        "scenarios/noisy-neighbour.yaml",
        "scenarios/from-zero.yaml",
        "../docs/compare/scenario.yaml",
    ] {
        let text = fs::read_to_string(root.join(file)).unwrap();
        assert!(follows(&schema, &parsed(&text)), "{file}");
    }
}

#[test]
fn an_editor_is_told_of_unknown_keys_missing_ones_and_such_that_exclude_each_other() {
    let schema = schema();
    let good = "
target: { url: http://a, http_version: 2 }
arrivals: [ { rate: 1/s, duration: 1s, spacing: even }, { csv: counts.csv } ]
tenants: { register: official, by: equal, noisy: { tenant: 110000000000, factor: 2.5 } }
journeys: [ { steps: [ { get: /, expect: [ 200 ] } ], come_back: { after: 1s } } ]
seed: 7
";
    assert!(follows(&schema, &parsed(good)));
    for (from, to) in [
        ("seed: 7", "sed: 7"),
        ("seed: 7", "seed: many"),
        ("seed: 7", "seed: -1"),
        ("seed: 7", "thresholds: p99 < 1s"),
        ("http_version: 2", "http_version: 3"),
        ("url: http://a, ", ""),
        ("spacing: even", "spacing: odd"),
        ("csv: counts.csv", "csv: counts.csv, rate: 1/s"),
        ("register: official", "register: official, weights: w.csv"),
        ("by: equal", "by: chance"),
        (", factor: 2.5", ""),
        ("factor: 2.5", "factor: 0"),
        ("get: /", "get: /, post: /"),
        ("get: /, ", ""),
        ("steps: [ { get: /, expect: [ 200 ] } ]", "steps: []"),
        ("come_back: { after: 1s }", "come_back: { share: 5% }"),
        ("expect: [ 200 ]", "expect: [ ok ]"),
    ] {
        assert!(good.contains(from), "{from}");
        assert!(!follows(&schema, &parsed(&good.replace(from, to))), "{to}");
    }
}
