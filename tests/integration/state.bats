#!/usr/bin/env bats
# Whom a command may harm and whom not: ids in use, hooks that call the runtime, deletes that come twice or find half of a
# container, and the containers of one sandbox.

load lib.bash

setup_file() {
	runtime_setup_file
}

setup() {
	runtime_setup
}

teardown() {
	runtime_teardown
}

# hook FILTER-OF-ONE-HOOK: a hook that runs this shell text, as JSON.
hook() { # TEXT
	jq -n --arg text "$1" '{path: "/bin/sh", args: ["sh", "-c", $text], env: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"], timeout: 100}'
}

# --- an id in use ----------------------------------------------------------------------------------------------

@test "a create that fails because of the id runs no hook and touches neither cgroup nor process" {
	bundle '.process.args = ["/bin/sleep", "100"] | .linux.resources.pids = {"limit": 55}'
	ct_create
	local pid limit
	pid=$(pid_of)
	limit=$(cg pids pids.max pids.max)
	bundle '.process.args = ["/bin/sleep", "100"] | .linux.resources.pids = {"limit": 11} | .hooks = {prestart: [$h], createRuntime: [$h], poststop: [$h]}' \
		--argjson h "$(hook "echo x >>$B/hooks")"
	ct_refused
	contains "$output" "already exists"
	ct_refused --bundle "$B"
	run -1 rt run --bundle "$B" "$ID" </dev/null
	contains "$output" "already exists"
	[ ! -e "$B/hooks" ]
	equal "$(pid_of)" "$pid"
	equal "$(status_of)" created
	equal "$(cg pids pids.max pids.max)" "$limit"
	rt start "$ID"
	rt delete --force "$ID"
}

@test "of ten creates of one id one wins, and its container runs" {
	bundle_sh 'echo ready; while :; do sleep 0.05; done'
	local i jobs=() won=0
	for i in $(seq 10); do
		"$RT" --root "$RT_ROOT" create --bundle "$B" "$ID" </dev/null >"$B/out.$i" 2>"$B/err.$i" 3>&- &
		jobs+=($!)
	done
	for i in "${jobs[@]}"; do
		! wait "$i" || won=$((won + 1))
	done
	equal "$won" 1 "creates that worked"
	equal "$(status_of)" created
	rt start "$ID"
	wait_until 10 eval "cat $B/out.* | grep -q ready"
	equal "$(grep -L 'already exists' "$B"/err.* | xargs -r -n1 stat -c %s | sort -un)" 0
}

@test "an exact id is meant before those that begin with it" {
	not_for runc crun -- "ids are never abbreviated"
	bundle '.process.args = ["/bin/sleep", "100"]'
	local id
	for id in abcd abcde; do
		jq --arg p "/test/$id" '.linux.cgroupsPath = $p' "$B/config.json" >"$B/c" && mv "$B/c" "$B/config.json"
		rt create --bundle "$B" "$id" </dev/null >"$B/out" 2>&1
	done
	equal "$(rt --id-prefix state abcd | jq -r .id)" abcd
	rt --id-prefix delete abcd
	equal "$(rt list --quiet)" abcde
	# Now the same word is a beginning; without the option it is nobody.
	run -1 rt delete abcd
	rt --id-prefix delete abcd
	equal "$(rt list --quiet)" ""
}

# --- hooks that call the runtime -------------------------------------------------------------------------------

@test "hooks of each kind on the host may ask for the state, and list" {
	bundle '.process.args = ["/bin/sleep", "100"]'
	local when text filter='.'
	for when in prestart createRuntime poststart poststop; do
		text="timeout 40 $RT --root $RT_ROOT state $ID >$B/state.$when 2>&1; echo \$? >$B/rc.$when; timeout 40 $RT --root $RT_ROOT list -q >$B/list.$when 2>&1; echo \$? >$B/lrc.$when"
		filter+=" | .hooks.$when = [$(hook "$text")]"
	done
	jq "$filter" "$B/config.json" >"$B/c" && mv "$B/c" "$B/config.json"
	within 60 "$RT" --root "$RT_ROOT" create --bundle "$B" "$ID" </dev/null >"$B/out" 2>&1
	rt start "$ID"
	rt delete --force "$ID"
	for when in prestart createRuntime poststart poststop; do
		equal "$(cat "$B/lrc.$when")" 0 "status of list in $when"
	done
	equal "$(cat "$B/rc.poststart")" 0
	equal "$(jq -r .status "$B/state.poststart")" running
	[ "$KIND" = reeve ] || return 0
	equal "$(cat "$B/rc.prestart")$(cat "$B/rc.createRuntime")" 00
	equal "$(jq -r .status "$B/state.prestart")" creating
	equal "$(cat "$B/rc.poststop")" 1
	contains "$(cat "$B/state.poststop")" "does not exist"
}

# --- poststop and delete ---------------------------------------------------------------------------------------

@test "poststop hooks run once, however often a container is deleted" {
	bundle '.process.args = ["/bin/sleep", "100"] | .hooks.poststop = [$h]' --argjson h "$(hook "echo once >>$B/poststop; exit 3")"
	ct_create
	rt start "$ID"
	local i jobs=()
	for i in $(seq 6); do
		"$RT" --root "$RT_ROOT" delete --force "$ID" >"$B/del.$i" 2>&1 3>&- &
		jobs+=($!)
	done
	for i in "${jobs[@]}"; do wait "$i" || true; done
	equal "$(cat "$B/poststop")" once
	run -1 rt state "$ID"
	rt delete --force "$ID"
	equal "$(cat "$B/poststop")" once
}

