use super::*;

const CAROL: &str = "RWQcarol";

/// Edits a text and returns the new one.
fn edited(text: &str, edit: impl FnOnce(&mut PolicyEditor) -> Result<(), EditError>) -> String {
    let mut editor = PolicyEditor::parse(text).unwrap();
    edit(&mut editor).unwrap();
    editor.text()
}

fn with_carol(text: &str, emails: &[&str]) -> String {
    edited(text, |editor| {
        let mut keys = vec![("key", NewValue::Text(CAROL.to_owned()))];
        if !emails.is_empty() {
            let emails = emails.iter().map(|it| (*it).to_owned()).collect();
            keys.push(("emails", NewValue::Array(emails)));
        }
        editor.add_entry("people", "carol", keys, None)
    })
}

/// Checks that an added person is written like the others, and that nothing else changes: comments,
/// order, blank lines, the column of the equals signs, the ends of lines.
#[test]
fn an_added_entry_is_written_like_the_others() {
    let cases = [
        (
            "[people]  # who\nalice = \"A\"  # admin\nbob   = { key = \"B\" }\n\n# where\n[environments]\ndev = {}\n",
            "[people]  # who\nalice = \"A\"  # admin\nbob   = { key = \"B\" }\ncarol = \"RWQcarol\"\n\n# where\n[environments]\ndev = {}\n",
        ),
        (
            "[people]\na = \"A\"\nlonger = \"B\"\n",
            "[people]\na = \"A\"\nlonger = \"B\"\ncarol = \"RWQcarol\"\n",
        ),
        (
            "[people.alice]\nkey = \"A\"\n\n[environments.dev]\n",
            "[people.alice]\nkey = \"A\"\n\n[people.carol]\nkey = \"RWQcarol\"\n\n[environments.dev]\n",
        ),
        (
            "people = { alice = \"A\" }\nschema = 1\n",
            "people = { alice = \"A\", carol = \"RWQcarol\" }\nschema = 1\n",
        ),
        (
            "[people]\nalice = \"A\"",
            "[people]\nalice = \"A\"\ncarol = \"RWQcarol\"\n",
        ),
        (
            "\u{feff}[people]\r\nalice = \"A\"\r\n\r\n[environments]\r\n",
            "\u{feff}[people]\r\nalice = \"A\"\r\ncarol = \"RWQcarol\"\r\n\r\n[environments]\r\n",
        ),
        (
            "people.alice.key = \"A\"\n[environments]\n",
            "people.alice.key = \"A\"\npeople.carol = \"RWQcarol\"\n[environments]\n",
        ),
        (
            "schema = 1\n",
            "schema = 1\n\n[people]\ncarol = \"RWQcarol\"\n",
        ),
    ];
    for (before, after) in cases {
        assert_eq!(with_carol(before, &[]), after, "{before:?}");
    }
    assert_eq!(
        with_carol("[people]\nalice = \"A\"\n", &["c@x.org", "d@x.org"]),
        "[people]\nalice = \"A\"\ncarol = { key = \"RWQcarol\", emails = [\"c@x.org\", \"d@x.org\"] }\n"
    );
}

/// Checks that a file is not edited if the edit would change lines that it should not.
#[test]
fn mixed_line_ends_and_invalid_files_are_refused() {
    let refused = |text| PolicyEditor::parse(text).err();
    assert_eq!(refused("a = 1\r\nb = 2\n"), Some(EditError::Layout));
    assert_eq!(refused("a = \n"), Some(EditError::Syntax));
}

/// Checks that an environment stands after the one that it promotes from.
#[test]
fn an_environment_is_added_in_order() {
    let add = |text: &str| {
        edited(text, |editor| {
            let from = NewValue::Text("dev".to_owned());
            editor.add_entry(
                "environments",
                "qa",
                vec![("promote_from", from)],
                Some("dev"),
            )
        })
    };
    assert_eq!(
        add("[environments]\ndev  = {}  # first\n# last\nprod = { promote_from = \"dev\" }\n"),
        "[environments]\ndev  = {}  # first\nqa   = { promote_from = \"dev\" }\n# last\nprod = { promote_from = \"dev\" }\n"
    );
    assert_eq!(
        add(
            "[environments.dev]\n\n[environments.dev.variables]\nA = \"1\"\n\n# last\n[environments.prod]\napprovals = 1\n\n[components]\n"
        ),
        "[environments.dev]\n\n[environments.dev.variables]\nA = \"1\"\n\n[environments.qa]\npromote_from = \"dev\"\n\n# last\n[environments.prod]\napprovals = 1\n\n[components]\n"
    );
}

