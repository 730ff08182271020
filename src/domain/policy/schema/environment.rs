//! The keys of `[environments.<name>]`, in the order of the questions: who, what before, where in git, how.

use super::{
    BRANCH, Form, Key, LINE, MEMBERS, MOMENT, MOST_SEATS, NAME, PREDICATE, SECRETS, SPAN, Table,
    Text, VARIABLES, notify::NOTIFIED,
};

const URL: Text = Text::new("address", "^https?://");
const TEMPLATE: Text = Text::new("template", "\\S");
const VERSION_SOURCE: Text = Text::new("source", "^(file|tag|command):.");
const ZONE: Text = Text::new("time zone", "^[A-Za-z0-9+_/-]+$");
const GLOB: Text = Text::new("glob", "^[^\\\\]{1,255}$");
const PATH: Text = Text::new("path", "^[^/]");
const REPOSITORY: Text = Text::new("git URL", "^[^-]");

/// `[environments.<name>]`.
pub const ENVIRONMENT: Table = Table {
    keys: &[
        Key::new("deployers", MEMBERS, "\"ci\"", "Who may start, record, resume and verify deployments here.")
            .default("everyone listed"),
        Key::new("rollback_by", MEMBERS, "[\"release\", \"ci\"]", "Who may go back to an earlier release.")
            .default("the deployers"),
        Key::new("exec_by", MEMBERS, "\"oncall\"", "Who may run a recorded one-off command.").default("the deployers"),
        Key::new(
            "break_glass",
            Form::Table(&BREAK_GLASS),
            "{ by = \"oncall\" }",
            "The people who may pass over the rules; a reason is demanded, and shown for ever. Never a machine.",
        )
        .default("nobody"),
        Key::new("hotfix", Form::Table(&HOTFIX), "{ by = \"release\", skip = \"soak\" }", "Who may deploy a repair on top of what runs, and what it need not wait for.")
            .default("nobody"),
        Key::new(
            "promote_from",
            Form::Text(&NAME),
            "\"stage\"",
            "The environment where this very commit must have run, verified, before.",
        ),
        Key::new("soak", Form::Text(&SPAN), "\"1h\"", "How long it must have run there, verified and unbroken.")
            .needs("promote_from"),
        Key::new(
            "approvals",
            Form::Either(&[Form::Number(0, MOST_SEATS), Form::OneOrMore(&Form::Table(&SEAT))]),
            "[{ required = 1, by = \"release\" }, { required = 1, by = \"security\" }]",
            "Seats that different people must fill, at most 20 together; a number alone is that many of any people. An approval is for one commit, \
             environment and set of components, and ends when it is used by a success, revoked or expired.",
        )
        .default("none is needed"),
        Key::new(
            "checks",
            Form::OneOrMore(&Form::Either(&[Form::Text(&PREDICATE), Form::Table(&CHECK)])),
            "[\"test-result\", { type = \"test-result\", suite = \"e2e\", environment = \"stage\" }]",
            "Attestations that the commit must have, each from somebody whom `[checks]` lists for it. A type alone may stand for the table.",
        ),
        Key::new("artifact", Form::Words(&["required"]), "\"required\"", "Only what was registered as built is deployed: build once, promote, never rebuild.")
            .default("no artifact is needed"),
        Key::new(
            "version",
            Form::Table(&VERSION),
            "{ from = \"file:VERSION\", require_bump = true }",
            "Where the version is read, and whether it must rise.",
        ),
        Key::new(
            "freeze",
            Form::OneOrMore(&Form::Table(&FREEZE)),
            "[{ start = \"Fri 16:00\", end = \"Mon 08:00\", timezone = \"Europe/London\", reason = \"weekend\" }]",
            "When nothing is deployed here.",
        ),
        Key::new(
            "branch",
            Form::Text(&BRANCH),
            "\"main\"",
            "The one branch that stands for this environment. It only fast-forwards and is never deleted, and a branch that only capital letters tell from it is refused. A pattern has none.",
        ),
        Key::new(
            "deploy_on",
            Form::Words(&["merge", "approval"]),
            "\"approval\"",
            "Which comes first. `merge`: the branch may move once every rule passes, and a deployment wants the commit on the branch. \
             `approval`: the branch may move only to what runs here.",
        )
        .needs("branch")
        .default("`\"merge\"`"),
        Key::new("up_to_date", Form::Flag, "true", "The commit must contain the branch's tip.")
            .needs("branch")
            .default("`false`"),
        Key::new(
            "tag",
            Form::Text(&TEMPLATE),
            "\"{version}.{timestamp}.{env}\"",
            "The tag that a success makes, with `{timestamp}`, `{env}`, `{branch}`, `{version}`, `{component}` and `{commit}`. Tags of \
             this form are the environment's: they are pushed only for what may run here, and never move.",
        ),
        Key::new(
            "enforcement",
            Form::Words(&["active", "evaluate"]),
            "\"evaluate\"",
            "Whether the branch and tag rules refuse a push, or tell and let it pass while a team moves over.",
        )
        .default("`\"active\"`"),
        Key::new(
            "ephemeral",
            Form::Table(&EPHEMERAL),
            "{ ttl = \"8h\", limit = 20 }",
            "What bounds the environments of a pattern such as `\"pr-*\"`: it is required there, and allowed nowhere else.",
        ),
        Key::new(
            "stale_after",
            Form::Text(&SPAN),
            "\"2h\"",
            "An unfinished start older than this may be aborted by any deployer.",
        )
        .default("`\"1h\"`"),
        Key::new(
            "url",
            Form::Text(&URL),
            "\"https://{env}.example.com\"",
            "Where it can be seen; `{env}` stands for the environment's name.",
        ),
        Key::new("parallel", Form::Number(1, 64), "8", "How many components are planned or applied at once.")
            .default("`4`"),
        Key::new(
            "rollback",
            Form::Words(&["auto", "all", "manual"]),
            "\"manual\"",
            "Whether the components that failed in a run go back to their last good commit (`\"auto\"`), everything that the run changed does (`\"all\"`), or all is left for a person to decide (`\"manual\"`).",
        )
        .default("`\"auto\"`"),
        Key::new(
            "notify",
            NOTIFIED,
            "[\"make announce\", { webhook = \"https://hooks.example.com/deployments\", on = \"failed\" }]",
            "Who is told what happens here. A command alone may stand for the table.",
        )
        .default("the file's own `notify`"),
        Key::new("trigger", Form::OneKeyOf(&TRIGGER), "{ tag = \"rc-*\" }", "The push that asks for a deployment here."),
        Key::new(
            "advance",
            Form::Table(&ADVANCE),
            "{ branch = \"release\", method = \"ff\" }",
            "The branch that follows a success.",
        ),
        Key::new(
            "manifest",
            Form::OneOrMore(&Form::Table(&MANIFEST)),
            "{ repo = \"https://example.com/gitops.git\", file = \"{env}/{component}.yaml\", field = \"image\" }",
            "Where a success writes the new image reference, for Argo CD or Flux to take over.",
        ),
        Key::new(
            "variables",
            VARIABLES,
            "{ REGION = \"eu-west-1\" }",
            "Passed to every command that is run for this environment; they win over a component's.",
        ),
        Key::new(
            "secrets",
            SECRETS,
            "{ TOKEN = { command = \"pass show prod/token\", plan = true } }",
            "Likewise, each read from its command at the moment of use. A command alone may stand for the table.",
        ),
    ],
};

