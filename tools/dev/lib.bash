# shellcheck shell=bash
# What the commands of ./dev share. Sourced; TOP is the tree and the working directory.

OUT=$TOP/out
VM_TOOL=$TOP/../shared/tools/vm/vm

die() {
	echo "dev: $*" >&2
	exit 1
}

# The names of the given groups of tools/packages.
packages_of() {
	awk -v want=" $* " '/^==/ { on = index(want, " " $2 " "); next } { sub(/#.*/, "") } on && NF { print $1 }' tools/packages
}

# Those of the given packages that are not installed.
packages_missing() {
	local have
	have=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null | sed -n 's/^installed //p') || true
	printf '%s\n' "$@" | sort -u | grep -vxF -e "${have:-/}" || true
}

# Groups that a person needs for build, run and test on this machine.
default_groups() {
	echo build lint run peers test
	[ ! -x "$VM_TOOL" ] || echo vm
}

# setup_groups GROUP...: install what is missing, say nothing when nothing is.
setup_groups() {
	local missing
	command -v dpkg-query >/dev/null || die "this is no Debian: install what tools/packages names by hand, then build with meson"
	# shellcheck disable=SC2046 # names are words
	missing=$(packages_missing $(packages_of "$@"))
	[ -n "$missing" ] || return 0
	missing=${missing//$'\n'/ }
	[ "$(id -u)" = 0 ] || die "missing packages, as root run: apt-get install --no-install-recommends $missing"
	echo "dev: installing $missing" >&2
	mkdir -p "$OUT"
	export DEBIAN_FRONTEND=noninteractive
	# A fresh machine has no package lists, an old one has lists that name files which are gone: both end here.
	# shellcheck disable=SC2086 # a list of names
	apt_install $missing || { apt_get update && apt_install $missing; } || die "apt-get failed, see $OUT/setup.log"
}

apt_install() {
	apt_get install -y --no-install-recommends "$@"
}

apt_get() {
	apt-get -q -o Dpkg::Use-Pty=0 "$@" >>"$OUT/setup.log" 2>&1 </dev/null
}

# meson_dir DIR OPTION...: configure DIR unless it is, with the compiler in CC.
meson_dir() {
	local dir=$1
	shift
	[ -f "$dir/build.ninja" ] || quiet "$dir.setup" meson setup "$dir" "$@"
}

# quiet NAME COMMAND...: run it with its output in out/log/NAME.log, which is shown when it fails.
quiet() {
	local log=$OUT/log/$1.log
	shift
	mkdir -p "$OUT/log"
	if "$@" >"$log" 2>&1 </dev/null; then
		return 0
	fi
	tail -n 60 "$log" >&2
	echo "dev: '$*' failed, all of its output is in $log" >&2
	return 1
}

# The compiled helpers of tests and scripts.
helper() {
	echo "$TOP/build/tests/lib/$1"
}
