//! Measures the lower bound for an audit of a repository: verifying every signature once, on all
//! processors, and nothing else.
//!
//! `cargo bench --bench signatures -- REPOSITORY` prints the number of seconds and the number of
//! entries. The entries are read, and the signers' keys are found, before the measurement starts.

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use git_deploy::testing::domain::id::PublicKey;
use git_deploy::testing::domain::name::LedgerName;
use git_deploy::testing::git::Repository;
use git_deploy::testing::ledger::facts::FactGatherer;
use git_deploy::testing::ledger::{LedgerCommit, Project};
use git_deploy::testing::signing::{Signature, verify};
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

/// One entry: its bytes, its signature, its trusted comment, and the key of its signer.
type SignedEntry = (Box<[u8]>, Box<[u8]>, String, PublicKey);

fn main() -> Result<(), Box<dyn Error>> {
    let wanted = std::env::args()
        .skip(1)
        .find(|argument| argument != "--bench");
    let repository = Repository::discover(Path::new(&wanted.ok_or("which repository?")?))?;
    let entries = read_entries(&repository)?;
    let start = Instant::now();
    let good = entries
        .par_iter()
        .filter(|(bytes, signature, comment, key)| verify(key, bytes, signature, comment).is_ok());
    let good = good.count();
    let seconds = start.elapsed().as_secs_f64();
    if good != entries.len() {
        return Err("a signature does not hold".into());
    }
    println!("{seconds:.3} {good}");
    Ok(())
}

/// Reads all entries of all ledgers, with the signers' keys from the policy in force.
fn read_entries(repository: &Repository) -> Result<Vec<SignedEntry>, Box<dyn Error>> {
    let tips = repository.tips()?;
    let tip = *tips
        .get(&LedgerName::policy())
        .ok_or("there is no policy")?;
    let project = Project::from_policy_tip(repository, tip)?;
    let policy = FactGatherer::new(repository, &project)
        .policy_at(tip)?
        .ok_or("no policy is in force")?;
    let keys: Vec<PublicKey> = policy.people.values().map(|person| person.key).collect();
    let mut entries = Vec::new();
    for (ledger, tip) in &tips {
        for id in repository.chain_between(None, *tip)?.unwrap_or_default() {
            let LedgerCommit::Entry { entry, .. } = repository.read_ledger_commit(ledger, id)?
            else {
                continue;
            };
            let id = Signature::parse(entry.signature())?.key_id();
            let key = keys
                .iter()
                .find(|key| key.key_id() == id)
                .ok_or("a signer is not in the policy")?;
            entries.push((
                entry.bytes().into(),
                entry.signature().into(),
                entry.statement().trusted_comment(),
                *key,
            ));
        }
    }
    Ok(entries)
}
