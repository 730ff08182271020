//! The envelope of every JSON document: its schema, with a version, before anything else.

use serde::Serialize;

/// A document of the schema `git-deploy/<kind>/v1`. The body must be a struct or a map.
pub fn document(kind: &str, body: &impl Serialize) -> serde_json::Result<String> {
    #[derive(Serialize)]
    struct Document<'a, T> {
        schema: String,
        #[serde(flatten)]
        body: &'a T,
    }
    serde_json::to_string_pretty(&Document { schema: format!("git-deploy/{kind}/v1"), body })
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
