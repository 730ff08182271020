//! Reads `[environments.<name>]` and `[environments."<prefix>-*"]`.
//!
//! What one environment says by itself is checked here; how environments stand to each other, in `check`.

use std::collections::BTreeMap;

use super::parse::Roster;
use super::parse_component::variables;
use super::reader::{NamedValue, TableFields, TomlValue};
use super::schema::{self, MOST_SEATS};
use super::{
    ApprovalRequirement, Bind, BranchName, DeployOn, Enforcement, Environment, Ephemeral, Freeze,
    Hotfix, HotfixSkip, Manifest, Notify, Placeholder, PredicateType, RequiredCheck, Rollback,
    TagGlob, Template, Trigger, VersionRule, VersionScheme, VersionSource, Zone, parse_notify,
};
use crate::domain::name::{EnvName, LedgerName};
use crate::domain::time::Span;

/// The most environments and patterns together.
const MOST: usize = 500;
/// How long an approval counts unless its rule says otherwise.
const APPROVAL_EXPIRES: Span = Span::days(7);
/// When an unfinished start may be aborted by any deployer, unless the policy says otherwise.
const STALE_AFTER: Span = Span::seconds(3_600);
/// How many components are worked on at once, unless the policy says otherwise.
const PARALLEL: u32 = 4;

type Environments = BTreeMap<EnvName, Environment>;

/// All environments, and all patterns by their prefix.
pub(super) fn all(
    fields: &TableFields<'_>,
    cast: &Roster,
    notify: &[Notify],
) -> (Environments, Environments) {
    let (mut environments, mut patterns) = (BTreeMap::new(), BTreeMap::new());
    for entry in fields
        .get("environments")
        .map(|node| node.named_values(MOST))
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
                entry.report(
                    "a pattern is a literal prefix, a dash and a star, such as \"pr-*\"",
                    None,
                );
            }
            Err(error) => entry.report(error.to_string(), None),
        }
    }
    (environments, patterns)
}

fn environment(
    entry: &NamedValue<'_>,
    name: &EnvName,
    pattern: bool,
    cast: &Roster,
    notify: &[Notify],
) -> Environment {
    let fields = entry.value.fields(&schema::ENVIRONMENT);
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
        promote_from: fields.with("promote_from", TomlValue::parse),
        soak: fields.with("soak", TomlValue::span),
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
        branch: fields.with("branch", TomlValue::parse),
        deploy_on: fields
            .word(
                "deploy_on",
                &[("merge", DeployOn::Merge), ("approval", DeployOn::Approval)],
            )
            .unwrap_or(DeployOn::Merge),
        up_to_date: fields.with("up_to_date", TomlValue::flag).unwrap_or(false),
        tag: fields.with("tag", |node| node.parse_with(Template::tag)),
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
            .with("stale_after", TomlValue::span)
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
fn alone(entry: &NamedValue<'_>, fields: &TableFields<'_>, pattern: bool) {
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
        entry.report(
            "a pattern makes ephemeral environments, and their life and number must be bounded",
            Some(hint.to_owned()),
        );
    }
    if let (false, Some(node)) = (pattern, fields.get("ephemeral")) {
        node.report(
            "only the environments of a pattern such as \"pr-*\" are ephemeral",
            None,
        );
    }
    if let (true, Some(node)) = (pattern, fields.get("branch")) {
        node.report(
            "a branch stands for one environment, and a pattern is many",
            None,
        );
    }
}