/// `break_glass`.
pub const BREAK_GLASS: Table = Table {
    keys: &[Key::new(
        "by",
        MEMBERS,
        "\"oncall\"",
        "Who may. Machines that a group holds are left out.",
    )
    .required()],
};

/// `hotfix`.
pub const HOTFIX: Table = Table {
    keys: &[
        Key::new("by", MEMBERS, "\"release\"", "Who may deploy a hotfix.").default("the deployers"),
        Key::new(
            "skip",
            Form::OneOrMore(&Form::Words(&["promote_from", "soak"])),
            "[\"promote_from\", \"soak\"]",
            "The rules that it need not pass.",
        )
        .default("none"),
    ],
};

/// `approvals`.
pub const SEAT: Table = Table {
    keys: &[
        Key::new("required", Form::Number(1, MOST_SEATS), "2", "How many different people.").default("`1`"),
        Key::new("by", MEMBERS, "\"release\"", "Who may approve. Machines that a group holds are left out.")
            .default("every person"),
        Key::new(
            "prevent_self",
            Form::Flag,
            "false",
            "Not the starter, the requester, nor an author of what is newly brought in. Git authorship can be forged, so only two \
             approvals guarantee a second person.",
        )
        .default("`true`"),
        Key::new(
            "bind",
            Form::Words(&["plan"]),
            "\"plan\"",
            "An approval is for one plan, too: for the digest of each component's plan.",
        )
        .default("any plan of the same commit"),
        Key::new("expires", Form::Text(&SPAN), "\"2d\"", "How long an approval counts.").default("`\"7d\"`"),
    ],
};

