//! Attacks that must fail, mounted with plain git and forged objects against a real bare repository; after each the server is, file by
//! file, what it was, and at the end of each world the next honest push works. This table says where each of them is.
//!
//! | group | attack | here | elsewhere |
//! |---|---|---|---|
//! | 1 | rewind, delete, recreate a ledger | `g01_rewind::raw_lines`, `one_place` | `ledgers::only_forward`, `a_lost_race` |
//! | | raw lines with zero or made-up old ids | `g01_rewind::raw_lines`, `bound_refs` | `server::never_deleted`, `forgeries::made_up_old_ids` |
//! | 2 | the code first, the ledger second; ledgers merged | `g02_graft::other_parents` | `entries::not_the_fold`, `ledgers::only_forward` |
//! | | a forged history under the tip | `g02_graft::another_past`, `pretended_parents` | `forgeries::parents_that_git_does_not_see` |
//! | 3 | a blob, tree or tag as a ledger | `g03_strangers::no_ledgers` | `entries::other_ledgers`, `server::not_a_ledger` |
//! | | unknown environments, other case, shadowing refs | `g03_strangers::other_names` | `server::forbidden_refs`, `entries::other_ledgers` |
//! | | symbolic refs on the way | `g03_strangers::aliases` | `entries::other_ledgers` |
//! | 4 | files edited, dropped, added; no fold | `g04_trees::spelled_otherwise`, `other_ledgers` | `entries::not_the_fold` |
//! | | another message | `g04_trees::other_messages` | `entries::not_the_fold` |
//! | 5 | replayed entries | `g05_replay::moved_elsewhere`, `g01_rewind::one_place` | `entries::replays`, `entries::lies` |
//! | | other environments, components, projects | `g05_replay::moved_elsewhere`, `another_project` | `entries::lies` |
//! | | approvals used, revoked, expired | `g05_replay::consent_to_something_else` | `entries::replays` |
//! | | approvals of other content, another plan | `g05_replay::consent_to_something_else`, `g08_content::approved_commits` | |
//! | 6 | unknown, removed, retired keys, copied key ids | `g06_signers::keys` | `entries::policies`, `ledgers::foreign_roots` |
//! | | machines, one person or key twice | `g06_signers::seats` | `rules::the_way_to_prod` |
//! | | the author of the change, `.mailmap` | `g06_signers::authors` | `rules::break_glass_and_hotfix` |
//! | | mutations of the signature file | `g06_signers::signatures` | the unit tests of `signing` |
//! | 7 | a policy and its profit in one push | `g07_policies::at_once` | `entries::policies`, `ledgers::no_profit_in_the_same_push` |
//! | | older policies, and entries that name them | `g07_policies::older` | `entries::policies` |
//! | | a policy inside the commit | `g07_policies::at_once` | |
//! | | other root keys | `g07_policies::other_roots` | `ledgers::foreign_roots` |
//! | | publications without a right | `g07_policies::publications` | `ledgers::recovery` |
//! | 8 | a descendant or merge of an approved commit | `g08_content::approved_commits`, `branches` | `rules::deployed_before_it_is_merged` |
//! | | an orphan of an equal tree | `g08_content::branches`, `approved_commits` | `forgeries::parents_that_git_does_not_see` |
//! | | what no component owns; paths that match nothing | `g08_content::branches`, `paths`, `entries` | |
//! | 9 | roll back to what never ran, break glass, hotfix | `g09_stolen_key::other_kinds` | `rules::a_branch_of_an_environment`, `break_glass_and_hotfix` |
//! | | unlock its own hold; every other action | `g09_stolen_key::other_actions` | `rules` |
//! | | record instead of starting; end as something else | `g09_stolen_key::other_kinds`, `other_ends` | `entries::states` |
//! | 10 | backdated and postdated entries and commits | `g10_bounds::dates` | `entries::lies` |
//! | | every bound | `g10_bounds::sizes` | the unit tests beside each bound |
//! | | malformed and deep JSON, keys twice, NUL, escapes, bidi, invalid UTF-8 | `g10_text::spellings`, `shown` | the unit tests of `entry` |
//! | | a tree bomb; 100,000 refs in one push | `g10_bounds::tree_bombs`, `many_refs` | |
//! | 11 | every race, in the order that is worst | `g11_races` | `races`, `ledgers::races` |
//! | 12 | names on the command line | `g12_names::on_the_command_line` | `bad_input` |
//! | | names in entries, policies, refs | `g12_names::in_entries`, `in_policies`, `g03_strangers::other_names` | the unit tests of `name`, `policy` |
//! | 13 | `update-ref` on the server | `g13_cheating_server::past_the_hooks` | `forgeries::all_at_once`, `under_a_forged_policy` |
//! | | a restored backup, a rewound server | `g13_cheating_server::restored`, `rewound` | `write::sync_notices` |
//! | | two histories, a grafted policy | `g13_cheating_server::two_histories`, `grafted` | `git::sync` |
//! | | altered notes, missing objects | `g13_cheating_server::altered_notes` | `forgeries::lost_objects` |
//!
//! Somebody who had nothing but the page of rules and the binary made 59 tries. Most are among the above; these are in no group, or go further:
//!
//! | tried | here |
//! |---|---|
//! | tags and branches called like the short id that a remedy prints, or like a remote's branch | `outsider::words::named_like_ids` |
//! | words for the terminal: in arguments, messages, encodings, file names, JSON | `outsider::words::for_the_terminal` |
//! | consent to one's own work where nothing runs yet, or what ran was destroyed | `outsider::consent::own_first_deployments` |
//! | an author behind a ladder of merges, dates up and down | `outsider::consent::behind_a_ladder` |
//! | one ref twice in a push, updates of nothing, wrong old ids | `outsider::wire::commands_twice` |
//! | `shallow` lines that cut a history off | `outsider::wire::shallow_lines` |
//! | an atomic push of a ledger and of a ref that fails | `outsider::wire::atomic_with_others` |
//! | clients that neither read nor send on | `outsider::wire::clients_that_stop` |
//! | letters that fold to a bound name, namespaces, thousands of bound tags | `outsider::wire::nearly_bound` |
//! | further forms of signatures, times, numbers and texts | `outsider::shapes::signatures`, `spellings` |
//! | names of a pattern's environments | `outsider::shapes::environments_of_patterns` |
//! | a clock ahead, to lock others out | `outsider::shapes::ahead_of_the_clock` |
//! | malformed commits among the honest ones | `outsider::shapes::odd_ancestors` |
//! | an approval that is over, used by an entry dated before its end | `g05_replay::consent_to_something_else` |
//! | a commit that is gone after `git gc` | `repositories::cut_off::commits_that_are_gone` |
//! | reftable, partial, shallow and namespaced repositories | `repositories::refused` |
//! | more commits than are looked through for their authors | the unit tests of `git::gather`, with lower limits |

mod entries;
mod g01_rewind;
mod g02_graft;
mod g03_strangers;
mod g04_trees;
mod g05_replay;
mod g06_signers;
mod g07_policies;
mod g08_content;
mod g09_stolen_key;
mod g10_bounds;
mod g10_text;
mod g11_races;
mod g12_names;
mod g13_cheating_server;
mod outsider;
