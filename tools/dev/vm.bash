# shellcheck shell=bash
# vm: run things in the Debian machine of the VM tool: systemd as pid 1, cgroup v2, its own kernel.
# The tool is not part of this tree; it is looked for at ../shared/tools/vm/vm.

vm_run() { # OPTION... -- COMMAND...
	[ -x "$VM_TOOL" ] || die "the VM tool is not here: ../shared/tools/vm/vm"
	"$VM_TOOL" run "$@"
}

# The suites that hold on a machine as most people have it. The machine is emulated: every deadline has room.
vm_suites() {
	local name
	build_tree
	one "the machine runs" vm_run --timeout 2400 --out "$SECTION_DIR/out" --env TEST_SLOW=10 --env BATS_TEST_TIMEOUT=900 \
		. -- sh -c 'exec tests/integration/guest "$VM_OUT"'
	cat "$SECTION_DIR/out/machine" 2>/dev/null || true
	for name in runtime config shim; do
		[ -s "$SECTION_DIR/out/$name.tap" ] || { case_add "not ok" "vm $name: did not run" && continue; }
		tap_cases "vm $name: " <"$SECTION_DIR/out/$name.tap" >"$SECTION_DIR/tap"
		cat "$SECTION_DIR/tap" >>"$SECTION_DIR/cases"
		! grep -q '^not ok' "$SECTION_DIR/tap" || {
			grep -A 25 '^not ok' "$SECTION_DIR/out/$name.tap" | head -n 60 || true
			cat "$SECTION_DIR/out/$name.err"
		} | sed 's/^/    /'
	done
	one "vm demo" vm_demo
}

vm_demo() {
	cat "$SECTION_DIR/out/demo.log"
	[ "$(cat "$SECTION_DIR/out/demo.status")" = 0 ]
}

cmd_vm() {
	[ $# -gt 0 ] || die "vm: which command? ./dev vm test, or any command with its arguments"
	[ -x "$VM_TOOL" ] || die "the VM tool is not here: ../shared/tools/vm/vm"
	if [ "$*" = test ]; then
		# shellcheck source=tools/dev/test.bash
		. tools/dev/test.bash
		cmd_test vm
		return
	fi
	setup_groups build run vm
	# shellcheck source=tools/dev/build.bash
	. tools/dev/build.bash
	build_tree
	vm_run --timeout 1800 . -- "$@"
}