/// `checks` of an environment.
pub const CHECK: Table = Table {
    keys: &[
        Key::new(
            "type",
            Form::Text(&PREDICATE),
            "\"test-result\"",
            "The type of the attestation: in-toto's short name, or a full predicate type URI.",
        )
        .required(),
        Key::new(
            "suite",
            Form::Text(&NAME),
            "\"e2e\"",
            "Only attestations of this suite.",
        ),
        Key::new(
            "environment",
            Form::Text(&NAME),
            "\"stage\"",
            "Only attestations about the commit in this environment.",
        ),
        Key::new("by", MEMBERS, "\"ci\"", "Only attestations of these.")
            .default("those whom `[checks]` lists"),
    ],
};

/// `version`.
pub const VERSION: Table = Table {
    keys: &[
        Key::new(
            "from",
            Form::Text(&VERSION_SOURCE),
            "\"tag:{component}/v*\"",
            "Where it stands: `file:VERSION`, the first line of a file of the commit; `tag:{component}/v*`, the part of a tag on the commit for \
             which the star stands; `command:…`, what a command prints, which the server compares and cannot recompute.",
        )
        .required(),
        Key::new("require_bump", Form::Flag, "true", "It must be above the version that runs.").default("`false`"),
        Key::new("scheme", Form::Words(&["semver", "calver"]), "\"calver\"", "How two versions compare.")
            .default("`\"semver\"`"),
    ],
};

/// `freeze`.
pub const FREEZE: Table = Table {
    keys: &[
        Key::new(
            "start",
            Form::Moment(&MOMENT),
            "\"2026-12-24\"",
            "Its beginning: `Fri 16:00` for every week, or `2026-12-20`, `2026-12-20T18:00` or `2026-12-20T18:00:00Z` for once.",
        )
        .required(),
        Key::new("end", Form::Moment(&MOMENT), "\"2027-01-02\"", "Its end, of the same kind; a date alone includes that day.")
            .required(),
        Key::new("timezone", Form::Text(&ZONE), "\"Europe/London\"", "The IANA time zone in which days and local times are meant.")
            .default("`\"UTC\"`"),
        Key::new("reason", Form::Text(&LINE), "\"Christmas\"", "Shown to whoever is stopped."),
    ],
};

/// `ephemeral`.
pub const EPHEMERAL: Table = Table {
    keys: &[
        Key::new(
            "ttl",
            Form::Text(&SPAN),
            "\"8h\"",
            "The longest an environment may live without being renewed.",
        )
        .required(),
        Key::new(
            "limit",
            Form::Number(1, 10_000),
            "20",
            "How many may exist at once.",
        )
        .required(),
    ],
};

/// `trigger`.
pub const TRIGGER: Table = Table {
    keys: &[
        Key::new(
            "branch",
            Form::Text(&BRANCH),
            "\"main\"",
            "A push to this branch.",
        ),
        Key::new(
            "tag",
            Form::Text(&GLOB),
            "\"rc-*\"",
            "A push of a tag that this glob matches; a star also matches `/`.",
        ),
    ],
};

/// `advance`.
pub const ADVANCE: Table = Table {
    keys: &[
        Key::new("branch", Form::Text(&BRANCH), "\"release\"", "The branch.").required(),
        Key::new(
            "method",
            Form::Words(&["ff"]),
            "\"ff\"",
            "How it moves: by fast-forward only.",
        )
        .default("`\"ff\"`"),
    ],
};

/// `manifest`.
pub const MANIFEST: Table = Table {
    keys: &[
        Key::new(
            "repo",
            Form::Text(&REPOSITORY),
            "\"https://example.com/gitops.git\"",
            "The other git repository.",
        )
        .required(),
        Key::new(
            "file",
            Form::Text(&PATH),
            "\"{env}/{component}.yaml\"",
            "The path in it; `{env}` and `{component}` stand for their names.",
        )
        .required(),
        Key::new(
            "field",
            Form::Text(&TEMPLATE),
            "\"image\"",
            "The field or marked line in the file; `{env}` and `{component}` likewise.",
        )
        .required(),
    ],
};
