//! The keys of `deploy.toml` for editors and readers: the JSON Schema that `git deploy policy
//! schema` prints, and the reference in `docs/policy.md`. Both derive from the tables in
//! `domain::policy` that the parser uses.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::domain::policy::{KeyTable, Policy, TableKey, ValueForm};

#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

/// Returns the JSON Schema of `deploy.toml`.
///
/// It uses draft-07, the newest draft that the TOML servers of editors (taplo, Even Better TOML)
/// all understand, and no `$ref`, because that draft ignores the description of a key beside one.
/// It rejects unknown keys and accepts everything that the parser accepts. Only the parser checks
/// whether names exist and whether requirements can be met.
pub fn build_schema() -> Map<String, Value> {
    let mut schema = table_schema(&Policy::TABLE);
    schema.insert(
        "$schema".to_owned(),
        "http://json-schema.org/draft-07/schema#".into(),
    );
    schema.insert("title".to_owned(), "deploy.toml".into());
    schema.insert(
        "description".to_owned(),
        "The policy of git-deploy: who may do what, and what must hold first.".into(),
    );
    schema
}

fn table_schema(table: &KeyTable) -> Map<String, Value> {
    let properties: Map<String, Value> = table
        .keys
        .iter()
        .map(|key| (key.name.to_owned(), key_schema(key).into()))
        .collect();
    let required: Vec<&str> = table
        .keys
        .iter()
        .filter(|key| key.required)
        .map(|key| key.name)
        .collect();
    let needs: Map<String, Value> = table
        .keys
        .iter()
        .filter_map(|key| Some((key.name.to_owned(), json!([key.needs?.0]))))
        .collect();
    let alternatives: Vec<Value> = table
        .keys
        .iter()
        .filter(|key| key.or.is_some())
        .map(|key| json!({ "required": [key.name] }))
        .collect();
    let mut schema = object(
        json!({ "type": "object", "properties": properties, "additionalProperties": false }),
    );
    if !required.is_empty() {
        schema.insert("required".to_owned(), required.into());
    }
    if !needs.is_empty() {
        schema.insert("dependencies".to_owned(), needs.into());
    }
    if !alternatives.is_empty() {
        schema.insert("oneOf".to_owned(), alternatives.into());
    }
    schema
}

fn key_schema(key: &TableKey) -> Map<String, Value> {
    let mut schema = form_schema(&key.form);
    let mut description = key.meaning().to_owned();
    // Writing to a string cannot fail.
    if let Some((needed, _)) = key.needs {
        let _ = write!(description, " Needs `{needed}`.");
    }
    if !key.default.is_empty() {
        let _ = write!(description, " Default: {}.", key.default);
    }
    schema.insert("description".to_owned(), description.into());
    schema.insert(
        "examples".to_owned(),
        parse_value(key.example).into_iter().collect(),
    );
    if let Some(default) = default_value(key).and_then(parse_value) {
        schema.insert("default".to_owned(), default);
    }
    schema
}

/// Returns the default in TOML. Returns `None` if it is described in words.
fn default_value(key: &TableKey) -> Option<&'static str> {
    key.default.strip_prefix('`')?.strip_suffix('`')
}

/// Parses a value written in TOML; `None` if it is not one.
fn parse_value(text: &str) -> Option<Value> {
    let mut document: Value = toml::from_str(&format!("value = {text}")).ok()?;
    document.get_mut("value").map(Value::take)
}

fn form_schema(form: &ValueForm) -> Map<String, Value> {
    let schema = match form {
        ValueForm::Text(text) | ValueForm::DateOrText(text) => {
            json!({ "type": "string", "pattern": text.pattern })
        }
        ValueForm::Words(words) => json!({ "type": "string", "enum": words }),
        ValueForm::Flag => json!({ "type": "boolean" }),
        ValueForm::Number(least, most) => {
            json!({ "type": "integer", "minimum": least, "maximum": most })
        }
        ValueForm::Table(table) => return table_schema(table),
        ValueForm::Named(name, inner) => json!({
            "type": "object", "propertyNames": { "pattern": name.pattern }, "additionalProperties": form_schema(inner),
        }),
        ValueForm::OneOrMore(inner) => {
            let one = form_schema(inner);
            json!({ "anyOf": [one, { "type": "array", "items": one }] })
        }
        ValueForm::Either(forms) => {
            json!({ "anyOf": forms.iter().map(form_schema).collect::<Vec<_>>() })
        }
    };
    object(schema)
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        // Callers pass `json!({ … })`, which is an object.
        _ => Map::new(),
    }
}
