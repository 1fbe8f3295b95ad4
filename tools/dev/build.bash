# shellcheck shell=bash
# build: meson in build/, and the programs under their final names in out/bin/.

PROGRAMS=(reeve containerd-shim-reeve-v2 reeve-helper reeved)

# build_tree [TARGET]...: all, or these alone.
# shellcheck disable=SC2120 # most callers build all of it
build_tree() {
	meson_dir build
	quiet build ninja -C build "$@"
	mkdir -p out/bin
	local p
	for p in "${PROGRAMS[@]}"; do
		[ -f "build/src/main/$p" ] || continue
		# A running program cannot be written to, but replaced; and its date says that it is newer than its sources.
		if cmp -s "build/src/main/$p" "out/bin/$p"; then
			touch "out/bin/$p"
		else
			cp "build/src/main/$p" "out/bin/.$p.new"
			mv "out/bin/.$p.new" "out/bin/$p"
		fi
	done
}

cmd_build() {
	setup_groups build
	build_tree
}
