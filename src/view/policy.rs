//! The policy's keys for editors and readers: the JSON Schema that `git deploy policy schema` prints, and the reference in
//! `docs/policy.md`. Both are made from `domain::policy::keys`, which the parser reads, too.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::domain::policy::schema::{KeyTable, TOP, TableKey, TextForm, ValueForm};

#[cfg(test)]
mod tests;

/// The JSON Schema of a `deploy.toml`.
///
/// It is of draft-07, the newest that the editors' TOML servers (taplo, Even Better TOML) have understood for long, and holds no
/// `$ref`, beside which that draft would ignore the description of a key. It refuses each unknown key and never what the parser
/// accepts; whether names resolve and rules can be met, the parser alone knows.
pub fn schema() -> Map<String, Value> {
    let mut schema = table(&TOP);
    schema.insert(
        "$schema".to_owned(),
        "http://json-schema.org/draft-07/schema#".into(),
    );
    schema.insert("title".to_owned(), "deploy.toml".into());
    schema.insert(
        "description".to_owned(),
        "The policy of git-deploy: who may do what, and what must hold before.".into(),
    );
    schema
}

fn table(table: &KeyTable) -> Map<String, Value> {
    let properties: Map<String, Value> = table
        .keys
        .iter()
        .map(|it| (it.name.to_owned(), key(it).into()))
        .collect();
    let required: Vec<&str> = table
        .keys
        .iter()
        .filter(|key| key.required)
        .map(|key| key.name)
        .collect();
    let needs = table
        .keys
        .iter()
        .filter_map(|key| Some((key.name.to_owned(), json!([key.needs?]))));
    let needs: Map<String, Value> = needs.collect();
    let mut schema = object(
        json!({ "type": "object", "properties": properties, "additionalProperties": false }),
    );
    if !required.is_empty() {
        schema.insert("required".to_owned(), required.into());
    }
    if !needs.is_empty() {
        schema.insert("dependencies".to_owned(), needs.into());
    }
    let either = table
        .keys
        .iter()
        .filter(|key| key.or.is_some())
        .map(|key| json!({ "required": [key.name] }));
    let either: Vec<Value> = either.collect();
    if !either.is_empty() {
        schema.insert("oneOf".to_owned(), either.into());
    }
    schema
}

fn key(key: &TableKey) -> Map<String, Value> {
    let mut schema = form(&key.form);
    let mut words = key.meaning.to_owned();
    // Writing to a string cannot fail.
    if let Some(other) = key.needs {
        let _ = write!(words, " Needs `{other}`.");
    }
    if !key.default.is_empty() {
        let _ = write!(words, " Default: {}.", key.default);
    }
    schema.insert("description".to_owned(), words.into());
    schema.insert(
        "examples".to_owned(),
        value(key.example).into_iter().collect(),
    );
    if let Some(default) = key
        .default
        .strip_prefix('`')
        .and_then(|it| value(it.strip_suffix('`')?))
    {
        schema.insert("default".to_owned(), default);
    }
    schema
}

/// A value written in TOML; `None` if it is none.
fn value(text: &str) -> Option<Value> {
    let mut document: Value = toml::from_str(&format!("value = {text}")).ok()?;
    document.get_mut("value").map(Value::take)
}

