//! Applies a change: new objects up to a new tip, or another line of the push. Nothing is returned
//! if it changes nothing.

use git_deploy::testing::domain::entry::{Entry, Statement, StoredEntry, Unverified};
use git_deploy::testing::domain::id::Oid;
use git_deploy::testing::domain::policy::PublishedPolicy;
use git_deploy::testing::domain::state::{Scope, fold};
use git_deploy::testing::git::tree_entries;
use git_deploy::testing::ledger::{StateReader, entry_commit_bytes};
use gix::objs::Kind;
use proptest::sample::Index;
use serde_json::Value;

use super::change::{
    Bytes, Change, InField, InFolder, InLine, InMessage, InParents, Mutation, Signed, Site,
};
use super::valid_pushes::{Line, Push, PushFixture};

impl PushFixture<'_> {
    /// Returns the line of the mutated push; `None` if it says the same, or something else that is
    /// valid.
    pub fn mutated(&self, mutation: &Mutation) -> Option<Line> {
        let push = mutation.push.get(&self.pushes);
        let place = mutation.commit.index(push.commits.len());
        let line = match &mutation.change {
            Change::Line(change) => self.other_line(push, change),
            Change::Order(order) => self.line(push, self.reordered(push, order)?),
            change => {
                let commit = self.changed(push, place, change)?;
                assert_ne!(
                    commit, push.commits[place],
                    "the same objects: {mutation:?}"
                );
                self.line(push, self.relinked(commit, &push.commits[place..])?)
            }
        };
        (!self.is_valid(&line)).then_some(line)
    }

    /// Chains the commits after the first of `old` to another commit in its stead.
    fn relinked(&self, new: Oid, old: &[Oid]) -> Option<Oid> {
        old.windows(2).try_fold(new, |new, pair| {
            self.reparented(pair[1], Some(pair[0]), new)
        })
    }

    /// Makes the commit with another first parent.
    fn reparented(&self, commit: Oid, from: Option<Oid>, to: Oid) -> Option<Oid> {
        let raw = String::from_utf8(self.read(commit)).unwrap();
        let from = from.or_else(|| {
            self.repository
                .read_commit(commit)
                .unwrap()
                .parents
                .first()
                .copied()
        })?;
        let raw = raw.replacen(
            &format!("\nparent {from}\n"),
            &format!("\nparent {to}\n"),
            1,
        );
        Some(self.write(Kind::Commit, raw.as_bytes()))
    }

    fn reordered(&self, push: &Push, order: &[Index]) -> Option<Oid> {
        // Its own commits, and as many of others.
        let others = self.pushes.iter().flat_map(|push| &push.commits);
        let pool: Vec<Oid> = push.commits.iter().chain(others).copied().collect();
        let tip = order
            .iter()
            .map(|index| *index.get(&pool))
            .try_fold(push.old, |tip, commit| match tip {
                Some(tip) => self.reparented(commit, None, tip).map(Some),
                None => Some(Some(commit)),
            });
        tip?
    }

    fn other_line(&self, push: &Push, change: &InLine) -> Line {
        let line = self.line(push, *push.commits.last().unwrap());
        match change {
            InLine::Old(id) => Line {
                old: id.get(&self.ids).to_string(),
                ..line
            },
            InLine::New(id) => Line {
                new: id.get(&self.ids).to_string(),
                ..line
            },
            InLine::Name(name) => Line {
                name: (*name).to_owned(),
                ..line
            },
        }
    }

    /// Changes one commit.
    fn changed(&self, push: &Push, place: usize, change: &Change) -> Option<Oid> {
        let commit = push.commits[place];
        match change {
            Change::Bytes(Site::Commit, bytes) => {
                self.write_changed(commit, |raw| edited(raw, bytes))
            }
            Change::Bytes(site, bytes) => {
                let ways = self.ways(self.tree(commit));
                let (way, id, _) = match site {
                    Site::Any(index) => index.get(&ways),
                    // The first two of a tree in git's order; a genesis has neither.
                    Site::Entry => ways.iter().find(|(way, _, folder)| {
                        self.is_file(commit, way, *folder, "entry.json")
                    })?,
                    _ => ways.iter().find(|(way, _, folder)| {
                        self.is_file(commit, way, *folder, "entry.json.minisig")
                    })?,
                };
                let new = edited(&self.read(*id), bytes)?;
                self.retree(commit, way, &new)
            }
            Change::Folder(folder, how) => {
                let ways = self.ways(self.tree(commit));
                let folders: Vec<_> = ways.iter().filter(|(.., folder)| *folder).collect();
                let (way, id, _) = folder.get(&folders);
                let new = refolded(*id, &self.read(*id), how, &self.ids)?;
                self.retree(commit, way, &new)
            }
            Change::Parents(how) => {
                self.write_changed(commit, |raw| reparented(raw, how, &self.ids))
            }
            Change::Header(at, line) => self.write_changed(commit, |raw| headed(raw, *at, *line)),
            Change::Message(how) => self.write_changed(commit, |raw| told(raw, *how)),
            Change::Field(at, how, signed) => self.resigned(push, place, *at, how, *signed),
            Change::Order(_) | Change::Line(_) => unreachable!("they are no change of one commit"),
        }
    }

    fn is_file(&self, commit: Oid, way: &[usize], folder: bool, name: &str) -> bool {
        let [place] = way else { return false };
        let id = self.tree(commit);
        let raw = self.read(id);
        !folder
            && tree_entries::parse_entries(id, &raw)
                .nth(*place)
                .unwrap()
                .unwrap()
                .name
                == name.as_bytes()
    }

    fn write_changed(&self, commit: Oid, edit: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Option<Oid> {
        let raw = self.read(commit);
        edit(&raw)
            .filter(|new| *new != raw)
            .map(|new| self.write(Kind::Commit, &new))
    }

    /// Makes the commit with other bytes at the end of a path through its tree.
    fn retree(&self, commit: Oid, way: &[usize], bytes: &[u8]) -> Option<Oid> {
        let old = self.tree(commit);
        let new = self.replaced(old, way, bytes);
        let raw = String::from_utf8(self.read(commit)).unwrap();
        (new != old).then(|| {
            self.write(
                Kind::Commit,
                raw.replacen(&old.to_string(), &new.to_string(), 1)
                    .as_bytes(),
            )
        })
    }

    /// Makes the commit with another statement or signature, and everything that follows from it.
    fn resigned(
        &self,
        push: &Push,
        place: usize,
        at: Index,
        how: &InField,
        signed: Signed,
    ) -> Option<Oid> {
        let commit = self.repository.read_commit(push.commits[place]).unwrap();
        let bytes = self
            .repository
            .read_file_at(commit.tree, "entry.json", usize::MAX)
            .unwrap()?;
        let before = self
            .repository
            .read_file_at(commit.tree, "entry.json.minisig", usize::MAX)
            .unwrap()
            .unwrap();
        let old = Statement::parse(&bytes).unwrap();
        let statement = match how {
            InField::Nothing => old.clone(),
            how => {
                StoredEntry::parse_trusted(&self.with_other_field(&bytes, at, how)?)
                    .ok()?
                    .statement
            }
        };
        let bytes = statement.print().ok()?;
        let comment = statement.trusted_comment();
        let project = &self.project;
        let people = [
            &project.alice,
            &project.bob,
            &project.carol,
            &project.ci,
            &self.mallory,
        ];
        let author = people
            .iter()
            .find(|member| member.person == old.by.as_str())
            .unwrap();
        let signature = match signed {
            Signed::Before => before,
            // What somebody else says for himself can be right.
            Signed::By(number) if people[number].person == statement.by.as_str() => return None,
            Signed::By(number) => people[number].signer.sign(&bytes, &comment).unwrap(),
            Signed::Elsewhere => author.signer.sign(&bytes, &format!("{comment}s")).unwrap(),
            Signed::Right => {
                let place =
                    |it: &Statement| (it.project, it.previous, it.sequence, it.ledger.clone());
                if place(&statement) == place(&old) {
                    return None;
                }
                author.signer.sign(&bytes, &comment).unwrap()
            }
        };
        let entry = Entry::<Unverified>::parse(&bytes, &signature)
            .unwrap()
            .assume_verified();
        let base = self.tree(*commit.parents.first()?);
        let state = StateReader::new(&self.repository)
            .load(base, &statement.ledger, &Scope::for_statement(&statement))
            .ok()?;
        let text = self
            .repository
            .read_file_at(commit.tree, "deploy.toml", usize::MAX)
            .unwrap();
        let published = text.map(|text| PublishedPolicy::new(text.into(), &self.root.root_keys));
        let edits = fold(&state, &entry, published.as_ref());
        let tree = self
            .repository
            .write_tree_after(base, &entry, &edits)
            .ok()?;
        let raw = entry_commit_bytes(&statement, tree, &self.root.name);
        (raw != commit.raw).then(|| self.write(Kind::Commit, &raw))
    }

    /// Changes one value in the JSON of an entry, in any spelling.
    fn with_other_field(&self, bytes: &[u8], at: Index, how: &InField) -> Option<Vec<u8>> {
        let mut json: Value = serde_json::from_slice(bytes).unwrap();
        let mut leaves = Vec::new();
        leaves_of(&json["predicate"], "/predicate".to_owned(), &mut leaves);
        let (pointer, value) = at.get(&leaves).clone();
        let new = match how {
            InField::Other(index) => {
                let same = |other: &&Value| sort(other) == sort(&value) && **other != value;
                let pool = self.values();
                let pool: Vec<&Value> = pool.iter().filter(same).collect();
                (!pool.is_empty()).then(|| (*index.get(&pool)).clone())?
            }
            InField::Nudge(up) => nudged(&value, *up)?,
            InField::Nothing | InField::Remove | InField::Twice => Value::Null,
        };
        let (parent, key) = pointer.rsplit_once('/')?;
        match (json.pointer_mut(parent)?, how) {
            (Value::Object(fields), InField::Remove) => drop(fields.remove(&unescaped(key))),
            (Value::Array(items), InField::Remove) => drop(items.remove(key.parse().ok()?)),
            (Value::Array(items), InField::Twice) => items.push(value),
            (_, InField::Twice) => return None,
            _ => *json.pointer_mut(&pointer)? = new,
        }
        Some(serde_json::to_vec(&json).unwrap())
    }

    /// Returns all values in the entries of all pushes, and some more.
    fn values(&self) -> Vec<Value> {
        let mut values = Vec::new();
        for commit in self.pushes.iter().flat_map(|push| &push.commits) {
            let bytes = self
                .repository
                .read_file_at(self.tree(*commit), "entry.json", usize::MAX)
                .unwrap();
            let Some(bytes) = bytes else { continue };
            let json: Value = serde_json::from_slice(&bytes).unwrap();
            leaves_of(&json, String::new(), &mut values);
        }
        let mut values: Vec<Value> = values.into_iter().map(|(_, value)| value).collect();
        values.extend(self.ids.iter().map(|id| Value::from(id.to_string())));
        values.extend(
            [
                "mallory",
                "stage",
                "succeeded",
                "failed",
                "rollback",
                "destroy",
            ]
            .map(Value::from),
        );
        values.extend([0, 1, 2, 7, u64::MAX].map(Value::from));
        values
    }
}

