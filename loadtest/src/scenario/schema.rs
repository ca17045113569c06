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
        root.insert(
            "required".to_owned(),
            json!(["target", "arrivals", "journeys"]),
        );
    }
    root
}

fn section(path: &str) -> Value {
    let properties: Map<String, Value> = keys_of(path)
        .map(|key| (key.name.to_owned(), property(key)))
        .collect();
    json!({ "type": "object", "additionalProperties": false, "properties": properties })
}

fn property(key: &Key) -> Value {
    let text = || json!({ "type": ["string", "number"] });
    let mut shape = match key.kind {
        Kind::Section(path) => section(path),
        Kind::Sections(path) => json!({ "type": "array", "items": section(path) }),
        Kind::TextOrSection(path) => json!({ "anyOf": [text(), section(path)] }),
        Kind::SectionOrSections(path) => {
            json!({ "anyOf": [section(path), { "type": "array", "items": section(path) }] })
        }
        Kind::Pairs => json!({ "type": "object", "additionalProperties": text() }),
        Kind::Texts => json!({ "type": "array", "items": { "type": "string" } }),
        Kind::Integers => json!({ "type": "array", "items": { "type": "integer" } }),
        Kind::Text => text(),
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Integer => json!({ "type": "integer", "minimum": 0 }),
        Kind::Number => json!({ "type": "number", "exclusiveMinimum": 0 }),
    };
    if let Some(shape) = shape.as_object_mut() {
        shape.insert("description".to_owned(), json!(key.meaning));
    }
    shape
}
