//! Reads `[environments.<name>]` and `[environments."<prefix>-*"]`.
//!
//! What one environment says by itself is checked here; how environments stand to each other, in `check`.

use std::collections::BTreeMap;

use super::parse::Cast;
use super::parse_component::variables;
use super::reader::{Entry, Fields, Node};
use super::schema::{self, MOST_SEATS};
use super::{
    Bind, BranchName, DeployOn, Enforcement, Environment, Ephemeral, Freeze, Hotfix, HotfixSkip,
    Manifest, Notify, Placeholder, PredicateType, RequiredCheck, Rollback, Scheme, Seat, TagGlob,
    Template, Trigger, VersionRule, VersionSource, Zone, parse_notify,
};
use crate::domain::name::{EnvName, LedgerName};
use crate::domain::time::Span;

/// The most environments and patterns together.
const MOST: usize = 500;
/// How long an approval counts unless its rule says otherwise.
const APPROVAL_EXPIRES: Span = Span::from_days(7);
/// When an unfinished start may be aborted by any deployer, unless the policy says otherwise.
const STALE_AFTER: Span = Span::from_seconds(3_600);
/// How many components are worked on at once, unless the policy says otherwise.
const PARALLEL: u32 = 4;

type Environments = BTreeMap<EnvName, Environment>;

/// All environments, and all patterns by their prefix.
pub(super) fn all(
    fields: &Fields<'_>,
    cast: &Cast,
    notify: &[Notify],
) -> (Environments, Environments) {
    let (mut environments, mut patterns) = (BTreeMap::new(), BTreeMap::new());
    for entry in fields
        .get("environments")
        .map(|node| node.entries(MOST))
        .unwrap_or_default()
    {
        let prefix = entry.key.strip_suffix("-*");
        let name = prefix.unwrap_or(entry.key).parse::<EnvName>();
        match name {
            Ok(name) => {
                let environment = environment(&entry, &name, prefix.is_some(), cast, notify);
                let place = if prefix.is_some() {
                    &mut patterns
                } else {
                    &mut environments
                };
                place.insert(name, environment);
            }
            Err(_) if entry.key.contains('*') => {
                entry.wrong(
                    "a pattern is a literal prefix, a dash and a star, such as \"pr-*\"",
                    None,
                );
            }
            Err(error) => entry.wrong(error.to_string(), None),
        }
    }
    (environments, patterns)
}

fn environment(
    entry: &Entry<'_>,
    name: &EnvName,
    pattern: bool,
    cast: &Cast,
    notify: &[Notify],
) -> Environment {
    let fields = entry.node.fields(&schema::ENVIRONMENT);
    alone(entry, &fields, pattern);
    let deployers = cast
        .members_at(&fields, "deployers")
        .unwrap_or_else(|| cast.everyone.clone());
    let by_deployers = |key| {
        cast.members_at(&fields, key)
            .unwrap_or_else(|| deployers.clone())
    };
    let (variables, secrets) = variables(&fields);
    Environment {
        name: name.clone(),
        ledger: LedgerName::from(name),
        ephemeral: fields.with("ephemeral", ephemeral),
        rollback_by: by_deployers("rollback_by"),
        exec_by: by_deployers("exec_by"),
        break_glass: fields.with("break_glass", |node| {
            let fields = node.fields(&schema::BREAK_GLASS);
            fields.need("by")?;
            cast.persons_at(&fields, "by", "breaks glass")
        }),
        hotfix: fields
            .get("hotfix")
            .map(|node| hotfix(&node, cast, &deployers)),
        promote_from: fields.with("promote_from", Node::parse),
        soak: fields.with("soak", Node::span),
        approvals: fields
            .get("approvals")
            .map(|node| seats(&node, cast))
            .unwrap_or_default(),
        checks: fields.each("checks", |node| check(node, cast)),
        artifact_required: fields
            .word("artifact", &[("required", true)])
            .unwrap_or(false),
        version: fields.with("version", version),
        freeze: fields.each("freeze", freeze),
        branch: fields.with("branch", Node::parse),
        deploy_on: fields
            .word(
                "deploy_on",
                &[("merge", DeployOn::Merge), ("approval", DeployOn::Approval)],
            )
            .unwrap_or(DeployOn::Merge),
        up_to_date: fields.with("up_to_date", Node::flag).unwrap_or(false),
        tag: fields.with("tag", |node| node.read(Template::tag)),
        enforcement: fields
            .word(
                "enforcement",
                &[
                    ("active", Enforcement::Active),
                    ("evaluate", Enforcement::Evaluate),
                ],
            )
            .unwrap_or(Enforcement::Active),
        stale_after: fields
            .with("stale_after", Node::span)
            .unwrap_or(STALE_AFTER),
        url: fields.with("url", url),
        parallel: fields.number("parallel").unwrap_or(PARALLEL),
        rollback: fields
            .word(
                "rollback",
                &[
                    ("auto", Rollback::Auto),
                    ("all", Rollback::All),
                    ("manual", Rollback::Manual),
                ],
            )
            .unwrap_or(Rollback::Auto),
        notify: parse_notify::notify(&fields).unwrap_or_else(|| notify.to_vec()),
        trigger: fields.with("trigger", trigger),
        advance: fields.with("advance", advance),
        manifest: fields.each("manifest", manifest),
        variables,
        secrets,
        deployers,
    }
}

