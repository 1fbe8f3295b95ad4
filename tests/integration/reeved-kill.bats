#!/usr/bin/env bats
# Storms: the processes of reeved are killed at random moments while several clients have tasks made, run, exec'ed, ended and
# deleted. What each process ends with its program decides, so every exit code that anybody is told is compared with what is true,
# and every event must have come, in its task's order. reeved_kill.py does it, and says what it has done.
#
# KILLS=N is how many of each kind (12); KILL_SEED=N repeats the moments of a run.

load lib
load reeved

setup_file() {
	export SEED=${KILL_SEED:-$((($$ ^ $(date +%s)) % 30000))} KILLS=${KILLS:-12}
	echo "# seed $SEED, $KILLS kills of each kind" >&3
}

setup() {
	RD=$BATS_TEST_TMPDIR/reeved
	export RD
	mkdir -p "$RD/bpf"
	"$TOP/tools/mkbundle" "$RD/bundle"
	# Without one the recorder is off, and the storm knows what that costs.
	mount -t bpf bpf "$RD/bpf" 2>/dev/null || true
}

teardown() {
	# Not mounted where the kernel has no bpffs.
	umount "$RD/bpf" 2>/dev/null || true
}

settings() { # RECORDER
	cat >"$RD/reeved.toml" <<-TOML
		address = "$RD/sock"
		root = "$RD/root"
		state = "$RD/state"
		[exits]
		recorder = $1
		bpffs = "$RD/bpf/reeved"
	TOML
}

storm() { # RECORDER KINDS
	settings "$1"
	run -0 python3 "$TOP/tests/integration/reeved_kill.py" storm "$RD" "$RD/bundle" "$2" "$KILLS" "$SEED"
	sed 's/^/# /' <<<"$output" >&3
}

@test "MGR-33 MGR-35: worker, guardian, both, front killed: exit codes are true, events come, nothing is left" {
	storm true worker,guardian,both,front
}

@test "MGR-34: without the recorder only what nobody saw is 255" {
	storm false guardian,both
}

@test "a reboot: tasks are gone, containers are in the store and run again, nothing is left" {
	settings true
	run -0 python3 "$TOP/tests/integration/reeved_kill.py" reboot "$RD" "$RD/bundle"
}
