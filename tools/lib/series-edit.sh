# shellcheck shell=bash
# shellcheck source-path=SCRIPTDIR source=series-core.sh
# shellcheck disable=SC2154,SC2034,SC2153 # variables shared with tools/series
# Changing the series: fold and rebase.  Part of tools/series.

w() { git -C "$work" "$@"; }

# Bring edits made in the overlay into the work tree.  An overlay file that is
# as it was exported says nothing; a file edited in both places differently
# is refused.
overlay_into_work() {
	local was=$tmp/was file
	overlay_of "$(saved_commit)" "$was"
	mkdir -p "$overlay"
	while IFS= read -r -d '' file; do
		if same "$overlay/$file" "$was/$file" || same "$overlay/$file" "$work/$file"; then continue; fi
		if [[ -e $was/$file || -e $work/$file ]] && ! same "$was/$file" "$work/$file"; then
			die "$file is edited both in the overlay and in $work; make them equal, or restore one"
		fi
		if [[ -e $overlay/$file ]]; then
			mkdir -p "$(dirname "$work/$file")"
			cp -p "$overlay/$file" "$work/$file"
		else
			rm "$work/$file"
		fi
	done < <({ cd "$overlay" && find . -type f -printf '%P\0'; cd "$was" && find . -type f -printf '%P\0'; } | sort -zu)
}
same() { # both absent, or same content and mode
	if [[ -e $1 && -e $2 ]]; then
		[[ -x $1 && -x $2 || ! -x $1 && ! -x $2 ]] && cmp -s "$1" "$2"
	else
		[[ ! -e $1 && ! -e $2 ]]
	fi
}

# Every staged hunk must touch lines of at most one patch; prints those of two.
shared_hunks() {
	local file='' line owners
	while IFS= read -r line; do
		case $line in
		'--- a/'*) file=${line#--- a/} ;;
		'@@ -'*)
			[[ $line =~ ^@@\ -([0-9]+)(,([0-9]+))? ]]
			[[ ${BASH_REMATCH[3]:-1} -gt 0 ]] || continue
			owners=$(w blame -l -s -L "${BASH_REMATCH[1]},+${BASH_REMATCH[3]:-1}" base..HEAD -- "$file" |
				awk '!/^\^/ { print $1 }' | sort -u)
			if [[ $(wc -w <<<"$owners") -gt 1 ]]; then printf '%s: %s\n' "$file" "$line"; fi
			;;
		esac
	done < <(w diff --cached -U0 --no-renames --no-color --src-prefix=a/ --dst-prefix=b/)
}

