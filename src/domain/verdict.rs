//! What the gates answer: every rule that applies, passed or not, so that a person sees the whole distance.

use std::fmt;

/// A rule, by the name that people see. `gate` has one file for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// Who signed may do this.
    Authorization,
    /// The entry stands where the chain says.
    Chain,
    /// Its time is possible.
    Time,
    /// It says of the code what the code is.
    Content,
    /// It fits what the ledger holds.
    State,
    /// The commit ran in the environment before.
    PreviousEnvironment,
    /// It ran there long enough.
    Soak,
    /// Enough different people consent.
    Approvals,
    /// Its attestations are there and good.
    Checks,
    /// What is deployed was registered as built.
    Artifact,
    /// It was not taken out of circulation.
    Yanked,
    /// It goes forward.
    FastForward,
    /// It contains the branch's tip.
    UpToDate,
    /// Nothing is locked or under way.
    Lock,
    /// It is not a time when nothing is deployed.
    Freeze,
    /// The version rises.
    Version,
    /// A branch of an environment moves only to what is allowed there.
    Branch,
    /// So does a tag, once.
    Tag,
}

impl Rule {
    /// The name that people see: `previous environment`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Authorization => "signer",
            Self::Chain => "place",
            Self::Time => "time",
            Self::Content => "content",
            Self::State => "state",
            Self::PreviousEnvironment => "previous environment",
            Self::Soak => "soak",
            Self::Approvals => "approvals",
            Self::Checks => "checks",
            Self::Artifact => "artifact",
            Self::Yanked => "yanked",
            Self::FastForward => "direction",
            Self::UpToDate => "up to date",
            Self::Lock => "lock",
            Self::Freeze => "freeze",
            Self::Version => "version",
            Self::Branch => "branch",
            Self::Tag => "tag",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What one rule says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Yes.
    Pass,
    /// No.
    Fail,
    /// A fact that it needs could not be established.
    Unknown,
}

/// One rule's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The rule.
    pub rule: Rule,
    /// Its answer.
    pub outcome: Outcome,
    /// The reason, in one line of plain text; may be empty for a pass.
    pub detail: String,
    /// What to type next, as a command without a prompt: `git deploy approve prod 2affccc97fa0`.
    pub remedy: Option<String>,
}

impl Check {
    /// A pass, with what is worth knowing about it.
    pub fn pass(rule: Rule, detail: impl Into<String>) -> Self {
        Self {
            rule,
            outcome: Outcome::Pass,
            detail: detail.into(),
            remedy: None,
        }
    }

    /// A refusal.
    pub fn fail(rule: Rule, detail: impl Into<String>) -> Self {
        Self {
            rule,
            outcome: Outcome::Fail,
            detail: detail.into(),
            remedy: None,
        }
    }

    /// A fact is missing.
    pub fn unknown(rule: Rule, detail: impl Into<String>) -> Self {
        Self {
            rule,
            outcome: Outcome::Unknown,
            detail: detail.into(),
            remedy: None,
        }
    }

    /// The same with a remedy.
    #[must_use]
    pub fn remedy(mut self, command: impl Into<String>) -> Self {
        self.remedy = Some(command.into());
        self
    }
}

/// All rules together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Every rule passes.
    Allowed,
    /// A rule says no.
    Refused,
    /// No rule says no, and at least one lacks a fact: nothing is let in.
    CannotTell,
}

/// What a server's words about a push begin with: whoever pushes through a command of ours tells a refusal from a doubt by them.
pub const MESSAGE_PREFIX: &str = "git-deploy: ";

impl Decision {
    /// The word for it that a pusher reads, after [`VOICE`].
    pub const fn word(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Refused => "refused",
            Self::CannotTell => "cannot tell",
        }
    }
}

/// The answers of all rules that apply.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verdict {
    /// The answers, in the order of [`Rule`]; one rule may speak several times.
    pub checks: Vec<Check>,
}

impl Verdict {
    /// The decision: a verdict without any rule is no permission.
    pub fn decision(&self) -> Decision {
        let any = |outcome| self.checks.iter().any(|check| check.outcome == outcome);
        if any(Outcome::Fail) {
            Decision::Refused
        } else if self.checks.is_empty() || any(Outcome::Unknown) {
            Decision::CannotTell
        } else {
            Decision::Allowed
        }
    }

    /// Whether every rule passes.
    pub fn allowed(&self) -> bool {
        self.decision() == Decision::Allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nothing is let in for lack of a fact or of a rule.
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
