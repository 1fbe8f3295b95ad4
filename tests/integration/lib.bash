# shellcheck shell=bash
# What the integration tests share. A file is run by `./dev test integration [NAME]`, which puts it by
# tests/integration/enter into namespaces and cgroups of its own: what a test finds there, it made itself.
#
#   RUNTIME   the OCI runtime under test: reeve (when built), runc, crun, runc-sid, crun-sid or a path
#   SHIM      the shim under test: reeve (when built), or runc for containerd's own
#   TEST_SLOW factor for every deadline: 3, for a machine that is busy (an emulated one: 10). A wait that comes true costs nothing.

bats_require_minimum_version 1.5.0

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
export LIB=$TOP/build/tests/lib TEST_SLOW=${TEST_SLOW:-3}
export PATH="$TOP/out/bin:$PATH"

# --- waiting: poll until a deadline, never sleep for a guess ---------------------------------------------------

# wait_until SECONDS COMMAND...: until the command succeeds. WAIT_PAUSE is what lies between two tries.
wait_until() {
	local end=$((${EPOCHREALTIME/[.,]/} + $1 * 1000000 * TEST_SLOW))
	shift
	until "$@" >/dev/null 2>&1; do
		if [ "${EPOCHREALTIME/[.,]/}" -gt "$end" ]; then
			echo "did not come true: $*"
			return 1
		fi
		sleep "${WAIT_PAUSE:-0.02}"
	done
}

# within SECONDS COMMAND...: the command itself must end in time.
within() {
	local seconds=$(($1 * TEST_SLOW))
	shift
	timeout -k 5 "$seconds" "$@"
}

gone() { # PID
	[ ! -e "/proc/$1" ] || grep -q '^State:[[:space:]]*Z' "/proc/$1/status" 2>/dev/null
}

# --- assertions that say what they saw --------------------------------------------------------------------------

fail() {
	echo "$*"
	return 1
}

equal() { # GOT WANTED [WHAT]
	[ "$1" = "$2" ] || fail "${3:-value}: got '$1', want '$2'"
}

contains() { # TEXT PART
	[[ "$1" = *"$2"* ]] || fail "'$2' is not in: $1"
}

matches() { # TEXT REGEX
	[[ "$1" =~ $2 ]] || fail "/$2/ does not match: $1"
}

# --- the runtime under test -------------------------------------------------------------------------------------

if [ -z "${RUNTIME:-}" ]; then
	RUNTIME=runc
	[ ! -x "$TOP/out/bin/reeve" ] || RUNTIME=reeve
