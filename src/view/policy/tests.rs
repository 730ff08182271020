//! Tests that the schema and the parser agree: the schema accepts whatever the parser accepts, and
//! both reject unknown keys, wrong types, numbers out of bounds, unknown words and missing keys.

use std::path::Path;

use jsonschema::Validator;
use toml::{Table as Document, Value as Toml};

use super::*;
use crate::domain::policy::tests::execution::EXECUTION_POLICY;
use crate::domain::policy::tests::mistakes::MISTAKES;
use crate::domain::policy::tests::{FULL_POLICY, MINIMAL_POLICY, key as key_of, with_keys};

/// Returns a policy in which every key can be tested: it has enough people, and all names that the
/// examples use.
fn base() -> Document {
    let people: Vec<String> = (2..40)
        .map(|number| format!("p{number} = \"{}\"\n", key_of(number)))
        .collect();
    let people = people.concat();
    let text = format!(
        "schema = 1\nproject = \"p\"\n[people]\n{people}alice = {{ key = \"{}\" }}\nci = {{ key = \"{}\", machine = true }}\n\
         [groups]\neverybody = [{}]\nrelease = \"alice\"\nsecurity = \"p2\"\noncall = \"p3\"\n\
         [policy]\nadmins = \"everybody\"\n[environments]\ndev = {{}}\nstage = {{ promote_from = \"dev\" }}\n\
         prod = {{ promote_from = \"stage\", branch = \"main\" }}\n\"pr-*\" = {{ ephemeral = {{ ttl = \"1h\", limit = 1 }} }}\n\
         [components]\nnetwork = {{ paths = \"infra\" }}\napi = {{ apply = \"true\" }}\n\
         [checks]\ntest-result = {{ by = \"ci\" }}\n[artifacts]\nby = \"ci\"\n",
        key_of(50),
        key_of(51),
        (2..40)
            .map(|number| format!("\"p{number}\""))
            .collect::<Vec<_>>()
            .join(", ")
    );
    toml::from_str(&text).unwrap()
}

fn example(key: &TableKey) -> Toml {
    toml_value(key.example)
}

fn toml_value(text: &str) -> Toml {
    let mut document: Document = toml::from_str(&format!("value = {text}")).unwrap();
    document.remove("value").unwrap()
}

/// Converts a value to JSON as an editor's TOML server does: dates and times become strings.
fn to_json(value: &Toml) -> Value {
    match value {
        Toml::Datetime(moment) => moment.to_string().into(),
        Toml::Array(items) => items.iter().map(to_json).collect(),
        Toml::Table(table) => table
            .iter()
            .map(|(key, value)| (key.clone(), to_json(value)))
            .collect(),
        plain => serde_json::to_value(plain).unwrap(),
    }
}

/// The parser and the schema, which must agree on every document.
struct Readers(Validator);

impl Readers {
    fn new() -> Self {
        Self(jsonschema::draft7::new(&build_schema().into()).unwrap())
    }

    fn parser(document: &Document) -> Result<Policy, String> {
        Policy::parse(&toml::to_string(document).unwrap()).map_err(|error| error.to_string())
    }

    fn schema(&self, document: &Document) -> Vec<String> {
        let json = to_json(&Toml::Table(document.clone()));
        self.0
            .iter_errors(&json)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect()
    }

    #[track_caller]
    fn accept(&self, document: &Document, what: &str) {
        Self::parser(document).unwrap_or_else(|error| panic!("the parser refuses {what}: {error}"));
        assert_eq!(
            self.schema(document),
            Vec::<String>::new(),
            "the schema refuses {what}"
        );
    }

    #[track_caller]
    fn refuse(&self, document: &Document, what: &str) {
        assert!(Self::parser(document).is_err(), "the parser accepts {what}");
        assert!(
            !self.schema(document).is_empty(),
            "the schema accepts {what}"
        );
    }
}

/// Walks all tables of the policy, and checks each key in a document that is otherwise valid.
struct Walk<'a> {
    readers: &'a Readers,
    /// The number of keys checked.
    keys: usize,
    /// The number of defaults checked.
    defaults: usize,
}

