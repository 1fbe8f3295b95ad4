# shellcheck shell=bash
# differ [N [SEED [OPTION]...]]: N generated configurations through reeve, and the runc and crun of the system and of sid; what
# their containers see is compared (tests/differential). Those that show something unexplained are kept in out/differ/.
cmd_differ() {
	local sid n=${1:-600} seed=${2:-$RANDOM}
	[ "$(id -u)" = 0 ] || die "containers that are compared need root"
	setup_groups build peers test
	# shellcheck source=tools/dev/build.bash
	. tools/dev/build.bash
	build_tree
	sid=$(tools/peers oci-sid)/bin
	rm -rf out/differ
	tests/integration/enter python3 -B tests/differential/differ -n "$n" -s "$seed" -k "$OUT/differ" "${@:3}" \
		reeve="$OUT/bin/reeve" runc-1.3="$sid/runc" crun-1.28="$sid/crun" runc-1.1="$(command -v runc)" crun-1.8="$(command -v crun)"
}
