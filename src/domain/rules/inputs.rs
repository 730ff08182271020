//! The rule `inputs`: a deployment names the inputs that the environment requires, such as the
//! change request.

use std::collections::BTreeSet;

use super::context::{Context, or_unknown, pass_if_none};
use super::definition::{RuleDefinition, needs_nothing};
use super::facts::Fact;
use super::findings::{Violation, join_names};
use super::request_kind::{RequestKind, RequestKinds};
use crate::domain::command_line::{is_quoted_for_shell, quote_word};
use crate::domain::deploy_command::DeployCommand;
use crate::domain::entry::{Action, Deployment, DeploymentKind, Statement};
use crate::domain::id::CommitId;
use crate::domain::input_name::{InputName, PurposeField};
use crate::domain::name::Label;
use crate::domain::text::Line;
use crate::domain::verdict::{Check, Rule};

pub(super) const DEFINITION: RuleDefinition = RuleDefinition {
    rule: Rule::Inputs,
    name: "inputs",
    description: "The entry states every input that the environment's `require` lists, such as the change request or a label.",
    faced_by: RequestKinds::of(&[
        RequestKind::Deploy,
        RequestKind::Hotfix,
        RequestKind::Rollback,
        RequestKind::Exec,
    ]),
    hotfix_skip: None,
    reads: &[],
    needs: needs_nothing,
    check,
};

fn check(ctx: &Context<'_>) -> Vec<Check> {
    if ctx
        .environment
        .is_some_and(|environment| environment.require.is_empty())
    {
        return Vec::new();
    }
    or_unknown(Rule::Inputs, judge(ctx))
}

fn judge(ctx: &Context<'_>) -> Fact<Vec<Check>> {
    let required = &ctx.environment()?.require;
    let deployment = ctx.deployment()?;
    let statement = ctx
        .statement
        .ok_or_else(|| "only an entry states its inputs".to_owned())?;
    let missing: Vec<&InputName> = required
        .iter()
        .filter(|name| !states(statement, deployment, name))
        .collect();
    let violation = (!missing.is_empty()).then(|| Violation {
        detail: format!("the entry does not state {}", join_names(&missing)),
        remedy: repeat_command(ctx, statement, deployment, &missing),
        remedy_by: Vec::new(),
    });
    let violation = violation.map(|it| it.check(Rule::Inputs));
    Ok(pass_if_none(Rule::Inputs, violation.into_iter().collect()))
}

/// Returns whether the entry states an input.
fn states(statement: &Statement, deployment: &Deployment, name: &InputName) -> bool {
    match name {
        InputName::Purpose(PurposeField::Change) => deployment.change.is_some(),
        InputName::Purpose(PurposeField::Release) => deployment.release.is_some(),
        InputName::Purpose(PurposeField::Message) => deployment.description.is_some(),
        InputName::Purpose(PurposeField::RequestedBy) => statement.requested_by.is_some(),
        InputName::Origin(field) => deployment.origin.get(*field).is_some(),
        InputName::Label(label) => deployment.labels.contains_key(label),
    }
}

/// Returns the command that makes the same deployment with the missing inputs. Returns `None` for an
/// `exec` whose command line a shell would not take literally.
fn repeat_command(
    ctx: &Context<'_>,
    statement: &Statement,
    deployment: &Deployment,
    missing: &[&InputName],
) -> Option<String> {
    let environment = ctx.environment_label();
    let mut options = stated_options(deployment);
    options.extend(missing.iter().map(|name| name.option()));
    if deployment.kind == DeploymentKind::Exec {
        return exec_command(&environment, deployment, &options.join(" "));
    }
    let is_start = matches!(statement.action, Action::Start(_));
    let targets = || deployment.changed().map(|change| &change.target);
    let command = DeployCommand::new(ctx.policy, &environment)
        .kind(deployment.kind)
        .chosen_by(targets().map(|target| &target.component));
    let command = match ctx.environment_state() {
        Ok(state) => command.deployed_in(state),
        Err(_) => command,
    };
    let is_from_run = is_start && command.is_run();
    let commits: BTreeSet<CommitId> = targets().map(|target| target.commit).collect();
    if is_from_run && commits.len() > 1 && deployment.kind == DeploymentKind::Deploy {
        let options = options.join(" ");
        return Some(format!("git deploy promote {environment} {options}"));
    }
    if is_start && !is_from_run && command.own_command().is_none() {
        options.insert(0, "--start".to_owned());
    }
    let mut command = match commits.first() {
        Some(commit) => command.commit(*commit),
        None => command.any_commit(),
    }
    .options(&options.join(" "));
    if ctx.has_several_commits() {
        command = command.only(targets().map(|target| &target.component));
    }
    Some(command.to_string())
}

/// Returns the options for the inputs that the entry states, except for those that come from the CI
/// job.
fn stated_options(deployment: &Deployment) -> Vec<String> {
    let label = |(name, value): (&Label, &Line)| {
        format!("--label {}", quote_word(&format!("{name}={value}")))
    };
    let change = deployment.change.iter();
    let release = deployment.release.iter();
    change
        .map(|it| format!("--change {}", quote_word(it.as_str())))
        .chain(release.map(|it| format!("--release {it}")))
        .chain(deployment.labels.iter().map(label))
        .collect()
}

