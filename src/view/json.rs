//! The envelope of every JSON document: its schema, with a version, before anything else. And what that schema is.

mod words;

use std::fmt::Write as _;

use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::domain::text::is_plain;

/// The name of a kind's schema, by which a reader decides how to read the rest of a document.
pub fn name(kind: &str) -> String {
    format!("git-deploy/{kind}/v1")
}

/// A document of the schema `git-deploy/<kind>/v1`. The body must be a struct or a map.
pub fn document(kind: &str, body: &impl Serialize) -> serde_json::Result<String> {
    #[derive(Serialize)]
    struct Document<'a, T> {
        schema: String,
        #[serde(flatten)]
        body: &'a T,
    }
    serde_json::to_string_pretty(&Document {
        schema: name(kind),
        body,
    })
    .map(|document| escaped(&document))
}

/// The same document with everything written as an escape that a terminal would obey or that would deceive who reads it there. Such characters
/// stand only inside strings; those of JSON's own lines stay.
fn escaped(document: &str) -> String {
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

/// The JSON Schema of the documents of a kind, whose bodies are of this type; `about` says what they tell.
///
/// It is exact: a field that it does not know is a mistake, and `null` never occurs, because what is not known or does not apply is
/// left out.
pub fn schema<T: JsonSchema>(kind: &str, about: &str) -> Value {
    let settings = SchemaSettings::draft2020_12()
        .for_serialize()
        .with_transform(Exact);
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    let root = schema.ensure_object();
    root.insert("title".to_owned(), name(kind).into());
    root.insert("description".to_owned(), about.into());
    let mut properties = Map::new();
    properties.insert(
        "schema".to_owned(),
        json!({ "const": name(kind), "description": "What kind of document this is." }),
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

/// Makes a schema say all there is: no further fields, and no `null`.
#[derive(Clone)]
struct Exact;

impl Transform for Exact {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        let Some(object) = schema.as_object_mut() else {
            return;
        };
        without_null(object);
        if object.contains_key("properties") && !object.contains_key("additionalProperties") {
            object.insert("additionalProperties".to_owned(), false.into());
        }
    }
}

/// Takes back what the library allows for an `Option`, which is left out of a document instead.
fn without_null(object: &mut Map<String, Value>) {
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
    /// A reader decides by the schema how to read the rest: it is always there and first.
    #[test]
    fn envelope() {
        #[derive(serde::Serialize)]
        struct Body {
            count: u8,
        }
        assert_eq!(
            super::document("thing", &Body { count: 2 }).unwrap(),
            "{\n  \"schema\": \"git-deploy/thing/v1\",\n  \"count\": 2\n}"
        );
        assert!(super::document("thing", &7).is_err());
    }
}
