//! The keys of `[environments.<name>]`, in the order of the questions: who, what before, where in git, how.

use super::{
    BRANCH, KeyTable, LINE, MEMBERS, MOMENT, MOST_SEATS, NAME, PREDICATE, SECRETS, SPAN, TableKey,
    TextForm, VARIABLES, ValueForm, notify::NOTIFIED,
};

const URL: TextForm = TextForm::new("address", "^https?://");
const TEMPLATE: TextForm = TextForm::new("template", "\\S");
const VERSION_SOURCE: TextForm = TextForm::new("source", "^(file|tag|command):.");
const ZONE: TextForm = TextForm::new("time zone", "^[A-Za-z0-9+_/-]+$");
const GLOB: TextForm = TextForm::new("glob", "^[^\\\\]{1,255}$");
const PATH: TextForm = TextForm::new("path", "^[^/]");
const REPOSITORY: TextForm = TextForm::new("git URL", "^[^-]");

/// `[environments.<name>]`.
pub const ENVIRONMENT: KeyTable = KeyTable {
    keys: &[
        TableKey::new("deployers", MEMBERS, "\"ci\"", "Who may start, record, resume and verify deployments here.")
            .default("everyone listed"),
        TableKey::new("rollback_by", MEMBERS, "[\"release\", \"ci\"]", "Who may go back to an earlier release.")
            .default("the deployers"),
        TableKey::new("exec_by", MEMBERS, "\"oncall\"", "Who may run a recorded one-off command.").default("the deployers"),
        TableKey::new(
            "break_glass",
            ValueForm::Table(&BREAK_GLASS),
            "{ by = \"oncall\" }",
            "The people who may pass over the rules; a reason is demanded, and shown for ever. Never a machine.",
        )
        .default("nobody"),
        TableKey::new("hotfix", ValueForm::Table(&HOTFIX), "{ by = \"release\", skip = \"soak\" }", "Who may deploy a repair on top of what runs, and what it need not wait for.")
            .default("nobody"),
        TableKey::new(
            "promote_from",
            ValueForm::Text(&NAME),
            "\"stage\"",
            "The environment where this very commit must have run, verified, before.",
        ),
        TableKey::new("soak", ValueForm::Text(&SPAN), "\"1h\"", "How long it must have run there, verified and unbroken.")
            .needs("promote_from"),
        TableKey::new(
            "approvals",
            ValueForm::Either(&[ValueForm::Number(0, MOST_SEATS), ValueForm::OneOrMore(&ValueForm::Table(&SEAT))]),
            "[{ required = 1, by = \"release\" }, { required = 1, by = \"security\" }]",
            "Seats that different people must fill, at most 20 together; a number alone is that many of any people. An approval is for one commit, \
             environment and set of components, and ends when it is used by a success, revoked or expired.",
        )
        .default("none is needed"),
        TableKey::new(
            "checks",
            ValueForm::OneOrMore(&ValueForm::Either(&[ValueForm::Text(&PREDICATE), ValueForm::Table(&CHECK)])),
            "[\"test-result\", { type = \"test-result\", suite = \"e2e\", environment = \"stage\" }]",
            "Attestations that the commit must have, each from somebody whom `[checks]` lists for it. A type alone may stand for the table.",
        ),
        TableKey::new("artifact", ValueForm::Words(&["required"]), "\"required\"", "Only what was registered as built is deployed: build once, promote, never rebuild.")
            .default("no artifact is needed"),
        TableKey::new(
            "version",
            ValueForm::Table(&VERSION),
            "{ from = \"file:VERSION\", require_bump = true }",
            "Where the version is read, and whether it must rise.",
        ),
        TableKey::new(
            "freeze",
            ValueForm::OneOrMore(&ValueForm::Table(&FREEZE)),
            "[{ start = \"Fri 16:00\", end = \"Mon 08:00\", timezone = \"Europe/London\", reason = \"weekend\" }]",
            "When nothing is deployed here.",
        ),
        TableKey::new(
            "branch",
            ValueForm::Text(&BRANCH),
            "\"main\"",
            "The one branch that stands for this environment. It only fast-forwards and is never deleted, and a branch that only capital letters tell from it is refused. A pattern has none.",
        ),
        TableKey::new(
            "deploy_on",
            ValueForm::Words(&["merge", "approval"]),
            "\"approval\"",
            "Which comes first. `merge`: the branch may move once every rule passes, and a deployment wants the commit on the branch. \
             `approval`: the branch may move only to what runs here.",
        )
        .needs("branch")
        .default("`\"merge\"`"),
        TableKey::new("up_to_date", ValueForm::Flag, "true", "The commit must contain the branch's tip.")
            .needs("branch")
            .default("`false`"),
        TableKey::new(
            "tag",
            ValueForm::Text(&TEMPLATE),
            "\"{version}.{timestamp}.{env}\"",
            "The tag that a success makes, with `{timestamp}`, `{env}`, `{branch}`, `{version}`, `{component}` and `{commit}`. Tags of \
             this form are the environment's: they are pushed only for what may run here, and never move.",
        ),
        TableKey::new(
            "enforcement",
            ValueForm::Words(&["active", "evaluate"]),
            "\"evaluate\"",
            "Whether the branch and tag rules refuse a push, or tell and let it pass while a team moves over.",
        )
        .default("`\"active\"`"),
        TableKey::new(
            "ephemeral",
            ValueForm::Table(&EPHEMERAL),
            "{ ttl = \"8h\", limit = 20 }",
            "What bounds the environments of a pattern such as `\"pr-*\"`: it is required there, and allowed nowhere else.",
        ),
        TableKey::new(
            "stale_after",
            ValueForm::Text(&SPAN),
            "\"2h\"",
            "An unfinished start older than this may be aborted by any deployer.",
        )
        .default("`\"1h\"`"),
        TableKey::new(
            "url",
            ValueForm::Text(&URL),
            "\"https://{env}.example.com\"",
            "Where it can be seen; `{env}` stands for the environment's name.",
        ),
        TableKey::new("parallel", ValueForm::Number(1, 64), "8", "How many components are planned or applied at once.")
            .default("`4`"),
        TableKey::new(
            "rollback",
            ValueForm::Words(&["auto", "all", "manual"]),
            "\"manual\"",
            "Whether the components that failed in a run go back to their last good commit (`\"auto\"`), everything that the run changed does (`\"all\"`), or all is left for a person to decide (`\"manual\"`).",
        )
        .default("`\"auto\"`"),
        TableKey::new(
            "notify",
            NOTIFIED,
            "[\"make announce\", { webhook = \"https://hooks.example.com/deployments\", on = \"failed\" }]",
            "Who is told what happens here. A command alone may stand for the table.",
        )
        .default("the file's own `notify`"),
        TableKey::new("trigger", ValueForm::OneKeyOf(&TRIGGER), "{ tag = \"rc-*\" }", "The push that asks for a deployment here."),
        TableKey::new(
            "advance",
            ValueForm::Table(&ADVANCE),
            "{ branch = \"release\", method = \"ff\" }",
            "The branch that follows a success.",
        ),
        TableKey::new(
            "manifest",
            ValueForm::OneOrMore(&ValueForm::Table(&MANIFEST)),
            "{ repo = \"https://example.com/gitops.git\", file = \"{env}/{component}.yaml\", field = \"image\" }",
            "Where a success writes the new image reference, for Argo CD or Flux to take over.",
        ),
        TableKey::new(
            "variables",
            VARIABLES,
            "{ REGION = \"eu-west-1\" }",
            "Passed to every command that is run for this environment; they win over a component's.",
        ),
        TableKey::new(
            "secrets",
            SECRETS,
            "{ TOKEN = { command = \"pass show prod/token\", plan = true } }",
            "Likewise, each read from its command at the moment of use. A command alone may stand for the table.",
        ),
    ],
};