cmd_fold() {
	local into='' before after shared target file
	while [[ $# -gt 0 ]]; do
		case $1 in
		--into) into=${2:-}; shift 2 || usage_error 'fold: --into needs a patch number' ;;
		*) usage_error "fold: unknown option '$1'" ;;
		esac
	done
	[[ -z $into || $into =~ ^[1-9][0-9]*$ ]] || usage_error "fold: '$into' is not a patch number"
	on_series
	cmd_checkout
	before=$(r rev-parse series)
	if [[ -n $into ]]; then
		target=$(r rev-list --reverse base..series | sed -n "${into}p")
		[[ -n $target ]] || die "there is no patch $into; the series has $(r rev-list --count base..series)"
	fi
	overlay_into_work
	w add -u
	{ new_files; cd "$overlay" && find . -type f -printf '%P\0'; } | w update-index -z --add --remove --stdin
	if w diff --cached --quiet; then
		if [[ $before != "$(saved_commit)" ]]; then cmd_export -f; else note 'nothing to fold'; fi
		return
	fi
	# The fixups vanish in the patches they belong to, so who wrote them does not matter.
	export GIT_AUTHOR_NAME=$GIT_COMMITTER_NAME GIT_AUTHOR_EMAIL=$GIT_COMMITTER_EMAIL
	if [[ -n $into ]]; then
		w commit -q --fixup="$target"
	else
		[[ -x $(git --exec-path)/git-absorb ]] || command -v git-absorb >/dev/null || { w reset -q; die "git-absorb is missing (tools/apt-install); or name the patch with --into N"; }
		shared=$(shared_hunks)
		if [[ -z $shared ]]; then
			(cd "$work" && git -c absorb.maxStack=1000 absorb --force --base "$(r rev-parse base)") >"$cache/absorb.log" 2>&1 || true
			# It leaves deleted files alone; that of one patch is clear.
			while read -r -d '' file; do
				target=$(r log --format=%H "base..$before" -- "$file")
				if [[ $target =~ ^[0-9a-f]{40}$ ]]; then w commit -q --fixup="$target" -- "$file"; fi
			done < <(w diff --cached -z --name-only --no-renames --diff-filter=D)
			shared=$(w diff --cached --name-status --no-renames)
		fi
		if [[ -n $shared ]]; then
			w reset -q --soft "$before"
			w reset -q
			die "no one patch owns these edits; name it with --into N, or edit the commits ('git -C $work rebase -i base', then export):
$shared"
		fi
	fi
	after=$(r rev-parse series)
	touched_files "$after" | scratch_at "$after"
	if ! GIT_SEQUENCE_EDITOR=: s rebase -q -i --autosquash --committer-date-is-author-date base >"$cache/fold.log" 2>&1 ||
		[[ $(s rev-parse 'HEAD^{tree}') != "$(tree_of "$after")" ]]; then
		s rebase --abort 2>/dev/null || true
		forget "$scratch"
		w reset -q --soft "$before"
		w reset -q
		cat "$cache/fold.log" >&2
		die "a later patch changes the same lines, so the edit conflicts; do it by hand: 'git -C $work rebase -i base', then 'tools/series export'"
	fi
	after=$(s rev-parse HEAD)
	forget "$scratch"
	w reset -q --soft "$after"
	unset GIT_AUTHOR_NAME GIT_AUTHOR_EMAIL
	r diff --stat "$before" "$after" >&2
	cmd_export -f
}

cmd_rebase() {
	local old new report=$cache/results/range-diff.txt
	[[ $# -eq 1 ]] || usage_error 'rebase: name the new kernel, or --continue'
	if [[ $1 != --continue ]]; then
		cmd_checkout
		if dirty || [[ -n $(project_edits) || $(r rev-parse series) != "$(saved_commit)" ]]; then die "$work or the overlay has edits that are not in patches/; fold or export them first"; fi
		old=$(r rev-parse base)
		KERNEL=$1 "$here/kernel-source"
		new=$(r rev-parse base)
		[[ $new != "$old" ]] || { note 'the series is on that base already'; return; }
		r update-ref refs/revoke/rebase-from "$(r rev-parse series)"
		r update-ref refs/revoke/rebase-old "$old"
		r update-ref refs/revoke/rebase-new "$new"
		w -c rerere.enabled=true -c rerere.autoUpdate=true rebase --committer-date-is-author-date --onto "$new" "$old" series ||
			die "conflict: resolve it in $work, 'git rebase --continue' there, then 'tools/series rebase --continue'"
	fi
	new=$(r rev-parse -q --verify refs/revoke/rebase-new) || die 'no rebase is under way'
	old=$(r rev-parse refs/revoke/rebase-old)
	if [[ -d $(w rev-parse --absolute-git-dir)/rebase-merge ]] || ! r merge-base --is-ancestor "$new" series; then
		die "the rebase in $work is not finished; 'git -C $work status' says what is left"
	fi
	r update-ref refs/heads/base "$new"
	base_set KERNEL_VERSION "$(r log -1 --format=%s base | cut -d ' ' -f 2)"
	base_set UPSTREAM "v$(r log -1 --format=%s base | cut -d ' ' -f 2)"
	base_set BASE_TREE "$(tree_of base)"
	load_base
	r config revoke.insteadOf "$BASE_TREE"
	r update-ref refs/revoke/pinned base
	cmd_export -f
	mkdir -p "${report%/*}"
	r range-diff --no-color "$old..refs/revoke/rebase-from" base..series | tee "$report"
	for new in from old new; do r update-ref -d "refs/revoke/rebase-$new"; done
	note "rebased; range-diff for the commit message: $report"
	note "BASE: now pin UPSTREAM (the commit id, if it has one), SUITE, PACKAGE, PACKAGE_VERSION and the sums of $KERNEL_VERSION by hand, and run 'tools/series verify'"
}
