//! Texts with placeholders in braces, such as the tag `{version}.{timestamp}.{env}`.
//!
//! The template of a tag works in both directions: it renders a tag, and it recognises the pushed
//! tags that belong to an environment.

use std::collections::BTreeSet;
use std::fmt;

use super::placeholder::Placeholder;
use super::refname;
use crate::domain::name::EnvName;
use crate::domain::text::is_plain;
use crate::domain::time::Time;

/// How the letters of a text are compared with a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LetterCase {
    Exact,
    Ignored,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum TemplatePart {
    Literal(Box<str>),
    Value(Placeholder),
}

/// A text with placeholders, at most 255 bytes and 16 parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// The template as the policy writes it.
    source: Box<str>,
    parts: Vec<TemplatePart>,
}

impl Template {
    /// Parses a template with the `allowed` placeholders only.
    pub(super) fn new(text: &str, allowed: &[Placeholder]) -> Result<Self, String> {
        if text.is_empty() || text.len() > 255 || text.chars().any(|character| !is_plain(character))
        {
            return Err("it must have 1 to 255 bytes of plain text".to_owned());
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (literal, after) = rest
                .split_once('{')
                .map_or((rest, None), |(literal, after)| (literal, Some(after)));
            if literal.contains('}') {
                return Err(format!("{text:?} has a '}}' without a '{{'"));
            }
            if !literal.is_empty() {
                parts.push(TemplatePart::Literal(literal.into()));
            }
            rest = match after {
                None => "",
                Some(after) => {
                    let (word, tail) = after
                        .split_once('}')
                        .ok_or_else(|| format!("{text:?} has a '{{' without a '}}'"))?;
                    let placeholder = allowed
                        .iter()
                        .find(|placeholder| placeholder.name() == word);
                    let names: Vec<_> = allowed
                        .iter()
                        .map(|placeholder| format!("{{{}}}", placeholder.name()))
                        .collect();
                    let placeholder = placeholder.ok_or_else(|| {
                        format!(
                            "{{{word}}} is not known here; known placeholders are {}",
                            names.join(" ")
                        )
                    })?;
                    parts.push(TemplatePart::Value(*placeholder));
                    tail
                }
            };
        }
        if parts.len() > 16 {
            return Err("it has more than 16 parts".to_owned());
        }
        Ok(Self {
            source: text.into(),
            parts,
        })
    }

    /// Parses the template of a tag. It must produce valid short names of refs, and it must not
    /// match every tag.
    pub(super) fn tag(text: &str) -> Result<Self, String> {
        let template = Self::new(text, Placeholder::TAG)?;
        let sample = template
            .render(|placeholder| Some(placeholder.sample().to_owned()))
            .unwrap_or_default();
        if let Some(problem) = refname::refname_problem(&sample) {
            return Err(format!(
                "{text:?} makes invalid tags such as {sample:?}: {problem}"
            ));
        }
        let is_specific = |part: &TemplatePart| match part {
            TemplatePart::Literal(literal) => {
                literal.contains(|character: char| character.is_alphanumeric())
            }
            TemplatePart::Value(value) => {
                matches!(value, Placeholder::Timestamp | Placeholder::Env)
            }
        };
        if !template.parts.iter().any(is_specific) {
            return Err(format!(
                "{text:?} would claim other tags of the repository too; add {{env}}, {{timestamp}} or a word"
            ));
        }
        Ok(template)
    }

    /// Returns the template as the policy writes it.
    #[cfg(any(test, feature = "testing"))]
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// Checks whether the template contains a placeholder.
    pub fn contains(&self, placeholder: Placeholder) -> bool {
        self.parts.contains(&TemplatePart::Value(placeholder))
    }

    /// Fills in the placeholders. Fails with the first placeholder that has no value.
    pub fn render(
        &self,
        value: impl Fn(Placeholder) -> Option<String>,
    ) -> Result<String, Placeholder> {
        self.parts
            .iter()
            .try_fold(String::new(), |text, part| match part {
                TemplatePart::Literal(literal) => Ok(text + literal),
                TemplatePart::Value(placeholder) => {
                    Ok(text + &value(*placeholder).ok_or(*placeholder)?)
                }
            })
    }

    /// Checks whether the template could have produced a text for an environment or, if
    /// `is_pattern` is true, for an environment of the pattern with the prefix `env`. The other
    /// values are unknown. Returns true in doubt, so that the tag is judged.
    pub(super) fn could_produce(&self, text: &str, env: &EnvName, is_pattern: bool) -> bool {
        self.matches(text, LetterCase::Exact, |placeholder, rest| {
            placeholder.value_lengths(rest, env, is_pattern)
        })
    }

    /// Checks the same as [`Template::could_produce`], but ignores the case of ASCII letters.
    pub(super) fn could_produce_in_any_case(
        &self,
        text: &str,
        env: &EnvName,
        is_pattern: bool,
    ) -> bool {
        self.matches(
            text,
            LetterCase::Ignored,
            |placeholder, rest| match placeholder {
                Placeholder::Timestamp => {
                    placeholder.value_lengths(&rest.to_ascii_uppercase(), env, is_pattern)
                }
                _ => placeholder.value_lengths(&rest.to_ascii_lowercase(), env, is_pattern),
            },
        )
    }

