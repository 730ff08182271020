//! `[environments.<name>]`: the rules of an environment, or of a pattern of ephemeral ones.
//!
//! Defaults are filled in and groups are expanded. An `Option` is `None` if its key is absent: the
//! feature is then off, or has the default that the key states.

use std::collections::{BTreeMap, BTreeSet};

use super::approval::{APPROVALS, ApprovalBinding, ApprovalRequirement, read_approvals};
use super::attestation::{RequiredCheck, read_required_check};
use super::environment_tables::{Advance, Ephemeral};
use super::environment_words::{DeployOn, Enforcement, Isolation, Rollback};
use super::exceptions::{BreakGlass, Hotfix, HotfixContext};
use super::fields::TableField;
use super::forms::{BRANCH, INPUT, MEMBERS, NAME, PREDICATE, SPAN};
use super::freeze::{Freeze, FreezeTable};
use super::notify::{NOTIFY, Notify, read_notify};
use super::people::Members;
use super::placeholder::Placeholder;
use super::reader::TomlValue;
use super::refname::BranchName;
use super::roster::Roster;
use super::table::{TextForm, ValueForm};
use super::table_macros::{policy_table, policy_words};
use super::template::Template;
use super::variables::{SECRETS, Secret, VARIABLES, VarName, read_secrets, read_variables};
use super::version::VersionRule;
use crate::domain::entry::MAX_LABELS;
use crate::domain::input_name::InputName;
use crate::domain::name::{EnvName, LedgerName};
use crate::domain::time::Span;

const URL: TextForm = TextForm::new("address", "^https?://");
const TEMPLATE: TextForm = TextForm::new("template", "\\S");
/// `stale_after` by default: an hour.
const STALE_AFTER: Span = Span::from_seconds(3_600);

policy_words! {
    /// What must have run in the previous environment.
    pub enum PromotionMatch {
        /// The same content of the component, under any commit.
        Content = "content",
        /// The same commit.
        Commit = "commit",
    }
}

