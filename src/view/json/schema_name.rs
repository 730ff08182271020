//! The names of the schemas of JSON documents.

/// Returns the name of a kind's schema, by which a reader recognizes the document.
pub fn schema_name(kind: &str) -> String {
    format!("git-deploy/{kind}/v1")
}