fi
case $RUNTIME in
reeve) RT=$TOP/out/bin/reeve ;;
*-sid) RT=$("$TOP/tools/peers" oci-sid)/bin/${RUNTIME%-sid} ;;
*) RT=$(command -v "$RUNTIME") ;;
esac
KIND=${RUNTIME##*/}
KIND=${KIND%-sid}
export RUNTIME RT KIND

# The test does not hold for this peer, for this reason. Never for reeve. old-runc and old-crun are those of the system.
not_for() { # KIND... -- REASON
	local kind
	for kind; do
		shift
		[ "$kind" != -- ] || return 0
		[ "$kind" != "$KIND" ] && [ "$kind" != "$RUNTIME" ] && [ "$kind" != "old-$RUNTIME" ] || skip "peer $RUNTIME: ${*:$#}"
	done
}

# rt ARGUMENT...: the runtime with its state in the test's directory.
rt() {
	within 30 "$RT" --root "$RT_ROOT" "$@"
}

# To be called from setup_file: a root file system and a config that the tests of the file copy.
runtime_setup_file() {
	"$TOP/tools/mkbundle" "$BATS_FILE_TMPDIR/template" '.root.readonly = false | del(.process.capabilities.ambient, .process.capabilities.inheritable)'
	ORPHANS_BEFORE=" $(ps -o pid= --ppid 1 | paste -sd' ' | tr -s ' ') "
	export ORPHANS_BEFORE
}

# To be called from setup: B is the bundle, ID the container's id, RT_ROOT the runtime's state.
runtime_setup() {
	B=$BATS_TEST_TMPDIR/b
	ID=t$BATS_TEST_NUMBER
	RT_ROOT=$BATS_TEST_TMPDIR/state
	mount_points >"$BATS_TEST_TMPDIR/mounts"
}

mount_points() {
	cut -d' ' -f5,9 /proc/self/mountinfo | sort
}

# bundle [JQ-FILTER]: make B with this config. Arguments for jq may follow.
bundle() {
	local filter=${1:-.}
	[ $# = 0 ] || shift
	[ -d "$B/rootfs" ] || { mkdir -p "$B" && cp -a "$BATS_FILE_TMPDIR/template/rootfs" "$B/rootfs"; }
	jq --arg cg "/test/$ID" "$@" '.linux.cgroupsPath = $cg | '"$filter" "$BATS_FILE_TMPDIR/template/config.json" >"$B/config.json"
}

# A bundle that runs this shell text. Further arguments are a filter and jq's.
bundle_sh() {
	local text=$1 filter=${2:-.}
	shift
	[ $# = 0 ] || shift
	bundle '.process.args = ["/bin/sh", "-c", $text] | '"$filter" --arg text "$text" "$@"
}

# create, and run -d, give the container our standard streams: files, lest the test wait for it.
ct_create() { # [OPTION]...
	rt create --bundle "$B" --pid-file "$B/pid" "$@" "$ID" </dev/null >"$B/stdout" 2>"$B/stderr" || {
		local rc=$?
		cat "$B/stderr"
		return $rc
	}
}

# shellcheck disable=SC2120 # most tests need no option
ct_start() {
	ct_create "$@" && rt start "$ID"
}

# create must fail with status 1. A container that comes up after all must not hold the test's pipes.
# shellcheck disable=SC2120 # most tests need no option
ct_refused() { # [OPTION]...
	status=0
	rt create --bundle "$B" "$@" "$ID" </dev/null >"$BATS_TEST_TMPDIR/refused" 2>&1 || status=$?
	output=$(cat "$BATS_TEST_TMPDIR/refused")
	equal "$status" 1 "status of a create that must fail ($output)"
}

# ends_with STATUS JOB
ends_with() {
	local rc=0
	wait "$2" || rc=$?
	equal "$rc" "$1" "status of the job"
}

# run in the foreground, as a user does.
ct_run() { # [OPTION]...
	rt run --bundle "$B" "$@" "$ID" </dev/null
}

# A container that runs until it is killed, ready.
ct_sleep() { # [JQ-FILTER [JQ-ARGUMENT...]]
	bundle_sh 'trap "exit 3" TERM; echo ready; while :; do sleep 0.05; done' "${@:-.}"
	ct_start
	wait_until 10 grep -q ready "$B/stdout"
}

# inside TEXT [FILTER [JQ-ARGUMENT...]]: run this shell text in a container; its output is in $output.
inside() {
	bundle_sh "$@"
	run -0 ct_run
}

# refused FILTER [JQ-ARGUMENT...]: a create with this config fails and leaves nothing; its text is in $output.
refused() {
	bundle "$@"
	ct_refused
	[ -n "$output" ] || fail "no error text"
	! rt state "$ID" 2>/dev/null || fail "the container is there"
}

status_of() {
	rt state "${1:-$ID}" | jq -r .status
}

status_is() {
	[ "$(status_of "$ID")" = "$1" ]
}

pid_of() {
	rt state "${1:-$ID}" | jq -r .pid
}

# To be called from teardown: end what the test left running, then nothing may be left.
runtime_teardown() {
	local f bad=0
	# A test that was skipped before it had a state: without one a peer takes the current directory's, and removes from it.
	[ -n "${RT_ROOT:-}" ] || return 0
	for f in "$RT_ROOT"/*; do
		[ -d "$f" ] || continue
		rt resume "${f##*/}" >/dev/null 2>&1 || true
		rt delete --force "${f##*/}" >"$BATS_TEST_TMPDIR/delete" 2>&1 || { cat "$BATS_TEST_TMPDIR/delete" && bad=1; }
	done
	nothing_left || bad=1
	return $bad
}

# The cgroups, mounts, state and processes of this test's containers.
leftovers() {
	find /sys/fs/cgroup -type d -path "${TEST_CGROUPS:-*/test/*}" 2>/dev/null | sed 's/^/cgroup /'
	find "$RT_ROOT" -mindepth 1 -maxdepth 1 ! -name '.*' 2>/dev/null | sed 's/^/state /'
	mount_points | diff "$BATS_TEST_TMPDIR/mounts" - | sed -n 's/^>/mount/p; s/^</missing mount/p' |
		while read -r what; do
			# A directory that somebody outside removes takes the mounts on it along, also ours.
			[ "${what#missing}" = "$what" ] || [ -e "$(cut -d' ' -f3 <<<"$what")" ] && echo "$what"
		done
	# Whatever lost its parent is now a child of the namespace's first process.
	ps -o pid=,stat=,args= --ppid 1 | awk -v mine="$ORPHANS_BEFORE" '!index(mine, " " $1 " ") { print "process " $0 }'
}

nothing_left() {
	local try what
	for try in $(seq $((100 * TEST_SLOW))); do
		what=$(leftovers)
		[ -n "$what" ] || return 0
		sleep 0.02
	done
	echo "left behind after $try tries:"
	echo "$what"
	sweep
	return 1
}

# End what was left, so that the next test stands on its own.
sweep() {
	local dir pid
	# shellcheck disable=SC2044 # names of ours
	for dir in $(find /sys/fs/cgroup -depth -type d -path "${TEST_CGROUPS:-*/test/*}"); do
		[ ! -e "$dir/freezer.state" ] || echo THAWED >"$dir/freezer.state"
		[ ! -e "$dir/cgroup.freeze" ] || echo 0 >"$dir/cgroup.freeze"
		for pid in $(cat "$dir/cgroup.procs"); do kill -KILL "$pid"; done
	done
	for pid in $(ps -o pid= --ppid 1); do
		[[ "$ORPHANS_BEFORE" = *" ${pid// /} "* ]] || kill -KILL "$pid"
	done
	for pid in $(seq 50); do
		find /sys/fs/cgroup -depth -type d -path "${TEST_CGROUPS:-*/test/*}" -exec rmdir {} + 2>/dev/null && break
		sleep 0.02
	done
} 2>/dev/null

# The processors that we may use, as the kernel lists them: one of them is the first, one the last.
processors() {
	sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/self/status
}

# --- cgroups ----------------------------------------------------------------------------------------------------

is_v2() {
	[ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ]
}

# cg CONTROLLER FILE-OF-V1 FILE-OF-V2 [CGROUP]: what the file of the container's cgroup says.
cg() {
	local path=${4:-/test/$ID}
	if is_v2; then
		cat "/sys/fs/cgroup$path/$3"
	else
		cat "/sys/fs/cgroup/$1$path/$2"
	fi
}