/// `break_glass`.
pub const BREAK_GLASS: KeyTable = KeyTable {
    keys: &[TableKey::new(
        "by",
        MEMBERS,
        "\"oncall\"",
        "Who may. Machines that a group holds are left out.",
    )
    .required()],
};

/// `hotfix`.
pub const HOTFIX: KeyTable = KeyTable {
    keys: &[
        TableKey::new("by", MEMBERS, "\"release\"", "Who may deploy a hotfix.")
            .default("the deployers"),
        TableKey::new(
            "skip",
            ValueForm::OneOrMore(&ValueForm::Words(&["promote_from", "soak"])),
            "[\"promote_from\", \"soak\"]",
            "The rules that it need not pass.",
        )
        .default("none"),
    ],
};

/// `approvals`.
pub const SEAT: KeyTable = KeyTable {
    keys: &[
        TableKey::new("required", ValueForm::Number(1, MOST_SEATS), "2", "How many different people.").default("`1`"),
        TableKey::new("by", MEMBERS, "\"release\"", "Who may approve. Machines that a group holds are left out.")
            .default("every person"),
        TableKey::new(
            "prevent_self",
            ValueForm::Flag,
            "false",
            "Not the starter, the requester, nor an author of what is newly brought in. Git authorship can be forged, so only two \
             approvals guarantee a second person.",
        )
        .default("`true`"),
        TableKey::new(
            "bind",
            ValueForm::Words(&["plan"]),
            "\"plan\"",
            "An approval is for one plan, too: for the digest of each component's plan.",
        )
        .default("any plan of the same commit"),
        TableKey::new("expires", ValueForm::Text(&SPAN), "\"2d\"", "How long an approval counts.").default("`\"7d\"`"),
    ],
};

