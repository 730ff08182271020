//! The result of an audit as a JUnit report for CI systems: a test case for each ledger, one for
//! the notes and one for the rest. A violation is a failure; a fact that could not be checked is an
//! error.

use std::fmt::Write as _;

use super::audit::AuditDocument;
use crate::domain::count::count;
use crate::domain::text::sanitize;
use crate::domain::time::Time;
use crate::domain::verdict::CheckResult;
use crate::ledger::audit::AuditFinding;

/// One test case.
struct TestCase<'a> {
    name: String,
    findings: &'a [AuditFinding],
}

/// Renders the XML document with this timestamp. JUnit reports have no official schema; this is the
/// subset that CI systems understand.
pub fn render_xml(audit: &AuditDocument, at: Time) -> String {
    let cases = list_cases(audit);
    let count = |element| {
        let elements = cases.iter().map(|case| result_element(case.findings));
        elements.filter(|it| *it == Some(element)).count()
    };
    let (failures, errors) = (count("failure"), count("error"));
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite name=\"git-deploy audit\" tests=\"{}\" failures=\"{failures}\" \
         errors=\"{errors}\" timestamp=\"{at}\">\n",
        cases.len()
    );
    for case in &cases {
        text.push_str(&render_case(case));
    }
    text.push_str("  </testsuite>\n</testsuites>\n");
    text
}

/// Returns the test cases: the ledgers, the notes if they were checked, and the rest.
fn list_cases(audit: &AuditDocument) -> Vec<TestCase<'_>> {
    let ledgers = audit.ledgers.iter().map(|ledger| {
        let entries = count(ledger.entries, "entry");
        TestCase {
            name: format!("{}, {entries} up to {}", ledger.ledger, ledger.tip),
            findings: &ledger.findings,
        }
    });
    let notes = audit.notes.iter().map(|notes| TestCase {
        name: "notes".to_owned(),
        findings: &notes.findings,
    });
    let project = audit
        .project
        .map_or_else(String::new, |project| format!(" {project}"));
    let other = TestCase {
        name: format!("project{project}"),
        findings: &audit.other.findings,
    };
    ledgers.chain(notes).chain([other]).collect()
}

/// Renders a test case with its findings in one element.
fn render_case(case: &TestCase<'_>) -> String {
    let mut text = format!(
        "    <testcase classname=\"git-deploy\" name=\"{}\"",
        escape_xml(&case.name)
    );
    let Some(element) = result_element(case.findings) else {
        return text + "/>\n";
    };
    let lines: Vec<String> = case.findings.iter().map(format_finding).collect();
    let first = lines.first().map_or("", String::as_str);
    let _ = writeln!(
        text,
        ">\n      <{element} message=\"{}\">{}</{element}>\n    </testcase>",
        escape_xml(first),
        escape_xml(&lines.join("\n"))
    );
    text
}

/// Returns the XML element for the result of a test case, or `None` if there are no findings.
fn result_element(findings: &[AuditFinding]) -> Option<&'static str> {
    let failed = |finding: &AuditFinding| finding.outcome == CheckResult::Fail;
    if findings.iter().any(failed) {
        Some("failure")
    } else if findings.is_empty() {
        None
    } else {
        Some("error")
    }
}

/// Returns a finding as one line.
fn format_finding(finding: &AuditFinding) -> String {
    let entry = finding
        .entry
        .map_or_else(String::new, |entry| format!("{entry} "));
    let rule = finding
        .rule
        .map_or_else(String::new, |rule| format!("{rule}: "));
    let doubt = if finding.outcome == CheckResult::Fail {
        ""
    } else {
        "cannot tell: "
    };
    sanitize(&format!("{entry}{doubt}{rule}{}", finding.detail))
}

/// Escapes a text for use between tags or quotes. The text is sanitized already, so it contains no
/// character that XML forbids.
fn escape_xml(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::audit::FindingKind;
    use crate::view::audit::AuditSection;

    /// Checks that a finding's text cannot end or start an XML element, and that an XML reader gets
    /// the text back.
    #[test]
    fn hostile_details() {
        let detail = "]]></failure><testcase name=\"x\"/> & \u{1b}[31m".to_owned();
        let finding = AuditFinding::new(FindingKind::Chain, CheckResult::Fail, detail);
        let detail = "no such object".to_owned();
        let doubt = AuditFinding::new(FindingKind::Chain, CheckResult::Unknown, detail);
        let part = |finding| AuditSection {
            findings: vec![finding],
            remarks: vec![],
        };
        let (notes, other) = (Some(part(finding)), part(doubt));
        let audit = AuditDocument {
            project: None,
            pinned: false,
            ledgers: vec![],
            notes,
            other,
        };
        let text = render_xml(&audit, Time::EPOCH);
        let document = roxmltree::Document::parse(&text).unwrap();
        let cases: Vec<_> = document
            .descendants()
            .filter(|node| node.has_tag_name("testcase"))
            .collect();
        assert_eq!(cases.len(), 2);
        let failure = cases[0].first_element_child().unwrap();
        assert!(
            failure.has_tag_name("failure") && failure.text().unwrap().starts_with("]]></failure>"),
            "{text}"
        );
        assert_eq!(
            cases[1].first_element_child().unwrap().attribute("message"),
            Some("cannot tell: no such object")
        );
        assert!(
            text.contains("failures=\"1\" errors=\"1\"") && !text.contains('\u{1b}'),
            "{text}"
        );
    }
}
