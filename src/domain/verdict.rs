//! The verdict on a request: at least one check from every rule that applies to it, passed or not,
//! so that a person sees everything that is missing.

use serde::Serialize;

use super::name::Person;

pub use super::rules::rule::Rule;

/// The result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum CheckResult {
    /// The request satisfies the rule.
    Pass,
    /// The request violates the rule.
    Fail,
    /// A fact that the rule needs is missing.
    Unknown,
}

/// One result of a rule, with its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// The rule.
    pub rule: Rule,
    /// The result.
    pub outcome: CheckResult,
    /// The reason, in one line of plain text. May be empty for a pass.
    pub detail: String,
    /// The command to type next, without a prompt: `git deploy approve prod 2affccc97fa0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// Who can type that command; empty if the reader can.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remedy_by: Vec<Person>,
}

impl Check {
    /// Returns a pass; `detail` may be empty.
    pub fn pass(rule: Rule, detail: impl Into<String>) -> Self {
        Self {
            rule,
            outcome: CheckResult::Pass,
            detail: detail.into(),
            remedy: None,
            remedy_by: Vec::new(),
        }
    }

    /// Returns a refusal.
    pub fn fail(rule: Rule, detail: impl Into<String>) -> Self {
        Self {
            rule,
            outcome: CheckResult::Fail,
            detail: detail.into(),
            remedy: None,
            remedy_by: Vec::new(),
        }
    }

    /// Returns a check whose result is unknown, because the fact that `detail` names is missing.
    pub fn unknown(rule: Rule, detail: impl Into<String>) -> Self {
        Self {
            rule,
            outcome: CheckResult::Unknown,
            detail: detail.into(),
            remedy: None,
            remedy_by: Vec::new(),
        }
    }

    /// Adds a command to type next.
    #[must_use]
    pub fn remedy(mut self, command: impl Into<String>) -> Self {
        self.remedy = Some(command.into());
        self
    }
}

impl Check {
    /// Names the people who can type the command.
    #[must_use]
    pub fn remedy_by(mut self, people: impl IntoIterator<Item = Person>) -> Self {
        self.remedy_by = people.into_iter().collect();
        self
    }
}

/// The decision that follows from all checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Decision {
    /// Every rule passes.
    Allowed,
    /// A rule is violated.
    Refused,
    /// No rule is violated, and at least one lacks a fact: the request is not accepted.
    CannotTell,
}

/// The start of each message that a server prints about a push. The pushing client reads the
/// decision after it.
pub const MESSAGE_PREFIX: &str = "git-deploy: ";

impl Decision {
    /// Returns the word that stands for the decision in a server's message, after
    /// [`MESSAGE_PREFIX`].
    pub const fn word(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Refused => "refused",
            Self::CannotTell => "cannot tell",
        }
    }
}

/// The checks of all rules that apply to a request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verdict {
    /// The checks, in the order of [`Rule`]. One rule may have several.
    pub checks: Vec<Check>,
}

impl Verdict {
    /// Returns the decision. A verdict without any check is "cannot tell".
    pub fn decision(&self) -> Decision {
        let has = |outcome| self.checks.iter().any(|check| check.outcome == outcome);
        if has(CheckResult::Fail) {
            Decision::Refused
        } else if self.checks.is_empty() || has(CheckResult::Unknown) {
            Decision::CannotTell
        } else {
            Decision::Allowed
        }
    }

    /// Returns whether every rule passes.
    pub fn is_allowed(&self) -> bool {
        self.decision() == Decision::Allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A missing fact or an empty verdict allows nothing.
    #[test]
    fn denied_by_default() {
        assert_eq!(Verdict::default().decision(), Decision::CannotTell);
        let mut verdict = Verdict {
            checks: vec![Check::pass(Rule::Authorization, "")],
        };
        assert_eq!(verdict.decision(), Decision::Allowed);
        verdict.checks.push(Check::unknown(Rule::Soak, ""));
        assert_eq!(verdict.decision(), Decision::CannotTell);
        verdict.checks.push(Check::fail(Rule::Lock, ""));
        assert_eq!(verdict.decision(), Decision::Refused);
    }
}
