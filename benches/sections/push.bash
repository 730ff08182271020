# shellcheck shell=bash disable=SC2154
# One new entry pushed to a bare server over file://, with hooks and without. Settings are the same on both sides. A pushed entry is
# there, so each push brings the next of a chain that was signed beforehand; the sides take turns, and of each entry's ratio the median
# is told. A server refuses entries that were signed more than five minutes ago.

pushes=${PUSHES:-40}

# A server as it was generated, with the hooks that are named: none, an empty shell hook, pre-receive alone, or all.
server() {
    local folder=$scratch/server-$1.git hook
    rm -rf "$folder"
    cp -a "$2/server.git" "$folder"
    rm -f "$folder"/hooks/*
    "$program" server init "$folder" --admin "$2/keys/alice.pub" > /dev/null
    git -C "$folder" config receive.autogc false
    if [[ $1 != all ]]; then
        rm "$folder/hooks/proc-receive"
        # What is handed to a hook that is not there git refuses.
        git -C "$folder" config --unset-all receive.procReceiveRefs
    fi
    if [[ $1 == none || $1 == shell ]]; then rm "$folder/hooks/pre-receive"; fi
    if [[ $1 == shell ]]; then
        hook=$folder/hooks/pre-receive
        printf '#!/bin/sh\nexit 0\n' > "$hook"
        chmod +x "$hook"
    fi
}

# Pushes to a server, and gives the microseconds that it took.
timed_push() {
    local begin end
    begin=${EPOCHREALTIME/[.,]/}
    git -C "$scratch/client" push --quiet "file://$scratch/server-$1.git" "${@:2}"
    end=${EPOCHREALTIME/[.,]/}
    echo $((end - begin))
}

# Rows of what was measured, one line a push: "<microseconds without hooks> <with the one> <with the other> …".
push_rows() {
    local file=$1 column=2 what target one other ratio verdict
    shift
    while (($#)); do
        what=$1 target=$2
        shift 2
        read -r one other ratio < <(jq -Rsr --argjson column "$((column - 1))" '
            def median: sort | .[length / 2 | floor];
            rtrimstr("\n") | split("\n") | map(split(" ") | map(tonumber))
            | "\(map(.[0]) | median / 1e6) \(map(.[$column]) | median / 1e6) \(map(.[$column] / .[0]) | median)"' "$file")
        if jq -en "$ratio <= $target" > /dev/null; then verdict=ok; else verdict=miss; fi
        row "$what" "$(milliseconds "$one")" "$(milliseconds "$other")" "$(printf '%.2f' "$ratio")" "$target" "$verdict"
        column=$((column + 1))
    done
}

# Pushes $pushes entries of stage, one after the other, to servers without and with hooks.
push_entries() {
    local folder=$1 file=$2 kinds=(none shell pre all) kind number turn line commit
    for kind in "${kinds[@]}"; do server "$kind" "$folder"; done
    rm -rf "$scratch/client"
    cp -a "$folder/local" "$scratch/client"
    commit=$(git -C "$scratch/client" rev-parse HEAD)
    for ((number = 0; number < pushes; number++)); do
        "$program" -C "$scratch/client" record stage "$commit" --component c0000 --verification passed > /dev/null 2>&1
        git -C "$scratch/client" update-ref "refs/prepared/$number" refs/deploy/stage
    done
    : > "$file"
    for ((number = 0; number < pushes; number++)); do
        declare -A took=()
        for ((turn = 0; turn < ${#kinds[@]}; turn++)); do
            kind=${kinds[(number + turn) % ${#kinds[@]}]}
            took[$kind]=$(timed_push "$kind" "refs/prepared/$number:refs/deploy/stage")
        done
        line="${took[none]} ${took[shell]} ${took[pre]} ${took[all]}"
        # The first ones find cold caches.
        if ((number >= 4)); then echo "$line" >> "$file"; fi
    done
}

for entries in 1000 100000; do
    push_entries "$(repository "$entries" 100000 100)" "$scratch/pushes"
    push_rows "$scratch/pushes" \
        "push, an empty shell hook, $entries entries : no hook" 1.25 \
        "push, pre-receive, $entries entries : no hook" 1.25 \
        "push, pre- and proc-receive, notes, $entries entries : no hook" 1.5
done
