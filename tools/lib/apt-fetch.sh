# shellcheck shell=bash
# Fetch one package of another Debian suite with a private apt configuration:
# the system's own sources and lists stay as they are, and root is not needed.
# Needs common.sh.

: "${cache:?common.sh is sourced first}"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# The Debian archive this machine already uses.  Asked of "update" and not of
# "indextargets", which is silent on a machine that has never updated.
debian_archive() {
	apt-get --print-uris update 2>/dev/null |
		sed -nE "s#^'([^']*/debian(\.list)?/)dists/.*#\1#p" | head -n 1
}

# private_apt SUITE: sets $apt_dir, writes its configuration and reads the lists.
private_apt() {
	local archive
	command -v apt-get >/dev/null || { note "no apt-get here"; return 1; }
	[[ -r $keyring ]] || { note "no $keyring (package debian-archive-keyring)"; return 1; }
	archive=$(debian_archive) || true
	[[ -n $archive ]] || { note "apt's sources name no Debian archive (an address ending in /debian/)"; return 1; }
	apt_dir=$cache/apt/$1
	mkdir -p "$apt_dir"/lists/partial "$apt_dir"/cache/archives/partial "$cache/dl/.part"
	printf '%s [signed-by=%s] %s %s main\n' deb "$keyring" "$archive" "$1" deb-src "$keyring" "$archive" "$1" \
		>"$apt_dir/sources.list"
	# The cache is in a home directory that apt's sandbox user cannot enter, so
	# root downloads as root; apt checks signature and sums in either case.
	cat >"$apt_dir/apt.conf" <<-CONF
		Dir::Etc::sourcelist "$apt_dir/sources.list";
		Dir::Etc::sourceparts "-";
		Dir::State::lists "$apt_dir/lists";
		Dir::Cache "$apt_dir/cache";
		Acquire::Languages "none";
		Acquire::Retries "3";
		APT::Sandbox::User "root";
	CONF
	note "reading the package lists of $1"
	APT_CONFIG=$apt_dir/apt.conf apt-get -q update >"$apt_dir/update.log" 2>&1 || {
		tail -n 5 "$apt_dir/update.log" >&2
		note "apt-get update for suite $1 failed (no network?)"
		return 1
	}
}

apt_versions() { # PACKAGE -> every version on offer, newest first
	APT_CONFIG=$apt_dir/apt.conf apt-cache madison "$1" | awk -F' *[|] *' '{ print $2 }' | sort -rVu
}

# find_version SUITE PACKAGE VERSION GLOB: sets $offered to VERSION or, when that
# is gone, with a warning to the newest one that matches GLOB.
find_version() {
	local v
	offered=''
	private_apt "$1" || return 1
	for v in $(apt_versions "$2"); do
		if [[ $v == "$3" ]]; then offered=$v; return; fi
		# shellcheck disable=SC2053 # a pattern is wanted
		if [[ -z $offered && $v == $4 ]]; then offered=$v; fi
	done
	[[ -n $offered ]] || { note "suite $1 offers no $2 $3 nor any $4"; return 1; }
	warn "$2 $3 is gone from $1; using $offered instead, which nobody tested this project with"
}

# apt_fetch SUITE PACKAGE VERSION SHA256 GLOB: sets $deb to a verified .deb in the
# cache; only VERSION has SHA256, another is checked against apt's signed index.
# Returns 1, having said why, when there is none.
apt_fetch() {
	local suite=$1 package=$2 version=$3 sum=$4 offered f
	deb=$cache/dl/${package}_${version//:/%3a}_all.deb
	if [[ -f $deb ]]; then
		sha256_is "$deb" "$sum" && return 0
		warn "$deb does not have the pinned checksum; fetching it again"
		rm -f "$deb"
	fi
	find_version "$suite" "$package" "$version" "$5" || return 1
	note "downloading $package $offered"
	(cd "$cache/dl/.part" && APT_CONFIG=$apt_dir/apt.conf apt-get download "$package=$offered" >&2) || {
		note "downloading $package failed; run again to resume"
		return 1
	}
	f=$cache/dl/.part/${package}_${offered//:/%3a}_all.deb
	if [[ $offered == "$version" ]]; then
		sha256_is "$f" "$sum" || { rm -f "$f"; note "the $package $version on offer does not have the sha256 pinned in the project; not used"; return 1; }
	else
		deb=$cache/dl/${f##*/}
	fi
	mv "$f" "$deb"
}

# apt_fetch_source SUITE PACKAGE VERSION SHA256 GLOB: sets $tarball to the
# upstream tarball of a source package, likewise.
apt_fetch_source() {
	local suite=$1 package=$2 version=$3 sum=$4 offered f
	tarball=$cache/dl/${package}_$version.source.tar
	if sha256_is "$tarball" "$sum"; then return 0; fi
	find_version "$suite" "$package" "$version" "$5" || return 1
	tarball=$cache/dl/${package}_$offered.source.tar
	note "downloading the source of $package $offered"
	rm -rf "$cache/dl/.part/source"
	mkdir -p "$cache/dl/.part/source"
	(cd "$cache/dl/.part/source" && APT_CONFIG=$apt_dir/apt.conf apt-get -q source --download-only --tar-only "$package=$offered" >&2) || {
		note "suite $suite does not give the source of $package $offered"
		return 1
	}
	for f in "$cache/dl/.part/source/${package}"_*.orig.tar.*; do
		[[ $offered != "$version" ]] || sha256_is "$f" "$sum" || { note "$f does not have the sha256 pinned in the project; not used"; return 1; }
		mv "$f" "$tarball"
	done
}
