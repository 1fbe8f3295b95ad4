# shellcheck shell=bash
# lint and fmt: the layout of the C files, clang-tidy, shellcheck.

c_files() {
	git ls-files -co --exclude-standard 'src/*.[ch]' 'tests/*.[ch]' 'tools/*.[ch]'
}

# Every script of the tree, by its name or by its first line.
shell_files() {
	git ls-files -co --exclude-standard '*.bash' '*.bats' '*.sh'
	git ls-files -co --exclude-standard | grep -vE '\.[A-Za-z0-9]+$' | while read -r f; do
		! head -n 1 "$f" 2>/dev/null | grep -qaE '^#!.*\b(ba)?sh\b' || echo "$f"
	done
}

lint_format() {
	local bad
	bad=$(c_files | xargs -r clang-format --dry-run -Werror 2>&1 | sed -n 's/^\([^ :]*\):[0-9]*:.*/\1/p' | sort -u)
	[ -z "$bad" ] || { echo "not laid out, ./dev fmt does it: ${bad//$'\n'/ }"; return 1; }
}

lint_shell() {
	shell_files | xargs -r shellcheck -x
}

# clang-tidy of one file, unless it was clean already with the same text after the preprocessor. Prints its warnings;
# how the analyzer came to them is in out/tidy/.
lint_tidy_file() {
	local file=$1 key
	[ -e "$file" ] || return 0 # made by the build
	local told=(--extra-arg=-include --extra-arg="$TOP/tools/dev/tidy.h")
	key=$({ cat .clang-tidy tools/dev/tidy.h "$file" && clang -E -P -xc -D_GNU_SOURCE -Isrc -I. -Ibuild-clang -Ibuild-clang/proto -Itests/lib "$file" 2>/dev/null; } | sha256sum | cut -c1-32)
	[ ! -e "out/tidy/$key" ] || return 0
	[ "$file" != src/base/err.c ] || told=()
	# That cmocka's assertions do not return, it cannot know.
	[[ $file != tests/* ]] || told+=(--checks=-clang-analyzer-core.NullDereference)
	clang-tidy -p out/tidy --quiet "${told[@]}" "$file" 2>/dev/null >"out/tidy/$key.txt" || true
	if grep -E ': (warning|error): ' "out/tidy/$key.txt"; then
		mv "out/tidy/$key.txt" "out/tidy/${file//\//-}.txt"
		return 1
	fi
	mv "out/tidy/$key.txt" "out/tidy/$key"
}

lint_tidy() {
	mkdir -p out/tidy
	CC=clang meson_dir build-clang
	quiet build-clang ninja -C build-clang
	export -f lint_tidy_file
	# As the programs have it: what tests compile once more with rules taken away is not looked at twice.
	jq 'group_by(.file) | map(map(select(.command | contains("-DREEVE_MUTANTS") | not))[0] // .[0])' \
		build-clang/compile_commands.json >out/tidy/compile_commands.json
	# Only what the build compiles has compiler arguments.
	jq -r '.[].file | sub("^(\\.\\./)+"; "")' build-clang/compile_commands.json | sort -u | grep -E '^(src|tests)/' |
		xargs -r -P "$(nproc)" -I{} bash -c 'lint_tidy_file "$1"' _ {}
}

# Every man page is laid out without a warning.
lint_man() {
	local page out
	for page in man/*.[1-8]; do
		[ -e "$page" ] || continue
		out=$(groff -man -Tutf8 -wall -z "$page" 2>&1) || true
		[ -z "$out" ] || { echo "$out"; return 1; }
	done
}

cmd_lint() {
	local bad=0 check
	setup_groups build lint
	for check in lint_format lint_shell lint_tidy lint_man; do
		"$check" || bad=1
	done
	[ "$bad" = 0 ]
}
