# shellcheck shell=bash
# bench: measure beside the peers, all of them in one run. Prints tables, leaves JSON in out/bench/, never judges.

BENCH=$OUT/bench

# The parts in their order, and what each is called in the tables.
BENCH_PARTS=(oci floor containerd exec-storm death events idle idle-500 output exec-start reeved reeved-memory reeved-restart
	reeved-import)

bench_help() {
	cat <<'HELP'
usage: ./dev bench [quick] [PART]... | syscalls [-v] | marks | --doc

  (nothing)    every part, with the sample sizes of docs/benchmarks.md: about half an hour
  quick        few samples beside the newest peers at hand, without idle-500: some minutes

  oci          `reeve` beside runc and crun: time, CPU, system calls, memory
  floor        `reeve run` beside what the kernel alone takes for the same container, and crun; with a filter, new and kept
  containerd   containerd-shim-reeve-v2 beside containerd-shim-runc-v2: time of a life and an exec, memory
  exec-storm   execs, 8 at a time: per second, CPU time of the shim for each
  death        from the death of a container to its exit event at a subscriber
  events       events per second at a subscriber during a storm
  idle         100 idle containers: start all, memory of the shims and of cgroups, kill and delete all
  idle-500     500 of them
  output       1 GiB of stdout to a reader that discards it: rate, CPU time of the shim
  exec-start   the Start of an exec at the shim's own socket
  reeved       reeved beside containerd with its shim and with ours: the life of a task, with 1 and 8 clients
  reeved-memory   what the daemon takes with 0, 100 and 500 tasks
  reeved-restart  from the start of the daemon until it has listed 500 tasks, after a stop and after kill -9
  reeved-import   `ctr images import` of 50 MiB

  syscalls -v  the system calls of each process of one `reeve run`, by name
  marks        what the project asked of itself beside what was measured last
  --doc        rewrite the tables of docs/benchmarks.md from out/bench/*.json

Newer peers are measured too when they were unpacked: tools/peers oci-sid
HELP
}

# The client of containerd: Go, from Debian's sources of containerd.
bench_client() {
	[ -x "$BENCH/client" ] && [ -z "$(find tests/bench/client -newer "$BENCH/client")" ] ||
		(cd tests/bench/client && GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE=$BENCH/gocache GOFLAGS=-trimpath \
			quiet bench-client go build -o "$BENCH/client" .)
}

bench_controllers() {
	local v1
	v1=$(awk '$1 == "cgroup" || $3 == "cgroup"' /proc/self/mounts | wc -l)
	if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
		echo "cgroup v2"
	else
		echo "cgroup v1, $v1 hierarchies$(! grep -q ' cgroup2 ' /proc/self/mounts || echo ' and v2 without controllers')"
	fi
}

# What the figures were taken on, as JSON.
bench_about() {
	local debian="" sid_versions=${REEVE_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/reeve}/peers/oci-sid/VERSIONS
	[ ! -e /etc/debian_version ] || debian=$(cat /etc/debian_version)
	jq -n --arg taken "$(date -u +%Y-%m-%d)" --arg mode "$BENCH_MODE" --arg kernel "$(uname -r)" \
		--arg machine "$(uname -m)" --arg debian "$debian" --arg cgroups "$(bench_controllers)" \
		--arg cpu "$(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -n 1)" \
		--argjson cpus "$(nproc)" --argjson memory_mib "$(awk '/^MemTotal/ { print int($2 / 1024) }' /proc/meminfo)" \
		--arg virtual "$(grep -qw hypervisor /proc/cpuinfo && echo virtual)" \
		--arg reeve "$(out/bin/reeve --version | head -n 1)" \
		--arg commit "$(git describe --always --dirty 2>/dev/null)" \
		--arg system "$(dpkg-query -W -f '${Package} ${Version}\n' containerd runc crun | paste -sd, | sed 's/,/, /g')" \
		--arg sid "$(grep -E '^(crun|runc) ' "$sid_versions" 2>/dev/null | paste -sd, | sed 's/,/, /g')" \
		--arg load "$(cut -d' ' -f1-3 /proc/loadavg)" \
		'$ARGS.named'
}

# bench_part NAME COMMAND...: measure into out/bench/NAME.json and print the table. A failed measurement is shown, and
# remembered in BENCH_FAILED.
bench_part() {
	local name=$1 rc=0
	shift
	nice -n -15 tests/integration/enter "$@" >>"$BENCH/$name.lines" </dev/null || rc=$?
	[ "$rc" = 0 ] || { echo "bench: $name ended with status $rc" >&2; BENCH_FAILED=1; }
	return 0
}

bench_result() { # NAME
	local name=$1
	jq -s --argjson about "$(bench_about)" -f tests/bench/summary.jq "$BENCH/$name.lines" >"$BENCH/$name.json.new"
	mv "$BENCH/$name.json.new" "$BENCH/$name.json"
	bench_table "$name"
	jq -r '.failures[] | "failed \(.times) times: \(.peer), \(.test) \(.regime): \(.failed)"' "$BENCH/$name.json"
	[ "$(jq '.failures | length' "$BENCH/$name.json")" = 0 ] || BENCH_FAILED=1
}

bench_table() { # NAME
	jq -r --arg sep $'\t' -f tests/bench/table.jq "$BENCH/$1.json" | bench_columns
}

# Columns as wide as they must be.
bench_columns() {
	awk -F '\t' '
		{ for (i = 1; i <= NF; i++) { cell[NR, i] = $i; if (length($i) > width[i]) width[i] = length($i) } }
		END {
			for (r = 1; r <= NR; r++) {
				for (i = 1; i <= NF; i++) printf "%-*s%s", i < NF ? width[i] + 2 : 0, cell[r, i], i < NF ? "" : "\n"
			}
		}'
}

bench_oci() {
	echo "== \`reeve\` beside runc and crun"
	: >"$BENCH/oci.lines"
	bench_part oci tests/bench/oci
	bench_part oci tests/bench/syscalls
	bench_result oci
}

# bench_shim NAME TITLE [PART]: one part of tests/bench/containerd.
bench_shim() {
	echo "== $2"
	bench_client
	: >"$BENCH/$1.lines"
	bench_part "$1" tests/bench/containerd "$BENCH/client" "${3:-$1}"
	bench_result "$1"
}

# bench_reeved NAME TITLE PART: one part of tests/bench/reeved.
bench_reeved() {
	echo "== $2"
	bench_client
	: >"$BENCH/$1.lines"
	bench_part "$1" tests/bench/reeved "$BENCH/client" "$3"
	bench_result "$1"
}

bench_one() { # PART
	case $1 in
	oci) bench_oci ;;
	floor) bench_floor ;;
	containerd) bench_shim containerd "shims under containerd" ;;
	exec-storm) bench_shim exec-storm "a storm of execs" storm ;;
	death) bench_shim death "from death to event" ;;
	events) bench_shim events "events per second" ;;
	idle) bench_shim idle "100 idle containers" ;;
	idle-500) bench_shim idle-500 "500 idle containers" idle500 ;;
	output) bench_shim output "1 GiB of output" ;;
	exec-start) bench_exec_start ;;
	reeved) bench_reeved reeved "reeved beside containerd" life ;;
	reeved-memory) bench_reeved reeved-memory "memory of the daemon and what is its" memory ;;
	reeved-restart) bench_reeved reeved-restart "restart with tasks" restart ;;
	reeved-import) bench_reeved reeved-import "image import" import ;;
	*) die "no benchmark '$1': ${BENCH_PARTS[*]} syscalls marks" ;;
	esac
}

bench_floor() {
	echo "== \`reeve run\` beside the floor"
	: >"$BENCH/floor.lines"
	bench_part floor tests/bench/floor
	bench_result floor
}

# At the shim's own socket, without containerd.
bench_exec_start() {
	echo "== the Start of an exec at the shim's socket"
	: >"$BENCH/exec-start.lines"
	bench_part exec-start tests/bench/exec_start
	bench_result exec-start
}

# bench_marks SEPARATOR
bench_marks() {
	jq -nr --arg sep "$1" -f tests/bench/marks.jq "$BENCH"/*.json
}

# Rows joined by " | " on stdin, the first one the titles.
bench_rows() {
	sed 's/^/| /; s/$/ |/; s/^|  | /| | /; s/ |  |$/ | |/' |
		awk 'NR == 1 { print; gsub(/[^|]+/, "---"); sub(/---$/, ""); print; next } { print }'
}

bench_markdown() { # NAME
	if [ "$1" = marks ]; then
		bench_marks ' | ' | bench_rows
		return
	fi
	jq -r '.about | "Taken \(.taken) (\(.mode)) on: \(.cpu), \(.cpus) CPUs\(if .virtual != "" then " of a virtual machine" else "" end), \(.memory_mib) MiB, Linux \(.kernel), \(.cgroups), Debian \(.debian); \(.reeve) (\(.commit)); \(.system)\(if .sid != "" then "; of sid: " + .sid else "" end). Load before: \(.load)."' "$BENCH/$1.json" | fold -sw 116 | sed 's/ *$//'
	echo
	jq -r --arg sep ' | ' -f tests/bench/table.jq "$BENCH/$1.json" | bench_rows
	jq -r '.failures[] | "\nFailed \(.times) times: \(.peer), \(.test) \(.regime): \(.failed)"' "$BENCH/$1.json"
}

# Put the tables between their marks; the words around them stay.
bench_doc() {
	local doc=docs/benchmarks.md name
	ls "$BENCH"/*.json >/dev/null 2>&1 || die "nothing measured yet: ./dev bench"
	for name in marks "${BENCH_PARTS[@]}"; do
		[ "$name" = marks ] || [ -e "$BENCH/$name.json" ] || continue
		bench_markdown "$name" >"$BENCH/$name.md"
		awk -v name="$name" -v table="$BENCH/$name.md" '
			$0 == "<!-- table " name " -->" { print; while ((getline line <table) > 0) print line; skip = 1 }
			$0 == "<!-- end -->" { skip = 0 }
			!skip { print }' "$doc" >"$BENCH/doc"
		cp "$BENCH/doc" "$doc"
	done
}

cmd_bench() {
	local parts=() part
	export BENCH_MODE=full
	BENCH_FAILED=0
	case ${1:-} in
	-h | --help | help)
		bench_help
		return
		;;
	--doc)
		bench_doc
		return
		;;
	marks)
		bench_marks $'\t' | bench_columns
		return
		;;
	quick)
		BENCH_MODE=quick
		shift
		;;
	esac
	[ "$(id -u)" = 0 ] || die "the measurements need root"
	setup_groups build run peers bench
	# shellcheck source=tools/dev/build.bash
	. tools/dev/build.bash
	build_tree
	mkdir -p "$BENCH"
	if [ "${1:-}" = syscalls ]; then
		tests/integration/enter tests/bench/syscalls "${@:2}"
		return
	fi
	parts=("$@")
	if [ ${#parts[@]} = 0 ]; then
		parts=("${BENCH_PARTS[@]}")
		[ "$BENCH_MODE" = full ] || parts=("${parts[@]/idle-500/}")
	fi
	for part in "${parts[@]}"; do
		[ -z "$part" ] || bench_one "$part"
	done
	echo "== marks"
	bench_marks $'\t' | bench_columns
	[ "$BENCH_FAILED" = 0 ]
}
