//! The envelope of all JSON documents, which starts with the name and version of the schema.

mod domain_schemas;
#[cfg(any(test, feature = "testing"))]
mod exact_schema;
mod schema_name;

use std::fmt::Write as _;

use serde::Serialize;

#[cfg(any(test, feature = "testing"))]
pub use exact_schema::build_schema;

pub use schema_name::schema_name;

use crate::domain::text::is_plain;

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
