//! Tests of reading `JUnit` reports and building predicates.

use super::*;
use crate::domain::entry::TEST_COUNTS_KEY;

fn read(xml: &str) -> Result<TestResults, JunitError> {
    let mut tests = TestResults::default();
    tests.add("report.xml", xml.as_bytes())?;
    Ok(tests)
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// The reports of common tools are read: pytest, Gradle, Surefire with repeated tests, and Google
/// Test with disabled ones.
#[test]
fn reports() {
    let tests = read(
        r#"<?xml version="1.0" encoding="utf-8"?>
<testsuites name="all" tests="8" failures="2" errors="1">
  <testsuite name="outer">
    <properties><property name="p" value="v"/></properties>
    <testcase classname="tests.test_a" name="test_one" time="0.1"/>
    <testsuite name="inner"><testcase name="nested"/><testcase/></testsuite>
    <testcase classname="A" name="b"><failure message="no">trace</failure><system-out/></testcase>
    <testcase classname="A" name="c"><error/></testcase>
    <testcase classname="A" name="d"><skipped/></testcase>
    <testcase classname="A" name="e" status="notrun" result="suppressed"/>
    <testcase classname="A" name="f" status="run"><flakyFailure message="once"/></testcase>
    <testcase classname="A" name="g" status="fail"/>
    <testcase classname="A" name="h"><rerunFailure/><failure/></testcase>
  </testsuite>
</testsuites>"#,
    );
    let wanted = TestResults {
        passed: names(&["tests.test_a.test_one", "nested", "unnamed"]),
        warned: names(&["A.f"]),
        failed: names(&["A.b", "A.c", "A.g", "A.h"]),
        skipped: 2,
    };
    assert_eq!(tests.unwrap(), wanted);
    assert_eq!(wanted.result(), "FAILED");
    let flaky = read(
        r#"<testsuite><testcase name="f"><flakyError/></testcase><testcase name="g"/></testsuite>"#,
    )
    .unwrap();
    assert_eq!(flaky.result(), "WARNED");
}

/// A failure without a test counts too: a suite that could not start, or a count without a name.
#[test]
fn failures_without_a_test() {
    let suite = read(
        r#"<testsuite name="db"><error message="no database"/><testcase name="a"/></testsuite>"#,
    )
    .unwrap();
    assert_eq!((suite.result(), suite.failed), ("FAILED", names(&["db"])));
    let counted =
        read(r#"<testsuites><testsuite errors="2"><testcase name="a"/></testsuite></testsuites>"#)
            .unwrap();
    assert_eq!(
        (counted.result(), counted.failed),
        (
            "FAILED",
            names(&["report.xml: 2 failures that name no test"])
        )
    );
    let mut both =
        read(r#"<testsuite failures="1"><testcase name="a"><failure/></testcase></testsuite>"#)
            .unwrap();
    both.add("second.xml", br#"<testsuite failures="1"/>"#)
        .unwrap();
    assert_eq!(both.failed.len(), 2);
}

/// Reports are untrusted: what they can cost is bounded, and an invalid report never counts as
/// passed.
#[test]
fn hostile_reports() {
    let bomb =
        r#"<!DOCTYPE t [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><testsuite name="&b;"/>"#;
    assert!(matches!(
        read(bomb),
        Err(JunitError::Xml(roxmltree::Error::DtdDetected))
    ));
    let file = r#"<!DOCTYPE t SYSTEM "file:///etc/passwd"><testsuite/>"#;
    assert!(matches!(read(file), Err(JunitError::Xml(_))));
    assert!(matches!(read("<html/>"), Err(JunitError::WrongRoot(_))));
    assert!(matches!(
        read("<testsuite failures='-1'/>"),
        Err(JunitError::InvalidCount { .. })
    ));
    assert!(matches!(
        read("<testsuite><testcase></testsuite>"),
        Err(JunitError::Xml(_))
    ));
    assert!(matches!(
        TestResults::default().add("x", b"\xff\xfe<"),
        Err(JunitError::NotUtf8)
    ));
    let deep = |levels: usize| "<testsuite>".repeat(levels) + &"</testsuite>".repeat(levels);
    assert!(read(&deep(MAX_DEPTH)).is_ok());
    assert!(matches!(read(&deep(100_000)), Err(JunitError::TooDeep)));
    let large = vec![b' '; MAX_REPORT + 1];
    assert!(matches!(
        TestResults::default().add("x", &large),
        Err(JunitError::TooLarge)
    ));

    let odd = read("<testsuite><testcase name=\"a\u{202e}&#10;b\tc\"/></testsuite>").unwrap();
    assert_eq!(odd.passed, names(&["a\u{fffd} b c"]));
    for nothing in [
        "<testsuite/>",
        "<testsuite><testcase name='a'><skipped/></testcase></testsuite>",
    ] {
        assert!(matches!(
            read(nothing).unwrap().build_predicate(&[], None),
            Err(JunitError::NoTests)
        ));
    }
}

/// All tests are named if they fit. Otherwise failed tests come first, and the counts cover all
/// tests.
#[test]
fn names_that_do_not_fit() {
    let digest = Digest::sha256(b"report");
    let reports = [("report.xml".to_owned(), digest.clone())];
    let few = TestResults {
        passed: names(&["a", "b"]),
        ..TestResults::default()
    };
    let url: Line = "https://ci.example.com/1".parse().unwrap();
    let predicate = few.build_predicate(&reports, Some(&url)).unwrap();
    assert_eq!(
        (Value::Object(predicate.map), predicate.omitted_names),
        (
            json!({
                "result": "PASSED", "url": "https://ci.example.com/1",
                "configuration": [{ "name": "report.xml", "digest": { "sha256": digest.hex() } }],
                "passedTests": ["a", "b"], "warnedTests": [], "failedTests": [],
            }),
            0
        )
    );

    // With short names, the limit of the entry counts, in which each name is a line. With long
    // names, the limit of the predicate counts.
    for length in [1, 400] {
        let name = |number: usize| format!("{number:0>length$}");
        let many = TestResults {
            passed: (0..80_000).map(name).collect(),
            failed: names(&["z"]),
            ..TestResults::default()
        };
        let TestPredicate { map, omitted_names } = many.build_predicate(&reports, None).unwrap();
        let passed = map["passedTests"].as_array().unwrap().len();
        assert!(passed > 500 && passed + omitted_names == 80_000, "{passed}");
        assert_eq!(
            (&map["failedTests"], &map[TEST_COUNTS_KEY]["passed"]),
            (&json!(["z"]), &json!(80_000))
        );
        let compact = serde_json::to_vec(&map).unwrap().len();
        assert!(
            compact <= MAX_PREDICATE && compact > MAX_PREDICATE / 3,
            "{compact}"
        );
        assert!(serde_json::to_vec_pretty(&map).unwrap().len() + passed * 6 < MAX_BYTES);
    }
    let reports: Vec<_> = (0..2_000)
        .map(|number| (format!("TEST-{number}.xml"), digest.clone()))
        .collect();
    assert!(matches!(
        few.build_predicate(&reports, None),
        Err(JunitError::TooMany)
    ));
}

/// Checks that a report is refused if it counts more tests than it lists and would pass, but not if
/// its writer leaves out skipped tests, or all tests that passed.
#[test]
fn reports_that_broke_off() {
    let suite = |counts: &str, cases: &str| {
        read(&format!(
            "<testsuite name=\"s\" {counts}>{cases}</testsuite>"
        ))
    };
    let (a, b) = ("<testcase name=\"a\"/>", "<testcase name=\"b\"/>");
    let skipped = "<testcase name=\"c\"><skipped/></testcase>";
    let failed = "<testcase name=\"d\"><failure/></testcase>";
    let two = format!("{a}{b}");
    for (counts, cases) in [
        ("tests=\"5\"", two.clone()),
        ("tests=\"5\" skipped=\"2\"", two.clone()),
        ("tests=\"3\" failures=\"0\" errors=\"0\"", two.clone()),
        ("tests=\"4\" skipped=\"1\"", format!("{two}{skipped}")),
    ] {
        let refused = suite(counts, &cases);
        assert!(
            matches!(refused, Err(JunitError::Incomplete { .. })),
            "{counts}: {refused:?}"
        );
    }
    for (counts, cases, result) in [
        ("tests=\"2\"", two.clone(), "PASSED"),
        ("", two.clone(), "PASSED"),
        ("tests=\"1\"", two.clone(), "PASSED"),
        ("tests=\"4\" skipped=\"2\"", two.clone(), "PASSED"),
        ("tests=\"4\" disabled=\"2\"", two.clone(), "PASSED"),
        ("tests=\"3\"", format!("{two}{skipped}"), "PASSED"),
        (
            "tests=\"5\" failures=\"1\"",
            format!("{two}{failed}"),
            "FAILED",
        ),
        ("tests=\"5\" failures=\"1\"", failed.to_owned(), "FAILED"),
    ] {
        assert_eq!(suite(counts, &cases).unwrap().result(), result, "{counts}");
    }
    let nested = |root: u64, inner: u64| {
        read(&format!(
            "<testsuites tests=\"{root}\"><testsuite tests=\"{inner}\">{a}</testsuite><testsuite tests=\"1\">{b}</testsuite></testsuites>"
        ))
    };
    assert_eq!(nested(2, 1).unwrap().result(), "PASSED");
    assert!(nested(3, 1).is_err() && nested(2, 2).is_err());
}

/// Checks that a test which failed and passed in a later attempt makes a warning, and that no other
/// order and no other test does.
#[test]
fn attempts_of_one_test() {
    let case = |class: &str, child: &str| {
        format!("<testcase name=\"t\" classname=\"{class}\">{child}</testcase>")
    };
    let (failed, passed, skipped) = ("<failure message=\"x\"/>", "", "<skipped/>");
    let result = |attempts: &[(&str, &str)]| {
        let cases: String = attempts
            .iter()
            .map(|(class, child)| case(class, child))
            .collect();
        let failures = attempts
            .iter()
            .filter(|(_, child)| *child == failed)
            .count();
        let count = attempts.len();
        let report =
            format!("<testsuite tests=\"{count}\" failures=\"{failures}\">{cases}</testsuite>");
        read(&report).unwrap()
    };
    let retried = result(&[("A", failed), ("A", failed), ("A", passed), ("B", passed)]);
    assert_eq!(retried.result(), "WARNED");
    assert_eq!(
        (&retried.warned, &retried.passed),
        (&names(&["A.t"]), &names(&["B.t"]))
    );
    for attempts in [
        &[("A", passed), ("A", failed)][..],
        &[("A", failed), ("B", passed)],
        &[("A", failed), ("A", skipped)],
        &[("A", failed), ("A", passed), ("A", failed)],
        &[("A", failed), ("A", passed), ("B", failed)],
    ] {
        assert_eq!(result(attempts).result(), "FAILED", "{attempts:?}");
    }
    assert_eq!(result(&[("A", passed), ("A", passed)]).result(), "PASSED");
    // Attempts in different suites are different tests.
    let apart = format!(
        "<testsuites><testsuite>{}</testsuite><testsuite>{}</testsuite></testsuites>",
        case("A", failed),
        case("A", passed)
    );
    assert_eq!(read(&apart).unwrap().result(), "FAILED");
}
