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

storm() { # RECORDER KINDS [BUILD...]
	settings "$1"
	run -0 python3 "$TOP/tests/integration/reeved_kill.py" storm "$RD" "$RD/bundle" "$2" "$KILLS" "$SEED" "${@:3}"
	sed 's/^/# /' <<<"$output" >&3
}

# other_version FILE: reeved of another version: the same program with another number, as long as its own.
other_version() {
	python3 - "$TOP/out/bin/reeved" "$1" <<-'PYTHON'
		import re, subprocess, sys
		with open(sys.argv[1], "rb") as f:
		    program = f.read()
		version = subprocess.run([sys.argv[1], "--version"], stdout=subprocess.PIPE, check=True).stdout.split()[1]
		other = bytes(b"9"[0] if c in b"0123456789" else c for c in version)
		program, n = re.subn(b"(?<=[ \\0])" + re.escape(version) + b"(?=[ \\0])", other, program)
		assert n > 0, version
		with open(sys.argv[2], "wb") as f:
		    f.write(program)
	PYTHON
	chmod +x "$1"
	[ "$("$1" --version | cut -d' ' -f2)" != "$("$TOP/out/bin/reeved" --version | cut -d' ' -f2)" ]
}

@test "MGR-33 MGR-35: worker, guardian, both, front killed: exit codes are true, events come, nothing is left" {
	storm true worker,guardian,both,front
}

@test "MGR-34: without the recorder only what nobody saw is 255" {
	storm false guardian,both
}

@test "MGR-39: replaced by another version and back while clients work: no call fails, no event is lost" {
	other_version "$BATS_TEST_TMPDIR/other"
	storm true replace,replace "$TOP/out/bin/reeved" "$BATS_TEST_TMPDIR/other"
}

@test "MGR-36: storms with few numbers of processes, which are used again and again" {
	export KILL_NUMBERS=200
	storm false worker,guardian,both
	matches "$output" "began again ([0-9]+) times"
	[ "${BASH_REMATCH[1]}" -ge 1 ]
}

@test "the state directory is removed, too, while clients work and with all of reeved killed" {
	KILLS=$(((KILLS + 2) / 3))
	storm true worker,guardian,both,state,all
}

@test "a reboot: tasks are gone, containers are in the store and run again, nothing is left" {
	settings true
	run -0 python3 "$TOP/tests/integration/reeved_kill.py" reboot "$RD" "$RD/bundle"
}
