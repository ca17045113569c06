//! The JSON Schema of a scenario, for editors and pipelines; from the same table that the reader goes by.

use serde_json::{Map, Value, json};

use super::keys::{Key, Kind, keys_of};

/// The schema, draft 2020-12. It knows the keys and their shapes; what a text must say, `launchday check` knows.
pub fn schema() -> Value {
    let mut root = section("");
    if let Some(root) = root.as_object_mut() {
        let dialect = "https://json-schema.org/draft/2020-12/schema";
        root.insert("$schema".to_owned(), json!(dialect));
        root.insert("title".to_owned(), json!("launchday scenario"));
    }
    root
}

fn section(path: &str) -> Value {
    let properties: Map<String, Value> = keys_of(path)
        .map(|key| (key.name.to_owned(), property(key)))
        .collect();
    let mut shape =
        json!({ "type": "object", "additionalProperties": false, "properties": properties });
    let needs = |keys: &[&str]| json!({ "required": keys });
    let rule = match path {
        "" => ("required", json!(["target", "arrivals", "journeys"])),
        "target" => ("required", json!(["url"])),
        "arrivals" => {
            let ways = [
                needs(&["rate"]),
                needs(&["csv"]),
                needs(&["citizens", "duration"]),
            ];
            ("oneOf", json!(ways))
        }
        "tenants" => ("oneOf", json!([needs(&["register"]), needs(&["weights"])])),
        "tenants.noisy" => ("required", json!(["tenant", "factor"])),
        "journeys[]" => ("required", json!(["steps"])),
        "journeys[].come_back" => ("required", json!(["after"])),
        "journeys[].steps[]" => {
            let methods = ["get", "head", "post", "put", "patch", "delete"];
            (
                "oneOf",
                methods.iter().map(|method| needs(&[method])).collect(),
            )
        }
        _ => return shape,
    };
    if let Some(shape) = shape.as_object_mut() {
        shape.insert(rule.0.to_owned(), rule.1);
    }
    shape
}

fn property(key: &Key) -> Value {
    // Numbers too: in YAML a text of digits without quotes is one.
    let text = || json!({ "type": ["string", "number"] });
    let list = |items: Value| json!({ "type": "array", "items": items, "minItems": 1 });
    let mut shape = match key.kind {
        Kind::Section(path) => section(path),
        Kind::Sections(path) => list(section(path)),
        Kind::TextOrSection(path) => json!({ "anyOf": [text(), section(path)] }),
        Kind::SectionOrSections(path) => {
            json!({ "anyOf": [section(path), list(section(path))] })
        }
        Kind::Pairs => json!({ "type": "object", "additionalProperties": text() }),
        Kind::Texts => json!({ "type": "array", "items": { "type": "string" } }),
        Kind::Integers => json!({ "type": "array", "items": { "type": "integer" } }),
        Kind::Text => text(),
        Kind::Word(words) => {
            let numbers = words
                .iter()
                .filter_map(|word| serde_json::from_str::<Value>(word).ok());
            let all: Vec<Value> = words
                .iter()
                .map(|word| json!(word))
                .chain(numbers)
                .collect();
            json!({ "enum": all })
        }
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Integer => json!({ "type": "integer", "minimum": 0 }),
        Kind::Number => json!({ "type": "number", "exclusiveMinimum": 0 }),
    };
    if let Some(shape) = shape.as_object_mut() {
        shape.insert("description".to_owned(), json!(key.meaning));
    }
    shape
}

#[cfg(test)]
mod tests;
