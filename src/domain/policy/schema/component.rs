//! The keys of `[components.<name>]`.

use super::{COMMAND, KeyTable, NAME, SECRETS, SPAN, TableKey, TextForm, VARIABLES, ValueForm};

const PATH: TextForm = TextForm::new("path or glob", "^[^/]");

/// `[components.<name>]`.
pub const COMPONENT: KeyTable = KeyTable {
    keys: &[
        TableKey::new(
            "paths",
            ValueForm::OneOrMore(&ValueForm::Text(&PATH)),
            "[\"api/**\", \"lib/**\"]",
            "The files that are its content. A path without a glob character is a file, or a folder with everything beneath it; `*` and \
             `?` never match a `/`, `**` does. A file may belong to several components.",
        )
        .default("the whole tree"),
        TableKey::new(
            "depends_on",
            ValueForm::OneOrMore(&ValueForm::Text(&NAME)),
            "\"network\"",
            "The components that are applied before it.",
        ),
        TableKey::new(
            "plan",
            ValueForm::Text(&COMMAND),
            "\"terraform plan -out=$DEPLOY_PLAN\"",
            "Prints, or leaves at `$DEPLOY_PLAN`, what `apply` would do. As every command, a text for `sh -c`.",
        )
        .needs("apply"),
        TableKey::new(
            "apply",
            ValueForm::Text(&COMMAND),
            "\"terraform apply $DEPLOY_PLAN\"",
            "Brings the commit into the environment.",
        )
        .default("nothing is executed: what another system did is recorded"),
        TableKey::new(
            "verify",
            ValueForm::Text(&COMMAND),
            "\"curl -fsS $DEPLOY_URL/health\"",
            "Succeeds if what runs is well.",
        ),
        TableKey::new(
            "destroy",
            ValueForm::Text(&COMMAND),
            "\"terraform destroy -auto-approve\"",
            "Takes the component out of the environment; succeeds also where nothing of it is left.",
        ),
        TableKey::new("build", ValueForm::Text(&COMMAND), "\"make image\"", "Makes what is deployed."),
        TableKey::new(
            "variables",
            VARIABLES,
            "{ REGION = \"eu-west-1\" }",
            "Passed to its commands; an environment's of the same name win. Names that begin with `DEPLOY_` or `GIT_DEPLOY_` are taken.",
        ),
        TableKey::new(
            "secrets",
            SECRETS,
            "{ TOKEN = \"pass show api/token\" }",
            "Likewise, each read from its command at the moment of use. A command alone may stand for the table.",
        ),
        TableKey::new(
            "retries",
            ValueForm::Number(0, 10),
            "2",
            "How often `apply`, planned anew, and `verify` are tried again after a failure.",
        )
        .default("`0`"),
        TableKey::new("timeout", ValueForm::Text(&SPAN), "\"30m\"", "How long one command may take.")
            .default("as long as it likes"),
    ],
};

/// `secrets`.
pub const SECRET: KeyTable = KeyTable {
    keys: &[
        TableKey::new(
            "command",
            ValueForm::Text(&COMMAND),
            "\"pass show api/token\"",
            "Prints the secret; the newline at its end is no part of it.",
        )
        .required(),
        TableKey::new(
            "plan",
            ValueForm::Flag,
            "true",
            "Planning needs it, before all approvals are there.",
        )
        .default("`false`"),
    ],
};
