# shellcheck shell=bash disable=SC2154
# An audit of everything, against checking every signature once and nothing else, both on all processors. At least 60% of that speed,
# in less than 300 MB.

folder=$(repository "${ENTRIES:-100000}" "${COMMITS:-100000}" 100)
# Not timed by hyperfine: what is read before the signatures are checked does not count.
bare() {
    HOME=$user_home cargo bench --quiet --manifest-path "$here/../Cargo.toml" --profile "${PROFILE:-bench}" --bench signatures -- "$folder/clone"
}
bare > "$scratch/bare" # built, and read into the cache of the disk

peak=0
: > "$scratch/rounds"
for ((round = 0; round < ${AUDIT_ROUNDS:-3}; round++)); do
    read -r least entries < <(bare)
    begin=$EPOCHREALTIME
    "$program" -C "$folder/clone" audit > "$scratch/audit" &
    # Bash puts the number of the last `<(…)` into `$!` too.
    audit=$!
    # The peak stands there as long as the process does.
    while read -r kilobytes < <(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$audit/status" 2> /dev/null); do
        ((kilobytes <= peak)) || peak=$kilobytes
        sleep 0.05
    done
    wait "$audit" || { cat "$scratch/audit" && exit 3; }
    echo "$least $(jq -n "$EPOCHREALTIME - $begin")" >> "$scratch/rounds"
done
read -r one other ratio < <(jq -sRr 'def median: sort | .[length / 2 | floor];
    split("\n") | map(select(. != "") | split(" ") | map(tonumber))
    | "\(map(.[0]) | median) \(map(.[1]) | median) \(map(.[1] / .[0]) | median)"' "$scratch/rounds")
if jq -en "$ratio <= 1 / 0.6" > /dev/null; then verdict=ok; else verdict=miss; fi
row "audit of $entries entries : their signatures alone" "$(milliseconds "$one")" "$(milliseconds "$other")" "$(printf '%.2f' "$ratio")" 1.67 "$verdict"
if ((peak < 300 * 1000)); then verdict=ok; else verdict=miss; fi
row "  its peak of memory, in MB" "" "$((peak / 1000))" "" 300 "$verdict"