/// Keys that mean nothing without another.
fn alone(entry: &Entry<'_>, fields: &Fields<'_>, pattern: bool) {
    fields.needs(
        "deploy_on",
        "branch",
        "it says whether the branch moves before the deployment or after it",
    );
    fields.needs(
        "up_to_date",
        "branch",
        "the commit is compared with the branch's tip",
    );
    fields.needs(
        "soak",
        "promote_from",
        "it says how long the commit must have run there",
    );
    if pattern && fields.get("ephemeral").is_none() {
        let hint = "add ephemeral = { ttl = \"8h\", limit = 20 }";
        entry.wrong(
            "a pattern makes ephemeral environments, and their life and number must be bounded",
            Some(hint.to_owned()),
        );
    }
    if let (false, Some(node)) = (pattern, fields.get("ephemeral")) {
        node.wrong(
            "only the environments of a pattern such as \"pr-*\" are ephemeral",
            None,
        );
    }
    if let (true, Some(node)) = (pattern, fields.get("branch")) {
        node.wrong(
            "a branch stands for one environment, and a pattern is many",
            None,
        );
    }
}

fn ephemeral(node: &Node<'_>) -> Option<Ephemeral> {
    let fields = node.fields(&schema::EPHEMERAL);
    let (ttl, limit) = (
        fields.need("ttl"),
        fields.need("limit").and_then(|_| fields.number("limit")),
    );
    Some(Ephemeral {
        ttl: ttl?.span()?,
        limit: limit?,
    })
}

fn hotfix(node: &Node<'_>, cast: &Cast, deployers: &super::Members) -> Hotfix {
    let fields = node.fields(&schema::HOTFIX);
    let words = [
        ("promote_from", HotfixSkip::PromoteFrom),
        ("soak", HotfixSkip::Soak),
    ];
    Hotfix {
        by: cast
            .members_at(&fields, "by")
            .unwrap_or_else(|| deployers.clone()),
        skip: fields
            .each("skip", |node| node.word(&words))
            .into_iter()
            .collect(),
    }
}

fn seats(node: &Node<'_>, cast: &Cast) -> Vec<Seat> {
    let seat = |required, by| Seat {
        required,
        by,
        prevent_self: true,
        bind: Bind::Commit,
        expires: APPROVAL_EXPIRES,
    };
    if node.is_integer() {
        let required = node.number(0, MOST_SEATS).filter(|required| *required > 0);
        return required
            .map(|required| seat(required, cast.persons.clone()))
            .into_iter()
            .collect();
    }
    let rule = |node: &Node<'_>| {
        if !node.is_table() {
            node.wrong_type("a whole number, or a table such as { required = 1, by = \"alice\" }");
            return None;
        }
        let fields = node.fields(&schema::SEAT);
        Some(Seat {
            required: fields.number("required").unwrap_or(1),
            by: cast
                .persons_at(&fields, "by", "approves")
                .unwrap_or_else(|| cast.persons.clone()),
            prevent_self: fields.with("prevent_self", Node::flag).unwrap_or(true),
            bind: fields
                .word("bind", &[("plan", Bind::Plan)])
                .unwrap_or(Bind::Commit),
            expires: fields
                .with("expires", Node::span)
                .unwrap_or(APPROVAL_EXPIRES),
        })
    };
    let seats: Vec<Seat> = node
        .list()
        .iter()
        .take(MOST_SEATS as usize + 1)
        .filter_map(rule)
        .collect();
    if seats.iter().map(|seat| seat.required).sum::<u32>() > MOST_SEATS {
        node.wrong(
            format!("more than {MOST_SEATS} approvals are asked for"),
            None,
        );
        return Vec::new();
    }
    seats
}

