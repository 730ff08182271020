# shellcheck shell=bash disable=SC2154
# What the hooks cost by size: the time of pre-receive, and of proc-receive with the notes, and the most megabytes of both, for one entry
# and for 1,000 in one push. A row is a miss where the hooks take over 1.5 times what they take in the smallest repository, or 150 MB.

# Runs the hooks of a server under a clock, which writes "<hook> <microseconds> <kilobytes>".
clocked_hooks() {
    local hook
    for hook in pre-receive proc-receive; do
        cat > "$1/hooks/$hook" << HOOK
#!/usr/bin/env bash
begin=\${EPOCHREALTIME/[.,]/}
/usr/bin/time -o "$scratch/memory" -f %M "$program" hook $hook "\$@"
status=\$?
echo "$hook \$((\${EPOCHREALTIME/[.,]/} - begin)) \$(tail -1 "$scratch/memory")" >> "$scratch/clock"
exit \$status
HOOK
        chmod +x "$1/hooks/$hook"
    done
}

# Of the pushes so far: "<median seconds of pre-receive> <of proc-receive> <most megabytes>".
clock() {
    jq -Rsr 'def median: sort | .[length / 2 | floor];
        rtrimstr("\n") | split("\n") | map(split(" "))
        | [(map(select(.[0] == "pre-receive")[1] | tonumber / 1e6) | median),
           (map(select(.[0] == "proc-receive")[1] | tonumber / 1e6) | median),
           (map(.[2] | tonumber) | max / 1000 | floor)] | map(tostring) | join(" ")' "$scratch/clock"
}

least=
for size in '1000 1000 10' '1000 100000 100' '100000 100000 100' '1000 100000 1000' '1000 1000000 10'; do
    read -r entries commits components <<< "$size"
    folder=$(repository "$entries" "$commits" "$components")
    for many in 1 1000; do
        rm -rf "$scratch/server.git" "$scratch/client"
        cp -a "$folder/server.git" "$scratch/server.git"
        cp -a "$folder/local" "$scratch/client"
        rm -f "$scratch/server.git"/hooks/* "$scratch/clock"
        "$program" server init "$scratch/server.git" --admin "$folder/keys/alice.pub" > /dev/null
        clocked_hooks "$scratch/server.git"
        pushes=$((many == 1 ? 9 : 1))
        for ((push = 0; push < pushes; push++)); do
            for ((entry = 0; entry < many; entry++)); do
                "$program" -C "$scratch/client" record stage HEAD --component c0000 > /dev/null 2>&1
            done
            git -C "$scratch/client" push --quiet "file://$scratch/server.git" refs/deploy/stage 2> "$scratch/errors" || { cat "$scratch/errors" >&2 && exit 3; }
        done
        read -r pre proc megabytes < <(clock)
        sum=$(jq -n "$pre + $proc")
        if [[ $many == 1 ]]; then least=${least:-$sum}; fi
        if ((megabytes < 150)) && { ((many > 1)) || jq -en "$sum <= 1.5 * $least" > /dev/null; }; then verdict=ok; else verdict=miss; fi
        row "$many pushed; $entries entries, $commits commits, $components components" "$(milliseconds "$pre")" "$(milliseconds "$proc")" "$megabytes" 150 "$verdict"
    done
done
