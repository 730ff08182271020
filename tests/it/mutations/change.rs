//! What can be changed in a push: one thing at a time, with everything that depends on it adjusted
//! as far as possible.

use proptest::prelude::*;
use proptest::sample::{Index, select};

/// One change of one commit of one push.
#[derive(Debug, Clone)]
pub struct Mutation {
    pub push: Index,
    pub commit: Index,
    pub change: Change,
}

#[derive(Debug, Clone)]
pub enum Change {
    /// The bytes of one object.
    Bytes(Site, Bytes),
    /// One of the commit's folders.
    Folder(Index, InFolder),
    Parents(InParents),
    /// A line of the commit's header, taken out or put in before another.
    Header(Index, Option<&'static str>),
    /// The end or the beginning of the message.
    Message(InMessage),
    /// What the entry says; tree, parents and message follow from it, as an honest client would make them.
    Field(Index, InField, Signed),
    /// The commits of the push and of others, chained anew in this order.
    Order(Vec<Index>),
    /// What the push says of the ref.
    Line(InLine),
}

impl Change {
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Bytes(Site::Entry, _) => "bytes of the entry",
            Self::Bytes(Site::Signature, _) => "bytes of the signature",
            Self::Bytes(Site::Commit, _) => "bytes of the commit",
            Self::Bytes(Site::Any(_), _) => "bytes of the tree",
            Self::Folder(..) => "a folder",
            Self::Parents(_) => "the parents",
            Self::Header(..) => "the header",
            Self::Message(_) => "the message",
            Self::Field(_, _, Signed::Before) => "a field",
            Self::Field(..) => "the signer",
            Self::Order(_) => "the order",
            Self::Line(_) => "the ref",
        }
    }
}

#[derive(Debug, Clone)]
pub enum Site {
    Entry,
    Signature,
    Commit,
    /// Any file or folder of the commit's tree.
    Any(Index),
}

#[derive(Debug, Clone)]
pub enum Bytes {
    Flip(Index, u8),
    Set(Index, u8),
    Insert(Index, u8),
    Remove(Index),
    /// A byte and the one after it.
    Swap(Index),
    Cut(Index),
    /// From here to there once more.
    Repeat(Index, Index),
}

