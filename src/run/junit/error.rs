//! Why a `JUnit` report cannot be read, and the limits of reports.

/// The largest report, in bytes.
pub const MAX_REPORT: usize = 64 << 20;
/// The deepest nesting of suites.
pub(super) const MAX_DEPTH: usize = 32;

/// Why a report cannot be read.
use crate::domain::count::count;

#[derive(Debug, thiserror::Error)]
pub enum JunitError {
    /// It is too long.
    #[error("it has more than {MAX_REPORT} bytes")]
    TooLarge,
    /// It is not UTF-8.
    #[error("it is not UTF-8")]
    NotUtf8,
    /// It is not XML, contains a DTD, or has too many nodes.
    #[error("it is not supported XML: {0}")]
    Xml(#[from] roxmltree::Error),
    /// It is another kind of XML document.
    #[error("it begins with <{0}>, but a JUnit report begins with <testsuites> or <testsuite>")]
    WrongRoot(String),
    /// Its suites are nested too deeply.
    #[error("its suites are nested more than {MAX_DEPTH} levels deep")]
    TooDeep,
    /// A count is not a number.
    #[error("{name}=\"{value}\" of a suite is not a number")]
    InvalidCount {
        /// The attribute.
        name: &'static str,
        /// Its value, safe to show.
        value: String,
    },
    /// A suite counts more tests than the report lists.
    #[error(
        "its suite {suite:?} counts {}, but lists only {listed}: the report broke off, or contradicts itself",
        count(*claimed, "test")
    )]
    Incomplete {
        /// The name of the suite, safe to show.
        suite: String,
        /// The number of tests that the suite counts.
        claimed: u64,
        /// The number of tests that it lists or counts as skipped.
        listed: u64,
    },
    /// No test passed or failed.
    #[error("no test ran")]
    NoTests,
    /// There are too many reports to list.
    #[error("there are too many reports for one entry: attest them in several suites")]
    TooMany,
}
