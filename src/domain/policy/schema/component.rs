//! The keys of `[components.<name>]`.

use super::{COMMAND, Form, Key, NAME, SECRETS, SPAN, Table, Text, VARIABLES};

const PATH: Text = Text::new("path or glob", "^[^/]");

/// `[components.<name>]`.
pub const COMPONENT: Table = Table {
    keys: &[
        Key::new(
            "paths",
            Form::OneOrMore(&Form::Text(&PATH)),
            "[\"api/**\", \"lib/**\"]",
            "The files that are its content. A path without a glob character is a file, or a folder with everything beneath it; `*` and \
             `?` never match a `/`, `**` does. A file may belong to several components.",
        )
        .default("the whole tree"),
        Key::new(
            "depends_on",
            Form::OneOrMore(&Form::Text(&NAME)),
            "\"network\"",
            "The components that are applied before it.",
        ),
        Key::new(
            "plan",
            Form::Text(&COMMAND),
            "\"terraform plan -out=$DEPLOY_PLAN\"",
            "Prints, or leaves at `$DEPLOY_PLAN`, what `apply` would do. As every command, a text for `sh -c`.",
        )
        .needs("apply"),
        Key::new(
            "apply",
            Form::Text(&COMMAND),
            "\"terraform apply $DEPLOY_PLAN\"",
            "Brings the commit into the environment.",
        )
        .default("nothing is executed: what another system did is recorded"),
        Key::new(
            "verify",
            Form::Text(&COMMAND),
            "\"curl -fsS $DEPLOY_URL/health\"",
            "Succeeds if what runs is well.",
        ),
        Key::new(
            "destroy",
            Form::Text(&COMMAND),
            "\"terraform destroy -auto-approve\"",
            "Takes the component out of the environment; succeeds also where nothing of it is left.",
        ),
        Key::new("build", Form::Text(&COMMAND), "\"make image\"", "Makes what is deployed."),
        Key::new(
            "variables",
            VARIABLES,
            "{ REGION = \"eu-west-1\" }",
            "Passed to its commands; an environment's of the same name win. Names that begin with `DEPLOY_` or `GIT_DEPLOY_` are taken.",
        ),
        Key::new(
            "secrets",
            SECRETS,
            "{ TOKEN = \"pass show api/token\" }",
            "Likewise, each read from its command at the moment of use. A command alone may stand for the table.",
        ),
        Key::new(
            "retries",
            Form::Number(0, 10),
            "2",
            "How often `apply`, planned anew, and `verify` are tried again after a failure.",
        )
        .default("`0`"),
        Key::new("timeout", Form::Text(&SPAN), "\"30m\"", "How long one command may take.")
            .default("as long as it likes"),
    ],
};

/// `secrets`.
pub const SECRET: Table = Table {
    keys: &[
        Key::new(
            "command",
            Form::Text(&COMMAND),
            "\"pass show api/token\"",
            "Prints the secret; the newline at its end is no part of it.",
        )
        .required(),
        Key::new(
            "plan",
            Form::Flag,
            "true",
            "Planning needs it, before all approvals are there.",
        )
        .default("`false`"),
    ],
};
