//! The keys of `notify`.

use super::{COMMAND, KeyTable, TableKey, TextForm, ValueForm};

const ADDRESS: TextForm = TextForm::new(
    "address",
    "^(https://|http://(localhost|127\\.|\\[::1\\]))[!-~]+$",
);

/// The value of `notify`.
pub(super) const NOTIFIED: ValueForm = ValueForm::OneOrMore(&ValueForm::Either(&[
    ValueForm::Text(&COMMAND),
    ValueForm::Table(&NOTIFY),
]));

/// `notify`.
pub const NOTIFY: KeyTable = KeyTable {
    keys: &[
        TableKey::new(
            "command",
            ValueForm::Text(&COMMAND),
            "\"make announce\"",
            "Is run, with the event as CloudEvents JSON on its standard input and `DEPLOY_EVENT`, `DEPLOY_ENV`, `DEPLOY_SUMMARY` and others \
             in its environment. It is tried three times.",
        )
        .or("webhook"),
        TableKey::new(
            "webhook",
            ValueForm::Either(&[ValueForm::Text(&ADDRESS), ValueForm::Table(&WEBHOOK)]),
            "\"https://hooks.example.com/deployments\"",
            "The address to which a message is posted. Plaintext `http://` only to this machine itself. It is tried again while the run \
             goes on, delays nothing, and what did not arrive is told at the end.",
        )
        .or("command"),
        TableKey::new(
            "format",
            ValueForm::Words(&["cloudevents", "slack"]),
            "\"slack\"",
            "The form of the message: CloudEvents JSON that carries CDEvents, or what Slack's incoming webhooks, and many others, read.",
        )
        .needs("webhook")
        .default("`\"cloudevents\"`"),
        TableKey::new(
            "on",
            ValueForm::OneOrMore(&ValueForm::Words(&[
                "plan-ready",
                "approval-needed",
                "started",
                "succeeded",
                "failed",
                "rolled-back",
                "refused",
                "about-to-expire",
            ])),
            "[\"failed\", \"rolled-back\"]",
            "What is told.",
        )
        .default("all"),
    ],
};

/// `webhook`, where its address is a secret.
pub const WEBHOOK: KeyTable = KeyTable {
    keys: &[TableKey::new(
        "command",
        ValueForm::Text(&COMMAND),
        "\"pass show chat/webhook\"",
        "Prints the address, which is a secret; the newline at its end is no part of it.",
    )
    .required()],
};
