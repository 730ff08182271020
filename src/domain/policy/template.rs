//! Texts with placeholders in braces, such as the tag `{version}.{timestamp}.{env}`.
//!
//! A tag's template is read both ways: it makes the tag after a success, and it tells which pushed tags belong to an environment.

use std::collections::BTreeSet;
use std::fmt;

use super::refname;
use crate::domain::name::{ComponentName, EnvName, MAX_LEN};
use crate::domain::text::is_plain;
use crate::domain::time::Time;

/// What a template may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Placeholder {
    /// `{timestamp}`: the moment in UTC, without what refs forbid: `20260305T100211Z`.
    Timestamp,
    /// `{env}`: the environment's name.
    Env,
    /// `{branch}`: the environment's branch, or the one that is checked out.
    Branch,
    /// `{version}`: the version that was deployed.
    Version,
    /// `{component}`: the component's name; a tag with it is made once for each component.
    Component,
    /// `{commit}`: the full id of the commit.
    Commit,
}

impl Placeholder {
    const ALL: [Self; 6] = [
        Self::Timestamp,
        Self::Env,
        Self::Branch,
        Self::Version,
        Self::Component,
        Self::Commit,
    ];

    /// Those a tag may hold: all.
    pub(super) const TAG: &'static [Self] = &Self::ALL;