/// Returns all values in a document that are neither object nor list, with the pointers to them,
/// and all lists.
fn leaves_of(value: &Value, pointer: String, to: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                leaves_of(
                    value,
                    format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1")),
                    to,
                );
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                leaves_of(value, format!("{pointer}/{index}"), to);
            }
        }
        leaf => to.push((pointer, leaf.clone())),
    }
}

fn unescaped(key: &str) -> String {
    key.replace("~1", "/").replace("~0", "~")
}

/// Values of one sort can stand for each other.
fn sort(value: &Value) -> (u8, usize) {
    match value {
        Value::String(text)
            if text.len() >= 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) =>
        {
            (1, text.len())
        }
        Value::String(text) if text.ends_with('Z') && text.len() == 20 => (2, 0),
        Value::String(_) => (3, 0),
        Value::Number(_) => (4, 0),
        Value::Bool(_) => (5, 0),
        _ => (6, 0),
    }
}

fn nudged(value: &Value, up: bool) -> Option<Value> {
    Some(match value {
        Value::Number(number) => {
            let number = number.as_u64()?;
            if up {
                number.checked_add(1)?.into()
            } else {
                number.checked_sub(1)?.into()
            }
        }
        Value::Bool(flag) => (!flag).into(),
        Value::String(text) if sort(value).0 == 3 && up => format!("{text}x").into(),
        Value::String(text) => {
            // The last digit or letter, one on: still a time, an id, a name.
            let (head, last) = text
                .strip_suffix('Z')
                .map_or((text.as_str(), ""), |head| (head, "Z"));
            let (head, digit) = head.split_at_checked(head.len().checked_sub(1)?)?;
            let digit = digit.bytes().next()?;
            let next = match (digit, up) {
                (b'9', true) => b'0',
                (b'f', true) => b'e',
                (digit, true) => digit.checked_add(1)?,
                (b'0', false) => b'9',
                (b'a', false) => b'b',
                (digit, false) => digit.checked_sub(1)?,
            };
            format!("{head}{}{last}", char::from(next)).into()
        }
        _ => return None,
    })
}

