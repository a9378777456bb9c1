# shellcheck shell=bash
# shellcheck source-path=SCRIPTDIR source=apt-fetch.sh
# shellcheck disable=SC2154 # variables of apt-fetch.sh
# A sparse that the kernel accepts.  Debian 12's does not know
# __typeof_unqual__, whereupon kbuild checks nothing and says so once; that of
# a later suite is built from its source package.  Needs apt-fetch.sh.

: "${cache:?common.sh is sourced first}"
sparse_suite=forky
sparse_version='0.6.5~rc1-2'
sparse_sha256=3ac8855ec7f3ab92f325be0f64347ccc2b10f8b4d7c2906783ee8e2bdab3f0de

# sparse_for SOURCE: sets $sparse, a program that this kernel source accepts.
sparse_for() {
	local build=$cache/sparse
	for sparse in sparse "$build/sparse"; do
		if [[ $(sh "$1/scripts/checker-valid.sh" "$sparse" || true) == 1 ]]; then return; fi
	done
	rm -rf "$build"
	mkdir -p "$build"
	apt_fetch_source "$sparse_suite" sparse "$sparse_version" "$sparse_sha256" '*' ||
		die 'no sparse that this kernel accepts (reason above); put one that knows __typeof_unqual__ first in PATH'
	note 'building sparse'
	tar -xf "$tarball" -C "$build" --strip-components=1
	make -C "$build" -j "$(nproc)" HAVE_LLVM=no HAVE_GTK=no HAVE_SQLITE=no sparse >"$build/build.log" 2>&1 || {
		tail -n 20 "$build/build.log" >&2
		die "building sparse failed (log: $build/build.log)"
	}
	[[ $(sh "$1/scripts/checker-valid.sh" "$sparse") == 1 ]] || die "the kernel does not accept sparse from ${tarball##*/}"
}
