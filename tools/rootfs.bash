# shellcheck shell=bash
# The root file system of our images and bundles: one static busybox under the names of its applets.

# rootfs_make DIR: the same bytes each time.
rootfs_make() {
	local dir=$1 busybox
	busybox=$(command -v busybox) || { echo "busybox is missing: ./dev setup" >&2; return 1; }
	mkdir -p "$dir"/{bin,dev,etc,home/app,proc,root,run,sys,tmp,var/tmp}
	chmod 1777 "$dir/tmp" "$dir/var/tmp"
	chmod 700 "$dir/root"
	cp "$busybox" "$dir/bin/busybox"
	"$dir/bin/busybox" --install "$dir/bin"
	printf '%s\n' root:x:0:0:root:/root:/bin/sh app:x:1000:1000:app:/home/app:/bin/sh \
		nobody:x:65534:65534:nobody:/:/bin/false >"$dir/etc/passwd"
	printf '%s\n' root:x:0: app:x:1000: audio:x:29:app video:x:44:app nogroup:x:65534: >"$dir/etc/group"
	printf '127.0.0.1 localhost\n::1 localhost\n' >"$dir/etc/hosts"
	chown 1000:1000 "$dir/home/app"
}
