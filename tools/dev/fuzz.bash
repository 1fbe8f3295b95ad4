# shellcheck shell=bash
# fuzz [NAME [SECONDS]]: libFuzzer over one format, or each in turn. New inputs go to out/fuzz/NAME/, a crash too;
# an input worth keeping is copied to tests/fuzz/corpus/NAME/ and is from then on part of `./dev test`.
cmd_fuzz() {
	local name seconds=${2:-30}
	setup_groups build test
	CC=clang meson_dir build-fuzz -Dfuzz=true -Dstatic=false -Db_lundef=false -Db_sanitize=address,undefined
	quiet build-fuzz ninja -C build-fuzz
	for name in build-fuzz/tests/fuzz/fuzz_*; do
		[ -x "$name" ] && [ ! -d "$name" ] || continue
		name=${name##*/fuzz_}
		[ -z "${1:-}" ] || [ "$1" = "$name" ] || continue
		mkdir -p "out/fuzz/$name"
		echo "fuzz $name for $seconds s"
		"build-fuzz/tests/fuzz/fuzz_$name" -max_total_time="$seconds" -print_final_stats=1 -artifact_prefix="out/fuzz/$name/crash-" \
			"out/fuzz/$name" "tests/fuzz/corpus/$name"
	done
}
