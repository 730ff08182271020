//! The envelope of all JSON documents, which starts with the name and version of the schema, and
//! the schemas themselves.

mod domain_schemas;

use std::fmt::Write as _;

use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::domain::text::is_plain;

/// Returns the name of a kind's schema, by which a reader recognizes the document.
pub fn schema_name(kind: &str) -> String {
    format!("git-deploy/{kind}/v1")
}

/// Returns a document of the schema `git-deploy/<kind>/v1`. Fails unless the body is a struct or a
/// map.
pub fn render_document(kind: &str, body: &impl Serialize) -> serde_json::Result<String> {
    #[derive(Serialize)]
    struct Document<'a, T> {
        schema: String,
        #[serde(flatten)]
        body: &'a T,
    }
    serde_json::to_string_pretty(&Document {
        schema: schema_name(kind),
        body,
    })
    .map(|document| escape_unsafe(&document))
}

/// Escapes every character that could control a terminal or mislead its reader. Such characters
/// occur only inside strings. The line breaks between the members remain.
fn escape_unsafe(document: &str) -> String {
    let mut out = String::with_capacity(document.len());
    for character in document.chars() {
        if character == '\n' || is_plain(character) {
            out.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out
}

/// Returns the JSON Schema of a kind of document with bodies of type `T`. `about` describes the
/// document.
///
/// The schema is exact: unknown fields are invalid, and `null` never occurs, because an absent
/// value is left out.
#[cfg(any(test, feature = "testing"))]
pub fn build_schema<T: JsonSchema>(kind: &str, about: &str) -> Value {
    let settings = SchemaSettings::draft2020_12()
        .for_serialize()
        .with_transform(ExactSchema);
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    let root = schema.ensure_object();
    root.insert("title".to_owned(), schema_name(kind).into());
    root.insert("description".to_owned(), about.into());
    let mut properties = Map::new();
    properties.insert(
        "schema".to_owned(),
        json!({ "const": schema_name(kind), "description": "What kind of document this is." }),
    );
    if let Some(Value::Object(own)) = root.remove("properties") {
        properties.extend(own);
    }
    root.insert("properties".to_owned(), properties.into());
    let required = root.entry("required").or_insert_with(|| json!([]));
    if let Some(required) = required.as_array_mut() {
        required.insert(0, "schema".into());
    }
    schema.to_value()
}

/// A transformation that makes a schema exact: no further fields, and no `null`.
#[cfg(any(test, feature = "testing"))]
#[derive(Clone)]
struct ExactSchema;

#[cfg(any(test, feature = "testing"))]
impl Transform for ExactSchema {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        let Some(object) = schema.as_object_mut() else {
            return;
        };
        remove_null(object);
        if object.contains_key("properties") && !object.contains_key("additionalProperties") {
            object.insert("additionalProperties".to_owned(), false.into());
        }
    }
}

/// Removes `null` from a schema: schemars allows it for an `Option`, but our documents leave the
/// field out.
#[cfg(any(test, feature = "testing"))]
fn remove_null(object: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|it| it != "null");
        if let [one] = &types[..] {
            let one = one.clone();
            object.insert("type".to_owned(), one);
        }
    }
    if let Some(Value::Array(words)) = object.get_mut("enum") {
        words.retain(|it| !it.is_null());
    }
    if let Some(Value::Array(any)) = object.get_mut("anyOf") {
        any.retain(|it| it.get("type").is_none_or(|it| it != "null"));
        if let [Value::Object(one)] = &any[..] {
            let one = one.clone();
            object.remove("anyOf");
            for (key, value) in one {
                object.entry(key).or_insert(value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    /// Checks that the schema's name is always present and comes first.
    #[test]
    fn envelope() {
        #[derive(serde::Serialize)]
        struct Body {
            count: u8,
        }
        assert_eq!(
            super::render_document("thing", &Body { count: 2 }).unwrap(),
            "{\n  \"schema\": \"git-deploy/thing/v1\",\n  \"count\": 2\n}"
        );
        assert!(super::render_document("thing", &7).is_err());
    }
}
