# shellcheck shell=bash
# vm: run things in the Debian machine of the VM tool: systemd as pid 1, cgroup v2, its own kernel.
# The tool is not part of this tree; it is looked for at ../shared/tools/vm/vm.

vm_run() { # OPTION... -- COMMAND...
	[ -x "$VM_TOOL" ] || die "the VM tool is not here: ../shared/tools/vm/vm"
	"$VM_TOOL" run "$@"
}

cmd_vm() {
	[ $# -gt 0 ] || die "vm: which command? ./dev vm test, or any command with its arguments"
	setup_groups build run vm
	# shellcheck source=tools/dev/build.bash
	. tools/dev/build.bash
	build_tree
	vm_run --timeout 1800 . -- "$@"
}
