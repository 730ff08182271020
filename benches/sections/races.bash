# shellcheck shell=bash disable=SC2154
# Many who write at once through one server with all hooks, against the same in plain git without any: fetch the tip, build a commit on
# it, push it, and again if somebody was faster. All entries must be there, none twice, in one line, with their notes.

writers=${WRITERS:-8} each=${EACH:-25}
folder=$(repository 1000 1000 10)
commit=$(git -C "$folder/clone" rev-parse HEAD)

# A server, and a clone for each writer; with all hooks, or with none.
race_setup() {
    local writer clone
    rm -rf "$scratch/race"
    mkdir "$scratch/race"
    cp -a "$folder/server.git" "$scratch/race/server.git"
    rm -f "$scratch/race/server.git"/hooks/*
    "$program" server init "$scratch/race/server.git" --admin "$folder/keys/alice.pub" > /dev/null
    for ((writer = 0; writer < writers; writer++)); do
        clone=$scratch/race/$writer
        cp -a "$folder/clone" "$clone"
        git -C "$clone" remote set-url origin "$scratch/race/server.git"
        if ((writer == 0)); then
            sed -i 's/^\[environments\]$/&\nrace0 = {}\nrace1 = {}\nrace2 = {}\nrace3 = {}/' "$clone/deploy.toml"
            "$program" -C "$clone" policy publish --yes > "$scratch/published" 2>&1 || { cat "$scratch/published" >&2 && return 1; }
        fi
        "$program" -C "$clone" sync > /dev/null 2>&1
    done
    if [[ $1 == none ]]; then
        rm "$scratch/race/server.git"/hooks/*
        git -C "$scratch/race/server.git" config --unset-all receive.procReceiveRefs
    fi
}

# One writer in git-deploy: each entry as a release engineer would write it.
writer_ours() {
    local number
    for ((number = 0; number < each; number++)); do
        "$program" -C "$scratch/race/$1" record "race$2" "$commit" --component "c000$1" --message "$1 $number" > /dev/null 2>&1
    done
}

# One writer in plain git.
writer_git() {
    local number clone=$scratch/race/$1 ref=refs/plain/$2 tip blob tree new
    for ((number = 0; number < each; number++)); do
        while true; do
            git -C "$clone" fetch --quiet --no-tags --no-write-fetch-head origin "+refs/plain/*:refs/plain-incoming/*" 2> /dev/null
            tip=$(git -C "$clone" rev-parse --quiet --verify "refs/plain-incoming/$2" || true)
            blob=$(echo "$1 $number" | git -C "$clone" hash-object -w --stdin)
            tree=$(printf '100644 blob %s\tentry\n' "$blob" | git -C "$clone" mktree)
            new=$(git -C "$clone" commit-tree -m "$1 $number" ${tip:+-p "$tip"} "$tree")
            if git -C "$clone" push --quiet origin "$new:$ref" 2> /dev/null; then break; fi
        done
    done
}

# All writers at once, on so many ledgers; gives the seconds that it took.
race() {
    local writer begin=$EPOCHREALTIME
    for ((writer = 0; writer < writers; writer++)); do "writer_$1" "$writer" $((writer % $2)) & done
    wait
    jq -n "$EPOCHREALTIME - $begin"
}

# Fails unless each writer's entries are all there, once, in one line, and told of in the notes.
complete() {
    local ledger subjects total=0 notes
    for ((ledger = 0; ledger < $1; ledger++)); do
        subjects=$(git -C "$scratch/race/server.git" log --first-parent --format=%b "refs/deploy/race$ledger" | grep -cE '^[0-9]+ [0-9]+$' || true)
        total=$((total + subjects))
    done
    notes=$(git -C "$scratch/race/server.git" notes --ref=deploy show "$commit" | grep -cE 'race[0-9]+@' || true)
    if ((total != writers * each || notes != total)); then
        echo "of $((writers * each)) entries there are $total, and $notes notes" >&2
        return 1
    fi
    "$program" -C "$scratch/race/0" audit > "$scratch/audit" 2>&1 || { cat "$scratch/audit" >&2 && return 1; }
}

for ledgers in 1 4; do
    : > "$scratch/rounds"
    for ((round = 0; round < ${RACE_ROUNDS:-3}; round++)); do
        race_setup none
        one=$(race git "$ledgers")
        race_setup all
        other=$(race ours "$ledgers")
        complete "$ledgers"
        echo "$one $other" >> "$scratch/rounds"
    done
    read -r one other ratio < <(jq -sRr 'def median: sort | .[length / 2 | floor];
        split("\n") | map(select(. != "") | split(" ") | map(tonumber))
        | "\(map(.[0]) | median) \(map(.[1]) | median) \(map(.[1] / .[0]) | median)"' "$scratch/rounds")
    if jq -en "$ratio <= 1.5" > /dev/null; then verdict=ok; else verdict=miss; fi
    row "$writers writers x $each entries on $ledgers ledger(s) : plain git" "$(milliseconds "$one")" "$(milliseconds "$other")" "$(printf '%.2f' "$ratio")" 1.5 "$verdict"
done