/// Checks that the old key of a person becomes a retired one beside others, and that comments stay.
#[test]
fn a_key_is_replaced() {
    let keys = [1, 2].map(|byte| PublicKey::new([byte; 8], [byte; 32]));
    let (old, new) = (keys[0].to_string(), keys[1].to_string());
    let rotate = |text: &str, retired| {
        edited(text, |editor| {
            editor.replace_key(&"bob".parse().unwrap(), &keys[1], retired)
        })
    };
    for (before, after) in [
        (
            format!("[people]\nbob = \"{old}\"  # on call\n"),
            format!("[people]\nbob = {{ key = \"{new}\", retired = \"{old}\" }}  # on call\n"),
        ),
        (
            format!("[people]\nbob = {{ key = \"{old}\", emails = \"b@x.org\" }}\n"),
            format!(
                "[people]\nbob = {{ key = \"{new}\", emails = \"b@x.org\", retired = \"{old}\" }}\n"
            ),
        ),
        (
            format!("[people.bob]\nkey = \"{old}\" # 2026\nretired = \"X\"\n"),
            format!("[people.bob]\nkey = \"{new}\" # 2026\nretired = [\"X\", \"{old}\"]\n"),
        ),
    ] {
        assert_eq!(rotate(&before, Some(&keys[0])), after);
    }
    assert_eq!(
        rotate(&format!("[people]\nbob = \"{old}\"\n"), None),
        format!("[people]\nbob = \"{new}\"\n")
    );
}

/// Checks that a name is added to a list in its layout, and removed from it with nothing else.
#[test]
fn lists_keep_their_layout() {
    for (before, after) in [
        (
            "admins = \"bob\" # one",
            "admins = [\"bob\", \"carol\"] # one",
        ),
        ("admins = [\"bob\"]", "admins = [\"bob\", \"carol\"]"),
        (
            "admins = [\"bob\", \"carol\"]",
            "admins = [\"bob\", \"carol\"]",
        ),
        (
            "admins = [\n  \"bob\", # first\n]",
            "admins = [\n  \"bob\", # first\n  \"carol\",\n]",
        ),
        (
            "admins = [\n  \"bob\" # first\n]",
            "admins = [\n  \"bob\", # first\n  \"carol\"\n]",
        ),
    ] {
        let text = format!("[policy]\n{before}\n");
        let added = edited(&text, |editor| {
            editor.add_to_list("policy", "admins", "carol", &[])
        });
        assert_eq!(added, format!("[policy]\n{after}\n"));
    }
    let absent = edited("schema = 1\n", |editor| {
        editor.add_to_list("policy", "admins", "carol", &["alice".to_owned()])
    });
    assert_eq!(
        absent,
        "schema = 1\n\n[policy]\nadmins = [\"alice\", \"carol\"]\n"
    );
}

