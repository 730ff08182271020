//! Statements for tests: strategies that reach every action and every optional field. Each action
//! adds its own in its file.

pub(crate) use proptest::collection::{btree_map, btree_set, vec};
pub(crate) use proptest::option;
pub(crate) use proptest::prelude::*;

pub(crate) use super::DeploymentKind;
use super::{
    Action, ComponentChange, ComponentResult, Deployment, Entry, Image, Labels, LedgerKind, Origin,
    Outcome, RecordedResult, Statement, Target, Unverified, VerificationResult, VersionTag,
};
use crate::domain::id::{
    Algorithm, CommitId, Content, Digest, EntryId, Oid, PublicKey, RunId, TagObject, is_small_order,
};
use crate::domain::name::{ComponentName, EnvName, LedgerName, Person};
use crate::domain::text::{Description, Line};
use crate::domain::time::Time;

/// Returns a strategy for one of a few ids, so that random statements often share commits.
pub(crate) fn oid() -> impl Strategy<Value = Oid> {
    (1u8..6).prop_map(|byte| Oid::from_bytes(&[byte; 20]).unwrap())
}

pub(crate) fn commit() -> impl Strategy<Value = CommitId> {
    oid().prop_map(CommitId)
}

pub(crate) fn content() -> impl Strategy<Value = Content> {
    oid().prop_map(Content)
}

pub(crate) fn parsed<T: std::str::FromStr + std::fmt::Debug + Clone>(
    words: &'static [&'static str],
) -> impl Strategy<Value = T>
where
    T::Err: std::fmt::Debug,
{
    prop::sample::select(words).prop_map(|word| word.parse().unwrap())
}

pub(crate) fn component() -> impl Strategy<Value = ComponentName> {
    parsed(&["api", "web", "network", "a.b_c-d", "rest"])
}

pub(crate) fn person() -> impl Strategy<Value = Person> {
    parsed(&["alice", "bob", "carol", "ci"])
}

pub(crate) fn line() -> impl Strategy<Value = Line> {
    "[ -~äß日“]{1,40}".prop_filter_map("is blank", |text| text.trim().parse().ok())
}

pub(crate) fn labels() -> impl Strategy<Value = Labels> {
    btree_map(parsed(&["region", "ticket"]), line(), 0..3)
}

pub(crate) fn description() -> impl Strategy<Value = Description> {
    "[ -~ä\n]{1,80}".prop_filter_map("is blank", |text| text.trim().parse().ok())
}

pub(crate) fn digest() -> impl Strategy<Value = Digest> {
    let sha512 = any::<u8>().prop_map(|byte| {
        Digest::new(Algorithm::Sha512, &format!("{byte:02x}").repeat(64)).unwrap()
    });
    prop_oneof![sha256(), sha512]
}

pub(crate) fn sha256() -> impl Strategy<Value = Digest> {
    any::<[u8; 2]>().prop_map(|bytes| Digest::sha256(&bytes))
}

pub(crate) fn time() -> impl Strategy<Value = Time> {
    (1_700_000_000i64..1_700_100_000).prop_map(|seconds| Time::from_seconds(seconds).unwrap())
}

pub(crate) fn target(component: ComponentName, is_removed: bool) -> impl Strategy<Value = Target> {
    let images = btree_map(
        parsed::<Line>(&["ghcr.io/acme/api", "web.tar"]),
        digest(),
        0..3,
    );
    (
        commit(),
        content(),
        option::of(parsed(&["1.4.2", "2026.1"])),
        images,
    )
        .prop_map(move |(commit, content, version, images)| Target {
            component: component.clone(),
            commit,
            content: (!is_removed).then_some(content),
            tag: version.clone().map(|name| VersionTag {
                name,
                object: TagObject(commit.0),
            }),
            version,
            artifacts: images
                .into_iter()
                .map(|(name, digest)| Image { name, digest })
                .collect(),
        })
}

pub(crate) fn names() -> impl Strategy<Value = Vec<ComponentName>> {
    btree_set(component(), 1..4).prop_map(|names| names.into_iter().collect())
}

fn change(
    component: ComponentName,
    kind: DeploymentKind,
) -> impl Strategy<Value = ComponentChange> {
    let is_removal = match kind {
        DeploymentKind::Exec => Just(false).boxed(),
        DeploymentKind::Destroy => Just(true).boxed(),
        _ => any::<bool>().boxed(),
    };
    is_removal.prop_flat_map(move |is_removal| {
        let fields = (
            target(component.clone(), is_removal),
            option::of(commit()),
            commit(),
            option::of(digest()),
        );
        fields.prop_map(move |(target, from, required_from, plan)| ComponentChange {
            from: match kind {
                DeploymentKind::Exec => None,
                DeploymentKind::Destroy => from,
                _ if is_removal => Some(required_from),
                _ => from,
            },
            plan: plan.filter(|_| !is_removal && kind != DeploymentKind::Exec),
            target,
            renamed_to: None,
        })
    })
}