    /// Checks whether the parts can make up the text. `lengths` returns the lengths in bytes of the
    /// values that a placeholder can have at the beginning of a text.
    fn matches(
        &self,
        text: &str,
        letter_case: LetterCase,
        lengths: impl Fn(Placeholder, &str) -> Vec<usize>,
    ) -> bool {
        // A long text would take too long to compare. In doubt, the tag is judged.
        if text.len() > 1_024 {
            return true;
        }
        let starts_with = |rest: &str, literal: &str| match rest.get(..literal.len()) {
            Some(head) if letter_case == LetterCase::Ignored => head.eq_ignore_ascii_case(literal),
            head => head == Some(literal),
        };
        // All offsets in the text at which the parts so far can end. Unlike backtracking, this takes
        // a bounded number of steps.
        let mut ends = BTreeSet::from([0]);
        for part in &self.parts {
            let mut next = BTreeSet::new();
            for start in ends {
                // No part begins within a character.
                let Some(rest) = text.get(start..) else {
                    continue;
                };
                match part {
                    TemplatePart::Literal(literal) if starts_with(rest, literal) => {
                        next.insert(start + literal.len());
                    }
                    TemplatePart::Literal(_) => {}
                    TemplatePart::Value(value) => {
                        next.extend(lengths(*value, rest).iter().map(|length| start + length));
                    }
                }
            }
            ends = next;
        }
        ends.contains(&text.len())
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.source)
    }
}

/// Formats a moment as the value of `{timestamp}`: `20260305T100211Z`.
pub fn tag_timestamp(time: Time) -> String {
    time.to_chrono().format("%Y%m%dT%H%M%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A template recognises every tag that it renders, and no tag of another environment.
    #[test]
    fn rendered_tags_are_recognised() {
        let prod: EnvName = "prod".parse().unwrap();
        let value = |placeholder: Placeholder| {
            Some(match placeholder {
                Placeholder::Env => "prod".to_owned(),
                Placeholder::Timestamp => tag_timestamp("2026-03-05T10:02:11Z".parse().unwrap()),
                Placeholder::Branch => "feature/ä-1".to_owned(),
                other => other.sample().to_owned(),
            })
        };
        for text in [
            "{timestamp}_{env}_{branch}",
            "{version}.{timestamp}.{env}",
            "{component}/v{version}",
            "r-{commit}",
        ] {
            let template = Template::tag(text).unwrap();
            let tag = template.render(value).unwrap();
            assert!(template.could_produce(&tag, &prod, false), "{text} {tag}");
            assert!(
                !template.could_produce(&format!("/{tag}"), &prod, false),
                "{text} {tag}"
            );
            if template.contains(Placeholder::Env) {
                assert!(
                    !template.could_produce(&tag, &"stage".parse().unwrap(), false),
                    "{text} {tag}"
                );
            }
        }
        assert_eq!(
            tag_timestamp("2026-03-05T10:02:11Z".parse().unwrap()),
            Placeholder::Timestamp.sample()
        );
        let hostile = Template::tag(&format!("x{}", "{branch}".repeat(15))).unwrap();
        assert!(hostile.could_produce(&"x".repeat(255), &prod, false));
    }

    /// On a disk that ignores case, a tag in another case is the same file.
    #[test]
    fn in_any_case() {
        let prod: EnvName = "prod".parse().unwrap();
        for (text, tag) in [
            ("Rel-{timestamp}.{env}", "rel-20260305t100211z.PROD"),
            ("v{version}", "V1.0.0-RC"),
        ] {
            let template = Template::tag(text).unwrap();
            assert!(
                template.could_produce_in_any_case(tag, &prod, false)
                    && !template.could_produce(tag, &prod, false)
            );
            assert!(!template.could_produce_in_any_case(&format!("x{tag}"), &prod, false));
        }
    }

    /// A pattern recognises the tags of its environments, and not those that only begin alike.
    #[test]
    fn tags_of_a_pattern() {
        let (template, pr) = (
            Template::tag("{env}_{version}").unwrap(),
            "pr".parse().unwrap(),
        );
        for (tag, made) in [
            ("pr-17_1.0", true),
            ("pr-a-b_1", true),
            ("pr-_1", false),
            ("pr_1", false),
            ("prod_1", false),
        ] {
            assert_eq!(template.could_produce(tag, &pr, true), made, "{tag}");
        }
    }

    /// A template must not produce tags that git refuses.
    #[test]
    fn bad_tags() {
        for bad in [
            "",
            "{",
            "}",
            "{env",
            "{nope}",
            "a b",
            "{env}.lock",
            "-{env}",
            "{env}..x",
            "deploy/{env}",
            "{env}/",
            "{version}",
            "{branch}.{version}",
        ] {
            assert!(Template::tag(bad).is_err(), "{bad}");
        }
        assert!(
            Template::tag("{evn}")
                .unwrap_err()
                .contains("known placeholders are {timestamp} {env}")
        );
    }
}
