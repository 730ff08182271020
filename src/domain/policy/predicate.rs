//! The types of attestations: in-toto predicate types, by short name or by URI.
//!
//! A short name and its URI are one type. The URI is stored and compared.

use std::fmt;
use std::str::FromStr;

use super::error::suggest_nearest;

/// The predicate types that have a short name: the ones vetted by in-toto
/// (<https://github.com/in-toto/attestation/tree/main/spec/predicates>), and git-deploy's own for
/// the review of a change request.
const SHORT: [(&str, &str); 13] = [
    ("change-review", "urn:git-deploy:change-review:v1"),
    ("cyclonedx", "https://cyclonedx.org/bom"),
    ("link", "https://in-toto.io/attestation/link/v0.3"),
    ("provenance", "https://slsa.dev/provenance/v1"),
    ("reference", "https://in-toto.io/attestation/reference/v0.1"),
    ("release", "https://in-toto.io/attestation/release/v0.1"),
    (
        "runtime-trace",
        "https://in-toto.io/attestation/runtime-trace/v0.1",
    ),
    ("scai", "https://in-toto.io/attestation/scai/v0.3"),
    ("spdx", "https://spdx.dev/Document"),
    ("svr", "https://in-toto.io/attestation/svr/v0.2"),
    (
        "test-result",
        "https://in-toto.io/attestation/test-result/v0.1",
    ),
    ("vsa", "https://slsa.dev/verification_summary/v1"),
    ("vulns", "https://in-toto.io/attestation/vulns/v0.2"),
];

/// Why a text is not a predicate type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PredicateTypeError {
    /// The word is not a known short name.
    #[error(
        "{word:?} is not a known attestation type{}; known types are {}, or a full URI such as https://example.com/scan/v1",
        hint.as_ref().map(|hint| format!(": {hint}")).unwrap_or_default(),
        SHORT.map(|(short, _)| short).join(", ")
    )]
    Unknown {
        /// The word.
        word: String,
        /// The nearest known one.
        hint: Option<String>,
    },
    /// The text is too long, or has characters that no URI has.
    #[error("{0:?} is not a URI of at most 255 characters")]
    Uri(String),
}

/// An in-toto predicate type.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PredicateType(Box<str>);

impl PredicateType {
    /// Returns the type of test results.
    pub fn test_result() -> Self {
        Self("https://in-toto.io/attestation/test-result/v0.1".into())
    }

    /// Returns the type for the review of a change request.
    pub fn change_review() -> Self {
        Self("urn:git-deploy:change-review:v1".into())
    }

    /// Returns the full URI.
    pub fn uri(&self) -> &str {
        &self.0
    }

    /// Returns the short name, if there is one.
    pub fn short(&self) -> Option<&'static str> {
        SHORT
            .iter()
            .find(|(_, uri)| *uri == &*self.0)
            .map(|(short, _)| *short)
    }
}

impl fmt::Display for PredicateType {
    /// Writes the short name if there is one, or the URI.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.short().unwrap_or(&self.0))
    }
}

impl FromStr for PredicateType {
    type Err = PredicateTypeError;
    /// Parses a short name or a URI.
    fn from_str(text: &str) -> Result<Self, PredicateTypeError> {
        let excerpt = || text.chars().take(80).collect::<String>();
        if let Some((_, uri)) = SHORT.iter().find(|(short, _)| *short == text) {
            return Ok(Self((*uri).into()));
        }
        let Some((scheme, rest)) = text.split_once(':') else {
            let hint = suggest_nearest(text, SHORT.map(|(short, _)| short));
            return Err(PredicateTypeError::Unknown {
                word: excerpt(),
                hint,
            });
        };
        let is_valid_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
        let is_valid_rest = !rest.is_empty()
            && rest
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && !b"<>\"\\^`{|}".contains(&byte));
        if text.len() > 255 || !is_valid_scheme || !is_valid_rest {
            return Err(PredicateTypeError::Uri(excerpt()));
        }
        Ok(Self(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two spellings of one type must be equal: otherwise a check could never be met, or the wrong
    /// signer could meet it.
    #[test]
    fn a_short_name_is_its_uri() {
        for (short, uri) in SHORT {
            let parsed: PredicateType = short.parse().unwrap();
            assert_eq!(parsed, uri.parse().unwrap());
            assert_eq!((parsed.uri(), parsed.to_string().as_str()), (uri, short));
        }
        assert_eq!(
            "urn:acme:scan:v1"
                .parse::<PredicateType>()
                .unwrap()
                .to_string(),
            "urn:acme:scan:v1"
        );
        assert_eq!(PredicateType::test_result().short(), Some("test-result"));
        assert_eq!(
            PredicateType::change_review().short(),
            Some("change-review")
        );
        let error = "test-results"
            .parse::<PredicateType>()
            .unwrap_err()
            .to_string();
        assert!(error.contains("did you mean \"test-result\"?"), "{error}");
        for bad in [
            "",
            ":x",
            "urn:",
            "1x:y",
            "https://a b",
            "https://a\u{202e}b",
            &format!("urn:{}", "x".repeat(255)),
        ] {
            assert!(bad.parse::<PredicateType>().is_err(), "{bad}");
        }
    }
}
