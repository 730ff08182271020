//! The result of an audit as a JUnit report for CI systems: a test case for each ledger, one for
//! the notes and one for the rest. A finding is a failure; a fact that could not be checked is an
//! error.

use std::fmt::Write as _;

use super::audit::{AuditDocument, AuditSection, FindingDocument};
use crate::domain::text::sanitize;
use crate::domain::time::Time;

/// Renders the XML document with this timestamp. The format is the one that CI systems agree on; it
/// has no schema of its own.
pub fn render_xml(audit: &AuditDocument, at: Time) -> String {
    let mut cases: Vec<(String, &AuditSection)> = Vec::new();
    for ledger in &audit.ledgers {
        let entries = if ledger.entries == 1 {
            "entry"
        } else {
            "entries"
        };
        cases.push((
            format!(
                "{}, {} {entries} up to {}",
                ledger.ledger, ledger.entries, ledger.tip
            ),
            &ledger.section,
        ));
    }
    cases.extend(
        audit
            .notes
            .as_ref()
            .map(|notes| ("notes".to_owned(), notes)),
    );
    let project = audit
        .project
        .map_or_else(String::new, |project| format!(" {project}"));
    cases.push((format!("project{project}"), &audit.other));
    let with = |outcome: &str| {
        cases
            .iter()
            .filter(|(_, part)| result_element(part) == outcome)
            .count()
    };
    let (failures, errors) = (with("failure"), with("error"));
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite name=\"git-deploy audit\" tests=\"{}\" failures=\"{failures}\" \
         errors=\"{errors}\" timestamp=\"{at}\">\n",
        cases.len()
    );
    for (name, part) in &cases {
        let kind = result_element(part);
        let _ = write!(
            text,
            "    <testcase classname=\"git-deploy\" name=\"{}\"",
            escape_xml(name)
        );
        if kind.is_empty() {
            text.push_str("/>\n");
            continue;
        }
        let lines: Vec<String> = part.findings.iter().map(format_finding).collect();
        let first = lines.first().map_or("", String::as_str);
        let _ = writeln!(
            text,
            ">\n      <{kind} message=\"{}\">{}</{kind}>\n    </testcase>",
            escape_xml(first),
            escape_xml(&lines.join("\n"))
        );
    }
    text.push_str("  </testsuite>\n</testsuites>\n");
    text
}

/// Returns the XML element for the result of a test case, or an empty string if there are no
/// findings.
fn result_element(part: &AuditSection) -> &'static str {
    if part
        .findings
        .iter()
        .any(|finding| finding.outcome == "fail")
    {
        "failure"
    } else if part.findings.is_empty() {
        ""
    } else {
        "error"
    }
}

/// Returns a finding as one line.
fn format_finding(finding: &FindingDocument) -> String {
    let entry = finding
        .entry
        .map_or_else(String::new, |entry| format!("{entry} "));
    let rule = finding
        .rule
        .map_or_else(String::new, |rule| format!("{rule}: "));
    let doubt = if finding.outcome == "fail" {
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

    /// Checks that a finding's text cannot end or start an XML element, and that an XML reader gets
    /// the text back.
    #[test]
    fn hostile_details() {
        let detail = "]]></failure><testcase name=\"x\"/> & \u{1b}[31m".to_owned();
        let finding = FindingDocument {
            kind: "chain",
            ledger: None,
            outcome: "fail",
            entry: None,
            rule: None,
            detail,
        };
        let doubt = FindingDocument {
            outcome: "unknown",
            detail: "no such object".to_owned(),
            ..finding.clone()
        };
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
