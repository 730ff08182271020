#!/bin/sh
# Audits one ledger with git and minisign alone: its chain, its places and its signatures. Usage, in a clone: audit.sh LEDGER
# A signer's keys are all that any published deploy.toml gives that person, so audit `policy` first. Whether the rules let the signer do
# it, and whether the tree is the fold of the entries, is for `git deploy audit`.
set -eu
export GIT_NO_REPLACE_OBJECTS=1 LC_ALL=C
ledger=$1 n=0 previous='' scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
entry=$scratch/entry.json
fault() { echo "$ledger: entry $n (${commit:-no commit}): $1"; exit 1; }
field() { sed -n "s/^    \"$1\": \"\{0,1\}\([^\",]*\)\"\{0,1\},\$/\1/p" "$entry"; }
keys() { # of person $1: a line of [people], or a table [people.<name>]
    name=$(printf %s "$1" | sed 's/[.]/[.]/g')
    sed -n -e "/^ *\"\{0,1\}$name\"\{0,1\} *=/p" -e "/^ *\[people[.]\"\{0,1\}$name\"\{0,1\}\]/,/^ *\[[a-z]/p" "$scratch/policies" |
        tr -c 'A-Za-z0-9+/' '\n' | grep -x 'RW.\{54\}' | sort -u
}
signed() {
    key=$(field key)
    keys "$by" | grep -qxF -e "$key" && minisign -VHqm "$entry" -P "$key" > "$scratch/out" 2>&1
}
project=$(git rev-list --first-parent --max-parents=0 refs/deploy/policy --) || fault 'there is no policy'
git rev-list --first-parent "$project..refs/deploy/policy" -- > "$scratch/published"
while read -r id; do git cat-file blob "$id:deploy.toml"; echo; done < "$scratch/published" > "$scratch/policies"
git rev-list --first-parent --reverse "refs/deploy/$ledger" -- > "$scratch/chain" || fault 'there is no such ledger'
while read -r commit; do
    if [ "$n" = 0 ]; then
        [ -z "$(git ls-tree "$commit")" ] || fault 'the genesis has files'
        [ "$ledger" = policy ] || git cat-file commit "$commit" | grep -qx "Deploy-Project: $project" || fault 'a genesis of another project'
    else
        for file in entry.json entry.json.minisig; do git cat-file blob "$commit:$file" > "$scratch/$file" || fault "no $file"; done
        by=$(git cat-file commit "$commit" | sed -n -e 's/^author \([a-z0-9._-]*\) .*/\1/p' -e '/^$/q')
        place="$(field ledger) $(field sequence) $(field project) $(field previous) $(field by)"
        [ "$place" = "$ledger $n $project $previous $by" ] || fault "it stands elsewhere: $place"
        [ "$(sed -n 3p "$entry.minisig")" = "trusted comment: git-deploy $ledger $n $(field action)" ] || fault 'signed for another place'
        signed || fault "not signed by $by"
    fi
    previous=$commit n=$((n + 1))
done < "$scratch/chain"
echo "$ledger: $((n - 1)) entries, all good"
