//! Attacks that must fail, mounted with plain git and forged objects against a real bare repository; after each the server is, file by
//! file, what it was, and at the end of each world the next honest push works. This table says where each of them is.
//!
//! | group | attack | here | elsewhere |
//! |---|---|---|---|
//! | 1 | rewind, delete, recreate a ledger | `g01_rewind::ledgers_only_move_forward`, `one_place_takes_one_entry` | `ledgers::ledgers_only_grow`, `a_lost_race_is_reported` |
//! | | raw lines with zero or made-up old ids | `g01_rewind::ledgers_only_move_forward`, `bound_refs_neither_vanish_nor_rewind` | `server::ledgers_are_never_deleted`, `forgeries::false_old_ids_are_refused` |
//! | 2 | the code first, the ledger second; ledgers merged | `g02_graft::other_parents_are_refused` | `forged_entries::commits_must_follow_from_the_entry`, `ledgers::ledgers_only_grow` |
//! | | a forged history under the tip | `g02_graft::another_history_is_refused`, `replaced_and_shallow_parents_are_ignored` | `forgeries::parents_behind_other_headers_do_not_count` |
//! | 3 | a blob, tree or tag as a ledger | `g03_foreign_refs::objects_that_are_no_entries_are_refused` | `forged_entries::ledgers_stay_chains_of_the_policy`, `server::only_chains_of_entries_are_ledgers` |
//! | | unknown environments, other case, shadowing refs | `g03_foreign_refs::similar_names_are_refused` | `server::forbidden_refs_are_refused`, `forged_entries::ledgers_stay_chains_of_the_policy` |
//! | | symbolic refs on the way | `g03_foreign_refs::symbolic_refs_are_judged_by_their_target` | `forged_entries::ledgers_stay_chains_of_the_policy` |
//! | 4 | files edited, dropped, added; no fold | `g04_trees::trees_have_one_spelling`, `ledgers_without_code_take_no_other_files` | `forged_entries::commits_must_follow_from_the_entry` |
//! | | another message | `g04_trees::messages_must_follow_from_the_entry` | `forged_entries::commits_must_follow_from_the_entry` |
//! | 5 | replayed entries | `g05_replay::entries_belong_to_one_place`, `g01_rewind::one_place_takes_one_entry` | `forged_entries::old_entries_cannot_be_replayed`, `forged_entries::false_claims_are_refused` |
//! | | other environments, components, projects | `g05_replay::entries_belong_to_one_place`, `projects_do_not_share_entries` | `forged_entries::false_claims_are_refused` |
//! | | approvals used, revoked, expired | `g05_replay::approvals_cover_one_thing_once` | `forged_entries::old_entries_cannot_be_replayed` |
//! | | approvals of other content, another plan | `g05_replay::approvals_cover_one_thing_once`, `g08_content::approvals_cover_only_their_commit` | |
//! | 6 | unknown, removed, retired keys, copied key ids | `g06_signers::unknown_and_removed_keys_are_refused` | `forged_entries::removed_keys_and_future_policies_count_nothing`, `ledgers::only_the_named_admin_begins_a_project` |
//! | | machines, one person or key twice | `g06_signers::approvals_need_different_uninvolved_people` | `rules::every_rule_on_the_way_to_prod` |
//! | | the author of the change, `.mailmap` | `g06_signers::authors_cannot_approve_their_change` | `rules::break_glass_and_hotfixes` |
//! | | mutations of the signature file | `g06_signers::changed_signature_files_are_refused` | the unit tests of `signing` |
//! | 7 | a policy and its profit in one push | `g07_policies::a_push_is_judged_by_the_policy_in_force` | `forged_entries::removed_keys_and_future_policies_count_nothing`, `ledgers::a_push_does_not_rely_on_itself` |
//! | | older policies, and entries that name them | `g07_policies::older_policies_return_only_by_publication` | `forged_entries::removed_keys_and_future_policies_count_nothing` |
//! | | a policy inside the commit | `g07_policies::a_push_is_judged_by_the_policy_in_force` | |
//! | | other root keys | `g07_policies::other_beginnings_are_refused` | `ledgers::only_the_named_admin_begins_a_project` |
//! | | publications without a right | `g07_policies::publications_need_admins` | `ledgers::recovery_accepts_one_publication` |
//! | | policies that nobody may publish | `g07_policies::invalid_policies_are_refused` | the unit tests of `policy` |
//! | 8 | a descendant or merge of an approved commit | `g08_content::approvals_cover_only_their_commit`, `branches_move_only_to_running_content` | `rules::only_running_commits_are_merged` |
//! | | an orphan of an equal tree | `g08_content::branches_move_only_to_running_content`, `approvals_cover_only_their_commit` | `forgeries::parents_behind_other_headers_do_not_count` |
//! | | what no component owns; paths that match nothing | `g08_content::branches_move_only_to_running_content`, `every_path_belongs_to_somebody`, `content_in_entries_is_recomputed` | |
//! | 9 | roll back to what never ran, break glass, hotfix | `g09_stolen_key::every_kind_of_deployment_has_its_rules` | `rules::rules_of_bound_branches`, `break_glass_and_hotfixes` |
//! | | unlock its own hold; every other action | `g09_stolen_key::a_deployers_key_can_only_deploy` | `rules` |
//! | | record instead of starting; end as something else | `g09_stolen_key::every_kind_of_deployment_has_its_rules`, `a_run_ends_as_it_began` | `forged_entries::impossible_transitions_are_refused` |
//! | 10 | backdated and postdated entries and commits | `g10_limits::dates_evade_no_rule` | `forged_entries::false_claims_are_refused` |
//! | | every bound | `g10_limits::oversized_entries_are_refused_quickly` | the unit tests beside each bound |
//! | | malformed and deep JSON, keys twice, NUL, escapes, bidi, invalid UTF-8 | `g10_text::entries_have_one_spelling`, `texts_are_shown_harmlessly` | the unit tests of `entry` |
//! | | a tree bomb; 100,000 refs in one push | `g10_limits::tree_bombs_are_refused`, `pushes_of_many_refs_are_bounded` | |
//! | 11 | every race, in the order that is worst | `g11_races` | `races`, `ledgers::concurrent_pushes_lose_nothing` |
//! | 12 | names on the command line | `g12_names::names_on_the_command_line_are_harmless` | `bad_input` |
//! | | names in entries, policies, refs | `g12_names::names_in_entries_are_checked`, `names_in_policies_are_checked`, `g03_foreign_refs::similar_names_are_refused` | the unit tests of `name`, `policy` |
//! | 13 | `update-ref` on the server | `g13_cheating_server::refs_moved_past_the_hooks_are_detected` | `forgeries::every_forgery_is_found_once`, `forged_policies_admit_nothing` |
//! | | a restored backup, a rewound server | `g13_cheating_server::a_restored_backup_is_detected`, `rewound_ledgers_are_detected` | `write_commands::a_forgetful_server_is_reported` |
//! | | two histories, a grafted policy | `g13_cheating_server::two_histories_are_detected`, `another_beginning_is_detected` | the unit tests of `ledger::sync` |
//! | | altered notes, missing objects | `g13_cheating_server::altered_notes_are_detected` | `forgeries::lost_objects_accuse_nobody` |
//! | 14 | other scripts beside the running content: deploy, roll back to, verify them | `g14_equal_content::commits_with_the_running_content_stay_out` | `merge_buttons` |
//! | | folders and files that a malformed tree hides | `g14_equal_content::malformed_trees_hide_nothing` | the unit tests of `git::tree` and `git::content` |
//! | 15 | yanked content as another commit, by a rollback, redeployed | `g15_yanked_content::yanked_content_returns_under_no_name` | `rules::yanked_commits_are_refused` |
//! | | a yank of content that the commit did not bring | `g15_yanked_content::a_yank_covers_what_the_commit_brought` | the unit tests of `rules::content` |
//! | 16 | held, yanked or older content of a renamed component; a removal that claims to be a rename | `g16_renamed::renamed_components_keep_what_counts_against_them` | `undeclared` |
//!
//! Somebody who had nothing but the page of rules and the binary made 59 tries. Most are among the above; these are in no group, or go further:
//!
//! | tried | here |
//! |---|---|
//! | tags and branches called like the short id that a remedy prints, or like a remote's branch | `outsider::misleading_text::refs_named_like_ids_mislead_nobody` |
//! | words for the terminal: in arguments, messages, encodings, file names, JSON | `outsider::misleading_text::text_cannot_control_the_terminal` |
//! | consent to one's own work where nothing runs yet, or what ran was destroyed | `outsider::consent::authors_cannot_approve_first_deployments` |
//! | an author behind a ladder of merges, dates up and down | `outsider::consent::authors_are_found_behind_many_merges` |
//! | one ref twice in a push, updates of nothing, wrong old ids | `outsider::raw_pushes::repeated_and_false_updates_are_refused` |
//! | `shallow` lines that cut a history off | `outsider::raw_pushes::shallow_lines_hide_no_history` |
//! | an atomic push of a ledger and of a ref that fails | `outsider::raw_pushes::atomic_pushes_with_other_refs` |
//! | clients that neither read nor send on | `outsider::raw_pushes::stalled_clients_block_nobody` |
//! | letters that fold to a bound name, namespaces, thousands of bound tags | `outsider::raw_pushes::similar_names_of_bound_refs_are_refused` |
//! | further forms of signatures, times, numbers and texts | `outsider::unusual_forms::signatures_have_one_form`, `values_have_one_spelling` |
//! | names of a pattern's environments | `outsider::unusual_forms::pattern_environments_keep_their_limits` |
//! | a clock ahead, to lock others out | `outsider::unusual_forms::a_fast_clock_locks_nobody_out` |
//! | malformed commits among the honest ones | `outsider::unusual_forms::malformed_ancestors_hide_nobody` |
//! | an approval that is over, used by an entry dated before its end | `g05_replay::approvals_cover_one_thing_once` |
//! | a commit that is gone after `git gc` | `repositories::cut_off::commits_may_vanish` |
//! | reftable, partial, shallow and namespaced repositories | `repositories::refused` |
//! | more commits than are looked through for their authors | the unit tests of `ledger::facts`, with lower limits |
//!
//! Attacks by a person who had the architecture, the format and the sources; each test lists its attacks by name:
//!
//! | protected | here |
//! |---|---|
//! | `server adopt` and `--recover` against those who are no owners | `with_sources::adopted_servers` |
//! | clients against variables, included settings, unfit keys, time zones, look-alike names | `with_sources::client_surroundings` |
//! | files and folders of a user against links, pipes and devices that others put there | `with_sources::client_surroundings`, `with_sources::folders` |
//! | clients against a server that answers, prints or holds too much or what is no git's, such as a login page | `with_sources::hostile_servers` |
//! | hooks against packets, variables, push options and earlier hooks | `with_sources::hook_input` |
//! | hand-off programs against refused entries and misleading texts, pushes against unfit programs | `with_sources::handed_on` |
//! | unfinished runs against those who are not their owner, and against owners that slept | `with_sources::takeovers` |
//! | ledgers and branches against replays, force, ids of the other format, huge objects | `with_sources::pushed_updates` |

mod forged_entries;
mod g01_rewind;
mod g02_graft;
mod g03_foreign_refs;
mod g04_trees;
mod g05_replay;
mod g06_signers;
mod g07_policies;
mod g08_content;
mod g09_stolen_key;
mod g10_limits;
mod g10_text;
mod g11_races;
mod g12_names;
mod g13_cheating_server;
mod g14_equal_content;
mod g15_yanked_content;
mod g16_renamed;
mod outsider;
mod with_sources;
