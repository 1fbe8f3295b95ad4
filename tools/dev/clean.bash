# shellcheck shell=bash
cmd_clean() {
	rm -rf build build-* out
}
