# shellcheck shell=bash
# shellcheck source-path=SCRIPTDIR source=common.sh
# shellcheck disable=SC2154,SC2034,SC2153 # variables shared with tools/series
# The two directions between patches/ and commits, for tools/series.
# Needs common.sh.

patches=$project/patches
overlay=$project/kernel-tree-overlay
work=$cache/src-series
scratch=$cache/scratch
state=$repo/revoke-state # "STAMP COMMIT": what patches/ gave when last applied

# A scratch work tree that holds only the files given on stdin: git am and
# rebase run there in no time and touch no time stamp of the real work tree.
s() { git -C "$scratch" -c core.sparseCheckout=true "$@"; }
scratch_at() { # COMMIT, NUL-separated paths on stdin
	forget "$scratch"
	r worktree add -q --no-checkout --detach "$scratch" "$1"
	local info
	info=$(s rev-parse --git-path info/sparse-checkout)
	mkdir -p "${info%/*}"
	{ printf '/.none\n'; tr '\0' '\n' | sed 's#[][*?\\]#\\&#g; s#^#/#'; } >"$info"
	s read-tree -mu HEAD
}
# forget DIR: git locks a work tree that is being made, and a killed run leaves it so.
forget() {
	rm -rf "$1"
	r worktree unlock "$1" 2>/dev/null || true
	r worktree prune
}
# add_work DIR COMMIT...: it is there only when it is complete.
add_work() {
	forget "$1.part"
	r worktree add -q "$1.part" "${@:2}"
	r worktree move "$1.part" "$1"
}

# patch_list DIR: the patches in order, as DIR/series names them.
patch_list() {
	if [[ -s $1/series ]]; then sed "s#^#$1/#" "$1/series"; fi
}

# apply_patches DIR BASE: commits DIR's patches on BASE; prints the tip.
apply_patches() {
	local list
	mapfile -t list < <(patch_list "$1")
	if [[ ${#list[@]} -gt 0 ]]; then
		git apply --numstat -z "${list[@]}" | sed -z 's/^[^\t]*\t[^\t]*\t//' | scratch_at "$2"
		if ! s am -q --patch-format=mbox --committer-date-is-author-date "${list[@]}" >"$cache/am.log" 2>&1; then
			cat "$cache/am.log" >&2
			s am --abort
			forget "$scratch"
			die "$1 does not apply to the base (git says why above); mend the patch, or use 'tools/series rebase' for a new base"
		fi
		s rev-parse HEAD
		forget "$scratch"
	else
		r rev-parse "$2"
	fi
}

# format_patches REPOSITORY RANGE OUT: the canonical form, whatever the user's
# or the repository's configuration says.
format_patches() {
	mkdir -p "$3"
	# A bare repository reads no .gitattributes, which choose the words after "@@".
	if [[ $1 == "$repo" ]]; then r show base:.gitattributes >"$repo/info/attributes" 2>/dev/null || true; fi
	git -C "$1" -c diff.noprefix=false -c diff.mnemonicPrefix=false -c format.pretty=email \
		-c diff.suppressBlankEmpty=false -c format.headers= -c core.attributesFile=/dev/null \
		format-patch -q -N --zero-commit --no-signature --full-index --no-renames \
		--diff-algorithm=myers --no-cover-letter --subject-prefix=PATCH --no-base --no-attach \
		--no-thread --no-notes --no-to --no-cc --no-from --no-color --unified=3 \
		--inter-hunk-context=0 --no-indent-heuristic --src-prefix=a/ --dst-prefix=b/ \
		-o "$3" "$2" --
	(cd "$3" && find . -maxdepth 1 -name '*.patch' -printf '%f\n' | sort >series)
}

# added_files TIP: what the series adds, NUL-separated.
added_files() { r diff -z --no-renames --diff-filter=A --name-only base "$1"; }
touched_files() { r diff -z --no-renames --name-only base "$1"; }

# overlay_of TIP OUT: writes the files the series adds, as they are at TIP.
overlay_of() {
	mkdir -p "$2"
	rm -f "$repo/overlay.index"{,.lock}
	GIT_INDEX_FILE=$repo/overlay.index git -C "$repo" read-tree "$1"
	added_files "$1" | GIT_INDEX_FILE=$repo/overlay.index git -C "$repo" --work-tree="$2" \
		checkout-index -q -z --stdin --prefix="$2/"
	rm -f "$repo/overlay.index"
}

stamp() {
	local list
	mapfile -t list < <(patch_list "$patches")
	{
		r rev-parse base
		sha256sum <"$here/lib/series-core.sh"
		[[ ${#list[@]} -eq 0 ]] || cat "${list[@]}"
	} | sha256sum | cut -d ' ' -f 1
}
save_state() { printf '%s %s\n' "$(stamp)" "$1" >"$state"; }
saved() { if [[ -f $state ]]; then cut -d ' ' -f "$1" "$state"; fi; }
saved_commit() { saved 2; }

# What patches/ and the overlay hold that the last checkout or export did not.
project_edits() {
	local commit
	commit=$(saved_commit)
	: "${commit:=$(r rev-parse base)}"
	if [[ $(stamp) != "$(saved 1)" && $(apply_patches "$patches" base) != "$commit" ]]; then
		echo "patches/: 'tools/series checkout' takes them"
	fi
	overlay_of "$commit" "$tmp/saved"
	mkdir -p "$overlay"
	diff -rq --no-dereference "$tmp/saved" "$overlay" >/dev/null || echo "kernel-tree-overlay/: 'tools/series fold' takes them"
}

# A stale index takes every file for an edited one, hence the refresh.
move_work() { # DIR COMMIT
	git -C "$1" update-index -q --refresh >/dev/null || true
	git -C "$1" reset -q --keep "$2"
}

on_series() {
	[[ ! -e $work/.git ]] && return
	[[ $(git -C "$work" symbolic-ref -q HEAD) == refs/heads/series ]] ||
		die "$work is not on branch series (a rebase under way?); finish it there, or 'git -C $work checkout series'"
	[[ -z $(git -C "$work" ls-files -u) ]] || die "there are conflicts in $work; 'git -C $work status' says where"
}

# work_at COMMIT: branch series and its work tree go to COMMIT; files that are
# the same keep their time stamps, so that make rebuilds no more than it must.
work_at() {
	local commit=$1
	if [[ ! -e $work/.git ]]; then
		r update-ref refs/heads/series "$commit"
		add_work "$work" series
		return
	fi
	on_series
	if [[ $(tree_of "$commit") == "$(tree_of series)" ]]; then
		git -C "$work" reset -q --soft "$commit"
	else
		move_work "$work" "$commit" ||
			die "edits in $work are in the way; fold them ('tools/series fold'), commit them, or drop them ('git -C $work checkout .')"
	fi
}

base_work() {
	local dir=$cache/src-base
	if [[ ! -e $dir/.git ]]; then
		add_work "$dir" --detach base
	elif [[ $(git -C "$dir" rev-parse HEAD) != "$(r rev-parse base)" ]]; then
		move_work "$dir" base || die "edits in $dir are in the way; drop them: 'git -C $dir checkout .'"
	fi
}

# Untracked files that are no rubbish, NUL-separated.  Debian's .gitignore has
# all that is not tracked ignored, by its pattern for the top directory.
new_files() { git -C "$work" ls-files -o -z --exclude-per-directory=.gitignore -x '!/[A-Za-z]*/'; }
dirty() { [[ -n $(git -C "$work" status --porcelain -uno; new_files | tr '\0' '\n') ]]; }
