//! The keys of a `deploy.toml`: what the parser knows, and what the JSON Schema and the reference are made from.
//!
//! The parser takes the names, the bounds of numbers and the words from here, so that these cannot drift; that it accepts and refuses
//! the same values otherwise is what `view::policy`'s tests are for.

mod component;
mod environment;
mod notify;
mod project;

pub use component::{COMPONENT, SECRET};
pub use environment::{
    ADVANCE, BREAK_GLASS, CHECK, ENVIRONMENT, EPHEMERAL, FREEZE, HOTFIX, MANIFEST, SEAT, TRIGGER,
    VERSION,
};
pub use notify::{NOTIFY, WEBHOOK};
pub use project::{ARTIFACTS, CHANGE, PERSON, TOP, VOUCHERS};

/// A table whose keys are known.
#[derive(Debug)]
pub struct KeyTable {
    /// Its keys, in the order in which a reader wants them.
    pub keys: &'static [TableKey],
}

impl KeyTable {
    /// The names of its keys.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.keys.iter().map(|key| key.name)
    }

    /// The key of this name.
    pub fn key(&self, name: &str) -> Option<&'static TableKey> {
        self.keys.iter().find(|key| key.name == name)
    }
}

/// One key.
#[derive(Debug)]
pub struct TableKey {
    /// Its name.
    pub name: &'static str,
    /// What its value looks like.
    pub form: ValueForm,
    /// What it means, in Markdown.
    pub meaning: &'static str,
    /// A value, in TOML.
    pub example: &'static str,
    /// What holds where it is left out, in words; empty where nothing does.
    pub default: &'static str,
    /// Whether it must be there.
    pub required: bool,
    /// Another key of the table, without which this one means nothing.
    pub needs: Option<&'static str>,
    /// Another key of the table: exactly one of the two must be there.
    pub or: Option<&'static str>,
}

impl TableKey {
    const fn new(
        name: &'static str,
        form: ValueForm,
        example: &'static str,
        meaning: &'static str,
    ) -> Self {
        Self {
            name,
            form,
            meaning,
            example,
            default: "",
            required: false,
            needs: None,
            or: None,
        }
    }

    const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    const fn default(mut self, words: &'static str) -> Self {
        self.default = words;
        self
    }

    const fn needs(mut self, key: &'static str) -> Self {
        self.needs = Some(key);
        self
    }

    const fn or(mut self, key: &'static str) -> Self {
        self.or = Some(key);
        self
    }
}

/// What a value looks like.
#[derive(Debug)]
pub enum ValueForm {
    /// A text of some kind.
    Text(&'static TextForm),
    /// One of a few words.
    Words(&'static [&'static str]),
    /// True or false.
    Flag,
    /// A whole number within bounds.
    Number(u32, u32),
    /// A text, or a date or time of TOML.
    Moment(&'static TextForm),
    /// A table with known keys.
    Table(&'static KeyTable),
    /// A table with exactly one of its known keys.
    OneKeyOf(&'static KeyTable),
    /// A table whose keys are names: what they look like, and their values.
    Named(&'static TextForm, &'static ValueForm),
    /// A list; one value may stand alone.
    OneOrMore(&'static ValueForm),
    /// Any of these.
    Either(&'static [ValueForm]),
}

/// A kind of text.
#[derive(Debug)]
pub struct TextForm {
    /// What it is called, for people.
    pub name: &'static str,
    /// A regular expression, in the dialect of JSON Schema, which whatever the parser accepts matches. The parser is stricter.
    pub pattern: &'static str,
}

impl TextForm {
    const fn new(name: &'static str, pattern: &'static str) -> Self {
        Self { name, pattern }
    }
}

/// The most seats of all approval rules of an environment together.
pub(super) const MOST_SEATS: u32 = 20;

/// The grammar of all names.
const NAME: TextForm = TextForm::new("name", "^[a-z0-9][a-z0-9._-]{0,62}$");
/// An environment, or a pattern of ephemeral ones.
const ENVIRONMENT_NAME: TextForm =
    TextForm::new("name or pattern", r"^[a-z0-9][a-z0-9._-]{0,62}(-\*)?$");
/// People and groups share one name space.
const MEMBER: TextForm = TextForm::new("person or group", NAME.pattern);
/// The name of a person, a machine or a group: what "who" is answered with.
const MEMBERS: ValueForm = ValueForm::OneOrMore(&ValueForm::Text(&MEMBER));
/// A minisign public key.
const PUBLIC_KEY: TextForm = TextForm::new("public key", "^RW[A-Za-z0-9+/]{54}$");
/// An e-mail address.
const EMAIL: TextForm = TextForm::new("e-mail address", "^[^@\\s<>]+@[^\\s<>]+$");
/// A span of time.
const SPAN: TextForm = TextForm::new("span", "^[0-9]*[1-9][0-9]*[smhdw]$");
/// One line of text.
const LINE: TextForm = TextForm::new("line", "^[^\\n]+$");
/// The short name of a branch.
const BRANCH: TextForm = TextForm::new("branch", "^[^-\\s~^:?*\\\\\\[][^\\s~^:?*\\\\\\[]*$");
/// A text for `sh -c`.
const COMMAND: TextForm = TextForm::new("command", "\\S");
/// An in-toto predicate type.
const PREDICATE: TextForm =
    TextForm::new("attestation type", "^[a-z-]+$|^[A-Za-z][A-Za-z0-9+.-]*:.+$");
/// The name of an environment variable.
const VARIABLE: TextForm = TextForm::new(
    "variable",
    "^(?!DEPLOY_|GIT_DEPLOY_)[A-Za-z_][A-Za-z0-9_]{0,254}$",
);
/// One end of a freeze window.
const MOMENT: TextForm = TextForm::new(
    "day and time, date, or date and time",
    "^([A-Za-z]+ [0-9]{2}:[0-9]{2}|[^A-Za-z].*)$",
);
/// Any text.
const ANY: TextForm = TextForm::new("text", "");
/// `variables`.
const VARIABLES: ValueForm = ValueForm::Named(&VARIABLE, &ValueForm::Text(&ANY));
/// `secrets`.
const SECRETS: ValueForm = ValueForm::Named(
    &VARIABLE,
    &ValueForm::Either(&[ValueForm::Text(&COMMAND), ValueForm::Table(&SECRET)]),
);