    /// The word between the braces.
    pub fn name(self) -> &'static str {
        match self {
            Self::Timestamp => "timestamp",
            Self::Env => "env",
            Self::Branch => "branch",
            Self::Version => "version",
            Self::Component => "component",
            Self::Commit => "commit",
        }
    }

    /// A value that it could have, to try a template with.
    fn sample(self) -> &'static str {
        match self {
            Self::Timestamp => "20260305T100211Z",
            Self::Branch => "main",
            Self::Version => "1.0.0",
            Self::Env | Self::Component => "x",
            Self::Commit => "2affccc97fa05736482d4523166f70cb561afa11",
        }
    }

    /// The lengths of all its possible values at the beginning of a text.
    fn lengths(self, text: &str, env: &EnvName, pattern: bool) -> Vec<usize> {
        let name =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
        let run = |text: &str, most: usize, class: fn(u8) -> bool| {
            let length = text
                .bytes()
                .take(most)
                .take_while(|byte| class(*byte))
                .count();
            (1..=length).collect::<Vec<_>>()
        };
        match self {
            Self::Timestamp => {
                let fits = |(index, byte): (usize, u8)| match index {
                    8 => byte == b'T',
                    15 => byte == b'Z',
                    _ => byte.is_ascii_digit(),
                };
                let shape = text.len() >= 16 && text.bytes().take(16).enumerate().all(fits);
                if shape { vec![16] } else { Vec::new() }
            }
            Self::Env => match text.strip_prefix(env.as_str()) {
                None => Vec::new(),
                Some(_) if !pattern => vec![env.as_str().len()],
                Some(rest) if !rest.starts_with('-') => Vec::new(),
                // One more than the dash: a pattern's name goes on after it.
                Some(rest) => run(rest, MAX_LEN, name)
                    .into_iter()
                    .skip(1)
                    .map(|length| env.as_str().len() + length)
                    .collect(),
            },
            Self::Branch => run(text, usize::MAX, |_| true),
            Self::Version => run(text, usize::MAX, |byte| byte != b'/'),
            Self::Component => run(text, MAX_LEN, name),
            Self::Commit => {
                let digits = text.bytes().take_while(u8::is_ascii_hexdigit).count();
                [40, 64]
                    .into_iter()
                    .filter(|length| *length <= digits)
                    .collect()
            }
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum TemplatePart {
    Literal(Box<str>),
    Value(Placeholder),
}

/// A text with placeholders, at most 255 bytes and 16 pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    written: Box<str>,
    parts: Vec<TemplatePart>,
}

impl Template {
    /// Reads a template that may hold the `allowed` placeholders only.
    pub(super) fn new(text: &str, allowed: &[Placeholder]) -> Result<Self, String> {
        if text.is_empty() || text.len() > 255 || text.chars().any(|character| !is_plain(character))
        {
            return Err("it must have 1 to 255 bytes of plain text".to_owned());
        }
        let mut pieces = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (literal, after) = rest
                .split_once('{')
                .map_or((rest, None), |(literal, after)| (literal, Some(after)));
            if literal.contains('}') {
                return Err(format!("{text:?} has a '}}' without a '{{'"));
            }
            if !literal.is_empty() {
                pieces.push(TemplatePart::Literal(literal.into()));
            }
            rest = match after {
                None => "",
                Some(after) => {
                    let (word, tail) = after
                        .split_once('}')
                        .ok_or_else(|| format!("{text:?} has a '{{' without a '}}'"))?;
                    let known = allowed
                        .iter()
                        .find(|placeholder| placeholder.name() == word);
                    let names: Vec<_> = allowed
                        .iter()
                        .map(|placeholder| format!("{{{}}}", placeholder.name()))
                        .collect();
                    let known = known.ok_or_else(|| {
                        format!(
                            "{{{word}}} is not known here; known are {}",
                            names.join(" ")
                        )
                    })?;
                    pieces.push(TemplatePart::Value(*known));
                    tail
                }
            };
        }
        if pieces.len() > 16 {
            return Err("it has more than 16 pieces".to_owned());
        }
        Ok(Self {
            written: text.into(),
            parts: pieces,
        })
    }

    /// Reads the template of a tag: it must make valid short names of refs, and must not claim every tag there is.
    pub(super) fn tag(text: &str) -> Result<Self, String> {
        let template = Self::new(text, Placeholder::TAG)?;
        let sample = template
            .render(|placeholder| Some(placeholder.sample().to_owned()))
            .unwrap_or_default();
        if let Some(fault) = refname::refname_problem(&sample) {
            return Err(format!(
                "{text:?} makes no valid tag such as {sample:?}: {fault}"
            ));
        }
        let telling = |piece: &TemplatePart| match piece {
            TemplatePart::Literal(literal) => {
                literal.contains(|character: char| character.is_alphanumeric())
            }
            TemplatePart::Value(value) => {
                matches!(value, Placeholder::Timestamp | Placeholder::Env)
            }
        };
        if !template.parts.iter().any(telling) {
            return Err(format!(
                "{text:?} would claim other tags of the repository too; add {{env}}, {{timestamp}} or a word"
            ));
        }
        Ok(template)
    }

    /// The template as the policy writes it.
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// Whether the placeholder occurs.
    pub fn contains(&self, placeholder: Placeholder) -> bool {
        self.parts.contains(&TemplatePart::Value(placeholder))
    }

    /// Fills the placeholders in; the first one without a value is the error.
    pub fn render(
        &self,
        value: impl Fn(Placeholder) -> Option<String>,
    ) -> Result<String, Placeholder> {
        self.parts
            .iter()
            .try_fold(String::new(), |text, piece| match piece {
                TemplatePart::Literal(literal) => Ok(text + literal),
                TemplatePart::Value(placeholder) => {
                    Ok(text + &value(*placeholder).ok_or(*placeholder)?)
                }
            })
    }

    /// Whether the template could have made this text for an environment (or one of a pattern, by its prefix), whatever the other
    /// values were. In doubt the answer is yes, so that the tag is judged.
    pub(super) fn could_produce(&self, text: &str, env: &EnvName, pattern: bool) -> bool {
        self.matches(text, false, |placeholder, rest| {
            placeholder.lengths(rest, env, pattern)
        })
    }

    /// The same without regard to the case of ASCII letters.
    pub(super) fn could_produce_in_any_case(
        &self,
        text: &str,
        env: &EnvName,
        pattern: bool,
    ) -> bool {
        self.matches(text, true, |placeholder, rest| match placeholder {
            Placeholder::Timestamp => placeholder.lengths(&rest.to_ascii_uppercase(), env, pattern),
            _ => placeholder.lengths(&rest.to_ascii_lowercase(), env, pattern),
        })
    }

    /// Whether it could have made this text for this very environment and component.
    pub fn could_produce_for(&self, text: &str, env: &EnvName, component: &ComponentName) -> bool {
        self.matches(text, false, |placeholder, rest| match placeholder {
            Placeholder::Component if rest.starts_with(component.as_str()) => {
                vec![component.as_str().len()]
            }
            Placeholder::Component => Vec::new(),
            other => other.lengths(rest, env, false),
        })
    }

    /// Whether the pieces make up the text, where `lengths` gives how many bytes at its beginning a placeholder may stand for.
    fn matches(
        &self,
        text: &str,
        any_case: bool,
        lengths: impl Fn(Placeholder, &str) -> Vec<usize>,
    ) -> bool {
        if text.len() > 1_024 {
            return true;
        }
        let begins = |rest: &str, literal: &str| match rest.get(..literal.len()) {
            Some(head) if any_case => head.eq_ignore_ascii_case(literal),
            head => head == Some(literal),
        };
        // All ends that the pieces so far can reach in the text: bounded, where backtracking would not be.
        let mut ends = BTreeSet::from([0]);
        for piece in &self.parts {
            let mut next = BTreeSet::new();
            for start in ends {
                // An end within a character leads nowhere.
                let Some(rest) = text.get(start..) else {
                    continue;
                };
                match piece {
                    TemplatePart::Literal(literal) if begins(rest, literal) => {
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
        f.pad(&self.written)
    }
}

/// A moment as `{timestamp}` shows it: `20260305T100211Z`.
pub fn tag_timestamp(time: Time) -> String {
    time.to_chrono().format("%Y%m%dT%H%M%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every tag that a template makes is recognised as the environment's, and another environment's is not.
    #[test]
    fn what_it_makes_it_knows() {
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

    /// Where a disk does not tell capital letters apart, another spelling is the very tag.
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

    /// Every environment of a pattern owns its tags, and nothing that only begins alike does.
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

    /// A tag that git refuses would make every deployment end in an error.
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
                .contains("known are {timestamp} {env}")
        );
    }
}
