# shellcheck shell=bash
# test: sections in turn. Each writes logs to out/test/SECTION/ and appends its test cases to out/test/SECTION/cases,
# one a line: "ok NAME", "not ok NAME", "skip NAME # REASON" or "peer NAME # REASON". The last line of all is
# "N passed, N failed". A skip is a failure for root, who has all that the tests need. But a file runs under several
# peers, or with a peer in place of ours (RUNTIME=runc), and a test may say that it is not about one of them.

# The section vm takes long, for its machine is emulated: it is run by name, `./dev test vm`, as is `./dev vm test`.
ALL_SECTIONS=(unit san fuzz lint integration soak)

case_add() { # RESULT NAME
	echo "$1 $2" >>"$SECTION_DIR/cases"
}

# one NAME COMMAND...: a test case that is one command; its output is kept, and shown when it fails.
one() {
	local name=$1 log
	shift
	log=$SECTION_DIR/${name//[ \/]/-}.log
	if "$@" >"$log" 2>&1 </dev/null; then
		case_add ok "$name"
	else
		case_add "not ok" "$name"
		tail -n 40 "$log" | sed 's/^/    /'
	fi
}

# TAP on stdin to cases. A plan that was not kept is a failure: the program died.
tap_cases() { # PREFIX
	awk -v prefix="$1" '
		/^1\.\.[0-9]+/ { plan += substr($1, 4); next }
		!/^(not )?ok / { next }
		{ seen++; result = $1 == "not" ? "not ok" : "ok"; sub(/^(not )?ok +[0-9]* *-? */, "") }
		tolower($0) ~ /# *skip/ { result = $0 ~ /# skip peer[ :]/ ? "peer" : "skip" }
		{ print result " " prefix $0 }
		END { if (plan != seen) print "not ok " prefix "ended after " seen + 0 " of " plan + 0 " tests" }'
}

# meson_cases BUILD SUITE: run a suite; TAP of each program becomes cases, a program without TAP is one case.
meson_cases() {
	local build=$1 suite=$2 row name result
	rm -f "$build/meson-logs/testlog.json"
	env CMOCKA_MESSAGE_OUTPUT=TAP ASAN_OPTIONS="${ASAN_OPTIONS:-detect_leaks=1}" UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
		meson test -C "$build" --no-rebuild --suite "$suite" --num-processes "$(nproc)" >"$SECTION_DIR/$suite.log" 2>&1 </dev/null || true
	cp "$build/meson-logs/testlog.txt" "$SECTION_DIR/$suite.txt" 2>/dev/null || true
	[ -f "$build/meson-logs/testlog.json" ] || return 0 # a suite without programs
	while IFS= read -r row; do
		name=$(jq -r .name <<<"$row")
		result=$(jq -r .result <<<"$row")
		jq -r '.stdout // ""' <<<"$row" >"$SECTION_DIR/out"
		if [ "$result" = SKIP ]; then
			case_add skip "$name # $(jq -r '((.stdout // "") + (.stderr // ""))' <<<"$row" | tail -n 1)"
		elif grep -qE '^1\.\.' "$SECTION_DIR/out"; then
			tap_cases "$name: " <"$SECTION_DIR/out" >"$SECTION_DIR/tap"
			cat "$SECTION_DIR/tap" >>"$SECTION_DIR/cases"
			[ "$result" = OK ] || grep -q '^not ok' "$SECTION_DIR/tap" || case_add "not ok" "$name ($result)"
		elif [ "$result" = OK ]; then
			case_add ok "$name"
		else
			case_add "not ok" "$name ($result)"
		fi
		[ "$result" = OK ] || [ "$result" = SKIP ] || jq -r '(.stdout // ""), (.stderr // "")' <<<"$row" | tail -n 30 | sed 's/^/    /'
	done <"$build/meson-logs/testlog.json"
}

section_unit() {
	one "build gcc" build_tree
	meson_cases build unit
	one "build clang" build_with clang build-clang
}

build_with() { # CC DIR OPTION...
	CC=$1 meson_dir "${@:2}" && ninja -C "$2"
}

section_san() {
	one "build asan ubsan" build_with gcc build-asan -Db_sanitize=address,undefined -Dstatic=false
	meson_cases build-asan unit
}

section_fuzz() {
	one "build asan ubsan" build_with gcc build-asan -Db_sanitize=address,undefined -Dstatic=false
	meson_cases build-asan fuzz
}

section_lint() {
	# shellcheck source=tools/dev/lint.bash
	. tools/dev/lint.bash
	one "clang-format" lint_format
	one "shellcheck" lint_shell
	one "clang-tidy" lint_tidy
	one "man pages" lint_man
}

# Each line: name of the run, file, settings. A file may run more than once; TAGS chooses some of its tests.
integration_runs() {
	local file version binary
	for file in tests/integration/*.bats; do
		file=$(basename "$file" .bats)
		case $file in
		shim)
			for version in 1.6 1.7 2.1; do echo "shim-$version shim CONTAINERD=$version"; done
			for binary in runc crun; do
				echo "shim-1.6-$binary shim CONTAINERD=1.6 BINARY=$binary"
				for version in 1.7 2.1; do echo "shim-$version-$binary shim CONTAINERD=$version BINARY=$binary-sid TAGS=smoke"; done
			done
			;;
		shim-methods) for version in 1.6 1.7 2.1; do echo "shim-methods-$version shim-methods CONTAINERD=$version"; done ;;
		cri)
			for version in 1.6 2.1; do echo "cri-$version cri CONTAINERD=$version"; done
			echo "cri-2.1-shim cri CONTAINERD=2.1 SANDBOXER=shim"
			;;
		binary) for version in 1.6 2.1; do echo "binary-$version binary CONTAINERD=$version"; done ;;
		docker-userns)
			echo "docker-userns-28 docker-userns DOCKER=28"
			echo "docker-userns-20.10 docker-userns DOCKER=20.10"
			;;
		docker)
			echo "docker-28 docker DOCKER=28"
			for version in path shim; do echo "docker-20.10-$version docker DOCKER=20.10 VIA=$version"; done
			;;
		podman | buildah) for version in 4 5; do echo "$file-$version $file PODMAN_VERSION=$version"; done ;;
		guardian) for version in 1.6 1.7 2.1; do echo "guardian-$version guardian CONTAINERD=$version"; done ;;
		reeved-ctr) for version in 1.6 2.1; do echo "reeved-ctr-$version reeved-ctr CONTAINERD=$version"; done ;;
		worker-kill) for version in 1.6 1.7 2.1; do echo "worker-kill-$version worker-kill CONTAINERD=$version"; done ;;
		*) echo "$file $file" ;;
		esac
	done
}

# integration_run NAME FILE [SETTING]...: one bats file in namespaces of its own.
integration_run() {
	local name=$1 file=$2 rc=0 setting tags=()
	shift 2
	for setting; do [[ $setting != TAGS=* ]] || tags=(--filter-tags "${setting#TAGS=}"); done
	env BATS_TEST_TIMEOUT="${BATS_TEST_TIMEOUT:-600}" "$@" timeout -k 10 3600 tests/integration/enter \
		bats --formatter tap --timing --print-output-on-failure "${tags[@]}" "tests/integration/$file.bats" >"$SECTION_DIR/$name.tap" 2>"$SECTION_DIR/$name.err" </dev/null || rc=$?
	tap_cases "$name: " <"$SECTION_DIR/$name.tap" >"$SECTION_DIR/$name.cases"
	[ "$rc" = 0 ] || grep -q '^not ok' "$SECTION_DIR/$name.cases" || echo "not ok $name: exit status $rc" >>"$SECTION_DIR/$name.cases"
}

# The client of the CRI, with the description of its messages.
cri_client() {
	local dir=$OUT/cri
	mkdir -p "$dir"
	protoc-c --proto_path=tests/cri --descriptor_set_out="$dir/cri.pb" tests/cri/cri.proto
	[ "$dir/cri" -nt tests/cri/main.go ] ||
		(cd tests/cri && GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE=$dir/gocache GOFLAGS=-trimpath \
			quiet cri-client go build -o "$dir/cri" .)
}

# The client made of containerd's own packages.
go_client() {
	local dir=$OUT/goclient
	mkdir -p "$dir"
	[ "$dir/goclient" -nt tests/goclient/main.go ] ||
		(cd tests/goclient && GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE=$dir/gocache GOFLAGS=-trimpath \
			quiet goclient go build -o "$dir/goclient" .)
}

section_integration() {
	local name file settings
	[ "$(id -u)" = 0 ] || die "the integration tests need root"
	build_tree
	[ -n "$TEST_FILES" ] && [[ "$TEST_FILES" != *" cri"* ]] || cri_client
	[ -n "$TEST_FILES" ] && [[ "$TEST_FILES" != *"reeved-go"* ]] || go_client
	export SECTION_DIR
	export -f integration_run tap_cases
	# Two at a time: they mostly wait.
	integration_runs | while read -r name file settings; do
		[ -z "$TEST_FILES" ] || [[ "$TEST_FILES " = *" $name "* ]] || [[ "$TEST_FILES " = *" $file "* ]] || continue
		# a blank at the end would make xargs take the next line as well
		echo "$name $file${settings:+ $settings}"
		echo "not ok $name: did not run" >"$SECTION_DIR/$name.cases"
	done | xargs -r -P 2 -L 1 bash -c 'integration_run "$@"' _ || true
	for name in "$SECTION_DIR"/*.cases; do
		[ -e "$name" ] || continue
		cat "$name" >>"$SECTION_DIR/cases"
		! grep -q '^not ok' "$name" || {
			name=${name%.cases}
			grep -A 25 '^not ok' "$name.tap" | head -n 100
			cat "$name.err"
		} | sed 's/^/    /'
	done
}

# Sizes by environment: SOAK_EXECS, SOAK_LIVES; see tests/integration/shim_soak.py.
section_soak() {
	[ "$(id -u)" = 0 ] || die "the soak needs root"
	build_tree
	# shellcheck disable=SC2016 # TMPDIR is that of inside
	one "${SOAK_EXECS:-2000} execs, ${SOAK_LIVES:-200} lives" tests/integration/enter bash -c \
		'tools/mkbundle "$TMPDIR/template" && exec python3 -B tests/integration/shim_soak.py "$TMPDIR/shim" "$TMPDIR/template"'
	sed -n '/execs/p' "$SECTION_DIR"/*.log | sed '1p;$!d;s/^/  /'
}

section_vm() {
	if [ ! -x "$VM_TOOL" ]; then
		echo "vm            not run: the VM tool is not here (../shared/tools/vm/vm)"
		return
	fi
	# shellcheck source=tools/dev/vm.bash
	. tools/dev/vm.bash
	# shellcheck disable=SC2086 # names are words
	vm_suites $TEST_FILES
}

# section NAME: run it and say one line about it.
section() {
	local name=$1 start=$SECONDS passed failed skipped peer
	SECTION_DIR=$OUT/test/$name
	rm -rf "$SECTION_DIR"
	mkdir -p "$SECTION_DIR"
	: >"$SECTION_DIR/cases"
	"section_$name"
	passed=$(grep -c '^ok ' "$SECTION_DIR/cases" || true)
	failed=$(grep -c '^not ok ' "$SECTION_DIR/cases" || true)
	skipped=$(grep -c '^skip ' "$SECTION_DIR/cases" || true)
	peer=$(grep -c '^peer ' "$SECTION_DIR/cases" || true)
	[ "$((passed + failed + skipped + peer))" -gt 0 ] || return 0
	printf '%-13s %d passed, %d failed%s  (%d s)\n' "$name" "$passed" "$failed" \
		"$([ "$skipped" = 0 ] || echo ", $skipped skipped")" $((SECONDS - start))
	grep '^not ok ' "$SECTION_DIR/cases" | sed 's/^/  /' || true
	grep '^skip ' "$SECTION_DIR/cases" | sed 's/^/  /' || true
	[ "$peer" = 0 ] || echo "  $peer not about the peer of that run:"
	sed -n 's/^peer \(.*\) in [0-9]*ms # skip peer:* */    \1: /p' "$SECTION_DIR/cases"
	if [ "$skipped" != 0 ] && [ "$(id -u)" = 0 ]; then
		echo "  a skip as root counts as a failure"
		failed=$((failed + skipped))
	fi
	TOTAL_PASSED=$((TOTAL_PASSED + passed))
	TOTAL_FAILED=$((TOTAL_FAILED + failed))
}

cmd_test() {
	local sections=("${ALL_SECTIONS[@]}") s
	TEST_FILES=
	if [ $# -gt 0 ]; then
		sections=("$1")
		declare -F "section_$1" >/dev/null || die "no test section '$1': ${ALL_SECTIONS[*]}"
		shift
		for s; do TEST_FILES+=" $(basename "$s" .bats)"; done
	fi
	# shellcheck disable=SC2046 # names are words
	setup_groups $(default_groups)
	# shellcheck source=tools/dev/build.bash
	. tools/dev/build.bash
	TOTAL_PASSED=0 TOTAL_FAILED=0
	for s in "${sections[@]}"; do
		section "$s"
	done
	echo "$TOTAL_PASSED passed, $TOTAL_FAILED failed"
	[ "$TOTAL_FAILED" = 0 ] && [ "$TOTAL_PASSED" -gt 0 ]
}
