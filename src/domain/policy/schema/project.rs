//! The keys at the top of the file, and those of people, `[policy]`, `[checks]` and `[artifacts]`.

use super::{
    COMPONENT, EMAIL, ENVIRONMENT, ENVIRONMENT_NAME, KeyTable, MEMBERS, NAME, PREDICATE,
    PUBLIC_KEY, TableKey, ValueForm, notify::NOTIFIED,
};

/// The whole file.
pub const TOP: KeyTable = KeyTable {
    keys: &[
        TableKey::new("schema", ValueForm::Number(1, 1), "1", "The version of this file's format.").required(),
        TableKey::new("project", ValueForm::Text(&NAME), "\"catalogue\"", "The project's name, which never changes.").required(),
        TableKey::new(
            "people",
            ValueForm::Named(&NAME, &ValueForm::Either(&[ValueForm::Text(&PUBLIC_KEY), ValueForm::Table(&PERSON)])),
            "{ alice = \"RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3\" }",
            "Everyone with a key, machines too, by name. A key alone may stand for the table. A key, an address and a name each \
             belong to one person.",
        )
        .required(),
        TableKey::new(
            "groups",
            ValueForm::Named(&NAME, &ValueForm::OneOrMore(&ValueForm::Text(&NAME))),
            "{ release = [\"alice\"] }",
            "Sets of people, which rules may name like a person. People and groups share one name space; a group holds no group.",
        ),
        TableKey::new(
            "policy",
            ValueForm::Table(&CHANGE),
            "{ admins = \"alice\" }",
            "Who may change this file.",
        ),
        TableKey::new(
            "environments",
            ValueForm::Named(&ENVIRONMENT_NAME, &ValueForm::Table(&ENVIRONMENT)),
            "{ dev = {}, prod = { promote_from = \"dev\" } }",
            "The environments, by name. A literal prefix, a dash and a star, such as `\"pr-*\"`, stands for ephemeral ones; it must not \
             match another name.",
        ),
        TableKey::new(
            "components",
            ValueForm::Named(&NAME, &ValueForm::Table(&COMPONENT)),
            "{ api = { paths = \"api/**\" } }",
            "The parts of the repository that are deployed by themselves, by name. `rest` is reserved for the paths that no component owns.",
        )
        .default("one component with the project's name that is the whole tree"),
        TableKey::new(
            "checks",
            ValueForm::Named(&PREDICATE, &ValueForm::Table(&VOUCHERS)),
            "{ test-result = { by = \"alice\" } }",
            "Who may vouch for what, by type of attestation: in-toto's short name, or a full predicate type URI. A type that is not \
             listed counts for nothing.",
        )
        .default("everyone listed may vouch for anything"),
        TableKey::new("artifacts", ValueForm::Table(&ARTIFACTS), "{ by = \"alice\" }", "Who may say what was built."),
        TableKey::new(
            "unowned",
            ValueForm::Words(&["gated", "free"]),
            "\"free\"",
            "How paths that no component owns are treated: as a component `rest` that is gated like the others, or without a gate.",
        )
        .default("`\"gated\"`"),
        TableKey::new(
            "notify",
            NOTIFIED,
            "\"make announce\"",
            "Who is told what happens, in every environment that names nobody of its own. A command alone may stand for the table.",
        ),
    ],
};

/// `[people]`.
pub const PERSON: KeyTable = KeyTable {
    keys: &[
        TableKey::new(
            "key",
            ValueForm::Text(&PUBLIC_KEY),
            "\"RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3\"",
            "The minisign public key that signs now: the second line of a `.pub` file.",
        )
        .required(),
        TableKey::new(
            "retired",
            ValueForm::OneOrMore(&ValueForm::Text(&PUBLIC_KEY)),
            "\"RWQBAQEBAQEBAQEHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH\"",
            "Earlier keys. They sign nothing new, but the finish of their open run; what they signed still counts. A key that was \
             stolen is removed altogether instead: then nothing it signed counts any more.",
        ),
        TableKey::new(
            "emails",
            ValueForm::OneOrMore(&ValueForm::Text(&EMAIL)),
            "[\"alice@example.com\"]",
            "The addresses under which the person commits, whatever their case. By them it is told whose changes a deployment brings, \
             for `prevent_self`.",
        ),
        TableKey::new(
            "machine",
            ValueForm::Flag,
            "true",
            "A machine may deploy and vouch, but never approves, breaks glass or unlocks.",
        )
        .default("`false`"),
    ],
};

/// `[policy]`.
pub const CHANGE: KeyTable = KeyTable {
    keys: &[
        TableKey::new("admins", MEMBERS, "[\"alice\"]", "Who may publish a policy, and approve one.")
            .default("those whose keys the genesis names: whoever ran `git deploy init`"),
        TableKey::new(
            "approvals",
            ValueForm::Number(0, 20),
            "1",
            "How many admins, who are people, must approve a policy besides the one who publishes it.",
        )
        .default("`0`"),
    ],
};

/// `[checks]`.
pub const VOUCHERS: KeyTable = KeyTable {
    keys: &[TableKey::new(
        "by",
        MEMBERS,
        "\"ci\"",
        "Whose attestations of this type count.",
    )
    .required()],
};

/// `[artifacts]`.
pub const ARTIFACTS: KeyTable = KeyTable {
    keys: &[
        TableKey::new("by", MEMBERS, "\"ci\"", "Whose builds and artifacts count.")
            .default("everyone listed"),
    ],
};
