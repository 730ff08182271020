# shellcheck shell=bash disable=SC2154
# 10,000 refs that are none of our business, pushed at once over file:// in a project that has a policy: with our hooks and without.
# Settings are the same on both sides, but that nothing is synced: a disk's two waits for each ref would hide what the hooks cost. The
# sides take turns, each on a new copy of the server; of each turn's ratio the median is told, of the time that passed and of the
# processor's, in which other programs on the machine do not count.

ref_pushes=${REF_PUSHES:-20}
ref_count=10000

# A server as it was generated, ready to be copied: with our hooks, or with none.
ref_server() {
    local folder=$scratch/refs-$1.git
    cp -a "$2/server.git" "$folder"
    rm -f "$folder"/hooks/*
    "$program" server init "$folder" --admin "$2/keys/alice.pub" "${@:3}" > /dev/null
    git -C "$folder" config receive.autogc false
    git -C "$folder" config core.fsync none
    if [[ $1 == none ]]; then
        rm -f "$folder"/hooks/*
        git -C "$folder" config --unset-all receive.procReceiveRefs
    fi
}

# Pushes all refs to a copy of a server, and gives the seconds that passed, and those of the processor.
timed_refs() {
    local folder=$scratch/refs-now.git TIMEFORMAT='%R %U %S'
    rm -rf "$folder"
    cp -a "$scratch/refs-$1.git" "$folder"
    { time git -C "$scratch/refs-client" push --quiet "file://$folder" "refs/many/*:$2/*" 2> /dev/null; } 2>&1 |
        jq -Rr 'split(" ") | map(tonumber) | "\(.[0]) \(.[1] + .[2])"'
}

# A row of one column of what was measured, one line a turn: "<time without> <processor without> <time with> <processor with>".
refs_row() {
    local what=$1 target=$2 file=$3 column=$4 one other ratio verdict
    read -r one other ratio < <(jq -Rsr --argjson at "$column" '
        def median: sort | .[length / 2 | floor];
        rtrimstr("\n") | split("\n") | map(split(" ") | map(tonumber))
        | "\(map(.[$at]) | median) \(map(.[$at + 2]) | median) \(map(.[$at + 2] / .[$at]) | median)"' "$file")
    if jq -en "$ratio <= $target" > /dev/null; then verdict=ok; else verdict=miss; fi
    row "$what" "$(milliseconds "$one")" "$(milliseconds "$other")" "$(printf '%.2f' "$ratio")" "$target" "$verdict"
}

folder=$(repository 1000 1000 10)
ref_server none "$folder"
ref_server ours "$folder"
# A post-receive that hands entries on is one more process that reads all names.
ref_server handing "$folder" --handoff /bin/true
cp -a "$folder/local" "$scratch/refs-client"
commit=$(git -C "$scratch/refs-client" rev-parse HEAD)
for ((number = 0; number < ref_count; number++)); do echo "create refs/many/$number $commit"; done |
    git -C "$scratch/refs-client" update-ref --stdin
git -C "$scratch/refs-client" pack-refs --all

# Two rows for refs of a kind, which go below a prefix, on the server without hooks and on one with them.
refs_rows() {
    local kind=$1 prefix=$2 side=$3 with=$4 number each order
    : > "$scratch/refs"
    for ((number = 0; number < ref_pushes; number++)); do
        declare -A took=()
        if ((number % 2)); then order=(none "$side"); else order=("$side" none); fi
        for each in "${order[@]}"; do took[$each]=$(timed_refs "$each" "$prefix"); done
        # The first ones find cold caches.
        if ((number >= 2)); then echo "${took[none]} ${took[$side]}" >> "$scratch/refs"; fi
    done
    refs_row "push of $ref_count $kind, $with : no hook" 1.1 "$scratch/refs" 0
    refs_row "the same, time of the processor" 1.1 "$scratch/refs" 1
}

refs_rows branches refs/heads/many ours 'pre- and proc-receive'
refs_rows branches refs/heads/many handing 'post-receive too'
refs_rows tags refs/tags/many ours 'pre- and proc-receive'
refs_rows 'other refs' refs/pull/many ours 'pre- and proc-receive'
