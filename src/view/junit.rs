//! What an audit found as a JUnit report, for whoever files it or a CI that shows it: a test case for each ledger, one for the notes, one
//! for the rest. What is wrong is a failure, what could not be told an error.

use std::fmt::Write as _;

use super::audit::{Audit, Finding, Part};
use crate::domain::text::harmless;
use crate::domain::time::Time;

/// The XML document, as of a time. Its format is the one that CI systems agree on; it has no schema of its own.
pub fn xml(audit: &Audit, at: Time) -> String {
    let mut cases: Vec<(String, &Part)> = Vec::new();
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
            &ledger.part,
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
            .filter(|(_, part)| case(part) == outcome)
            .count()
    };
    let (failures, errors) = (with("failure"), with("error"));
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite name=\"git-deploy audit\" tests=\"{}\" failures=\"{failures}\" \
         errors=\"{errors}\" timestamp=\"{at}\">\n",
        cases.len()
    );
    for (name, part) in &cases {
        let kind = case(part);
        let _ = write!(
            text,
            "    <testcase classname=\"git-deploy\" name=\"{}\"",
            escaped(name)
        );
        if kind.is_empty() {
            text.push_str("/>\n");
            continue;
        }
        let lines: Vec<String> = part.findings.iter().map(line).collect();
        let first = lines.first().map_or("", String::as_str);
        let _ = writeln!(
            text,
            ">\n      <{kind} message=\"{}\">{}</{kind}>\n    </testcase>",
            escaped(first),
            escaped(&lines.join("\n"))
        );
    }
    text.push_str("  </testsuite>\n</testsuites>\n");
    text
}

/// The element of a test case that says what came of it; empty where nothing was found.
fn case(part: &Part) -> &'static str {
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

fn line(finding: &Finding) -> String {
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
    harmless(&format!("{entry}{doubt}{rule}{}", finding.detail))
}

/// A text between tags or quotes; it is harmless already, so it holds no character that XML cannot.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a finding quotes from a repository cannot end an element or begin one; a reader of XML gets back what was said.
    #[test]
    fn hostile_details() {
        let detail = "]]></failure><testcase name=\"x\"/> & \u{1b}[31m".to_owned();
        let finding = Finding {
            kind: "chain",
            ledger: None,
            outcome: "fail",
            entry: None,
            rule: None,
            detail,
        };
        let doubt = Finding {
            outcome: "unknown",
            detail: "no such object".to_owned(),
            ..finding.clone()
        };
        let part = |finding| Part {
            findings: vec![finding],
            remarks: vec![],
        };
        let (notes, other) = (Some(part(finding)), part(doubt));
        let audit = Audit {
            project: None,
            pinned: false,
            ledgers: vec![],
            notes,
            other,
        };
        let text = xml(&audit, Time::EPOCH);
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
