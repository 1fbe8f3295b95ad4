#!/usr/bin/env bats
# `events`: what a container uses, for clients that decode it into runc's types.

load lib.bash

setup_file() {
	runtime_setup_file
}

setup() {
	not_for crun -- "has no events"
	runtime_setup
}

teardown() {
	runtime_teardown
}

# The names of all members but those that are numbers of CPUs, keys of memory.stat or left out when they are zero.
members() {
	jq -r '[paths | map(if type == "number" then "*" else tostring end)] | map(select(.[2] != "raw" or length < 3)) | map(join(".")) | unique[]' |
		grep -vE '^data\.(blkio|hugetlb|pids|memory\.(cache|[a-zA-Z]+\.(usage|max))|cpu\.throttling)|^data\.cpu\.usage\.per'
}

@test "events --stats is one object of what the container uses" {
	bundle_sh 'x=$(seq 100000); echo ready; while :; do sleep 0.05; done' '.linux.resources.memory = {"limit": 67108864} | .linux.resources.pids = {"limit": 33}'
	ct_start
	wait_until 10 grep -q ready "$B/stdout"
	run -0 rt events --stats "$ID"
	equal "${#lines[@]}" 1
	equal "$(jq -r '.type, .id' <<<"$output")" "stats"$'\n'"$ID"
	equal "$(jq .data.memory.usage.limit <<<"$output")" 67108864
	equal "$(jq .data.pids.limit <<<"$output")" 33
	jq -e '.data.memory.usage.usage > 0 and .data.cpu.usage.total > 0 and .data.pids.current > 0' <<<"$output"
	jq -e '.data.memory.raw | length > 10' <<<"$output"
}

@test "events has the members that runc's types have, and no other" {
	ct_sleep
	local peer
	peer=$("$TOP/tools/peers" oci-sid)/bin/runc
	run -0 rt events --stats "$ID"
	printf '%s' "$output" | members >"$B/ours"
	jq '.linux.cgroupsPath = "/test/peer"' "$B/config.json" >"$B/c" && mv "$B/c" "$B/config.json"
	"$peer" --root "$B/runc" run -d --bundle "$B" "${ID}r" </dev/null >"$B/runc.out" 2>&1 || fail "$(cat "$B/runc.out")"
	"$peer" --root "$B/runc" events --stats "${ID}r" >"$B/theirs.json"
	"$peer" --root "$B/runc" delete --force "${ID}r"
	members <"$B/theirs.json" >"$B/theirs"
	diff "$B/theirs" "$B/ours"
	diff <(jq -r '.data.hugetlb | keys[]' "$B/theirs.json") <(jq -r '.data.hugetlb | keys[]' <<<"$output")
}

@test "events goes on at its interval until the container is gone" {
	ct_sleep
	"$RT" --root "$RT_ROOT" events --interval 100ms "$ID" >"$B/events" 2>"$B/events.err" 3>&- &
	local job=$!
	wait_until 20 eval "[ \$(grep -c '\"stats\"' '$B/events') -ge 3 ]"
	rt delete --force "$ID"
	ends_with 0 "$job"
	jq -e . "$B/events" >/dev/null
	equal "$(cat "$B/events.err")" ""
}

@test "events tells an OOM kill" {
	bundle_sh 'echo ready; read x <&0; x=a; while :; do x=$x$x; done' '.linux.resources.memory = {"limit": 20971520, "swap": 20971520}'
	mkfifo "$B/go"
	exec 7<>"$B/go"
	rt create --bundle "$B" "$ID" <"$B/go" >"$B/stdout" 2>&1
	rt start "$ID"
	wait_until 10 grep -q ready "$B/stdout"
	"$RT" --root "$RT_ROOT" events --interval 200ms "$ID" >"$B/events" 2>&1 3>&- 7>&- &
	local job=$!
	wait_until 20 grep -q '"stats"' "$B/events"
	echo >&7
	wait_until 30 grep -q '"oom"' "$B/events"
	equal "$(grep '"oom"' "$B/events" | head -n 1 | jq -c .)" "{\"type\":\"oom\",\"id\":\"$ID\"}"
	exec 7>&-
	rt delete --force "$ID"
	wait "$job"
}

@test "events of a container that is not running is refused" {
	run -1 rt events nosuch
	contains "$output" "does not exist"
	bundle '.process.args = ["/bin/true"]'
	ct_start
	wait_until 10 status_is stopped
	run -1 rt events --stats "$ID"
	contains "$output" "not running"
}

@test "events wants an interval that is one" {
	ct_sleep
	local bad
	for bad in 0s -1s 5 x 1x s ''; do
		run -1 rt events "--interval=$bad" --stats "$ID"
	done
	run -0 rt events --interval 1m30.5s --stats "$ID"
	run -0 rt events --interval .5ms --stats "$ID"
}
