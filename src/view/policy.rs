//! The keys of `deploy.toml` for editors and readers: the JSON Schema that `git deploy policy
//! schema` prints, and the reference in `docs/policy.md`. Both derive from the tables in
//! `domain::policy` that the parser uses.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::domain::policy::{KeyTable, Policy, TableKey, TextForm, ValueForm};

#[cfg(test)]
mod tests;

/// Returns the JSON Schema of `deploy.toml`.
///
/// It uses draft-07, the newest draft that the TOML servers of editors (taplo, Even Better TOML)
/// all understand, and no `$ref`, because that draft ignores the description of a key beside one.
/// It refuses each unknown key and accepts everything that the parser accepts. Only the parser
/// knows whether names resolve and whether rules can be met.
pub fn schema() -> Map<String, Value> {
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

/// Returns the default as a value in TOML, unless it is described in words.
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
        // `json!({ … })` is an object.
        _ => Map::new(),
    }
}

/// Writes the reference in Markdown: a section per table, each with its keys and an example.
#[cfg(any(test, feature = "testing"))]
pub fn reference() -> String {
    let mut sections = String::new();
    write_section("", &Policy::TABLE, &mut sections);
    sections
}

/// Writes the section of a table at a path such as `environments.<name>`, and those of the tables
/// in it.
#[cfg(any(test, feature = "testing"))]
fn write_section(path: &str, table: &KeyTable, out: &mut String) {
    // Writing to a string cannot fail.
    let _ = match path {
        "" => writeln!(out, "## The top of the file\n"),
        path => writeln!(out, "## `{path}`\n"),
    };
    out.push_str("| key | value | default | meaning |\n|---|---|---|---|\n");
    for key in table.keys {
        out.push_str(&table_row(path, key));
    }
    out.push_str("\n```toml\n");
    for (at, key) in table.keys.iter().enumerate() {
        // Of two keys that exclude each other, the example has the later one.
        let mut later_keys = table.keys[at..].iter();
        if !later_keys.any(|later| key.or == Some(later.name)) {
            let _ = writeln!(out, "{} = {}", key.name, key.example);
        }
    }
    out.push_str("```\n\n");
    if !table.planned.is_empty() {
        out.push_str("Not supported yet, and refused until then:\n\n");
        for (name, purpose) in table.planned {
            let _ = writeln!(out, "- `{name}`: {purpose}.");
        }
        out.push('\n');
    }
    for key in table.keys {
        for (path, table) in describe_form(&key.form, &join_path(path, key.name)).1 {
            write_section(&path, table, out);
        }
    }
}

/// Returns the row of a key in the table of its section.
#[cfg(any(test, feature = "testing"))]
fn table_row(path: &str, key: &TableKey) -> String {
    let (value, _) = describe_form(&key.form, &join_path(path, key.name));
    let default = match key.or {
        Some(other) => format!("*this or* `{other}`"),
        None if key.required => "*required*".to_owned(),
        None if key.default.is_empty() => "–".to_owned(),
        None => key.default.to_owned(),
    };
    let needs = match key.needs {
        Some((needed, _)) => format!(" Needs `{needed}`."),
        None => String::new(),
    };
    let name = format!("`{}`", key.name);
    let meaning = format!("{}{needs}", key.meaning());
    let cells = [name, value, default, meaning].map(|cell| cell.replace('|', "\\|"));
    format!("| {} |\n", cells.join(" | "))
}

#[cfg(any(test, feature = "testing"))]
fn join_path(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

/// Describes in words what a value looks like, and lists the tables in it with their paths.
#[cfg(any(test, feature = "testing"))]
fn describe_form(form: &ValueForm, path: &str) -> (String, Vec<(String, &'static KeyTable)>) {
    let plain = |words: String| (words, Vec::new());
    match form {
        ValueForm::Text(TextForm { name, .. }) | ValueForm::DateOrText(TextForm { name, .. }) => {
            plain((*name).to_owned())
        }
        ValueForm::Words(words) => {
            let words: Vec<_> = words.iter().map(|word| format!("`\"{word}\"`")).collect();
            plain(words.join(" or "))
        }
        ValueForm::Flag => plain("`true` or `false`".to_owned()),
        ValueForm::Number(least, most) if least == most => plain(format!("`{least}`")),
        ValueForm::Number(least, most) => plain(format!("number from {least} to {most}")),
        ValueForm::Table(table) => {
            let link = format!("[table](#{})", heading_anchor(path));
            (link, vec![(path.to_owned(), *table)])
        }
        ValueForm::Named(name, inner) => {
            let placeholder = name.name.split(' ').next().unwrap_or_default();
            let (words, tables) = describe_form(inner, &format!("{path}.<{placeholder}>"));
            (format!("by {}: {words}", name.name), tables)
        }
        ValueForm::OneOrMore(inner) => {
            let (words, tables) = describe_form(inner, path);
            (format!("{words}, or a list"), tables)
        }
        ValueForm::Either(forms) => {
            let all: Vec<_> = forms.iter().map(|form| describe_form(form, path)).collect();
            let words: Vec<_> = all.iter().map(|(words, _)| words.as_str()).collect();
            (
                words.join(", or "),
                all.iter().flat_map(|(_, tables)| tables.clone()).collect(),
            )
        }
    }
}

/// Returns the anchor that forges give to a heading.
#[cfg(any(test, feature = "testing"))]
fn heading_anchor(path: &str) -> String {
    let is_kept =
        |character: &char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-');
    path.chars()
        .filter(is_kept)
        .collect::<String>()
        .to_lowercase()
}