fn ephemeral(node: &TomlValue<'_>) -> Option<Ephemeral> {
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

fn hotfix(node: &TomlValue<'_>, cast: &Roster, deployers: &super::Members) -> Hotfix {
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

fn seats(node: &TomlValue<'_>, cast: &Roster) -> Vec<ApprovalRequirement> {
    let seat = |required, by| ApprovalRequirement {
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
    let rule = |node: &TomlValue<'_>| {
        if !node.is_table() {
            node.report_type("a whole number, or a table such as { required = 1, by = \"alice\" }");
            return None;
        }
        let fields = node.fields(&schema::SEAT);
        Some(ApprovalRequirement {
            required: fields.number("required").unwrap_or(1),
            by: cast
                .persons_at(&fields, "by", "approves")
                .unwrap_or_else(|| cast.persons.clone()),
            prevent_self: fields.with("prevent_self", TomlValue::flag).unwrap_or(true),
            bind: fields
                .word("bind", &[("plan", Bind::Plan)])
                .unwrap_or(Bind::Commit),
            expires: fields
                .with("expires", TomlValue::span)
                .unwrap_or(APPROVAL_EXPIRES),
        })
    };
    let seats: Vec<ApprovalRequirement> = node
        .list()
        .iter()
        .take(MOST_SEATS as usize + 1)
        .filter_map(rule)
        .collect();
    if seats.iter().map(|seat| seat.required).sum::<u32>() > MOST_SEATS {
        node.report(
            format!("more than {MOST_SEATS} approvals are asked for"),
            None,
        );
        return Vec::new();
    }
    seats
}

fn check(node: &TomlValue<'_>, cast: &Roster) -> Option<RequiredCheck> {
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
        suite: fields.with("suite", TomlValue::parse),
        environment: fields.with("environment", TomlValue::parse),
        by: cast.members_at(&fields, "by"),
        predicate_type: fields.need("type")?.parse()?,
    })
}

fn version(node: &TomlValue<'_>) -> Option<VersionRule> {
    let fields = node.fields(&schema::VERSION);
    let schemes = [
        ("semver", VersionScheme::Semver),
        ("calver", VersionScheme::Calver),
    ];
    Some(VersionRule {
        require_bump: fields
            .with("require_bump", TomlValue::flag)
            .unwrap_or(false),
        scheme: fields
            .word("scheme", &schemes)
            .unwrap_or(VersionScheme::Semver),
        from: fields.need("from")?.parse_with(VersionSource::new)?,
    })
}

fn freeze(node: &TomlValue<'_>) -> Option<Freeze> {
    let fields = node.fields(&schema::FREEZE);
    let timezone = fields
        .with("timezone", TomlValue::parse)
        .unwrap_or(Zone::UTC);
    let reason = fields.with("reason", TomlValue::parse);
    let (start, end) = (fields.need("start"), fields.need("end"));
    Freeze::new(
        &start?.date_or_text()?,
        &end?.date_or_text()?,
        timezone,
        reason,
    )
    .map_err(|error| node.report(error, None))
    .ok()
}

fn url(node: &TomlValue<'_>) -> Option<Template> {
    let template = node.parse_with(|text| Template::new(text, &[Placeholder::Env]))?;
    if !template.as_str().starts_with("https://") && !template.as_str().starts_with("http://") {
        node.report("an address begins with https:// or http://", None);
    }
    Some(template)
}

fn trigger(node: &TomlValue<'_>) -> Option<Trigger> {
    let fields = node.fields(&schema::TRIGGER);
    match (fields.get("branch"), fields.get("tag")) {
        (Some(branch), None) => branch.parse().map(Trigger::Branch),
        (None, Some(tag)) => tag.parse_with(TagGlob::new).map(Trigger::Tag),
        _ => {
            node.report("it needs one of the keys \"branch\" and \"tag\"", None);
            None
        }
    }
}

fn advance(node: &TomlValue<'_>) -> Option<BranchName> {
    let fields = node.fields(&schema::ADVANCE);
    // The one method there is may be written down.
    fields.word("method", &[("ff", ())]);
    fields.need("branch")?.parse()
}

fn manifest(node: &TomlValue<'_>) -> Option<Manifest> {
    let fields = node.fields(&schema::MANIFEST);
    let template = |node: &TomlValue<'_>| {
        node.parse_with(|text| Template::new(text, &[Placeholder::Env, Placeholder::Component]))
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
        repo.report("a repository's address does not begin with '-'", None);
    }
    if manifest
        .file
        .as_str()
        .split('/')
        .any(|part| matches!(part, "" | "." | ".." | ".git"))
    {
        file.report("it is not the path of a file in the repository", None);
    }
    Some(manifest)
}
