# shellcheck shell=bash
# vm: run things in the Debian machine of the VM tool: systemd as pid 1, cgroup v2, its own kernel, which VM_KERNEL names.
# The tool is not part of this tree; it is looked for at ../shared/tools/vm/vm.

vm_run() { # OPTION... -- COMMAND...
	[ -x "$VM_TOOL" ] || die "the VM tool is not here: ../shared/tools/vm/vm"
	"$VM_TOOL" run "$@"
}

# The machine with this kernel: options of the VM tool. criu of Debian 12 is too old for newer kernels than its own.
vm_machine() { # 6.1 | hybrid | 6.12 | apparmor | selinux | sid
	local with=(--with python3 --with libcmocka0 --with libbpf1)
	case $1 in
	6.1) echo --suite bookworm "${with[@]}" --with criu --with libarchive13 ;;
	# the same with cgroup v1 for everything but processes
	hybrid) echo --suite bookworm "${with[@]}" --with criu --with libarchive13 --append systemd.unified_cgroup_hierarchy=0 ;;
	6.12) echo --suite trixie "${with[@]}" --with criu/sid --with libarchive13t64 ;;
	apparmor) echo --suite trixie "${with[@]}" --with criu/sid --with libarchive13t64 --append apparmor=1 ;;
	selinux) echo --suite trixie "${with[@]}" --with criu/sid --with libarchive13t64 --append selinux=1 ;;
	sid) echo --suite trixie --kernel linux-image-amd64/sid "${with[@]}" --with criu/sid --with libarchive13t64 ;;
	*) die "vm: which kernel is '$1'? 6.1, hybrid, 6.12 (when none is named), apparmor, selinux or sid" ;;
	esac
}

# What tests/integration/guest has; and unit-NAME, one program of the unit tests.
VM_SUITES="runtime config shim shim-methods guardian worker-kill worker-reload unit demo reeved apparmor systemd selinux"

vm_is_suite() { # NAME
	[[ " $VM_SUITES " = *" $1 "* ]] || [[ $1 = unit-* && -e tests/unit/test_${1#unit-}.c ]]
}

# What the tests of security modules want, and the machine has no packages of.
vm_bring() {
	local selinux
	install "$(tools/peers apparmor)/bin/apparmor_parser" "$SECTION_DIR/apparmor_parser"
	selinux=$(tools/peers selinux)
	LD_LIBRARY_PATH=$(echo "$selinux"/lib/*-linux-gnu) "$selinux/bin/secilc" -c 33 -f /dev/null \
		-o "$SECTION_DIR/selinux.policy" tests/vm/selinux.cil
}

# The suites that hold on a machine as most people have it, in VM_KERNEL's; or those of them that are named. The machine is
# emulated, on a host that may be busy: every deadline has room.
vm_suites() { # [NAME]...
	local name machine
	machine=$(vm_machine "${VM_KERNEL:-6.12}")
	for name; do
		vm_is_suite "$name" || die "vm: which suite is '$name'? $VM_SUITES, or unit-NAME for one program of the unit tests"
	done
	build_tree
	vm_bring
	# shellcheck disable=SC2016,SC2086 # VM_OUT is the machine's; the options are words
	one "the machine runs" vm_run $machine --timeout 7200 --out "$SECTION_DIR/out" --env TEST_SLOW=10 --env BATS_TEST_TIMEOUT=2700 \
		. -- sh -c 'exec tests/integration/guest "$VM_OUT" "$@"' sh "$@"
	cat "$SECTION_DIR/out/machine" 2>/dev/null || true
	for name in "$SECTION_DIR"/out/*.tap; do
		[ -e "$name" ] || continue
		name=$(basename "$name" .tap)
		tap_cases "vm $name: " <"$SECTION_DIR/out/$name.tap" >"$SECTION_DIR/tap"
		cat "$SECTION_DIR/tap" >>"$SECTION_DIR/cases"
		! grep -q '^not ok' "$SECTION_DIR/tap" || {
			grep -A 25 '^not ok' "$SECTION_DIR/out/$name.tap" | head -n 60 || true
			cat "$SECTION_DIR/out/$name.err"
		} | sed 's/^/    /'
	done
	[ ! -e "$SECTION_DIR/out/demo.status" ] || one "vm demo" vm_demo
	vm_ended
}

# guest names each suite when its turn comes: one that left nothing, or whose turn never came, is no success.
vm_ended() {
	local name
	while read -r name; do
		[ -s "$SECTION_DIR/out/$name.tap" ] || [ -e "$SECTION_DIR/out/$name.status" ] || case_add "not ok" "vm $name: did not run"
	done < <(cat "$SECTION_DIR/out/asked" 2>/dev/null || echo "any suite")
}

vm_demo() {
	cat "$SECTION_DIR/out/demo.log"
	[ "$(cat "$SECTION_DIR/out/demo.status")" = 0 ]
}

vm_usage() {
	cat <<-USAGE
		usage: ./dev vm test [KERNEL [SUITE]...]

		KERNEL is 6.1, hybrid (6.1 with cgroup v1), 6.12 (when none is named), apparmor and selinux (6.12 with them) or sid; SUITE one or
		more of
		  $VM_SUITES
		or unit-NAME for one program of the unit tests; all of them when none is named.
		What they said is in out/test/vm/out/.
	USAGE
}

cmd_vm() {
	[ $# -gt 0 ] || die "vm: which command? ./dev vm test, or any command with its arguments"
	[ -x "$VM_TOOL" ] || die "the VM tool is not here: ../shared/tools/vm/vm"
	if [ "$1" = test ]; then
		case ${2:-} in -h | --help) vm_usage && return ;; esac
		# shellcheck source=tools/dev/test.bash
		. tools/dev/test.bash
		[ $# = 1 ] || { vm_machine "$2" >/dev/null && VM_KERNEL=$2; }
		cmd_test vm "${@:3}"
		return
	fi
	setup_groups build run peers vm
	# shellcheck source=tools/dev/build.bash
	. tools/dev/build.bash
	build_tree
	# shellcheck disable=SC2046 # options are words
	vm_run $(vm_machine "${VM_KERNEL:-6.12}") --timeout 1800 . -- "$@"
}
