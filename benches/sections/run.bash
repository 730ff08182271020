# shellcheck shell=bash disable=SC2154
# A deployment of 60 components that take 100 ms each, with dependencies at random, against the best time that any order could reach with so
# many at once: from the first apply to the last, as the components' own commands saw it, and the whole command with its entries and folders. Then
# the components that a commit of 1,000 on 100,000 files affects, against git's list of the files.

run_count=60 run_each=100 run_rounds=${RUN_ROUNDS:-5}

# A project with a server whose components depend on each other at random: the seed says how.
run_project() {
    local folder=$scratch/run-$1 component other seed=$1 policy
    git init --quiet --bare --initial-branch=main "$folder/server.git"
    git clone --quiet "$folder/server.git" "$folder/clone" 2> "$scratch/errors"
    git -C "$folder/clone" config user.name bench
    git -C "$folder/clone" config user.email bench@example.com
    "$program" key new "$folder/key" --no-password > /dev/null 2>&1
    git -C "$folder/clone" config deploy.key "$folder/key"
    "$program" server init "$folder/server.git" --admin "$folder/key.pub" > /dev/null
    policy=$folder/clone/deploy.toml
    {
        printf 'schema = 1\nproject = "bench"\nunowned = "free"\n[people]\nbench = "%s"\n' "$(sed -n 2p "$folder/key.pub")"
        printf '[environments]\ndev = { parallel = %s }\n' "$2"
    } > "$policy"
    RANDOM=$seed
    for ((component = 0; component < run_count; component++)); do
        mkdir "$folder/clone/c$component"
        echo "$component" > "$folder/clone/c$component/file"
        local needs=()
        for ((other = 0; other < component; other++)); do
            if ((RANDOM % 30 == 0)); then
                needs+=("\"c$other\"")
                echo "$component $other"
            fi
        done
        printf '[components.c%s]\npaths = ["c%s/**"]\ndepends_on = [%s]\n' "$component" "$component" "$(IFS=,; echo "${needs[*]}")" >> "$policy"
        printf 'apply = "date +%%s.%%N >> %s/begun; sleep %s; date +%%s.%%N >> %s/ended"\n' "$folder" "$(jq -n "$run_each / 1000")" "$folder" >> "$policy"
    done > "$folder/edges"
    git -C "$folder/clone" add .
    git -C "$folder/clone" commit --quiet -m "Sixty components"
    git -C "$folder/clone" push --quiet origin main
    (cd "$folder/clone" && "$program" init --yes) > "$scratch/out" 2>&1
}

# The least number of steps in which so many workers could do all components of a project: however they are chosen, what has more than h steps
# behind it must be begun before the last h steps (Fernandez and Bussell, 1973, for tasks of one length).
run_best() {
    jq -Rn --argjson count "$run_count" --argjson workers "$2" '
        [inputs | split(" ") | map(tonumber)] as $edges
        | reduce range($count - 1; -1; -1) as $at ([range($count) | 1];
            reduce ($edges[] | select(.[0] == $at)) as $edge (.; .[$edge[1]] = ([.[$edge[1]], .[$at] + 1] | max)))
        | . as $ways | [range($ways | max) as $h | ($ways | map(select(. > $h)) | length) as $more | $h + ($more / $workers | ceil)] | max' "$1/edges"
}

# Gives the seconds of the whole command, and those from the first component's beginning to the last one's end.
run_timed() {
    local TIMEFORMAT=%R whole
    rm -f "$1/begun" "$1/ended"
    whole=$({ time "$program" -C "$1/clone" run dev --all --yes > "$scratch/out" 2>&1; } 2>&1)
    jq -nr --arg whole "$whole" --arg first "$(sort -n "$1/begun" | head -1)" --arg last "$(sort -n "$1/ended" | tail -1)" \
        '"\($whole) \(($last | tonumber) - ($first | tonumber))"'
}

for workers in 2 4 16; do
    : > "$scratch/run-times"
    for ((round = 1; round <= run_rounds; round++)); do
        folder=$scratch/run-$round$workers
        run_project "$round$workers" "$workers"
        best=$(run_best "$folder" "$workers")
        read -r whole applying < <(run_timed "$folder")
        jq -nr --argjson best "$best" --argjson each "$run_each" --argjson whole "$whole" --argjson applying "$applying" \
            '"\($best * $each / 1000) \($applying) \($whole)"' >> "$scratch/run-times"
    done
    for column in 1 2; do
        read -r one other ratio < <(jq -Rsr --argjson at "$column" '
            def median: sort | .[length / 2 | floor];
            rtrimstr("\n") | split("\n") | map(split(" ") | map(tonumber))
            | "\(map(.[0]) | median) \(map(.[$at]) | median) \(map(.[$at] / .[0]) | median)"' "$scratch/run-times")
        if ((column == 1)); then what="applying" target=1.15; else what="whole command" target=-; fi
        verdict=
        if ((column == 1)); then if jq -en "$ratio <= $target" > /dev/null; then verdict=ok; else verdict=miss; fi; fi
        row "run of $run_count components, $workers at once, $what : best possible" "$(milliseconds "$one")" "$(milliseconds "$other")" \
            "$(printf '%.2f' "$ratio")" "$target" "$verdict"
    done
    overhead=$(jq -Rsr --argjson count "$run_count" '
        def median: sort | .[length / 2 | floor];
        rtrimstr("\n") | split("\n") | map(split(" ") | map(tonumber)) | map((.[1] - .[0]) * 1000 / $count) | median' "$scratch/run-times")
    if jq -en "$overhead <= 10" > /dev/null; then verdict=ok; else verdict=miss; fi
    row "    overhead a component" - "$(printf '%.2f ms' "$overhead")" - "10 ms" "$verdict"
done

# 90 further files for each of the 1,000 components, which stage then runs; and a commit that changes a file of each fiftieth.
cp -a "$(repository 1000 100000 1000)/local" "$scratch/affected"
affected=$scratch/affected
{
    printf 'commit refs/heads/wide\ncommitter bench <bench@example.com> %s +0000\ndata 4\nwide\nfrom refs/heads/main^0\n' "$(date +%s)"
    for ((component = 0; component < 1000; component++)); do
        for ((file = 10; file < 100; file++)); do
            printf 'M 100644 inline services/c%04d/file%s\ndata 2\n%s\n' "$component" "$file" "$((component % 10))"
        done
    done
    printf 'commit refs/heads/next\ncommitter bench <bench@example.com> %s +0000\ndata 4\nnext\nfrom refs/heads/wide\n' "$(date +%s)"
    for ((component = 0; component < 1000; component += 50)); do
        printf 'M 100644 inline services/c%04d/file50\ndata 8\nchanged\n\n' "$component"
    done
} | git -C "$affected" fast-import --quiet
(cd "$affected" && git commit-graph write --reachable && "$program" record stage wide --all --verification passed) > "$scratch/out" 2>&1
found=$("$program" -C "$affected" diff stage next --json | jq '.affected | length')
if ((found != 20)); then echo "20 components are affected, and $found were found" >&2 && exit 3; fi
compare "affected of 1,000 components, 100,000 files : git diff --name-only" 5 \
    "$(line git -C "$affected" diff --name-only refs/heads/wide refs/heads/next)" \
    "$(line "$program" -C "$affected" diff stage next --json)"