policy_table! {
    /// An environment, or a pattern of ephemeral ones.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Environment, read with (key, context: EnvironmentContext<'_>);

    fields {
        /// The name; for the pattern `pr-*` the prefix `pr`.
        pub name: EnvName = context.name.clone();
        /// The ledger of the same name; all environments of a pattern share one.
        pub ledger: LedgerName = LedgerName::from(context.name);
    }

    planned {
        "trigger": "it will name the push that starts a deployment",
        "manifest": "it will name a file in another repository that each success updates",
    }

    keys {
        /// Who may start, record, resume and verify deployments.
        pub deployers: Members {
            form: MEMBERS,
            example: "\"ci\"",
            default: "everyone listed under `[people]`",
            read: key.read(|value| context.roster.members(value))
                .unwrap_or_else(|| context.roster.everyone.clone()),
        }
        /// Who may roll back to an earlier release, and resume such a rollback.
        pub rollback_by: Members {
            form: MEMBERS,
            example: "[\"release\", \"ci\"]",
            default: "the deployers",
            read: key.read(|value| context.roster.members(value)).unwrap_or_else(|| deployers.clone()),
        }
        /// Who may run a recorded one-off command.
        pub exec_by: Members {
            form: MEMBERS,
            example: "\"oncall\"",
            default: "no one",
            read: key.read(|value| context.roster.members(value)).unwrap_or_default(),
        }
        /// The people who may override the rules. They must give a reason, and the ledger shows it
        /// permanently.
        pub break_glass: Option<Members> {
            form: ValueForm::Table(&BreakGlass::TABLE),
            example: "{ by = \"oncall\" }",
            default: "no one",
            read: key
                .read(|value| BreakGlass::read(&value.fields(&BreakGlass::TABLE), context.roster))
                .map(|table| table.by),
        }
        /// Who may deploy a hotfix (a fix on top of the running commit), and which rules a hotfix
        /// skips.
        pub hotfix: Option<Hotfix> {
            form: ValueForm::Table(&Hotfix::TABLE),
            example: "{ by = \"release\", skip = \"soak\" }",
            default: "no one",
            read: key.read(|value| {
                let context = HotfixContext { roster: context.roster, deployers: &deployers };
                Hotfix::read(&value.fields(&Hotfix::TABLE), context)
            }),
        }
        /// The environment in which the same content or commit (see `match`) must have succeeded
        /// before, and passed verification if the component has a `verify` command. For a list, all
        /// of them are required: `["e2e", "perf"]` joins two parallel environments.
        pub promote_from: BTreeSet<EnvName> {
            form: ValueForm::OneOrMore(&ValueForm::Text(&NAME)),
            example: "\"stage\"",
            default: "no other environment comes before this one",
            read: read_promotion_sources(&key),
        }
        /// What must have run in the environments that `promote_from` names. `content`: the same
        /// content of the component, under any commit (for example, the one before a squash).
        /// `commit`: the same commit.
        pub promotion_match as "match": Option<PromotionMatch> {
            form: ValueForm::Words(PromotionMatch::NAMES),
            example: "\"content\"",
            default: "the content for a component that is the whole tree, or that has an `apply` command (it sees only that content); the commit for any other",
            needs: "promote_from", because: "it says what must have run in those environments",
            used_as: "promotion_match",
            read: key.word(),
        }
        /// How long the content or commit must have run in each environment that `promote_from`
        /// names, verified and without interruption.
        pub soak: Option<Span> {
            form: ValueForm::Text(&SPAN),
            example: "\"1h\"",
            needs: "promote_from", because: "it is the time that the commit must run in those environments",
            read: key.span(),
        }
        /// The approvals that a deployment needs, at most 20 in total. A number requires that many
        /// approvals by any people; each person counts once. An approval is for one commit,
        /// environment and set of components. It ends when it expires, when it is revoked, or when
        /// a successful deployment has used it.
        pub approvals: Vec<ApprovalRequirement> {
            form: APPROVALS,
            example: "[{ required = 1, by = \"release\" }, { required = 1, by = \"security\" }]",
            default: "none",
            read: key.value().map(|value| read_approvals(&value, context.roster)).unwrap_or_default(),
        }
        /// The attestations that a commit needs, each signed by a person or machine that `[checks]`
        /// accepts for its type. Write a table, or just the type.
        pub checks: Vec<RequiredCheck> {
            form: ValueForm::OneOrMore(&ValueForm::Either(&[
                ValueForm::Text(&PREDICATE),
                ValueForm::Table(&RequiredCheck::TABLE),
            ])),
            example: "[\"test-result\", { type = \"test-result\", suite = \"e2e\", environment = \"stage\" }]",
            read: key.read_each(|value| read_required_check(value, context.roster)),
        }
        /// The inputs that every deployment, rollback and one-off command must state: `change`,
        /// `release`, `message`, `requested-by`, `label:NAME`, or one that a CI job provides:
        /// `system`, `run-url`, `actor`, `repository`, `branch`, `tag`, `email`. The signer states
        /// them; nothing checks whether they are true.
        pub require: BTreeSet<InputName> {
            form: ValueForm::OneOrMore(&ValueForm::Text(&INPUT)),
            example: "[\"change\", \"label:ticket\"]",
            default: "nothing",
            read: key.read(read_required_inputs).unwrap_or_default(),
        }
        /// Deploy only artifacts that are registered as built: build once, promote, never rebuild.
        pub artifact_required as "artifact": bool {
            form: ValueForm::Words(&["required"]),
            example: "\"required\"",
            default: "no artifact is needed",
            read: key.one_of(&[("required", true)]).unwrap_or(false),
        }
        /// Where the version of a commit comes from, and whether it must increase.
        pub version: Option<VersionRule> {
            form: ValueForm::Table(&VersionRule::TABLE),
            example: "{ from = \"file:VERSION\", require_bump = true }",
            read: key.read(|value| VersionRule::read(&value.fields(&VersionRule::TABLE), ())),
        }
        /// The times during which deployments are refused.
        pub freeze: Vec<Freeze> {
            form: ValueForm::OneOrMore(&ValueForm::Table(&FreezeTable::TABLE)),
            example: "[{ start = \"Fri 16:00\", end = \"Mon 08:00\", timezone = \"Europe/London\", reason = \"weekend\" }]",
            read: key.read_each(FreezeTable::read_window),
        }
        /// The branch that belongs to this environment. It can only be fast-forwarded, and it
        /// cannot be deleted. A push to another branch is refused if the two names differ only in
        /// case. A pattern has no branch.
        pub branch: Option<BranchName> {
            form: ValueForm::Text(&BRANCH),
            example: "\"main\"",
            read: key.parse(),
        }
        /// Whether the branch or the deployment comes first. `merge`: the branch may move once
        /// every rule passes, and a deployment needs a commit that is on the branch. `approval`:
        /// the branch may move only to the commit that is running.
        pub deploy_on: DeployOn {
            form: ValueForm::Words(DeployOn::NAMES),
            example: "\"approval\"",
            default: "`\"merge\"`",
            needs: "branch", because: "it decides whether the branch moves before or after the deployment",
            read: key.word().unwrap_or(DeployOn::Merge),
        }
        /// Require a commit that contains the tip of the branch.
        pub up_to_date: bool {
            form: ValueForm::Flag,
            example: "true",
            default: "`false`",
            needs: "branch", because: "the commit is compared with the branch's tip",
            read: key.flag().unwrap_or(false),
        }
        /// The form of the tags that a success makes: one for each commit that was deployed, or for
        /// each component with `{component}`. `{timestamp}` is the time of the entry that ended the
        /// deployment, `{branch}` the branch that its start states as the origin, `{version}` the
        /// deployed version; there are also `{env}` and `{commit}`. A tag of this form that follows
        /// from no success is refused, and none can be moved or deleted.
        pub tag: Option<Template> {
            form: ValueForm::Text(&TEMPLATE),
            example: "\"{version}.{timestamp}.{env}\"",
            read: key.parse_with(Template::tag),
        }
        /// Whether the branch and tag rules refuse a push (`active`), or only warn while a team
        /// migrates (`evaluate`).
        pub enforcement: Enforcement {
            form: ValueForm::Words(Enforcement::NAMES),
            example: "\"evaluate\"",
            default: "`\"active\"`",
            read: key.word().unwrap_or(Enforcement::Active),
        }
        /// The limits for the environments of a pattern such as `"pr-*"`. Required for a pattern,
        /// and not allowed for any other environment.
        pub ephemeral: Option<Ephemeral> {
            form: ValueForm::Table(&Ephemeral::TABLE),
            example: "{ ttl = \"8h\", limit = 20 }",
            read: key.read(|value| Ephemeral::read(&value.fields(&Ephemeral::TABLE), ())),
        }
        /// How long after its start or last resume an unfinished deployment is stale, so that any
        /// deployer may abort it.
        pub stale_after: Span {
            form: ValueForm::Text(&SPAN),
            example: "\"2h\"",
            default: "`\"1h\"`",
            read: key.span().unwrap_or(STALE_AFTER),
        }
        /// The address of the running environment. `{env}` stands for the environment's name.
        pub url: Option<Template> {
            form: ValueForm::Text(&URL),
            example: "\"https://{env}.example.com\"",
            read: key.parse_with(read_url),
        }
        /// How many components are planned or applied at the same time.
        pub parallel: u32 {
            form: ValueForm::Number(1, 64),
            example: "8",
            default: "`4`",
            read: key.number().unwrap_or(4),
        }
        /// What happens after a failed deployment. `auto`: components that failed are rolled back
        /// to their last healthy commit. `all`: every component that the deployment changed is
        /// rolled back. `manual`: a person decides.
        pub rollback: Rollback {
            form: ValueForm::Words(Rollback::NAMES),
            example: "\"manual\"",
            default: "`\"auto\"`",
            read: key.word().unwrap_or(Rollback::Auto),
        }
        /// How the commands that run for this environment are isolated, with Landlock (Linux).
        /// `processes`: a command cannot read the memory and the environment of other processes,
        /// which may hold the signing key or another component's secrets. `files`: it can also
        /// write only to its scratch folder, its checkout, `/tmp`, and the `writable` paths of its
        /// component. `off`: not at all.
        pub isolation: Isolation {
            form: ValueForm::Words(Isolation::NAMES),
            example: "\"files\"",
            default: "`\"processes\"`",
            read: key.word().unwrap_or(Isolation::Processes),
        }
        /// Who is notified about deployments to this environment. Write a table, or just a command.
        pub notify: Vec<Notify> {
            form: NOTIFY,
            example: "[\"make announce\", { webhook = \"https://hooks.example.com/deployments\", on = \"failed\" }]",
            default: "the `notify` at the top of the file",
            read: key.read(read_notify).unwrap_or_else(|| context.notify.to_vec()),
        }
        /// A branch that is moved to the deployed commit after each success.
        pub advance: Option<BranchName> {
            form: ValueForm::Table(&Advance::TABLE),
            example: "{ branch = \"release\", method = \"ff\" }",
            read: key
                .read(|value| Advance::read(&value.fields(&Advance::TABLE), ()))
                .map(|table| table.branch),
        }
        /// Variables for every command that runs for this environment. They take precedence over
        /// those of a component.
        pub variables: BTreeMap<VarName, String> {
            form: VARIABLES,
            example: "{ REGION = \"eu-west-1\" }",
            read: read_variables(&key),
        }
        /// Variables whose values are secret: each value is the output of a command that runs when
        /// the secret is needed. Write a table, or just the command.
        pub secrets: BTreeMap<VarName, Secret> {
            form: SECRETS,
            example: "{ TOKEN = { command = \"pass show prod/token\", plan = true } }",
            read: read_secrets(&key, &variables),
        }
    }
}

