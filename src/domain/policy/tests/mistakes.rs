//! The mistakes that people make in a `deploy.toml`.
//!
//! A message is checked for the words that a person needs, not for its whole text.

use super::{MINIMAL_POLICY, with_keys};
use crate::domain::policy::Policy;

/// A part of [`MINIMAL_POLICY`], its replacement, and words of the message.
pub(crate) const MISTAKES: &[(&str, &str, &[&str])] = &[
    ("schema  = 1", "", &["\"schema\" is missing"]),
    (
        "schema  = 1",
        "schema = 2\nnew_key = 1",
        &["supports schema 1 only", "newer"],
    ),
    ("project = \"catalogue\"", "", &["\"project\" is missing"]),
    ("\"catalogue\"", "\"Cat\"", &["contains 'C'"]),
    (
        "dev   = {}",
        "dev = { deployer = \"bob\" }",
        &[
            "deploy.toml:11:9",
            "unknown key \"deployer\"",
            "did you mean \"deployers\"?",
        ],
    ),
    (
        "dev   = {}",
        "dev = { xyz = 1 }",
        &["known keys are deployers"],
    ),
    (
        "[people]",
        "[poeple]",
        &[
            "unknown key \"poeple\" at the top",
            "did you mean \"people\"?",
        ],
    ),
    (
        "approvals = 1",
        "approvals = true",
        &[
            "environments.prod.approvals",
            "expected a whole number, or a table such as",
            "found true or false",
        ],
    ),
    (
        "approvals = 1",
        "approvals = -1",
        &["-1 is not a whole number"],
    ),
    (
        "approvals = 1",
        "approvals = 1.5",
        &["expected a whole number, or a table such as"],
    ),
    (
        "approvals = 1",
        "approvals = 3",
        &["3 different people", "eligible people (2"],
    ),
    (
        "approvals = 1",
        "approvals = 2, deployers = [\"alice\", \"bob\"]",
        &["other than the one who deploys", "alice, bob"],
    ),
    (
        "approvals = 1",
        "approvals = { required = 0 }",
        &["from 1 to 20"],
    ),
    (
        "approvals = 1",
        "approvals = { by = \"ci\" }",
        &["machines only", "never approves"],
    ),
    (
        "approvals = 1",
        "approvals = [{ by = \"bob\" }, { by = [\"bob\", \"ci\"] }]",
        &["2 different people", "eligible people (1"],
    ),
    (
        "approvals = 1",
        "approvals = { by = \"bbo\" }",
        &["\"bbo\" is neither", "did you mean \"bob\"?"],
    ),
    (
        "approvals = 1",
        "approvals = { bind = \"plna\" }",
        &["did you mean \"plan\"?"],
    ),
    (
        "approvals = 1",
        "approvals = { expires = \"2 days\" }",
        &["span of time such as"],
    ),
    (
        "approvals = 1",
        "approvals = { expires = \"0s\" }",
        &["at least one second"],
    ),
    ("approvals = 1", "deployers = []", &["the list is empty"]),
    (
        "approvals = 1",
        "break_glass = { by = \"ci\" }",
        &["never breaks glass"],
    ),
    ("approvals = 1", "break_glass = {}", &["\"by\" is missing"]),
    (
        "approvals = 1",
        "hotfix = { skip = \"approvals\" }",
        &["\"approvals\" is not \"promote_from\" or \"soak\""],
    ),
    (
        "approvals = 1",
        "soak = 3600",
        &["expected a string in quotes, found a whole number"],
    ),
    (
        "dev   = {}",
        "dev = { soak = \"1h\" }",
        &["needs the key \"promote_from\""],
    ),
    (
        "approvals = 1",
        "deploy_on = \"approval\"",
        &["needs the key \"branch\""],
    ),
    (
        "approvals = 1",
        "branch = \"refs/heads/main\"",
        &["the short name, such as main"],
    ),
    (
        "approvals = 1",
        "checks = \"test-resul\"",
        &["did you mean \"test-result\"?"],
    ),
    (
        "approvals = 1",
        "checks = { type = \"vsa\", environment = \"stag\" }",
        &["did you mean \"stage\"?"],
    ),
    ("approvals = 1", "artifact = true", &["expected a string"]),
    (
        "approvals = 1",
        "version = { from = \"VERSION\" }",
        &["file:, tag: and command:"],
    ),
    (
        "approvals = 1",
        "tag = \"{verison}\"",
        &["{verison} is not known", "{version}"],
    ),
    (
        "approvals = 1",
        "freeze = { start = \"Fri 16\", end = \"Mon 08:00\" }",
        &["\"Fri 16\" is not a weekly time such as Fri 16:00"],
    ),
    (
        "approvals = 1",
        "freeze = { start = \"Fri 16:00\", end = \"Mon 08:00\", timezone = \"London\" }",
        &["IANA"],
    ),
    (
        "approvals = 1",
        "url = \"javascript:alert(1)\"",
        &["begins with https://"],
    ),
    (
        "approvals = 1",
        "trigger = { branch = \"main\" }",
        &["environments.prod", "\"trigger\" is not supported yet"],
    ),
    (
        "approvals = 1",
        "manifest = {}",
        &["\"manifest\" is not supported yet"],
    ),
    (
        "[environments]",
        "[components.a]\nbuild = \"make\"\n[environments]",
        &["components.a", "\"build\" is not supported yet"],
    ),
    (
        "approvals = 1",
        "advance = { branch = \"x\", method = \"force\" }",
        &["\"force\" is not \"ff\""],
    ),
    (
        "approvals = 1",
        "notify = 7",
        &["expected a string in quotes"],
    ),
    ("approvals = 1", "notify = \"\"", &["must not be blank"]),
    (
        "approvals = 1",
        "notify = {}",
        &["one of the keys \"command\" and \"webhook\""],
    ),
    (
        "approvals = 1",
        "notify = { command = \"x\", webhook = \"https://x.y\" }",
        &["either", "write two"],
    ),
    (
        "approvals = 1",
        "notify = { command = \"x\", onn = \"failed\" }",
        &["did you mean \"on\"?"],
    ),
    (
        "approvals = 1",
        "notify = { command = \"x\", on = \"faild\" }",
        &["\"faild\" is not", "did you mean \"failed\"?"],
    ),
    (
        "approvals = 1",
        "notify = { command = \"x\", on = [] }",
        &["the list is empty"],
    ),
    (
        "approvals = 1",
        "notify = { command = \"x\", format = \"slack\" }",
        &["needs the key \"webhook\""],
    ),
    (
        "approvals = 1",
        "notify = { webhook = \"https://x.y\", format = \"slak\" }",
        &["\"slak\" is not", "did you mean \"slack\"?"],
    ),
    (
        "approvals = 1",
        "notify = { webhook = \"http://x.y\" }",
        &["read and changed on the way", "https://"],
    ),
    (
        "approvals = 1",
        "notify = { webhook = \"hooks.example.com\" }",
        &["such as https://hooks.example.com"],
    ),
    (
        "approvals = 1",
        "notify = { webhook = {} }",
        &["\"command\" is missing"],
    ),
    (
        "approvals = 1",
        "variables = { DEPLOY_ENV = \"x\" }",
        &["set by git-deploy itself"],
    ),
    (
        "approvals = 1",
        "ephemeral = { ttl = \"1h\", limit = 1 }",
        &["only the environments of a pattern"],
    ),
    (
        "promote_from = \"dev\"",
        "promote_from = \"dve\"",
        &["\"dve\" is not an environment", "did you mean \"dev\"?"],
    ),
    (
        "dev   = {}",
        "dev = { promote_from = \"prod\" }",
        &["in a circle: dev → prod → stage → dev"],
    ),
    (
        "dev   = {}",
        "dev = { promote_from = [\"stage\", \"prod\"] }",
        &["in a circle: dev → "],
    ),
    (
        "promote_from = \"dev\"",
        "promote_from = [\"dev\", \"dve\"]",
        &["\"dve\" is not an environment"],
    ),
    (
        "promote_from = \"dev\"",
        "promote_from = []",
        &["it names no environment"],
    ),
    ("dev   = {}", "policy = {}\ndev = {}", &["reserved"]),
    (
        "dev   = {}",
        "dev = {}\ndev = {}",
        &["not valid TOML", "duplicate key"],
    ),
    (
        "dev   = {}",
        "dev = { branch = \"x\" }\nqa = { branch = \"x\" }",
        &["belongs to the environment dev already"],
    ),
    (
        "dev   = {}",
        "dev = {}\n\"pr-*\" = {}",
        &["ephemeral = { ttl"],
    ),
    (
        "dev   = {}",
        "dev = {}\n\"pr-*\" = { ephemeral = { ttl = \"1h\", limit = 2 } }\npr-x = {}",
        &["also match \"pr-x\""],
    ),
    (
        "dev   = {}",
        "dev = {}\n\"a-*\" = { ephemeral = { ttl = \"1h\", limit = 2 } }\n\"a-b-*\" = { ephemeral = { ttl = \"1h\", limit = 2 } }",
        &["also match \"a-b\""],
    ),
    (
        "dev   = {}",
        "dev = {}\n\"dev-*\" = { ephemeral = { ttl = \"1h\", limit = 2 } }",
        &["its ledger would be that of the environment \"dev\""],
    ),
    ("dev   = {}", "dev = {}\n\"*\" = {}", &["such as \"pr-*\""]),
    (
        "dev   = {}",
        "\"pr-*\" = { ephemeral = { ttl = \"1h\", limit = 2 } }\ndev = { promote_from = \"pr-1\" }",
        &["ephemeral environments come and go"],
    ),
    ("\"<2>\"", "\"<1>\"", &["already belongs to alice"]),
    (
        "\"<2>\"",
        "{ key = \"<2>\", retired = \"<1>\" }",
        &["already belongs to alice"],
    ),
    ("\"<2>\"", "\"RWbad\"", &["not a minisign public key"]),
    (
        "\"<2>\"",
        "{ machine = false }",
        &["people.bob", "\"key\" is missing"],
    ),
    (
        "\"<1>\"",
        "{ key = \"<1>\", emails = \"A@x.y\" }\nzoe = { key = \"<4>\", emails = \"a@X.y\" }",
        &["an address of alice already"],
    ),
    (
        "\"<1>\"",
        "{ key = \"<1>\", emails = \"nobody\" }",
        &["not an e-mail address"],
    ),
    (
        "[environments]",
        "[groups]\nbob = \"alice\"\n[environments]",
        &["one name space"],
    ),
    (
        "[environments]",
        "[groups]\nx = \"alcie\"\n[environments]",
        &["did you mean \"alice\"?"],
    ),
    (
        "[environments]",
        "[groups]\nx = []\n[environments]",
        &["at least one member"],
    ),
    (
        "[environments]",
        "[groups]\na = \"bob\"\nb = \"a\"\n[environments]",
        &["is a group"],
    ),
    (
        "[environments]",
        "[policy]\nadmins = \"alice\"\napprovals = 1\n[environments]",
        &["no policy could be published again"],
    ),
    (
        "[environments]",
        "[components]\n[environments]",
        &["declares no component"],
    ),
    (
        "[environments]",
        "[components.rest]\n[environments]",
        &["\"rest\" is reserved"],
    ),
    (
        "[environments]",
        "[components]\na = { renamed_from = \"b\" }\nb = {}\n[environments]",
        &["b is still a component"],
    ),
    (
        "[environments]",
        "[components]\na = { renamed_from = \"c\" }\nb = { renamed_from = \"c\" }\n[environments]",
        &["a is renamed from c already"],
    ),
    (
        "[environments]",
        "[components]\na = { renamed_from = [\"d\", \"c\"] }\nb = { renamed_from = [\"c\"] }\n[environments]",
        &["a is renamed from c already"],
    ),
    (
        "[environments]",
        "[components]\na = { renamed_from = [\"c\", \"b\"] }\nb = {}\n[environments]",
        &["b is still a component"],
    ),
    (
        "[environments]",
        "[components.a]\npaths = []\n[environments]",
        &["the list is empty"],
    ),
    (
        "[environments]",
        "[components.a]\npaths = \"../x\"\n[environments]",
        &["not a path inside the repository"],
    ),
    (
        "[environments]",
        "[components.a]\npaths = \"a[\"\n[environments]",
        &["not a path inside the repository"],
    ),
    (
        "[environments]",
        "[components.a]\ndepends_on = \"b\"\n[environments]",
        &["not a component"],
    ),
    (
        "[environments]",
        "[components.a]\ndepends_on = \"b\"\n[components.b]\ndepends_on = \"a\"\n[environments]",
        &["in a circle: a → b → a"],
    ),
    (
        "[environments]",
        "[components.a]\nplan = \"x\"\n[environments]",
        &["needs the key \"apply\""],
    ),
    (
        "[environments]",
        "[components.a]\napply = \"a \\u202e b\"\n[environments]",
        &["U+202E"],
    ),
    (
        "[environments]",
        "[checks]\nvsa = { by = \"ci\" }\n\"https://slsa.dev/verification_summary/v1\" = { by = \"bob\" }\n[environments]",
        &["listed twice"],
    ),
];

/// Each mistake is refused with a message that names it and helps to fix it.
#[test]
fn mistakes() {
    let mut wrong = Vec::new();
    for (old, new, words) in MISTAKES {
        assert!(MINIMAL_POLICY.contains(old), "{old}");
        let text = with_keys(&MINIMAL_POLICY.replacen(old, new, 1));
        let errors = Policy::parse(&text).map(|_| ()).expect_err(new).to_string();
        // One mistake is one error, or people would look for the second.
        if errors.lines().count() != 1
            || errors.contains('\u{202e}')
            || words.iter().any(|word| !errors.contains(word))
        {
            wrong.push(format!("{new}\n  should say {words:?}, says\n{errors}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A check that `[checks]` accepts from no one could never be met.
#[test]
fn impossible_checks() {
    for (checks, word) in [
        ("checks = \"vsa\"", "accepts it from no one"),
        (
            "checks = { type = \"test-result\", by = \"bob\" }",
            "from ci only",
        ),
    ] {
        let text = MINIMAL_POLICY.replace("approvals = 1", checks)
            + "[checks]\ntest-result = { by = \"ci\" }\n";
        let errors = Policy::parse(&with_keys(&text)).unwrap_err().to_string();
        assert!(errors.contains(word), "{errors}");
    }
}
