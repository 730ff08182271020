//! Generates the reference of `deploy.toml` in `docs/policy.md` from the tables in
//! `domain::policy`.

use std::fmt::Write as _;

use crate::domain::policy::{KeyTable, Policy, TableKey, TextForm, ValueForm};

/// Writes the reference in Markdown: a section per table, each with its keys and an example.
pub fn render_reference() -> String {
    let mut sections = String::new();
    write_section("", &Policy::TABLE, &mut sections);
    sections
}

/// Writes the section of a table at a path such as `environments.<name>`, and those of the tables
/// in it.
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
    for (index, key) in table.keys.iter().enumerate() {
        // If two keys exclude each other, the example has the later one.
        let mut later_keys = table.keys[index..].iter();
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

fn join_path(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

/// Describes the form of a value in words, and lists the tables in it with their paths.
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
            let described: Vec<_> = forms.iter().map(|form| describe_form(form, path)).collect();
            let words: Vec<_> = described.iter().map(|(words, _)| words.as_str()).collect();
            (
                words.join(", or "),
                described
                    .iter()
                    .flat_map(|(_, tables)| tables.clone())
                    .collect(),
            )
        }
    }
}

/// Returns the anchor that forges give to a heading.
fn heading_anchor(path: &str) -> String {
    let is_kept =
        |character: &char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-');
    path.chars()
        .filter(is_kept)
        .collect::<String>()
        .to_lowercase()
}