/// Edits the bytes; `None` if they stay the same.
fn edited(old: &[u8], how: &Bytes) -> Option<Vec<u8>> {
    if old.is_empty() {
        return None;
    }
    let mut new = old.to_vec();
    match how {
        Bytes::Flip(at, bit) => *at.get_mut(&mut new) ^= 1 << bit,
        Bytes::Set(at, byte) => *at.get_mut(&mut new) = *byte,
        Bytes::Insert(at, byte) => new.insert(at.index(old.len() + 1), *byte),
        Bytes::Remove(at) => drop(new.remove(at.index(old.len()))),
        Bytes::Swap(at) => {
            let at = at.index(old.len());
            new.swap(at, (at + 1) % old.len());
        }
        Bytes::Cut(at) => new.truncate(at.index(old.len())),
        Bytes::Repeat(from, to) => {
            let (from, to) = (from.index(old.len()), to.index(old.len()));
            let part = &old[from.min(to)..=from.max(to)];
            new = [&old[..=from.max(to)], part, &old[from.max(to) + 1..]].concat();
        }
    }
    (new != old).then_some(new)
}

/// Edits the folder.
fn refolded(id: Oid, raw: &[u8], how: &InFolder, ids: &[Oid]) -> Option<Vec<u8>> {
    let entries: Vec<_> = tree_entries::parse_entries(id, raw)
        .map(Result::unwrap)
        .collect();
    if entries.is_empty() {
        return None;
    }
    let put = |mode: &str, name: &[u8], id: &Oid| {
        [mode.as_bytes(), b" ", name, b"\0", id.as_bytes()].concat()
    };
    let mut parts: Vec<Vec<u8>> = entries.iter().map(|entry| entry.raw.to_vec()).collect();
    let at = |index: &Index| index.index(entries.len());
    match how {
        InFolder::Mode(index, mode) => {
            parts[at(index)] = put(mode, entries[at(index)].name, &entries[at(index)].id);
        }
        InFolder::Name(index, name) => {
            let entry = entries[at(index)];
            parts[at(index)] = put(
                std::str::from_utf8(entry.mode).unwrap(),
                name.as_bytes(),
                &entry.id,
            );
        }
        InFolder::Object(index, other) => {
            let entry = entries[at(index)];
            parts[at(index)] = put(
                std::str::from_utf8(entry.mode).unwrap(),
                entry.name,
                other.get(ids),
            );
        }
        InFolder::Drop(index) => drop(parts.remove(at(index))),
        InFolder::Twice(index) => parts.insert(at(index), parts[at(index)].clone()),
        InFolder::Swap(one, two) => parts.swap(at(one), at(two)),
        InFolder::Add(mode, name, of) => {
            let place = entries
                .iter()
                .position(|entry| entry.name > name.as_bytes())
                .unwrap_or(entries.len());
            parts.insert(place, put(mode, name.as_bytes(), &entries[at(of)].id));
        }
    }
    let new = parts.concat();
    (new != raw).then_some(new)
}