fn form(form: &ValueForm) -> Map<String, Value> {
    let schema = match form {
        ValueForm::Text(text) | ValueForm::Moment(text) => {
            json!({ "type": "string", "pattern": text.pattern })
        }
        ValueForm::Words(words) => json!({ "type": "string", "enum": words }),
        ValueForm::Flag => json!({ "type": "boolean" }),
        ValueForm::Number(least, most) => {
            json!({ "type": "integer", "minimum": least, "maximum": most })
        }
        ValueForm::Table(known) => return table(known),
        ValueForm::OneKeyOf(known) => {
            let mut schema = table(known);
            schema.insert("minProperties".to_owned(), 1.into());
            schema.insert("maxProperties".to_owned(), 1.into());
            return schema;
        }
        ValueForm::Named(name, inner) => json!({
            "type": "object", "propertyNames": { "pattern": name.pattern }, "additionalProperties": self::form(inner),
        }),
        ValueForm::OneOrMore(inner) => {
            let one = self::form(inner);
            json!({ "anyOf": [one, { "type": "array", "items": one }] })
        }
        ValueForm::Either(forms) => {
            json!({ "anyOf": forms.iter().map(self::form).collect::<Vec<_>>() })
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

/// The reference, in Markdown: a section a table, each with its keys and an example.
pub fn reference() -> String {
    let mut sections = String::new();
    section("", &TOP, &mut sections);
    sections
}

/// The section of a table at a path such as `environments.<name>`, and those of the tables in it.
fn section(path: &str, table: &KeyTable, out: &mut String) {
    // Writing to a string cannot fail.
    let _ = match path {
        "" => writeln!(out, "## The top of the file\n"),
        path => writeln!(out, "## `{path}`\n"),
    };
    out.push_str("| key | value | default | meaning |\n|---|---|---|---|\n");
    for key in table.keys {
        let (value, _) = described(&key.form, &below(path, key.name));
        let default = match key.or {
            Some(other) => format!("*this or* `{other}`"),
            None if key.required => "*required*".to_owned(),
            None => or_dash(key.default).to_owned(),
        };
        let needs = key
            .needs
            .map_or_else(String::new, |other| format!(" Needs `{other}`."));
        let cells = [
            format!("`{}`", key.name),
            value,
            default,
            format!("{}{needs}", key.meaning),
        ];
        let _ = writeln!(
            out,
            "| {} |",
            cells.map(|cell| cell.replace('|', "\\|")).join(" | ")
        );
    }
    out.push_str("\n```toml\n");
    for (at, key) in table.keys.iter().enumerate() {
        // Of two keys that exclude each other the example has the later.
        if !table.keys[at..]
            .iter()
            .any(|later| key.or == Some(later.name))
        {
            let _ = writeln!(out, "{} = {}", key.name, key.example);
        }
    }
    out.push_str("```\n\n");
    for key in table.keys {
        for (path, table) in described(&key.form, &below(path, key.name)).1 {
            section(&path, table, out);
        }
    }
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "–" } else { text }
}

fn below(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

/// What a value looks like, in words, and the tables in it with their paths.
fn described(form: &ValueForm, path: &str) -> (String, Vec<(String, &'static KeyTable)>) {
    let plain = |words: String| (words, Vec::new());
    let link = |path: &str| format!("[table](#{})", anchor(path));
    match form {
        ValueForm::Text(TextForm { name, .. }) | ValueForm::Moment(TextForm { name, .. }) => {
            plain((*name).to_owned())
        }
        ValueForm::Words(words) => {
            let words: Vec<_> = words.iter().map(|word| format!("`\"{word}\"`")).collect();
            plain(words.join(" or "))
        }
        ValueForm::Flag => plain("`true` or `false`".to_owned()),
        ValueForm::Number(least, most) if least == most => plain(format!("`{least}`")),
        ValueForm::Number(least, most) => plain(format!("number from {least} to {most}")),
        ValueForm::Table(table) => (link(path), vec![(path.to_owned(), *table)]),
        ValueForm::OneKeyOf(table) => (
            format!("{} of one key", link(path)),
            vec![(path.to_owned(), *table)],
        ),
        ValueForm::Named(name, inner) => {
            let (words, tables) = described(
                inner,
                &format!(
                    "{path}.<{}>",
                    name.name.split(' ').next().unwrap_or_default()
                ),
            );
            (format!("by {}: {words}", name.name), tables)
        }
        ValueForm::OneOrMore(inner) => {
            let (words, tables) = described(inner, path);
            (format!("{words}, or a list"), tables)
        }
        ValueForm::Either(forms) => {
            let all: Vec<_> = forms.iter().map(|form| described(form, path)).collect();
            let words: Vec<_> = all.iter().map(|(words, _)| words.as_str()).collect();
            (
                words.join(", or "),
                all.iter().flat_map(|(_, tables)| tables.clone()).collect(),
            )
        }
    }
}

/// The anchor that forges give to a heading.
fn anchor(path: &str) -> String {
    let kept =
        |character: &char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-');
    path.chars().filter(kept).collect::<String>().to_lowercase()
}