impl Walk<'_> {
    /// Checks a table. `put` returns the document with the given table in this place; `fixed` has
    /// the keys that the table needs besides the key under test.
    fn table(
        &mut self,
        path: &str,
        table: &KeyTable,
        fixed: &Document,
        put: &dyn Fn(Toml) -> Document,
    ) {
        let with = |key: &str, value: Toml| {
            let mut own = fixed.clone();
            if let Some(other) = table.key(key).and_then(|key| key.or) {
                own.remove(other);
            }
            own.insert(key.to_owned(), value);
            put(Toml::Table(own))
        };
        self.readers
            .refuse(&with("xyzzy", 1.into()), &format!("{path}.xyzzy"));
        // `ephemeral` is allowed only in patterns, so it is checked in `pr-*`, and the other keys
        // in `prod`.
        let pattern = path.ends_with("-*");
        for key in table
            .keys
            .iter()
            .filter(|key| (key.name == "ephemeral") == pattern)
        {
            self.keys += 1;
            let path = format!("{path}.{}", key.name);
            assert!(
                !key.meaning().is_empty() && key.meaning().ends_with('.'),
                "{path} is not described"
            );
            if key.required {
                let mut own = fixed.clone();
                own.remove(key.name);
                self.readers
                    .refuse(&put(Toml::Table(own)), &format!("a file without {path}"));
            }
            if let Some(other) = key.or {
                self.readers.refuse(
                    &put(Toml::Table(Document::new())),
                    &format!("neither {path} nor {other}"),
                );
                let both = [key.name, other]
                    .map(|name| (name.to_owned(), example(table.key(name).unwrap())));
                self.readers.refuse(
                    &put(Toml::Table(both.into_iter().collect())),
                    &format!("{path} and {other}"),
                );
            }
            if let Some((other, _)) = key.needs {
                let mut own = fixed.clone();
                own.remove(other);
                own.insert(key.name.to_owned(), example(key));
                self.readers
                    .refuse(&put(Toml::Table(own)), &format!("{path} without {other}"));
            }
            // No key has a number with a fraction.
            self.readers
                .refuse(&with(key.name, 7.5.into()), &format!("{path} = 7.5"));
            let value = match (fixed.get(key.name), example(key)) {
                (Some(Toml::Table(base_table)), Toml::Table(new)) => {
                    Toml::Table(base_table.clone().into_iter().chain(new).collect())
                }
                (_, new) => new,
            };
            self.readers
                .accept(&with(key.name, value), &format!("{path} = {}", key.example));
            self.default(&path, key, fixed, &|own| put(Toml::Table(own)));
            self.form(&path, &key.form, &|value| with(key.name, value));
        }
    }

    /// Checks that an absent key means the documented default, if that is a value.
    fn default(
        &mut self,
        path: &str,
        key: &TableKey,
        fixed: &Document,
        put: &dyn Fn(Document) -> Document,
    ) {
        let Some(default) = default_value(key) else {
            return;
        };
        let (mut absent, mut present) = (fixed.clone(), fixed.clone());
        absent.remove(key.name);
        present.insert(key.name.to_owned(), toml_value(default));
        assert_eq!(
            Readers::parser(&put(absent)),
            Readers::parser(&put(present)),
            "the default of {path} is not {default}"
        );
        self.defaults += 1;
    }

    /// Checks the values of one form. `put` returns the document with the given value.
    fn form(&mut self, path: &str, form: &ValueForm, put: &dyn Fn(Toml) -> Document) {
        let accept = |value: Toml| {
            self.readers
                .accept(&put(value.clone()), &format!("{path} = {value}"));
        };
        let refuse = |value: Toml| {
            self.readers
                .refuse(&put(value.clone()), &format!("{path} = {value}"));
        };
        match form {
            ValueForm::Text(_) | ValueForm::DateOrText(_) => {
                [Toml::from(true), 7.into()].into_iter().for_each(refuse);
            }
            ValueForm::Words(words) => {
                words.iter().for_each(|word| accept((*word).into()));
                refuse("xyzzy".into());
            }
            ValueForm::Flag => [true, false]
                .into_iter()
                .for_each(|flag| accept(flag.into())),
            ValueForm::Number(least, most) => {
                for number in [*least, *most] {
                    accept(number.into());
                }
                for number in [i64::from(*least) - 1, i64::from(*most) + 1] {
                    refuse(number.into());
                }
            }
            ValueForm::Table(table) => self.table(path, table, &required(table), put),
            ValueForm::Named(_, inner) => {
                let names: &[&str] = match path {
                    ".people" => &["alice"],
                    ".checks" => &["vsa"],
                    ".environments" => &["prod", "pr-*"],
                    ".components" => &["api"],
                    _ => &["zulu"],
                };
                for name in names {
                    self.named(path, name, inner, put);
                }
            }
            ValueForm::OneOrMore(inner) => {
                self.form(path, inner, put);
                self.form(&format!("{path}[]"), inner, &|value| {
                    put(Toml::Array(vec![value]))
                });
            }
            ValueForm::Either(forms) => forms
                .iter()
                .filter(|form| !matches!(form, ValueForm::Text(_)))
                .for_each(|form| {
                    self.form(path, form, put);
                }),
        }
    }

    /// Checks one name in a table of names, in addition to those of [`base`].
    fn named(&mut self, path: &str, name: &str, inner: &ValueForm, put: &dyn Fn(Toml) -> Document) {
        let base_table = base()
            .get(path.trim_start_matches('.'))
            .and_then(|it| it.as_table().cloned())
            .unwrap_or_default();
        let with = |name: &str, value: Toml| {
            let mut all = base_table.clone();
            all.insert(name.to_owned(), value);
            put(Toml::Table(all))
        };
        self.readers.refuse(
            &with("Not a name", "p2".into()),
            &format!("{path}.\"Not a name\""),
        );
        let fixed =
            |table: &KeyTable| match base_table.get(name).and_then(|it| it.as_table().cloned()) {
                Some(own) => own,
                None => required(table),
            };
        let put = |value| with(name, value);
        match inner {
            ValueForm::Table(table) => {
                self.table(&format!("{path}.{name}"), table, &fixed(table), &put);
            }
            ValueForm::Either(forms) => {
                for form in *forms {
                    if let ValueForm::Table(table) = form {
                        self.table(&format!("{path}.{name}"), table, &fixed(table), &put);
                    }
                }
            }
            other => self.form(&format!("{path}.{name}"), other, &put),
        }
    }
}

