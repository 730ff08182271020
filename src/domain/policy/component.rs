//! `[components.<name>]`: the files that belong to a component, and the commands that deploy it.

use std::collections::{BTreeMap, BTreeSet};

use super::error::suggest_nearest;
use super::fields::TableFields;
use super::forms::{COMMAND, NAME, SPAN};
use super::paths::{Coverage, Paths};
use super::reader::TomlValue;
use super::shell_command::ShellCommand;
use super::table::{TextForm, ValueForm};
use super::table_macros::{policy_table, policy_words};
use super::variables::{SECRETS, Secret, VARIABLES, VarName, read_secrets, read_variables};
use super::writable_path::{WRITABLE_PATH, WritablePath};
use crate::domain::name::{ComponentName, ProjectName, REST};
use crate::domain::time::Span;

/// The largest number of components.
const MAX_COMPONENTS: usize = 5_000;

pub(super) const PATH: TextForm = TextForm::new("path or glob", "^[^/]");

policy_words! {
    /// What happens if a submodule is among a component's files.
    pub enum Submodules {
        /// The component's commands do not run.
        Refuse = "refuse",
        /// Its folder is left empty.
        Ignore = "ignore",
    }
}

policy_table! {
    /// A part of the repository that is deployed on its own.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Component, read with (key, context: ComponentContext<'_>);

    fields {
        /// The name.
        pub name: ComponentName = context.name.clone();
    }

    planned {
        "build": "it will run a build of the component",
    }

    keys {
        /// The files that belong to the component. A path without a glob character is a file, or a
        /// folder with everything below it; `*` and `?` do not match a `/`, `**` does. A backslash
        /// quotes a glob character: `'app/\[id\]/**'`. A file may belong to several components.
        pub paths: Option<Paths> {
            form: ValueForm::OneOrMore(&ValueForm::Text(&PATH)),
            example: "[\"api/**\", \"lib/**\"]",
            default: "the whole tree",
            read: key.read(read_paths),
        }
        /// The names that this component had before, newest first. The component continues their
        /// history: in each environment that still runs an old name, the first deployment under the
        /// new name replaces it. Holds, yanks and locks of the old names apply to it, too. Keep a name
        /// until every environment runs a newer one.
        pub renamed_from: Vec<ComponentName> {
            form: ValueForm::OneOrMore(&ValueForm::Text(&NAME)),
            example: "[\"backend\", \"server\"]",
            read: key.read_each(|value| read_old_name(value, context.declared)),
        }
        /// The components that are deployed before this one.
        pub depends_on: BTreeSet<ComponentName> {
            form: ValueForm::OneOrMore(&ValueForm::Text(&NAME)),
            example: "\"network\"",
            read: key.read_each(|value| read_dependency(value, context.declared)).into_iter().collect(),
        }
        /// The command that prints what `apply` would do, or writes it to `$DEPLOY_PLAN`.
        pub plan: Option<ShellCommand> {
            form: ValueForm::Text(&COMMAND),
            example: "\"terraform plan -out=$DEPLOY_PLAN\"",
            needs: "apply", because: "a plan shows what apply would do",
            read: key.parse(),
        }
        /// The command that deploys the commit to the environment.
        pub apply: Option<ShellCommand> {
            form: ValueForm::Text(&COMMAND),
            example: "\"terraform apply $DEPLOY_PLAN\"",
            default: "no command is run; git-deploy records what another system deployed",
            read: key.parse(),
        }
        /// The command that checks the running version: it must succeed if the version is healthy.
        pub verify: Option<ShellCommand> {
            form: ValueForm::Text(&COMMAND),
            example: "\"curl -fsS $DEPLOY_URL/health\"",
            read: key.parse(),
        }
        /// The command that removes the component from the environment. It must also succeed if the
        /// component is already gone.
        pub destroy: Option<ShellCommand> {
            form: ValueForm::Text(&COMMAND),
            example: "\"terraform destroy -auto-approve\"",
            read: key.parse(),
        }
        /// Variables for the component's commands. An environment's variable of the same name takes
        /// precedence. Names that begin with `DEPLOY_` or `GIT_DEPLOY_` are reserved.
        pub variables: BTreeMap<VarName, String> {
            form: VARIABLES,
            example: "{ REGION = \"eu-west-1\" }",
            read: read_variables(&key),
        }
        /// Variables whose values are secret: each value is the output of a command that runs when
        /// the secret is needed. Write a table, or just the command.
        pub secrets: BTreeMap<VarName, Secret> {
            form: SECRETS,
            example: "{ TOKEN = \"pass show api/token\" }",
            read: read_secrets(&key, &variables),
        }
        /// What happens if a submodule is among the component's files: its commands do not run
        /// (`refuse`), or they find an empty folder in its place (`ignore`).
        pub submodules: Submodules {
            form: ValueForm::Words(Submodules::NAMES),
            example: "\"ignore\"",
            default: "`\"refuse\"`",
            read: key.word().unwrap_or(Submodules::Refuse),
        }
        /// The files and folders that the component's commands may change if the environment has
        /// `isolation = "files"`, with everything below them: absolute, or below the home folder
        /// (`~/…`). They must exist.
        pub writable: BTreeSet<WritablePath> {
            form: ValueForm::OneOrMore(&ValueForm::Text(&WRITABLE_PATH)),
            example: "[\"~/.docker\", \"/srv/www\"]",
            default: "nothing else",
            read: key.read_each(TomlValue::parse).into_iter().collect(),
        }
        /// How many times a failed `apply` (with a new plan) or `verify` is retried.
        pub retries: u32 {
            form: ValueForm::Number(0, 10),
            example: "2",
            default: "`0`",
            read: key.number().unwrap_or(0),
        }
        /// How long a single command may run.
        pub timeout: Option<Span> {
            form: ValueForm::Text(&SPAN),
            example: "\"30m\"",
            default: "no limit",
            read: key.span(),
        }
    }
}

