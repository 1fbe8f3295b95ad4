# shellcheck shell=bash
cmd_setup() {
	# shellcheck disable=SC2046 # names are words
	[ $# -gt 0 ] || set -- $(default_groups)
	setup_groups "$@"
}