/// What the reader of an environment's table needs in addition to the table.
#[derive(Clone, Copy)]
pub(super) struct EnvironmentContext<'a> {
    pub(super) name: &'a EnvName,
    pub(super) roster: &'a Roster,
    /// The recipients of an environment without its own `notify`.
    pub(super) notify: &'a [Notify],
}

/// Reads `promote_from`: the name of an environment, or a list of names.
fn read_promotion_sources(key: &TableField<'_, '_>) -> BTreeSet<EnvName> {
    let empty = key.value().filter(|value| value.list().is_empty());
    if let Some(value) = empty {
        let hint = "leave the key out if nothing must run elsewhere first".to_owned();
        value.report("it names no environment", Some(hint));
    }
    key.read_each(TomlValue::parse).into_iter().collect()
}

impl Environment {
    /// Checks whether this is a pattern of ephemeral environments.
    pub fn is_pattern(&self) -> bool {
        self.ephemeral.is_some()
    }

    /// Returns whether at least one approval requirement accepts only approvals that name the plans.
    pub fn binds_approvals_to_plans(&self) -> bool {
        let mut requirements = self.approvals.iter();
        requirements.any(|it| it.bind == ApprovalBinding::Plan)
    }

    /// Returns the name as the policy writes it: `prod`, `pr-*`.
    pub fn display_name(&self) -> String {
        if self.is_pattern() {
            format!("{}-*", self.name)
        } else {
            self.name.to_string()
        }
    }