fn reparented(raw: &[u8], how: &InParents, ids: &[Oid]) -> Option<Vec<u8>> {
    let raw = std::str::from_utf8(raw).unwrap();
    let (head, message) = raw.split_once("\n\n")?;
    let lines: Vec<String> = head.lines().map(str::to_owned).collect();
    let (mut parents, rest): (Vec<String>, Vec<String>) = lines
        .into_iter()
        .skip(1)
        .partition(|line| line.starts_with("parent "));
    let parent = |id: &Index| format!("parent {}", id.get(ids));
    match how {
        InParents::Add(at, id) => parents.insert(at.index(parents.len() + 1), parent(id)),
        _ if parents.is_empty() => return None,
        InParents::Drop(at) => drop(parents.remove(at.index(parents.len()))),
        InParents::Replace(at, id) => *at.get_mut(&mut parents) = parent(id),
        InParents::Swap(one, two) => {
            let (one, two) = (one.index(parents.len()), two.index(parents.len()));
            parents.swap(one, two);
        }
    }
    let all: Vec<&str> = head
        .lines()
        .take(1)
        .chain(parents.iter().chain(&rest).map(String::as_str))
        .collect();
    Some(format!("{}\n\n{message}", all.join("\n")).into_bytes())
}

fn headed(raw: &[u8], at: Index, line: Option<&str>) -> Option<Vec<u8>> {
    let (head, message) = std::str::from_utf8(raw).unwrap().split_once("\n\n")?;
    let mut lines: Vec<&str> = head.lines().collect();
    match line {
        Some(line) => lines.insert(at.index(lines.len() + 1), line),
        None => drop(lines.remove(at.index(lines.len()))),
    }
    Some(format!("{}\n\n{message}", lines.join("\n")).into_bytes())
}

fn told(raw: &[u8], how: InMessage) -> Option<Vec<u8>> {
    let (head, message) = std::str::from_utf8(raw).unwrap().split_once("\n\n")?;
    let message = match how {
        InMessage::Before(text) => format!("{text}{message}"),
        InMessage::After(text) => format!("{message}{text}"),
        InMessage::Shorter(by) => message[..message.len().checked_sub(by)?].to_owned(),
    };
    Some(format!("{head}\n\n{message}").into_bytes())
}
