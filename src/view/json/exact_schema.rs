//! Builds the JSON Schemas of documents, which are committed in `docs/schemas`.

use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

use super::schema_name::schema_name;

/// Returns the JSON Schema of a kind of document with bodies of type `T`. `about` describes the
/// document.
///
/// The schema is exact: unknown fields are invalid, and `null` never occurs, because an absent
/// value is left out.
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
    if let Some(Value::Object(fields)) = root.remove("properties") {
        properties.extend(fields);
    }
    root.insert("properties".to_owned(), properties.into());
    let required = root.entry("required").or_insert_with(|| json!([]));
    if let Some(required) = required.as_array_mut() {
        required.insert(0, "schema".into());
    }
    schema.to_value()
}

/// A transformation that makes a schema exact: no further fields, and no `null`.
#[derive(Clone)]
struct ExactSchema;

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
fn remove_null(object: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|it| it != "null");
        if let [only] = &types[..] {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(values)) = object.get_mut("enum") {
        values.retain(|it| !it.is_null());
    }
    if let Some(Value::Array(any)) = object.get_mut("anyOf") {
        any.retain(|it| it.get("type").is_none_or(|it| it != "null"));
        if let [Value::Object(only)] = &any[..] {
            let only = only.clone();
            object.remove("anyOf");
            for (key, value) in only {
                object.entry(key).or_insert(value);
            }
        }
    }
}