/// What the reader of a component's table needs in addition to the table.
pub(super) struct ComponentContext<'a> {
    name: &'a ComponentName,
    /// The names of all components in the file.
    declared: &'a BTreeSet<&'a str>,
}

impl Component {
    /// Checks whether a file, or a link (a symbolic link or a submodule), belongs to the component
    /// by its own paths.
    pub(super) fn owns(&self, path: &[u8], is_link: bool) -> bool {
        self.paths
            .as_ref()
            .is_none_or(|paths| paths.matches(path) || paths.blocks(path, is_link))
    }

    /// Returns how much of a folder belongs to the component. The root is the empty path.
    pub(super) fn coverage(&self, folder: &[u8]) -> Coverage {
        self.paths
            .as_ref()
            .map_or(Coverage::Whole, |paths| paths.coverage(folder))
    }
}

/// Reads `[components]`.
pub(super) fn read_components(value: &TomlValue<'_>) -> BTreeMap<ComponentName, Component> {
    let entries = value.named_values(MAX_COMPONENTS);
    if entries.is_empty() && value.is_table() {
        value.report(
            "it declares no component; remove the table to have one component that is the whole tree",
            None,
        );
    }
    let declared: BTreeSet<&str> = entries.iter().map(|entry| entry.key).collect();
    let mut components = BTreeMap::new();
    for entry in &entries {
        let Some(name) = entry.parse_name::<ComponentName>() else {
            continue;
        };
        if name.as_str() == REST {
            entry.report(
                "\"rest\" is reserved: it stands for the paths that no component owns",
                None,
            );
        }
        let context = ComponentContext {
            name: &name,
            declared: &declared,
        };
        let component = Component::read(&entry.value.fields(&Component::TABLE), context);
        components.extend(component.map(|component| (name, component)));
    }
    components
}

/// Returns the components of a policy without `[components]`: one with the project's name that is
/// the whole tree.
pub(super) fn sole_component(
    project: Option<&ProjectName>,
    root: &TomlValue<'_>,
) -> BTreeMap<ComponentName, Component> {
    // Names of projects and components have the same grammar.
    let name = project.and_then(|project| project.as_str().parse::<ComponentName>().ok());
    let component = name.and_then(|name| {
        let context = ComponentContext {
            name: &name,
            declared: &BTreeSet::new(),
        };
        Component::read(&TableFields::absent(root, &Component::TABLE), context)
    });
    component
        .map(|component| (component.name.clone(), component))
        .into_iter()
        .collect()
}

pub(super) fn read_paths(value: &TomlValue<'_>) -> Option<Paths> {
    let list = value.list();
    let patterns: Vec<&str> = list.iter().filter_map(TomlValue::text).collect();
    if patterns.len() < list.len() {
        return None;
    }
    Paths::new(patterns)
        .map_err(|error| value.report(error.to_string(), None))
        .ok()
}

/// Reads `renamed_from`. A component of that name would have two histories.
fn read_old_name(value: &TomlValue<'_>, declared: &BTreeSet<&str>) -> Option<ComponentName> {
    let name: ComponentName = value.parse()?;
    if declared.contains(name.as_str()) {
        value.report(
            format!("{name} is still a component of this policy, so nothing was renamed from it"),
            None,
        );
        return None;
    }
    Some(name)
}

fn read_dependency(value: &TomlValue<'_>, declared: &BTreeSet<&str>) -> Option<ComponentName> {
    let name = value.text()?;
    if !declared.contains(name) {
        value.report(
            format!("{name:?} is not a component of this policy"),
            suggest_nearest(name, declared.iter().copied()),
        );
        return None;
    }
    name.parse().ok()
}