/// `checks` of an environment.
pub const CHECK: KeyTable = KeyTable {
    keys: &[
        TableKey::new(
            "type",
            ValueForm::Text(&PREDICATE),
            "\"test-result\"",
            "The type of the attestation: in-toto's short name, or a full predicate type URI.",
        )
        .required(),
        TableKey::new(
            "suite",
            ValueForm::Text(&NAME),
            "\"e2e\"",
            "Only attestations of this suite.",
        ),
        TableKey::new(
            "environment",
            ValueForm::Text(&NAME),
            "\"stage\"",
            "Only attestations about the commit in this environment.",
        ),
        TableKey::new("by", MEMBERS, "\"ci\"", "Only attestations of these.")
            .default("those whom `[checks]` lists"),
    ],
};

/// `version`.
pub const VERSION: KeyTable = KeyTable {
    keys: &[
        TableKey::new(
            "from",
            ValueForm::Text(&VERSION_SOURCE),
            "\"tag:{component}/v*\"",
            "Where it stands: `file:VERSION`, the first line of a file of the commit; `tag:{component}/v*`, the part of a tag on the commit for \
             which the star stands; `command:…`, what a command prints, which the server compares and cannot recompute.",
        )
        .required(),
        TableKey::new("require_bump", ValueForm::Flag, "true", "It must be above the version that runs.").default("`false`"),
        TableKey::new("scheme", ValueForm::Words(&["semver", "calver"]), "\"calver\"", "How two versions compare.")
            .default("`\"semver\"`"),
    ],
};

/// `freeze`.
pub const FREEZE: KeyTable = KeyTable {
    keys: &[
        TableKey::new(
            "start",
            ValueForm::Moment(&MOMENT),
            "\"2026-12-24\"",
            "Its beginning: `Fri 16:00` for every week, or `2026-12-20`, `2026-12-20T18:00` or `2026-12-20T18:00:00Z` for once.",
        )
        .required(),
        TableKey::new("end", ValueForm::Moment(&MOMENT), "\"2027-01-02\"", "Its end, of the same kind; a date alone includes that day.")
            .required(),
        TableKey::new("timezone", ValueForm::Text(&ZONE), "\"Europe/London\"", "The IANA time zone in which days and local times are meant.")
            .default("`\"UTC\"`"),
        TableKey::new("reason", ValueForm::Text(&LINE), "\"Christmas\"", "Shown to whoever is stopped."),
    ],
};

/// `ephemeral`.
pub const EPHEMERAL: KeyTable = KeyTable {
    keys: &[
        TableKey::new(
            "ttl",
            ValueForm::Text(&SPAN),
            "\"8h\"",
            "The longest an environment may live without being renewed.",
        )
        .required(),
        TableKey::new(
            "limit",
            ValueForm::Number(1, 10_000),
            "20",
            "How many may exist at once.",
        )
        .required(),
    ],
};

/// `trigger`.
pub const TRIGGER: KeyTable = KeyTable {
    keys: &[
        TableKey::new(
            "branch",
            ValueForm::Text(&BRANCH),
            "\"main\"",
            "A push to this branch.",
        ),
        TableKey::new(
            "tag",
            ValueForm::Text(&GLOB),
            "\"rc-*\"",
            "A push of a tag that this glob matches; a star also matches `/`.",
        ),
    ],
};

/// `advance`.
pub const ADVANCE: KeyTable = KeyTable {
    keys: &[
        TableKey::new(
            "branch",
            ValueForm::Text(&BRANCH),
            "\"release\"",
            "The branch.",
        )
        .required(),
        TableKey::new(
            "method",
            ValueForm::Words(&["ff"]),
            "\"ff\"",
            "How it moves: by fast-forward only.",
        )
        .default("`\"ff\"`"),
    ],
};

/// `manifest`.
pub const MANIFEST: KeyTable = KeyTable {
    keys: &[
        TableKey::new(
            "repo",
            ValueForm::Text(&REPOSITORY),
            "\"https://example.com/gitops.git\"",
            "The other git repository.",
        )
        .required(),
        TableKey::new(
            "file",
            ValueForm::Text(&PATH),
            "\"{env}/{component}.yaml\"",
            "The path in it; `{env}` and `{component}` stand for their names.",
        )
        .required(),
        TableKey::new(
            "field",
            ValueForm::Text(&TEMPLATE),
            "\"image\"",
            "The field or marked line in the file; `{env}` and `{component}` likewise.",
        )
        .required(),
    ],
};