/// Returns a table of the required keys. If two keys exclude each other, it has the later one.
fn required(table: &KeyTable) -> Document {
    let position = |name| table.keys.iter().position(|it| it.name == name);
    let later = |key: &TableKey| {
        key.or
            .is_some_and(|other| position(other) < position(key.name))
    };
    table
        .keys
        .iter()
        .filter(|key| key.required || later(key))
        .map(|key| (key.name.to_owned(), example(key)))
        .collect()
}

/// Checks that the schema and the parser agree on every key.
#[test]
fn schema_and_parser_agree_on_every_key() {
    let readers = Readers::new();
    readers.accept(&base(), "the base");
    let mut walk = Walk {
        readers: &readers,
        keys: 0,
        defaults: 0,
    };
    walk.table("", &Policy::TABLE, &base(), &|document| match document {
        Toml::Table(document) => document,
        other => panic!("{other}"),
    });
    assert!(walk.keys > 60, "{} keys were checked", walk.keys);
    assert!(walk.defaults > 10, "{} defaults", walk.defaults);
}

/// Checks that both accept every policy in the documentation, and the one that `init` writes.
#[test]
fn sample_policies() {
    let readers = Readers::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = root
        .join("docs")
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let pages = docs
        .filter(|path| path.extension().is_some_and(|it| it == "md"))
        .chain([root.join("README.md")]);
    let mut samples: Vec<String> = [MINIMAL_POLICY, FULL_POLICY, EXECUTION_POLICY]
        .map(with_keys)
        .to_vec();
    for page in pages {
        let text = std::fs::read_to_string(page).unwrap();
        let blocks = text
            .split("```toml\n")
            .skip(1)
            .filter_map(|rest| rest.split("```").next());
        let whole = blocks.filter(|block| block.contains("schema  = 1"));
        samples.extend(whole.map(|block| {
            let numbered = block
                .split("RW…")
                .enumerate()
                .map(|(number, part)| match number {
                    0 => part.to_owned(),
                    number => format!("<{number}>{part}"),
                });
            with_keys(&numbered.collect::<String>())
        }));
    }
    assert!(
        samples.len() > 4,
        "the README and the reference show a policy"
    );
    let alice = crate::domain::policy::StarterPerson {
        name: "alice".parse().unwrap(),
        key: key_of(1),
        email: "alice@example.com".parse().ok(),
    };
    samples.push(Policy::starter(
        &"p".parse().unwrap(),
        &[alice],
        &["dev".parse().unwrap()],
    ));
    for sample in samples {
        readers.accept(&toml::from_str(&sample).unwrap(), &sample);
    }
}

/// Checks that the schema also rejects mistakes in the shape of the file, so that editors underline
/// them. Other mistakes are found only by the parser.
#[test]
fn mistakes() {
    let readers = Readers::new();
    let shapes = [
        "unknown key",
        "is missing",
        "expected ",
        "is not a whole number",
        "is not \"",
        "it needs the key",
    ];
    let mut seen = 0;
    for (old, new, _) in MISTAKES {
        let text = with_keys(&MINIMAL_POLICY.replacen(old, new, 1));
        let Ok(document) = toml::from_str::<Document>(&text) else {
            continue;
        };
        let error = Readers::parser(&document).unwrap_err();
        if shapes.iter().any(|shape| error.contains(shape)) {
            seen += 1;
            assert!(
                !readers.schema(&document).is_empty(),
                "the schema accepts {new}: {error}"
            );
        }
    }
    assert!(seen > 15, "{seen}");
}

/// Checks that the reference in `docs/policy.md` matches the definitions of the keys.
#[test]
fn reference_is_up_to_date() {
    const MARK: &str = "<!-- The rest is generated from src/domain/policy: UPDATE_DOCS=1 cargo test --lib reference -->\n\n";
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/policy.md");
    let text = std::fs::read_to_string(&page).unwrap();
    let (head, _) = text.split_once(MARK).unwrap();
    let wanted = format!("{head}{MARK}{}", reference::render_reference().trim_end()) + "\n";
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&page, wanted).unwrap();
        return;
    }
    assert!(
        text == wanted,
        "docs/policy.md is out of date; run: UPDATE_DOCS=1 cargo test --lib reference"
    );
}