#[derive(Debug, Clone)]
pub enum InFolder {
    Mode(Index, &'static str),
    Name(Index, &'static str),
    /// Another object under the name.
    Object(Index, Index),
    Drop(Index),
    Twice(Index),
    Swap(Index, Index),
    /// A new entry with the object of another, in its place by name.
    Add(&'static str, &'static str, Index),
}

#[derive(Debug, Clone)]
pub enum InParents {
    Drop(Index),
    Add(Index, Index),
    Replace(Index, Index),
    Swap(Index, Index),
}

#[derive(Debug, Clone, Copy)]
pub enum InMessage {
    Before(&'static str),
    After(&'static str),
    /// The last bytes off.
    Shorter(usize),
}

#[derive(Debug, Clone)]
pub enum InField {
    /// As it is: only the signature is another.
    Nothing,
    /// Another value of the same sort, from anywhere in any push.
    Other(Index),
    /// A little more or less.
    Nudge(bool),
    /// Out of the object or list that it stands in.
    Remove,
    /// Once more in the list that it stands in.
    Twice,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signed {
    /// The signature that was there.
    Before,
    /// By somebody else: a person of the policy, or a stranger.
    By(usize),
    /// By the right key, for another place.
    Elsewhere,
    /// By the right key, where what it signs belongs elsewhere.
    Right,
}

#[derive(Debug, Clone)]
pub enum InLine {
    Old(Index),
    New(Index),
    Name(&'static str),
}

const NAMES: &[&str] = &[
    "entry.json",
    "lock.json",
    "x",
    "ENTRY.JSON",
    ".git",
    "..",
    "a b",
    "components",
    "é",
];
const MODES: &[&str] = &[
    "100644", "100755", "100664", "120000", "160000", "40000", "040000", "0100644", "100600",
];
const HEADERS: &[&str] = &[
    "encoding UTF-8",
    "encoding ISO-8859-1",
    "gpgsig -----BEGIN SSH SIGNATURE-----",
    "x-note nothing",
    "author mallory <m@x> 1 +0000",
    " folded",
    "",
];
const TRAILERS: &[&str] = &[
    "\n",
    "\n\n",
    " ",
    "Deploy-Action: lock\n",
    "\0",
    "x",
    "\r\n",
    "\n\nDeploy-By: mallory\n",
];
const REFS: &[&str] = &[
    "refs/deploy/dev",
    "refs/deploy/prod",
    "refs/deploy/policy",
    "refs/deploy/evidence",
    "refs/deploy/stage",
    "refs/deploy/Prod",
    "refs/Deploy/prod",
    "refs/deploy/prod/",
    "refs/deploy/prod/x",
    "refs/deploy/prod.lock",
    "refs/deploy/-prod",
    "refs/deploy//prod",
    "refs/deploy/../deploy/prod",
    "refs/deploy",
    "refs/deploy-incoming/prod",
    "refs/notes/deploy",
    "refs/heads/deploy/prod",
];

fn index() -> impl Strategy<Value = Index> {
    any::<Index>()
}

fn bytes() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        (index(), 0..8u8).prop_map(|(at, bit)| Bytes::Flip(at, bit)),
        (index(), any::<u8>()).prop_map(|(at, byte)| Bytes::Set(at, byte)),
        (index(), select(&b" \n\r\t\0\"0=,}A"[..])).prop_map(|(at, byte)| Bytes::Insert(at, byte)),
        index().prop_map(Bytes::Remove),
        index().prop_map(Bytes::Swap),
        index().prop_map(Bytes::Cut),
        (index(), index()).prop_map(|(from, to)| Bytes::Repeat(from, to)),
    ]
}

fn in_folder() -> impl Strategy<Value = InFolder> {
    prop_oneof![
        (index(), select(MODES)).prop_map(|(at, mode)| InFolder::Mode(at, mode)),
        (index(), select(NAMES)).prop_map(|(at, name)| InFolder::Name(at, name)),
        (index(), index()).prop_map(|(at, other)| InFolder::Object(at, other)),
        index().prop_map(InFolder::Drop),
        index().prop_map(InFolder::Twice),
        (index(), index()).prop_map(|(one, two)| InFolder::Swap(one, two)),
        (select(MODES), select(NAMES), index())
            .prop_map(|(mode, name, of)| InFolder::Add(mode, name, of)),
    ]
}

fn in_field() -> impl Strategy<Value = InField> {
    prop_oneof![
        4 => index().prop_map(InField::Other),
        2 => any::<bool>().prop_map(InField::Nudge),
        1 => Just(InField::Remove),
        1 => Just(InField::Twice),
    ]
}

/// Changes a value in the entry or in who signed it.
fn field() -> impl Strategy<Value = Change> {
    let by = || (0..5usize).prop_map(Signed::By);
    prop_oneof![
        4 => (index(), in_field()).prop_map(|(at, how)| Change::Field(at, how, Signed::Before)),
        1 => (index(), by()).prop_map(|(at, by)| Change::Field(at, InField::Nothing, by)),
        1 => (index(), in_field(), by()).prop_map(|(at, how, by)| Change::Field(at, how, by)),
        1 => index().prop_map(|at| Change::Field(at, InField::Nothing, Signed::Elsewhere)),
        1 => (index(), in_field()).prop_map(|(at, how)| Change::Field(at, how, Signed::Right)),
    ]
}

pub fn mutation() -> impl Strategy<Value = Mutation> {
    let site = prop_oneof![
        2 => Just(Site::Entry),
        2 => Just(Site::Signature),
        3 => Just(Site::Commit),
        2 => index().prop_map(Site::Any),
    ];
    let header = (index(), proptest::option::of(select(HEADERS)));
    let message = prop_oneof![
        select(TRAILERS).prop_map(InMessage::Before),
        select(TRAILERS).prop_map(InMessage::After),
        (1..4usize).prop_map(InMessage::Shorter),
    ];
    let parents = prop_oneof![
        index().prop_map(InParents::Drop),
        (index(), index()).prop_map(|(at, id)| InParents::Add(at, id)),
        (index(), index()).prop_map(|(at, id)| InParents::Replace(at, id)),
        (index(), index()).prop_map(|(one, two)| InParents::Swap(one, two)),
    ];
    let line = prop_oneof![
        index().prop_map(InLine::Old),
        index().prop_map(InLine::New),
        select(REFS).prop_map(InLine::Name),
    ];
    let change = prop_oneof![
        4 => (site, bytes()).prop_map(|(site, bytes)| Change::Bytes(site, bytes)),
        2 => (index(), in_folder()).prop_map(|(folder, how)| Change::Folder(folder, how)),
        1 => parents.prop_map(Change::Parents),
        1 => header.prop_map(|(at, line)| Change::Header(at, line)),
        1 => message.prop_map(Change::Message),
        3 => field(),
        1 => proptest::collection::vec(index(), 1..4).prop_map(Change::Order),
        1 => line.prop_map(Change::Line),
    ];
    (index(), index(), change).prop_map(|(push, commit, change)| Mutation {
        push,
        commit,
        change,
    })
}
