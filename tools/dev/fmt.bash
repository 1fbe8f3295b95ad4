# shellcheck shell=bash
cmd_fmt() {
	setup_groups lint
	# shellcheck source=tools/dev/lint.bash
	. tools/dev/lint.bash
	c_files | xargs -r clang-format -i
}
