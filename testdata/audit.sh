#!/bin/sh
# Audits the signatures, signers and chain of a ledger with git and minisign alone. `git deploy audit` also checks its rules and trees.
# Usage, in a clone: audit.sh LEDGER [ROOT]... ROOT is a root key or the project id that you trust; by default `git config deploy.root`.
set -eu && export GIT_NO_REPLACE_OBJECTS=1 LC_ALL=C
wanted=$1 ledger=policy n=0 commit='' digest='' keys='' publishes='' scratch=$(mktemp -d)
entry=$scratch/entry.json && trap 'rm -rf "$scratch"' EXIT && shift
fits() { [ "$(git cat-file -s "$commit:$1")" -le "$2" ] || fault "$1 is too large"; }
fault() { echo "$ledger: entry $n (${commit:-no commit}): $1"; exit 1; }
field() { sed -n "s/^    \"$1\": \"\{0,1\}\([^\",]*\)\"\{0,1\},\{0,1\}\$/\1/p" "$entry"; }
seen_of() { sed -n "/^    \"seen\": {\$/,/^    }/s/^      \"$1\": \"\([0-9a-f]*\)\",\{0,1\}\$/\1/p" "$2"; }
sha256() { printf sha256: && git cat-file blob "$commit:$1" | sha256sum | cut -d ' ' -f 1; }
signed() { # by the entry's key, which the list $1 gives to $by with one of the statuses $2
    while read -r person key status; do case "$person $key $2" in
        "$by $(field key) "*"$status"*) minisign -VHqm "$entry" -P "$key" > "$scratch/out" 2>&1 && return ;;
    esac done < "$1" && return 1
}
of_policy() { # checks the published files, and that an admin of the policy before them signed
    if [ "$action" = publish ]; then cp "$entry" "$scratch/publish.$n" && digest=$(field digest) keys=$(field keys) publishes="$publishes $n"; fi
    { fits deploy.toml 1048576 && [ "$(sha256 deploy.toml)" = "$digest" ]; } || fault 'deploy.toml is not the published one'
    { fits keys 4194304 && [ "$(sha256 keys)" = "$keys" ]; } || fault 'keys is not the published list'
    git cat-file blob "$commit:keys" > "$scratch/keys.$commit"
    if [ "$n" = 1 ]; then grep -Ff "$scratch/trusted" "$scratch/keys.$commit"
    elif [ "$(field recovered)" = true ]; then git config --get-all deploy.recovered | sed 's/.*/ & admin/' | grep -Ff - "$scratch/keys.$commit"
    else cat "$scratch/keys.$previous"; fi > "$scratch/list" || true
    signed "$scratch/list" admin || fault "not signed by $by as an admin"
}
of_other() { # checks that a key of the policy that the entry has seen signed, and that the next policy has seen the entry or admits it
    seen=$(seen_of policy "$entry")
    at=$(grep -nxFe "$seen" "$scratch/policy" | cut -d : -f 1)
    [ "${at:-0}" -ge "$newest" ] || fault "it has seen an older policy, or another: $seen"
    case $action in baseline) may='admin' ;; finish) may='admin active retired' ;; *) may='admin active' ;; esac && newest=$at
    signed "$scratch/keys.$seen" "$may" || fault "not signed by $by"
    for next in $publishes ''; do [ "${next:-$at}" -lt "$at" ] || break; done
    end=$(grep -nxFe "$(seen_of "$ledger" "$scratch/publish.${next:-1}")" "$scratch/$ledger" | cut -d : -f 1)
    [ -z "$next" ] || [ "$ledger" = evidence ] || [ "$n" -lt "${end:-0}" ] || grep -qx " *\"$commit\",\{0,1\}" "$scratch/publish.$next" ||
        late=${late:-"entry $next of policy, which replaced the policy of entry $n, had not seen it"}
}
audit() { # the ledger $1
    ledger=$1 n=0 newest=2 late='' && { git rev-list --first-parent --reverse "refs/deploy/$ledger" -- > "$scratch/$ledger" || fault 'there is no such ledger'; }
    while read -r commit; do
        if [ "$n" = 0 ]; then
            [ "$ledger" = policy ] || [ "$(git ls-tree "$commit")$(git cat-file commit "$commit" | sed -n 's/^Deploy-Project: //p')" = "$project" ] || fault 'its genesis is not of this project, or has files'
        else
            for file in entry.json entry.json.minisig; do git cat-file blob "$commit:$file" > "$scratch/$file" || fault "no $file"; done && fits entry.json 524288 && fits entry.json.minisig 8192
            by=$(git cat-file commit "$commit" | sed -n -e 's/^author \([a-z0-9._-]*\) .*/\1/p' -e '/^$/q') action=$(field action)
            [ "$(field ledger) $(field sequence) $(field project) $(field previous) $(field by)" = "$ledger $n $project $previous $by" ] || fault 'it stands elsewhere'
            [ "$(sed -n 3p "$entry.minisig")" = "trusted comment: git-deploy $ledger $n $action" ] || fault 'signed for another place'
            if [ "$ledger" = policy ]; then of_policy; else of_other; fi
        fi
        previous=$commit n=$((n + 1))
    done < "$scratch/$ledger"
    [ -z "$late" ] || fault "$late"
    echo "$ledger: $((n - 1)) entries, all good"
}
project=$(git rev-list --first-parent --max-parents=0 refs/deploy/policy --) || fault 'there is no policy'
git cat-file commit "$project" | sed -n 's/^Deploy-Root: //p' > "$scratch/roots"
for root in "${@:-$(git config deploy.root)}"; do
    case $root in "$project") cat "$scratch/roots" ;; *) grep -xFe "$root" "$scratch/roots" ;; esac >> "$scratch/trusted" || fault "the genesis does not name the root $root"
done && audit policy
[ "$wanted" = policy ] || audit "$wanted"
