//! Where a deployment comes from: the CI system and its run, the repository, and who asked.
//!
//! The signer states all of it, and nothing checks whether it is true. The order of the fields is
//! that of the signed JSON, so it must not change.

use serde::{Deserialize, Serialize};

use crate::domain::address::Address;
use crate::domain::email::Email;
use crate::domain::entry::invalid::{InvalidError, has_no_white_space, require};
use crate::domain::input_name::OriginField;
use crate::domain::name::Label;
use crate::domain::text::Line;

use InvalidError::Contradiction;

/// Where a deployment comes from, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Origin {
    /// The CI system, such as `github`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<Label>,
    /// The address of the CI run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_url: Option<Address>,
    /// The user of the CI system who triggered the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<Line>,
    /// The address of the repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<Address>,
    /// The branch that the run is for; absent for a change request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<Line>,
    /// The tag that triggered the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<Line>,
    /// The e-mail address of the person who asked for the deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Email>,
}

impl Origin {
    /// Checks whether nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns the value of a field.
    pub fn get(&self, field: OriginField) -> Option<&str> {
        match field {
            OriginField::System => self.system.as_ref().map(Label::as_str),
            OriginField::RunUrl => self.run_url.as_ref().map(Address::as_str),
            OriginField::Actor => self.actor.as_ref().map(Line::as_str),
            OriginField::Repository => self.repository.as_ref().map(Address::as_str),
            OriginField::Branch => self.branch.as_ref().map(Line::as_str),
            OriginField::Tag => self.tag.as_ref().map(Line::as_str),
            OriginField::Email => self.email.as_ref().map(Email::as_str),
        }
    }

    /// Sets a field.
    ///
    /// # Errors
    ///
    /// Fails with the reason if the text is not a valid value.
    pub fn set(&mut self, field: OriginField, text: &str) -> Result<(), String> {
        fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(
            text: &str,
        ) -> Result<Option<T>, String> {
            text.parse().map(Some).map_err(|error| format!("{error}"))
        }
        match field {
            OriginField::System => self.system = parse(text)?,
            OriginField::RunUrl => self.run_url = parse(text)?,
            OriginField::Actor => self.actor = parse(text)?,
            OriginField::Repository => self.repository = parse(text)?,
            OriginField::Branch => self.branch = parse_word(text)?,
            OriginField::Tag => self.tag = parse_word(text)?,
            OriginField::Email => self.email = parse(text)?,
        }
        Ok(())
    }

    /// Adds the fields of another origin, which take precedence.
    #[must_use]
    pub fn overridden_by(self, other: Self) -> Self {
        Self {
            system: other.system.or(self.system),
            run_url: other.run_url.or(self.run_url),
            actor: other.actor.or(self.actor),
            repository: other.repository.or(self.repository),
            branch: other.branch.or(self.branch),
            tag: other.tag.or(self.tag),
            email: other.email.or(self.email),
        }
    }

    /// Checks the fields whose type allows more than the format.
    pub(super) fn validate(&self) -> Result<(), InvalidError> {
        let mut names = self.branch.iter().chain(&self.tag);
        require(
            names.all(has_no_white_space),
            Contradiction("a branch or tag has no white space"),
        )
    }
}

/// Parses a line without white space.
fn parse_word(text: &str) -> Result<Option<Line>, String> {
    let line: Line = text.parse().map_err(|error| format!("{error}"))?;
    if has_no_white_space(&line) {
        Ok(Some(line))
    } else {
        Err("it contains white space".to_owned())
    }
}

#[cfg(test)]
impl Origin {
    /// Returns a strategy that reaches every field.
    pub(crate) fn sample() -> impl proptest::strategy::Strategy<Value = Self> {
        use crate::domain::entry::samples::*;
        (
            option::of(parsed(&["github", "jenkins"])),
            option::of(parsed(&["https://ci.example.com/1"])),
            option::of(line()),
            option::of(parsed(&["ssh://git.example.com/shop.git"])),
            option::of(parsed(&["main"])),
            option::of(parsed(&["v1.4.2"])),
            option::of(parsed(&["alice@example.com"])),
        )
            .prop_map(
                |(system, run_url, actor, repository, branch, tag, email)| Self {
                    system,
                    run_url,
                    actor,
                    repository,
                    branch,
                    tag,
                    email,
                },
            )
    }
}
