//! Formats the outcome of an attestation, for `show` and for the person who signs it.

use crate::domain::entry::{Attestation, AttestationResult};

/// Returns the outcome and the number of tests: `PASSED (412)`, `FAILED (3 of 412)`. `WARNED` is a
/// test result that counts as failed because of warnings.
pub fn format_outcome(attestation: &Attestation) -> String {
    let tests = attestation.test_counts();
    let total = tests.map_or(0, |tests| {
        tests
            .passed
            .saturating_add(tests.warned)
            .saturating_add(tests.failed)
    });
    let warned = attestation
        .predicate
        .get("result")
        .and_then(serde_json::Value::as_str)
        == Some("WARNED");
    let (word, count) = match attestation.result() {
        AttestationResult::Passed => ("PASSED", None),
        AttestationResult::Failed if warned && attestation.short_type() == "test-result" => {
            ("WARNED", tests.map(|tests| tests.warned))
        }
        AttestationResult::Failed => ("FAILED", tests.map(|tests| tests.failed)),
    };
    match (tests, count) {
        (None, _) => word.to_owned(),
        (Some(_), Some(count)) if count < total => format!("{word} ({count} of {total})"),
        (Some(_), _) => format!("{word} ({total})"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn outcome(predicate: &serde_json::Value) -> String {
        let commit = "2affccc97fa05736482d4523166f70cb561afa11".parse().unwrap();
        format_outcome(&Attestation {
            commit,
            environment: None,
            predicate_type: "https://in-toto.io/attestation/test-result/v0.1"
                .parse()
                .unwrap(),
            suite: None,
            predicate: predicate.as_object().unwrap().clone(),
        })
    }

    /// Checks that the number after the outcome counts the tests with that outcome.
    #[test]
    fn numbers() {
        assert_eq!(
            outcome(&json!({ "result": "PASSED", "configuration": [] })),
            "PASSED"
        );
        assert_eq!(
            outcome(&json!({ "result": "PASSED", "passedTests": ["a", "b"] })),
            "PASSED (2)"
        );
        let counts = json!({ "passed": 411, "warned": 0, "failed": 1, "skipped": 7 });
        assert_eq!(
            outcome(
                &json!({ "result": "FAILED", "failedTests": ["a"], "gitDeployCounts": counts })
            ),
            "FAILED (1 of 412)"
        );
        assert_eq!(
            outcome(&json!({ "result": "FAILED", "failedTests": ["a"] })),
            "FAILED (1)"
        );
        assert_eq!(
            outcome(&json!({ "result": "WARNED", "warnedTests": ["a"], "passedTests": ["b"] })),
            "WARNED (1 of 2)"
        );
        assert_eq!(
            outcome(&json!({ "result": "FAILED", "passedTests": 7, "gitDeployCounts": [] })),
            "FAILED"
        );
    }
}
