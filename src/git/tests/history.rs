//! Tests of ancestry and commit walks: the answers equal git's.

use std::fmt::Write as _;

use super::{SeededRandom, TestRepository, git_in};
use crate::domain::id::Oid;
use crate::git::{Error, Repository};

/// Returns the commits in the history of `new` and not in that of `old`, by date.
fn ahead_by_date(repository: &Repository, new: Oid, old: Oid) -> Vec<Oid> {
    let ahead = repository.commits_ahead_by_date(new, &[old], &mut 1_000);
    ahead.unwrap().commits
}

/// Every pair of commits in a random history with wrong dates gives git's answer: without a
/// commit-graph, with one, and with one that is out of date.
#[test]
fn ancestry_equals_git() {
    for (seed, graphs) in [(1, [false, false]), (2, [true, false]), (3, [true, true])] {
        let scratch = TestRepository::bare();
        let (mut numbers, mut commits) = (SeededRandom(seed), Vec::new());
        let mut tips = String::new();
        for number in 0..24 {
            let mut parents: Vec<_> = (0..numbers.below(3))
                .filter(|_| !commits.is_empty())
                .map(|_| *numbers.pick(&commits))
                .collect();
            parents.sort_unstable();
            parents.dedup();
            let date = i64::try_from(numbers.below(40)).unwrap();
            let commit = scratch.commit(&parents, &number.to_string(), date);
            commits.push(commit);
            writeln!(tips, "create refs/heads/{number} {commit}").unwrap();
            if number == 11 || number == 23 {
                let mut command = super::plain_git(&scratch.path);
                command.args(["update-ref", "--stdin"]);
                super::run(command, std::mem::take(&mut tips).as_bytes());
                if graphs[usize::from(number == 23)] {
                    scratch.git(&["commit-graph", "write", "--reachable"]);
                }
            }
        }
        let repository = scratch.open();
        assert_eq!(repository.commit_graph().is_some(), graphs[0]);
        scratch.git(&["config", "core.commitGraph", "false"]);
        let without_graph = scratch.open();
        assert!(without_graph.commit_graph().is_none());
        for descendant in &commits {
            let all = scratch.git(&["rev-list", &descendant.to_string()]);
            for ancestor in &commits {
                let expected = all.contains(&ancestor.to_string());
                assert_eq!(
                    repository.is_ancestor(*ancestor, *descendant).unwrap(),
                    expected,
                    "{seed}"
                );
            }
            let other = *numbers.pick(&commits);
            let between = repository
                .commits_between(*descendant, &[other], 100)
                .unwrap();
            let hidden = scratch.git(&["rev-list", &other.to_string()]);
            let missing = repository
                .commits_missing_from(*descendant, &[other], 100)
                .unwrap();
            let ahead = ahead_by_date(&repository, *descendant, other);
            assert_eq!(ahead_by_date(&without_graph, *descendant, other), ahead);
            for line in all.lines().filter(|line| !hidden.contains(*line)) {
                assert!(between.contains(&line.parse().unwrap()), "none is left out");
                assert!(ahead.contains(&line.parse().unwrap()), "none is left out");
                assert!(missing.contains(&line.parse().unwrap()), "none is left out");
            }
            assert!(between.iter().all(|id| all.contains(&id.to_string())));

            let window = repository.load_branch_window(*descendant, 5).unwrap();
            let newest: Vec<String> = (0..window.count())
                .map(|index| window.commit(index).unwrap().to_string())
                .collect();
            assert_eq!(newest.len(), all.lines().count().min(5));
            let missing_in_window = window.find_missing(other).unwrap();
            let found: Vec<&String> = missing_in_window
                .indexes
                .iter()
                .map(|index| &newest[*index])
                .collect();
            let expected: Vec<&String> = newest.iter().filter(|id| !hidden.contains(*id)).collect();
            assert!(
                expected.iter().all(|id| found.contains(id)),
                "none is left out"
            );
            if graphs == [true, true] {
                assert_eq!(found, expected);
            }
            let has_older = all
                .lines()
                .any(|line| !hidden.contains(line) && !newest.iter().any(|id| id == line));
            assert!(
                missing_in_window.may_miss_older || !has_older,
                "older missing commits are reported"
            );
        }
    }
}

