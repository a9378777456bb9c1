# shellcheck shell=bash
# shellcheck source-path=SCRIPTDIR
# Shared by the tools: where things are, how to speak, which git identity.
# Sourced after `set -euo pipefail`; needs $tool (the name to print).

project=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/linux-revoke
repo=$cache/linux
umask 022
shopt -s inherit_errexit

note() { printf '%s: %s\n' "${tool:-tool}" "$*" >&2; }
warn() { note "WARNING: $*"; }
die() {
	note "error: $*"
	exit 1
}
usage_error() { # needs a function usage
	note "$1"
	usage >&2
	exit 2
}

# The pins: KERNEL_VERSION, PACKAGE, ... (see the file itself).
load_base() {
	[[ -f $project/BASE ]] || die "no BASE file in $project; restore it from git"
	# shellcheck source=../../BASE
	source "$project/BASE"
}

# base_set KEY VALUE: replace one pin in BASE, atomically.
base_set() {
	grep -q "^$1=" "$project/BASE" || die "BASE has no line $1="
	sed "s|^$1=.*|$1=$2|" "$project/BASE" >"$project/BASE.part"
	if cmp -s "$project/BASE.part" "$project/BASE"; then
		rm "$project/BASE.part"
	else
		mv "$project/BASE.part" "$project/BASE"
	fi
}

# sha256_is FILE SUM
sha256_is() { [[ -f $1 && $(sha256sum "$1") == "$2 "* ]]; }

# One run of a tool at a time per cache; waits for the other one.
take_lock() {
	local foreign
	mkdir -p "$cache"
	foreign=$(find "$cache" -maxdepth 1 ! -writable -print -quit)
	[[ -z $foreign ]] || die "$foreign cannot be written (made by root?); 'chown -R' $cache to you, or set XDG_CACHE_HOME"
	exec {lock_fd}>"$cache/.lock-$1"
	flock -n "$lock_fd" || {
		note "waiting for another $1 to finish"
		flock "$lock_fd"
	}
}

# Commits come out with the same ids on every machine: nobody's git
# configuration takes part, but for whose trees are trusted, and the committer
# is always the same.
git_deterministic() {
	local trusted=$cache/gitconfig
	unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_COMMITTER_DATE GIT_AUTHOR_NAME \
		GIT_AUTHOR_EMAIL GIT_AUTHOR_DATE
	if [[ ${GIT_CONFIG_GLOBAL:-} != "$trusted" ]]; then
		{ echo '[safe]'; git -C / config --get-all safe.directory | sed 's/["\\]/\\&/g; s/.*/directory = "&"/' || true; } >"$trusted.$$"
		mv "$trusted.$$" "$trusted"
	fi
	export GIT_CONFIG_NOSYSTEM=1 GIT_ATTR_NOSYSTEM=1 GIT_CONFIG_GLOBAL=$trusted LC_ALL=C TZ=UTC
	export GIT_COMMITTER_NAME='revoke series' GIT_COMMITTER_EMAIL='series@localhost'
}

r() { git -C "$repo" "$@"; }
tree_of() { r rev-parse --verify --quiet "$1^{tree}"; }
