# shellcheck shell=bash
# What the benchmarks share: the peers at hand, bundles, containerd. Sourced by tests/bench/{oci,containerd,syscalls},
# which run inside tests/integration/enter and print one JSON object a line.

set -euo pipefail
TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
OURS=$TOP/out/bin/reeve
MODE=${BENCH_MODE:-full}
export COLD_MS=35 # idle before each cold sample: the kernel's grace periods have ended

# Peers of Debian's newest suite when tools/peers has unpacked them. Nothing is fetched for a measurement.
sid_bin() {
	local dir=${REEVE_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/reeve}/peers/oci-sid
	[ ! -e "$dir/VERSIONS" ] || echo "$dir/bin"
}

# "1.28" of "crun version 1.28"
version_of() {
	"$1" --version | sed -n '1s/.* version v\{0,1\}//p' | sed 's/[^0-9.].*//'
}

# Lines of "NAME PATH": ours first, then the peers. Quick takes the newest of each kind alone.
runtimes() {
	local name path sid
	[ ! -x "$OURS" ] || echo "reeve $OURS"
	sid=$(sid_bin)
	for name in crun runc; do
		path=$(command -v "$name" || true)
		[ -z "$sid" ] || [ ! -x "$sid/$name" ] || echo "$name-$(version_of "$sid/$name") $sid/$name"
		[ -n "$sid" ] && [ "$MODE" = quick ] && continue
		[ -z "$path" ] || echo "$name-$(version_of "$path") $path"
	done
}

# The calls of a trace. A line that resumes an unfinished call, a signal or an end is none.
CALLS='^[0-9]+ +[a-z_0-9]+\('

count() { # PEER METRIC VALUE
	jq -cn --arg peer "$1" --arg metric "$2" --argjson value "$3" \
		'{test: "syscalls", regime: "run", $peer, $metric, unit: "", $value}'
}

# One traced run. The caller has run it once before: the first one makes the directories that later ones find.
count_calls() { # PEER PROGRAM ROOT BUNDLE
	local trace=$work/trace
	strace -f -qq -o "$trace" "$2" --root "$3" run --bundle "$4" traced >/dev/null 2>&1 </dev/null
	count "$1" "system calls" "$(grep -cE "$CALLS" "$trace")"
	count "$1" "tasks" "$(awk '{ print $1 }' "$trace" | sort -u | wc -l)"
	count "$1" "execs" "$(grep -cE '^[0-9]+ +execve\(' "$trace")"
}

failed() { # TEST PEER TEXT
	jq -cn --arg test "$1" --arg peer "$2" --arg failed "$3" '{$test, regime: "", $peer, $failed}'
}

# make_bundles DIR: DIR/true ends at once, DIR/sleep keeps running; both with the default config of a runtime.
make_bundles() {
	local filter='.ociVersion = "1.0.2" | del(.process.capabilities.ambient)' # what the oldest peer takes
	"$TOP/tools/mkbundle" "$1/true" "$filter"
	"$TOP/tools/mkbundle" -r "$1/true/rootfs" "$1/sleep" "$filter | .process.args = [\"/bin/sleep\", \"1000000\"]"
	jq --arg root "$1/true/rootfs" '.root.path = $root' "$1/true/config.json" >"$1/true/config.json.new"
	mv "$1/true/config.json.new" "$1/true/config.json"
}

# Progress, for the person who waits.
say() {
	echo "bench: $*" >&2
}