@test "poststop hooks run once when run ends, and when a poststart hook fails" {
	not_for runc crun -- "what a failed poststart hook leaves differs"
	bundle '.process.args = ["/bin/true"] | .hooks.poststop = [$h]' --argjson h "$(hook "echo once >>$B/poststop")"
	ct_run
	equal "$(cat "$B/poststop")" once
	rm "$B/poststop"
	bundle '.process.args = ["/bin/sleep", "100"] | .hooks = {poststop: [$h], poststart: [$bad]}' \
		--argjson h "$(hook "echo once >>$B/poststop")" --argjson bad "$(hook "exit 1")"
	ct_create
	run -1 rt start "$ID"
	equal "$(cat "$B/poststop")" once
	nothing_left
	rt delete --force "$ID"
	equal "$(cat "$B/poststop")" once
}

@test "a delete goes on where another one was stopped" {
	not_for runc crun -- "damaged state is handled in its own way"
	bundle '.process.args = ["/bin/sleep", "100"]'
	ct_create
	local pid dir
	pid=$(pid_of)
	kill -KILL "$pid"
	wait_until 10 gone "$pid"
	# As if it had got as far as the cgroups.
	for dir in /sys/fs/cgroup/test/"$ID" /sys/fs/cgroup/*/test/"$ID"; do [ ! -d "$dir" ] || wait_until 5 rmdir "$dir"; done
	rm "$RT_ROOT/$ID/config.json"
	rt delete "$ID"
	nothing_left
	rt delete --force "$ID"
	run -1 rt delete "$ID"
	contains "$output" "does not exist"
}

@test "a delete that cannot end leaves the container known, and another one ends it" {
	not_for runc crun -- "takes what it finds"
	ct_sleep
	# A process that is in one hierarchy alone is not the container's. On v2 there is but one.
	local dir=/sys/fs/cgroup/pids/test/$ID stranger
	if is_v2; then
		dir=/sys/fs/cgroup/test/$ID
	fi
	mkdir "$dir/inner"
	sleep 100 3>&- &
	stranger=$!
	echo $stranger >"$dir/inner/cgroup.procs"
	if is_v2; then
		rt delete --force "$ID"
	else
		run -1 rt delete --force "$ID"
		contains "$output" "process $stranger is still in it"
		run -1 rt delete --force "$ID"
		contains "$output" "process $stranger is still in it"
		equal "$(status_of)" stopped
		kill "$stranger"
		wait_until 10 gone "$stranger"
		rt delete "$ID"
	fi
	wait "$stranger" || true
	nothing_left
}

# --- the containers of one sandbox -----------------------------------------------------------------------------

# member ID TYPE SANDBOX [SCORE]: created, with containerd's annotations.
member() {
	bundle '.process.args = ["/bin/sleep", "100"] | .linux.cgroupsPath = "/test/" + $id | .annotations = {"io.kubernetes.cri.container-type": $t, "io.kubernetes.cri.sandbox-id": $s}' \
		--arg id "$1" --arg t "$2" --arg s "$3"
	if [ -n "${4:-}" ]; then
		jq --argjson n "$4" '.process.oomScoreAdj = $n' "$B/config.json" >"$B/c" && mv "$B/c" "$B/config.json"
	fi
	rt create --bundle "$B" "$1" </dev/null >"$B/out.$1" 2>&1
}

score() {
	cat "/proc/$(pid_of "$1")/oom_score_adj"
}

@test "the containers of a sandbox are listed, by the annotations of containerd or cri-o" {
	not_for runc crun -- "knows no sandboxes"
	member pod sandbox pod
	member one container pod
	member other container elsewhere
	bundle '.process.args = ["/bin/sleep", "100"] | .linux.cgroupsPath = "/test/two" | .annotations = {"io.kubernetes.cri-o.ContainerType": "container", "io.kubernetes.cri-o.SandboxID": "pod"}'
	rt create --bundle "$B" two </dev/null >"$B/out" 2>&1
	bundle '.process.args = ["/bin/sleep", "100"] | .linux.cgroupsPath = "/test/bad" | .annotations = {"io.kubernetes.cri.container-type": "container", "io.kubernetes.cri.sandbox-id": "../pod"}'
	rt create --bundle "$B" bad </dev/null >"$B/out" 2>&1
	equal "$(rt list --sandbox pod -q | paste -sd' ')" "one pod two"
	equal "$(rt list --sandbox pod --format json | jq -r '.[].id' | paste -sd' ')" "one pod two"
	equal "$(rt list --sandbox ../pod -q)" ""
	equal "$(rt list --sandbox elsewhere -q)" other
	equal "$(rt list -q | paste -sd' ')" "bad one other pod two"
	rt delete one
	equal "$(rt list --sandbox pod -q | paste -sd' ')" "pod two"
}

@test "a sandbox has the lowest OOM score of its containers, and its own again" {
	not_for runc crun -- "knows no sandboxes"
	member pod sandbox pod 800
	rt start pod
	equal "$(score pod)" 800
	member one container pod 600
	equal "$(score pod)" 800 "score before the start of a member"
	rt start one
	equal "$(score pod)" 600
	member two container pod 400
	rt start two
	equal "$(score pod)" 400
	member three container pod
	rt start three
	member four container pod 900
	rt start four
	equal "$(score pod)" 400
	equal "$(score four)" 900
	member five container other 100
	rt start five
	equal "$(score pod)" 400
	rt delete --force two
	equal "$(score pod)" 600
	rt delete --force four
	equal "$(score pod)" 600
	rt delete --force one
	equal "$(score pod)" 800
	member one container pod 500
	rt start one
	equal "$(score pod)" 500
	# A sandbox that has gone holds nobody up.
	rt delete --force pod
	rt delete --force one
	member six container pod 300
	rt start six
}