/// Checks that a removed person disappears from every list that names someone else, whatever the
/// form of the list, and that a list is reported if it names no one else.
#[test]
fn a_removed_person_is_in_no_list() {
    let text = "\
[people]
# the team
bob = \"B\"  # leaves
carol = \"C\"
[groups]
release = [\"bob\", \"carol\"]
[environments]
dev = { deployers = [\"carol\", \"bob\"], approvals = [{ by = [\"bob\", \"carol\"] }, { by = \"carol\" }] }
prod = { checks = [\"test-result\", { type = \"x\", by = [\"carol\", \"bob\"] }], hotfix = { by = \"bob\" } }
[[environments.qa.approvals]]
by = [\"carol\", \"bob\"]
[checks]
test-result = { by = [
  \"bob\",
  \"carol\", # stays
] }
[artifacts]
by = [\"bob\", \"carol\"]
";
    let mut editor = PolicyEditor::parse(text).unwrap();
    let removed = editor.remove_person(&"bob".parse().unwrap()).unwrap();
    assert_eq!(removed.sole_member, ["environments.prod.hotfix.by"]);
    assert_eq!(
        removed.shortened,
        [
            "groups.release",
            "environments.dev.deployers",
            "environments.dev.approvals.by",
            "environments.prod.checks.by",
            "environments.qa.approvals.by",
            "checks.test-result.by",
            "artifacts.by"
        ]
    );
    let expected = text
        .replace("bob = \"B\"  # leaves\n", "")
        .replace("[\"bob\", \"carol\"]", "[\"carol\"]")
        .replace("[\"carol\", \"bob\"]", "[\"carol\"]")
        .replace("[\n  \"bob\",\n  \"carol\"", "[\n  \"carol\"");
    assert_eq!(editor.text(), expected);
}

/// Checks that the comments around a removed person are kept, except those of that person.
#[test]
fn comments_around_a_removed_person_are_kept() {
    for (before, after) in [
        (
            "[people]\nalice = \"A\"\n\n# night shift\n\n# bob is on call\nbob = \"B\"\ncarol = \"C\"\n",
            "[people]\nalice = \"A\"\n\n# night shift\ncarol = \"C\"\n",
        ),
        (
            "[people]\nalice = \"A\"\n\n# night shift\n\n# bob is on call\nbob = \"B\"\n",
            "[people]\nalice = \"A\"\n\n# night shift\n",
        ),
        (
            "[people.alice]\nkey = \"A\"\n\n# on call\n[people.bob]\nkey = \"B\"\n\n# where\n[environments]\n",
            "[people.alice]\nkey = \"A\"\n\n# where\n[environments]\n",
        ),
        (
            "[people.alice]\nkey = \"A\"\n\n# see HR\n\n# on call\n[people.bob]\nkey = \"B\"\n\n# where\n[environments]\n",
            "[people.alice]\nkey = \"A\"\n\n# see HR\n\n# where\n[environments]\n",
        ),
        (
            "[environments]\n[people.alice]\nkey = \"A\"\n\n# see HR\n\n[people.bob]\nkey = \"B\"\n# end\n",
            "[environments]\n[people.alice]\nkey = \"A\"\n\n# see HR\n# end\n",
        ),
    ] {
        assert_eq!(without_bob(before), after);
    }
}

fn without_bob(text: &str) -> String {
    edited(text, |editor| {
        editor.remove_person(&"bob".parse().unwrap()).map(drop)
    })
}

/// Checks that each name of a list keeps its own comments if a neighbour is removed.
#[test]
fn comments_in_a_list_stay_with_their_names() {
    for (before, after) in [
        // The last one, with a comma and without.
        (
            "[\n  \"alice\",   # nights\n  \"bob\", # no pager\n]",
            "[\n  \"alice\",   # nights\n]",
        ),
        (
            "[\n  \"alice\",   # nights\n  \"bob\" # no pager\n]",
            "[\n  \"alice\"   # nights\n]",
        ),
        (
            "[\n  \"alice\", # nights\n  \"bob\"]",
            "[\n  \"alice\" # nights\n]",
        ),
        (
            "[\n  \"alice\",\n  \"bob\", # no pager\n  # the end\n]",
            "[\n  \"alice\",\n  # the end\n]",
        ),
        // In the middle.
        (
            "[\n  \"alice\", # nights\n  # on call\n  \"bob\", # no pager\n  # the boss\n  \"carol\", # days\n]",
            "[\n  \"alice\", # nights\n  # the boss\n  \"carol\", # days\n]",
        ),
        (
            "[\n  \"alice\",\n\n  # guests\n\n  # on call\n  \"bob\",\n  \"carol\",\n]",
            "[\n  \"alice\",\n\n  # guests\n\n  \"carol\",\n]",
        ),
        // The first one.
        (
            "[ # team\n  \"bob\", # no pager\n  \"alice\", # nights\n]",
            "[ # team\n  \"alice\", # nights\n]",
        ),
        (
            "[\n  # the team\n  \"bob\",\n  \"alice\",\n]",
            "[\n  # the team\n  \"alice\",\n]",
        ),
        (
            "[\"bob\", # no pager\n  \"alice\", # nights\n]",
            "[\n  \"alice\", # nights\n]",
        ),
        // Several on a line.
        (
            "[\n  \"alice\", \"bob\", # both\n  \"carol\",\n]",
            "[\n  \"alice\", # both\n  \"carol\",\n]",
        ),
        (
            "[\n  \"bob\", \"alice\", # both\n]",
            "[\n  \"alice\", # both\n]",
        ),
        ("[ \"alice\", \"bob\" ]", "[ \"alice\" ]"),
        ("[ \"bob\", \"alice\" ]", "[ \"alice\" ]"),
    ] {
        let text = |list: &str| format!("[people]\nalice = \"A\"\n[groups]\nteam = {list}\n");
        assert_eq!(without_bob(&text(before)), text(after));
    }
}