/// With right dates, the commits between two others are exactly those that git lists. More than the
/// limit is an error.
#[test]
fn between_equals_git() {
    let scratch = TestRepository::bare();
    let base = scratch.commit(&[], "base", 1);
    let left = scratch.commit(&[base], "left", 2);
    let right = scratch.commit(&[base], "right", 3);
    let merge = scratch.commit(&[left, right], "merge", 4);
    let repository = scratch.open();
    let mut between = repository.commits_between(merge, &[left], 10).unwrap();
    between.sort_unstable();
    let mut expected = [right, merge];
    expected.sort_unstable();
    assert_eq!(between, expected);
    assert_eq!(repository.commits_between(left, &[merge], 10).unwrap(), []);
    assert_eq!(
        repository
            .commits_between(merge, &[left, right], 10)
            .unwrap(),
        [merge]
    );
    assert!(matches!(
        repository.commits_between(merge, &[], 3),
        Err(Error::LimitExceeded { .. })
    ));
    let mut missing = repository
        .commits_missing_from(merge, &[left, right], 3)
        .unwrap();
    missing.sort_unstable();
    let mut expected = [left, right, merge];
    expected.sort_unstable();
    assert_eq!(missing, expected);
    assert!(matches!(
        repository.commits_missing_from(merge, &[left, right], 2),
        Err(Error::LimitExceeded { .. })
    ));
    let window = repository.load_branch_window(merge, 2).unwrap();
    let missing_in_window = [base, left, right, merge].map(|id| {
        window
            .find_missing(id)
            .map(|it| (it.indexes.len(), it.may_miss_older))
            .unwrap()
    });
    assert_eq!(
        missing_in_window,
        [(2, true), (2, false), (1, true), (0, false)]
    );
    assert!(
        repository
            .load_branch_window(left, 2)
            .unwrap()
            .find_missing(merge)
            .unwrap()
            .indexes
            .is_empty()
    );
    let chain: Vec<_> = repository
        .first_parent_walk(merge)
        .map(|commit| commit.unwrap().id)
        .collect();
    assert_eq!(chain, [merge, left, base]);
}

/// "No" needs all of the history: a missing commit or a shallow boundary in the way is an error.
#[test]
fn missing_history_is_an_error() {
    let scratch = TestRepository::bare();
    let mut chain = vec![scratch.commit(&[], "0", 1)];
    for number in 1..6 {
        chain.push(scratch.commit(
            &[chain[number - 1]],
            &number.to_string(),
            i64::try_from(number).unwrap(),
        ));
    }
    let unrelated = scratch.commit(&[], "unrelated", 9);
    scratch.git(&["update-ref", "refs/heads/main", &chain[5].to_string()]);
    scratch.git(&["update-ref", "refs/heads/unrelated", &unrelated.to_string()]);

    let clone = scratch.sibling_path("shallow");
    let source = format!("file://{}", scratch.path.display());
    scratch.git(&[
        "clone",
        "--quiet",
        "--no-single-branch",
        "--depth=3",
        &source,
        clone.to_str().unwrap(),
    ]);
    let shallow = Repository::open(&clone.join(".git")).unwrap();
    assert!(shallow.is_shallow().unwrap());
    assert!(shallow.is_ancestor(chain[3], chain[5]).unwrap());
    assert!(
        !shallow.is_ancestor(chain[5], unrelated).unwrap(),
        "the clone has all of that history"
    );
    assert!(matches!(
        shallow.is_ancestor(unrelated, chain[5]),
        Err(Error::Shallow)
    ));
    assert!(
        shallow
            .is_ancestor(chain[0], chain[5])
            .is_err_and(|error| error.is_missing())
    );
    assert!(matches!(
        shallow.commits_between(chain[5], &[unrelated], 10),
        Err(Error::Shallow)
    ));
    assert_eq!(
        shallow.commits_between(chain[5], &[chain[4]], 10).unwrap(),
        [chain[5]]
    );
    assert!(matches!(
        shallow.commits_missing_from(chain[5], &[unrelated], 10),
        Err(Error::Shallow)
    ));
    assert_eq!(
        shallow
            .commits_missing_from(chain[5], &[chain[4]], 10)
            .unwrap(),
        [chain[5]]
    );
    let window = shallow.load_branch_window(chain[5], 10).unwrap();
    let count_missing = |id| window.find_missing(id).map(|it| it.indexes.len()).ok();
    assert_eq!(
        [chain[4], unrelated, chain[0]].map(count_missing),
        [Some(1), None, None]
    );
    git_in(&clone, &["fetch", "--quiet", "--unshallow"]);
    assert!(
        !Repository::open(&clone.join(".git"))
            .unwrap()
            .is_ancestor(unrelated, chain[5])
            .unwrap()
    );

    let hex = chain[2].to_string();
    std::fs::remove_file(scratch.path.join("objects").join(&hex[..2]).join(&hex[2..])).unwrap();
    let broken = scratch.open();
    assert!(broken.is_ancestor(chain[3], chain[5]).unwrap());
    for ancestor in [unrelated, chain[0], chain[2]] {
        assert!(
            broken.is_ancestor(ancestor, chain[5]).is_err(),
            "{ancestor}"
        );
    }
    assert!(broken.commits_between(chain[5], &[unrelated], 10).is_err());
    assert!(
        broken
            .commits_missing_from(chain[5], &[unrelated], 10)
            .is_err()
    );
    let window = broken.load_branch_window(chain[5], 10).unwrap();
    let count_missing = |id| window.find_missing(id).map(|it| it.indexes.len()).ok();
    assert_eq!(
        [chain[4], unrelated, chain[2]].map(count_missing),
        [Some(1), None, None]
    );
    let walk: Vec<_> = broken.first_parent_walk(chain[5]).collect();
    assert!(matches!(
        walk.as_slice(),
        [Ok(_), Ok(_), Ok(_), Err(Error::Missing(_))]
    ));
}