    /// Checks whether a tag, by its short name, has exactly the form of the environment's `tag`,
    /// perhaps with the sequence number of an entry appended.
    pub fn claims_tag(&self, tag: &str) -> bool {
        let claims = |template: &Template, tag: &str| {
            template.could_produce(tag, &self.name, self.is_pattern())
        };
        self.tag
            .as_ref()
            .is_some_and(|template| without_numbers(tag).any(|tag| claims(template, tag)))
    }

    /// Checks whether a tag, by its short name, has the form of the environment's `tag` only if the
    /// case of ASCII letters is ignored.
    pub fn claims_similar_tag(&self, tag: &str) -> bool {
        let is_similar = |template: &Template| {
            without_numbers(tag)
                .any(|tag| template.could_produce_in_any_case(tag, &self.name, self.is_pattern()))
        };
        !self.claims_tag(tag) && self.tag.as_ref().is_some_and(is_similar)
    }
}

/// Returns a tag, and the tag without one or two numbers after dots at its end.
fn without_numbers(tag: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(tag), |tag| {
        let (rest, number) = tag.rsplit_once('.')?;
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then_some(rest)
    })
    .take(3)
}

/// Reads the names of inputs. A deployment cannot have more labels than the format allows.
fn read_required_inputs(value: &TomlValue<'_>) -> Option<BTreeSet<InputName>> {
    let names: BTreeSet<InputName> = value.list().iter().filter_map(TomlValue::parse).collect();
    let is_label = |name: &&InputName| matches!(name, InputName::Label(_));
    if names.iter().filter(is_label).count() > MAX_LABELS {
        value.report(
            format!("a deployment has at most {MAX_LABELS} labels"),
            None,
        );
        return None;
    }
    Some(names)
}

fn read_url(text: &str) -> Result<Template, String> {
    let template = Template::new(text, &[Placeholder::Env])?;
    if text.starts_with("https://") || text.starts_with("http://") {
        Ok(template)
    } else {
        Err("an address begins with https:// or http://".to_owned())
    }
}