/// Returns the `git deploy exec` command of a deployment of kind `exec`, with these options.
fn exec_command(environment: &str, deployment: &Deployment, options: &str) -> Option<String> {
    let component = deployment.components.first();
    let component = component.map_or("COMPONENT", |change| change.target.component.as_str());
    let command = deployment.command.as_ref();
    let command = command.filter(|line| is_quoted_for_shell(line))?;
    Some(format!(
        "git deploy exec {environment} --component {component} {options} -- {command}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::entry::{Outcome, VerificationResult};
    use crate::domain::input_name::OriginField;
    use crate::domain::rules::testing::{Case, change, deployment, parse, record, start};

    /// Returns a start of this kind in an environment that requires the inputs.
    fn case(require: &str, kind: DeploymentKind) -> Case {
        let policy = format!("[environments]\nprod = {{ require = [{require}], hotfix = {{}} }}\n");
        let deployment = deployment(kind, vec![change("catalogue", 1, None)]);
        Case::new(&policy, "prod", "alice", start(1, deployment))
    }

    /// Sets an input.
    fn set(case: &mut Case, name: &InputName) {
        match name {
            InputName::Purpose(PurposeField::Change) => {
                case.deployment().change = Some(parse("CHG-1"));
            }
            InputName::Purpose(PurposeField::Release) => {
                case.deployment().release = Some(parse("r1"));
            }
            InputName::Purpose(PurposeField::Message) => {
                case.deployment().description = Some(parse("Fix it"));
            }
            InputName::Purpose(PurposeField::RequestedBy) => {
                case.statement.requested_by = Some(parse("bob"));
            }
            InputName::Origin(field) => {
                let value = match field {
                    OriginField::RunUrl | OriginField::Repository => "https://ci.example.com/1",
                    OriginField::Email => "bob@example.com",
                    _ => "x",
                };
                case.deployment().origin.set(*field, value).unwrap();
            }
            InputName::Label(label) => {
                case.deployment().labels.insert(label.clone(), parse("x"));
            }
        }
    }

    /// Each name of the record can be required, and is satisfied by that input alone.
    #[test]
    fn every_name_can_be_required() {
        let purposes = PurposeField::ALL.iter().map(|it| InputName::Purpose(*it));
        let origins = OriginField::ALL.iter().map(|it| InputName::Origin(*it));
        let label = InputName::Label(parse("ticket"));
        let all: Vec<InputName> = purposes.chain(origins).chain([label]).collect();
        for name in &all {
            let mut case = case(&format!("\"{name}\""), DeploymentKind::Deploy);
            for other in all.iter().filter(|other| *other != name) {
                set(&mut case, other);
            }
            case.fails(Rule::Inputs, &format!("does not state {name}"));
            set(&mut case, name);
            case.passes(Rule::Inputs);
        }
        let mut other_label = case("\"label:ticket\"", DeploymentKind::Deploy);
        set(&mut other_label, &InputName::Label(parse("region")));
        other_label.fails(Rule::Inputs, "does not state label:ticket");
    }

    /// The hint repeats the request with every missing option.
    #[test]
    fn commands() {
        let require = "\"label:ticket\", \"change\", \"run-url\"";
        let options = "--change ID --origin run-url=VALUE --label ticket=VALUE";
        let remedy = |case: &Case| {
            case.fails(Rule::Inputs, "change, run-url, label:ticket");
            case.checks(Rule::Inputs)[0].remedy.clone().unwrap()
        };
        let commit = "010101010101";
        for (kind, command) in [
            (
                DeploymentKind::Deploy,
                format!("git deploy record prod {commit} --start {options}"),
            ),
            (
                DeploymentKind::Hotfix,
                format!("git deploy record prod {commit} --hotfix --start {options}"),
            ),
            (
                DeploymentKind::Rollback,
                format!("git deploy record prod {commit} --rollback --start {options}"),
            ),
            (
                DeploymentKind::Exec,
                format!("git deploy exec prod --component catalogue {options} -- true"),
            ),
        ] {
            assert_eq!(remedy(&case(require, kind)), command);
        }
        let mut hostile = case(require, DeploymentKind::Exec);
        hostile.deployment().command = Some(parse("true; rm -rf ~"));
        assert_eq!(hostile.checks(Rule::Inputs)[0].remedy, None);
        let mut stated = case(require, DeploymentKind::Deploy);
        stated.deployment().change = Some(parse("it's 7"));
        assert!(
            stated.checks(Rule::Inputs)[0]
                .remedy
                .as_deref()
                .is_some_and(|it| it.contains(r"--change 'it'\''s 7' --origin"))
        );
        // Of two components, the changed one decides: git-deploy does not apply it.
        let policy = format!(
            "[environments]\nprod = {{ require = [{require}] }}\n[components]\n\
             api = {{ paths = \"api/**\" }}\nweb = {{ paths = \"web/**\", apply = \"true\" }}\n"
        );
        let changed = deployment(DeploymentKind::Deploy, vec![change("api", 1, None)]);
        let mixed = Case::new(&policy, "prod", "alice", start(1, changed));
        assert_eq!(
            remedy(&mixed),
            format!("git deploy record prod {commit} --start {options}")
        );
        let mut recorded = case(require, DeploymentKind::Deploy);
        let deployed = recorded.deployment().clone();
        recorded.statement.action = record(deployed, Outcome::Succeeded, VerificationResult::None);
        assert_eq!(
            remedy(&recorded),
            format!("git deploy record prod {commit} {options}")
        );
    }

    /// Nothing is required by default, and a branch cannot state inputs.
    #[test]
    fn nothing_required() {
        assert!(
            case("", DeploymentKind::Deploy)
                .checks(Rule::Inputs)
                .is_empty()
        );
    }
}