fn check(node: &Node<'_>, cast: &Cast) -> Option<RequiredCheck> {
    if !node.is_table() {
        let predicate_type: PredicateType = node.parse()?;
        return Some(RequiredCheck {
            predicate_type,
            suite: None,
            environment: None,
            by: None,
        });
    }
    let fields = node.fields(&schema::CHECK);
    Some(RequiredCheck {
        suite: fields.with("suite", Node::parse),
        environment: fields.with("environment", Node::parse),
        by: cast.members_at(&fields, "by"),
        predicate_type: fields.need("type")?.parse()?,
    })
}

fn version(node: &Node<'_>) -> Option<VersionRule> {
    let fields = node.fields(&schema::VERSION);
    let schemes = [("semver", Scheme::Semver), ("calver", Scheme::Calver)];
    Some(VersionRule {
        require_bump: fields.with("require_bump", Node::flag).unwrap_or(false),
        scheme: fields.word("scheme", &schemes).unwrap_or(Scheme::Semver),
        from: fields.need("from")?.read(VersionSource::new)?,
    })
}

fn freeze(node: &Node<'_>) -> Option<Freeze> {
    let fields = node.fields(&schema::FREEZE);
    let timezone = fields.with("timezone", Node::parse).unwrap_or(Zone::UTC);
    let reason = fields.with("reason", Node::parse);
    let (start, end) = (fields.need("start"), fields.need("end"));
    Freeze::new(&start?.moment()?, &end?.moment()?, timezone, reason)
        .map_err(|error| node.wrong(error, None))
        .ok()
}

fn url(node: &Node<'_>) -> Option<Template> {
    let template = node.read(|text| Template::new(text, &[Placeholder::Env]))?;
    if !template.as_str().starts_with("https://") && !template.as_str().starts_with("http://") {
        node.wrong("an address begins with https:// or http://", None);
    }
    Some(template)
}

fn trigger(node: &Node<'_>) -> Option<Trigger> {
    let fields = node.fields(&schema::TRIGGER);
    match (fields.get("branch"), fields.get("tag")) {
        (Some(branch), None) => branch.parse().map(Trigger::Branch),
        (None, Some(tag)) => tag.read(TagGlob::new).map(Trigger::Tag),
        _ => {
            node.wrong("it needs one of the keys \"branch\" and \"tag\"", None);
            None
        }
    }
}

fn advance(node: &Node<'_>) -> Option<BranchName> {
    let fields = node.fields(&schema::ADVANCE);
    // The one method there is may be written down.
    fields.word("method", &[("ff", ())]);
    fields.need("branch")?.parse()
}

fn manifest(node: &Node<'_>) -> Option<Manifest> {
    let fields = node.fields(&schema::MANIFEST);
    let template = |node: &Node<'_>| {
        node.read(|text| Template::new(text, &[Placeholder::Env, Placeholder::Component]))
    };
    let (repo, file, field) = (
        fields.need("repo")?,
        fields.need("file")?,
        fields.need("field")?,
    );
    let manifest = Manifest {
        repo: repo.parse()?,
        file: template(&file)?,
        field: template(&field)?,
    };
    if manifest.repo.as_str().starts_with('-') {
        repo.wrong("a repository's address does not begin with '-'", None);
    }
    if manifest
        .file
        .as_str()
        .split('/')
        .any(|part| matches!(part, "" | "." | ".." | ".git"))
    {
        file.wrong("it is not the path of a file in the repository", None);
    }
    Some(manifest)
}