pub(crate) fn deployment(
    kinds: Vec<DeploymentKind>,
    ephemeral: bool,
) -> impl Strategy<Value = Deployment> {
    (prop::sample::select(kinds), names()).prop_flat_map(move |(kind, names)| {
        let components: Vec<_> = names.into_iter().map(|name| change(name, kind)).collect();
        let texts = (
            option::of(line()),
            option::of(parsed(&["r1"])),
            (labels(), Origin::sample()),
            option::of(description()),
            line(),
            option::of(line()),
        );
        (
            components,
            btree_set(person(), 0..3),
            texts,
            (option::of(commit()), any::<bool>()),
            option::of(time()),
        )
            .prop_map(
                move |(
                    components,
                    approved_by,
                    (change, release, (labels, origin), description, command, break_glass),
                    (branch_tip, external),
                    expires,
                )| Deployment {
                    kind,
                    components,
                    approved_by: approved_by.into_iter().collect(),
                    change,
                    release,
                    labels,
                    origin,
                    description,
                    branch_tip,
                    expires: expires.filter(|_| ephemeral && kind != DeploymentKind::Destroy),
                    command: (kind == DeploymentKind::Exec).then_some(command),
                    break_glass,
                    external: external && kind != DeploymentKind::Exec,
                },
            )
    })
}

pub(crate) fn run() -> impl Strategy<Value = RunId> {
    (0u8..3).prop_map(|byte| RunId([byte; 16]))
}

fn outcome(is_removal: bool) -> impl Strategy<Value = (Outcome, VerificationResult)> {
    let outcomes = if is_removal {
        vec![Outcome::Destroyed, Outcome::Failed, Outcome::Skipped]
    } else {
        vec![
            Outcome::Succeeded,
            Outcome::Failed,
            Outcome::RolledBack,
            Outcome::Skipped,
        ]
    };
    let results = vec![
        VerificationResult::Passed,
        VerificationResult::Failed,
        VerificationResult::None,
    ];
    (
        prop::sample::select(outcomes),
        prop::sample::select(results),
    )
        .prop_map(|(outcome, verification)| {
            let is_contradiction =
                verification == VerificationResult::Passed && outcome != Outcome::Succeeded;
            (
                outcome,
                if is_contradiction {
                    VerificationResult::None
                } else {
                    verification
                },
            )
        })
}

pub(crate) fn result(component: ComponentName) -> impl Strategy<Value = ComponentResult> {
    any::<bool>().prop_flat_map(move |is_removal| {
        let fields = (
            target(component.clone(), is_removal),
            outcome(is_removal),
            commit(),
            option::of(self::component()),
        );
        fields.prop_map(
            |(target, (outcome, verification), to, because)| ComponentResult {
                target,
                outcome,
                because: because.filter(|_| outcome == Outcome::Skipped),
                to: (outcome == Outcome::RolledBack).then_some(to),
                verification,
            },
        )
    })
}

/// Returns possible results of the components of a deployment.
pub(crate) fn recorded_results(
    deployment: &Deployment,
) -> impl Strategy<Value = Vec<RecordedResult>> + use<> {
    let changes = deployment.components.iter().map(|change| {
        let component = change.target.component.clone();
        (outcome(change.is_removal()), commit()).prop_map(move |((outcome, verification), to)| {
            RecordedResult {
                component: component.clone(),
                outcome,
                because: None,
                to: (outcome == Outcome::RolledBack).then_some(to),
                verification,
            }
        })
    });
    changes.collect::<Vec<_>>()
}

/// A strategy for an action.
pub(crate) trait Sample: Sized {
    /// Returns a strategy that reaches every optional field. `ephemeral` adds fields that
    /// occur only in a pattern's ledger.
    fn sample(ephemeral: bool) -> BoxedStrategy<Self>;
}

/// Returns a strategy for any key that may sign.
fn public_key() -> impl Strategy<Value = PublicKey> {
    any::<([u8; 8], [u8; 32])>()
        .prop_filter("a key of small order", |(_, key)| !is_small_order(key))
        .prop_map(|(id, key)| PublicKey::new(id, key))
}

/// Returns a strategy for any action of a kind of ledger.
fn action(ledger: LedgerKind, ephemeral: bool) -> impl Strategy<Value = Action> {
    prop::strategy::Union::new(Action::samples(ledger, ephemeral))
}

/// Returns a strategy for any valid statement.
pub(crate) fn statement() -> impl Strategy<Value = Statement> {
    let pr: Option<EnvName> = Some("pr-17".parse().unwrap());
    let ledger_and_action = prop_oneof![
        8 => action(LedgerKind::Environment, false).prop_map(|action| ("prod", None, action)),
        2 => action(LedgerKind::Environment, true).prop_map(move |action| ("pr", pr.clone(), action)),
        3 => action(LedgerKind::Evidence, false).prop_map(|action| ("evidence", None, action)),
        2 => action(LedgerKind::Policy, false).prop_map(|action| ("policy", None, action)),
    ];
    (
        ledger_and_action,
        time(),
        (person(), public_key()),
        option::of(person()),
        (oid(), oid()),
        1u64..20,
        oid(),
    )
        .prop_map(
            |(
                (ledger, environment, action),
                at,
                (by, key),
                requested_by,
                (project, previous),
                sequence,
                seen,
            )| {
                let ledger: LedgerName = ledger.parse().unwrap();
                let seen_ledger: LedgerName = if ledger.is_policy() {
                    "dev".parse().unwrap()
                } else {
                    LedgerName::policy()
                };
                Statement {
                    at,
                    by,
                    key,
                    requested_by,
                    ledger,
                    environment,
                    project: EntryId(project),
                    previous: EntryId(previous),
                    sequence,
                    seen: [(seen_ledger, EntryId(seen))].into(),
                    action,
                }
            },
        )
}

/// Makes an entry from a statement, and marks its signature as verified.
pub(crate) fn verified(statement: &Statement) -> Entry {
    let bytes = statement.print().unwrap();
    Entry::<Unverified>::parse(&bytes, b"")
        .unwrap()
        .assume_verified()
}
