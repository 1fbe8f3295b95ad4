#!/usr/bin/env bats
# Profiles of AppArmor, on a kernel that has it. Only for tests/integration/guest: profiles are the machine's.

load ../integration/lib.bash

setup_file() {
	[ "$(cat /sys/module/apparmor/parameters/enabled)" = Y ] || fail "the machine's kernel has AppArmor, and it is off"
	runtime_setup_file
	profile reeve-test-secret 'deny /secret rw,'
	profile reeve-test-shut 'deny /shut rw,'
}

teardown_file() {
	local name
	for name in reeve-test-secret reeve-test-shut; do
		# One that its test did not get to load is not there.
		echo -n "$name" >/sys/kernel/security/apparmor/.remove || true
	done
}

setup() {
	runtime_setup
	export TEST_CGROUPS="*/sys/fs/cgroup*/test/$ID"
	SHOW='cat /proc/self/attr/current; for f in /secret /shut; do { echo x >$f; } 2>/dev/null && echo "$f open" || echo "$f denied"; done'
}

teardown() {
	runtime_teardown
}

# profile NAME RULE: one that allows all but what the rule says.
profile() {
	"$APPARMOR_PARSER" --replace --skip-cache <<-PROFILE
		profile $1 flags=(attach_disconnected) {
			file,
			capability,
			network,
			signal,
			mount,
			umount,
			ptrace,
			$2
		}
	PROFILE
}

@test "a container runs in its profile, and one without is not confined" {
	inside "$SHOW" '.process.apparmorProfile = "reeve-test-secret"'
	equal "${lines[0]}" "reeve-test-secret (enforce)"
	equal "${lines[1]} ${lines[2]}" "/secret denied /shut open"
	rt delete --force "$ID"
	inside "$SHOW"
	equal "${lines[0]}" unconfined
	equal "${lines[1]} ${lines[2]}" "/secret open /shut open"
}

@test "a profile holds with and without no_new_privs, for another user, in a user namespace" {
	local filter
	for filter in '.process.noNewPrivileges = true' '.process.noNewPrivileges = false' '.process.user = {uid: 1000, gid: 1000}' \
		'.linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 0, size: 65536}] | .linux.gidMappings = .linux.uidMappings'; do
		inside "$SHOW" ".process.apparmorProfile = \"reeve-test-secret\" | $filter"
		equal "${lines[0]}" "reeve-test-secret (enforce)" "$filter"
		equal "${lines[1]}" "/secret denied" "$filter"
		rt delete --force "$ID"
	done
}

@test "an exec has the container's profile, or its own" {
	ct_sleep '.process.apparmorProfile = "reeve-test-secret"'
	run -0 rt exec "$ID" /bin/sh -c "$SHOW" </dev/null
	equal "${lines[0]}" "reeve-test-secret (enforce)"
	equal "${lines[1]} ${lines[2]}" "/secret denied /shut open"
	run -0 rt exec --apparmor reeve-test-shut "$ID" /bin/sh -c "$SHOW" </dev/null
	equal "${lines[0]}" "reeve-test-shut (enforce)"
	equal "${lines[1]} ${lines[2]}" "/secret open /shut denied"
}

@test "a profile that is not loaded is named, and nothing is left" {
	refused '.process.apparmorProfile = "reeve-test-none"'
	contains "$output" reeve-test-none
	contains "$output" "No such file or directory"
	ct_sleep
	run ! rt exec --apparmor reeve-test-none "$ID" /bin/true </dev/null
	contains "$output" reeve-test-none
}
