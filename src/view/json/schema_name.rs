//! The names of the schemas of JSON documents.

/// Returns the name of the schema of a kind of document: `git-deploy/<kind>/v1`.
pub fn schema_name(kind: &str) -> String {
    format!("git-deploy/{kind}/v1")
}
