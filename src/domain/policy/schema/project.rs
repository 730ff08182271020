//! The keys at the top of the file, and those of people, `[policy]`, `[checks]` and `[artifacts]`.

use super::{
    COMPONENT, EMAIL, ENVIRONMENT, ENVIRONMENT_NAME, Form, Key, MEMBERS, NAME, PREDICATE,
    PUBLIC_KEY, Table, notify::NOTIFIED,
};

/// The whole file.
pub const TOP: Table = Table {
    keys: &[
        Key::new("schema", Form::Number(1, 1), "1", "The version of this file's format.").required(),
        Key::new("project", Form::Text(&NAME), "\"catalogue\"", "The project's name, which never changes.").required(),
        Key::new(
            "people",
            Form::Named(&NAME, &Form::Either(&[Form::Text(&PUBLIC_KEY), Form::Table(&PERSON)])),
            "{ alice = \"RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3\" }",
            "Everyone with a key, machines too, by name. A key alone may stand for the table. A key, an address and a name each \
             belong to one person.",
        )
        .required(),
        Key::new(
            "groups",
            Form::Named(&NAME, &Form::OneOrMore(&Form::Text(&NAME))),
            "{ release = [\"alice\"] }",
            "Sets of people, which rules may name like a person. People and groups share one name space; a group holds no group.",
        ),
        Key::new(
            "policy",
            Form::Table(&CHANGE),
            "{ admins = \"alice\" }",
            "Who may change this file.",
        ),
        Key::new(
            "environments",
            Form::Named(&ENVIRONMENT_NAME, &Form::Table(&ENVIRONMENT)),
            "{ dev = {}, prod = { promote_from = \"dev\" } }",
            "The environments, by name. A literal prefix, a dash and a star, such as `\"pr-*\"`, stands for ephemeral ones; it must not \
             match another name.",
        ),
        Key::new(
            "components",
            Form::Named(&NAME, &Form::Table(&COMPONENT)),
            "{ api = { paths = \"api/**\" } }",
            "The parts of the repository that are deployed by themselves, by name. `rest` is reserved for the paths that no component owns.",
        )
        .default("one component with the project's name that is the whole tree"),
        Key::new(
            "checks",
            Form::Named(&PREDICATE, &Form::Table(&VOUCHERS)),
            "{ test-result = { by = \"alice\" } }",
            "Who may vouch for what, by type of attestation: in-toto's short name, or a full predicate type URI. A type that is not \
             listed counts for nothing.",
        )
        .default("everyone listed may vouch for anything"),
        Key::new("artifacts", Form::Table(&ARTIFACTS), "{ by = \"alice\" }", "Who may say what was built."),
        Key::new(
            "unowned",
            Form::Words(&["gated", "free"]),
            "\"free\"",
            "How paths that no component owns are treated: as a component `rest` that is gated like the others, or without a gate.",
        )
        .default("`\"gated\"`"),
        Key::new(
            "notify",
            NOTIFIED,
            "\"make announce\"",
            "Who is told what happens, in every environment that names nobody of its own. A command alone may stand for the table.",
        ),
    ],
};

/// `[people]`.
pub const PERSON: Table = Table {
    keys: &[
        Key::new(
            "key",
            Form::Text(&PUBLIC_KEY),
            "\"RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3\"",
            "The minisign public key that signs now: the second line of a `.pub` file.",
        )
        .required(),
        Key::new(
            "retired",
            Form::OneOrMore(&Form::Text(&PUBLIC_KEY)),
            "\"RWQBAQEBAQEBAQEHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH\"",
            "Earlier keys. They sign nothing new, but the finish of their open run; what they signed still counts. A key that was \
             stolen is removed altogether instead: then nothing it signed counts any more.",
        ),
        Key::new(
            "emails",
            Form::OneOrMore(&Form::Text(&EMAIL)),
            "[\"alice@example.com\"]",
            "The addresses under which the person commits, whatever their case. By them it is told whose changes a deployment brings, \
             for `prevent_self`.",
        ),
        Key::new(
            "machine",
            Form::Flag,
            "true",
            "A machine may deploy and vouch, but never approves, breaks glass or unlocks.",
        )
        .default("`false`"),
    ],
};

/// `[policy]`.
pub const CHANGE: Table = Table {
    keys: &[
        Key::new("admins", MEMBERS, "[\"alice\"]", "Who may publish a policy, and approve one.")
            .default("those whose keys the genesis names: whoever ran `git deploy init`"),
        Key::new(
            "approvals",
            Form::Number(0, 20),
            "1",
            "How many admins, who are people, must approve a policy besides the one who publishes it.",
        )
        .default("`0`"),
    ],
};

/// `[checks]`.
pub const VOUCHERS: Table = Table {
    keys: &[Key::new(
        "by",
        MEMBERS,
        "\"ci\"",
        "Whose attestations of this type count.",
    )
    .required()],
};

/// `[artifacts]`.
pub const ARTIFACTS: Table = Table {
    keys: &[
        Key::new("by", MEMBERS, "\"ci\"", "Whose builds and artifacts count.")
            .default("everyone listed"),
    ],
};
