//! The names of the inputs that describe the purpose and the origin of a deployment.
//!
//! The policy's key `require` and the option `--origin` use these names.

use std::fmt;
use std::str::FromStr;

use super::name::Label;

/// Defines an enum of names without parameters: the variants, their names and the list of all.
macro_rules! named {
    ($(#[$doc:meta])* $type:ident { $($(#[$variant_doc:meta])* $variant:ident = $name:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $type {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $type {
            /// All values, in order.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Returns the name.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// Finds the value with this name.
            pub fn find(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|it| it.name() == name)
            }
        }
    };
}

named! {
    /// An input that names the origin of a deployment. A CI system provides most of them.
    OriginField {
        /// The CI system.
        System = "system",
        /// The address of the CI run.
        RunUrl = "run-url",
        /// The user of the CI system who triggered the run.
        Actor = "actor",
        /// The address of the repository.
        Repository = "repository",
        /// The branch that the run is for.
        Branch = "branch",
        /// The tag that triggered the run.
        Tag = "tag",
        /// The e-mail address of the person who asked for the deployment.
        Email = "email",
    }
}

named! {
    /// An input that has an option of its own.
    PurposeField {
        /// The change request.
        Change = "change",
        /// The release.
        Release = "release",
        /// The description.
        Message = "message",
        /// The person who asked for the deployment.
        RequestedBy = "requested-by",
    }
}

/// An input of a deployment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum InputName {
    /// An input with its own option.
    Purpose(PurposeField),
    /// An input that names the origin.
    Origin(OriginField),
    /// The label with this name.
    Label(Label),
}

/// The prefix of an input that is a label.
const LABEL_PREFIX: &str = "label:";

impl InputName {
    /// Returns the option that sets the input, with a placeholder for the value.
    pub fn option(&self) -> String {
        match self {
            Self::Purpose(PurposeField::Change) => "--change ID".to_owned(),
            Self::Purpose(PurposeField::Release) => "--release NAME".to_owned(),
            Self::Purpose(PurposeField::Message) => "--message TEXT".to_owned(),
            Self::Purpose(PurposeField::RequestedBy) => "--requested-by PERSON".to_owned(),
            Self::Origin(field) => format!("--origin {}=VALUE", field.name()),
            Self::Label(label) => format!("--label {label}=VALUE"),
        }
    }
}

impl FromStr for InputName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(label) = text.strip_prefix(LABEL_PREFIX) {
            let label = label.parse().map_err(|error| format!("{error}"))?;
            return Ok(Self::Label(label));
        }
        let input = PurposeField::find(text)
            .map(Self::Purpose)
            .or_else(|| OriginField::find(text).map(Self::Origin));
        input.ok_or_else(|| {
            let purposes = PurposeField::ALL.iter().map(|it| it.name());
            let origins = OriginField::ALL.iter().map(|it| it.name());
            let names: Vec<&str> = purposes.chain(origins).collect();
            format!(
                "{text:?} is not an input of a deployment: these are {} and label:NAME",
                names.join(", ")
            )
        })
    }
}

impl fmt::Display for InputName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Purpose(field) => f.write_str(field.name()),
            Self::Origin(field) => f.write_str(field.name()),
            Self::Label(label) => write!(f, "{LABEL_PREFIX}{label}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every name is read as it is written, and no name is ambiguous.
    #[test]
    fn round_trip() {
        let purposes = PurposeField::ALL.iter().map(|it| InputName::Purpose(*it));
        let origins = OriginField::ALL.iter().map(|it| InputName::Origin(*it));
        let label = InputName::Label("ticket".parse().unwrap());
        let all: Vec<InputName> = purposes.chain(origins).chain([label]).collect();
        for name in &all {
            assert_eq!(name.to_string().parse().as_ref(), Ok(name));
        }
        let mut names: Vec<String> = all.iter().map(ToString::to_string).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all.len());
        for bad in [
            "", "Change", "label", "label:", "label:A", "ticket", "run_url",
        ] {
            assert!(bad.parse::<InputName>().is_err(), "{bad}");
        }
    }
}
