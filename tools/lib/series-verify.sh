# shellcheck shell=bash
# shellcheck source-path=SCRIPTDIR source=series-core.sh
# shellcheck disable=SC2154,SC2034,SC2153 # variables shared with tools/series
# tools/series verify: every check prints what it found; nothing stops at the
# first finding, and a check that cannot run is a finding.

findings=0
finding() {
	printf 'verify: FAIL: %s\n' "$*"
	findings=$((findings + 1))
}
passed() { printf 'verify: ok: %s\n' "$*"; }

# run_check NAME FUNCTION: ok when FUNCTION adds no finding.
run_check() {
	local before=$findings
	"$2"
	if [[ $findings -eq $before ]]; then passed "$1"; fi
}

check_list() {
	local have named
	have=$(find "$patches" -maxdepth 1 -name '*.patch' -printf '%f\n' 2>/dev/null | sort || true)
	named=$(cat "$patches/series" 2>/dev/null || true)
	[[ $have == "$named" ]] || finding "patches/series does not list exactly the patches:
$(diff <(cat <<<"$named") <(cat <<<"$have") || true)"
	[[ ${#list[@]} -eq 0 || -s $patches/cover-letter.txt ]] || finding 'patches/cover-letter.txt is missing or empty'
}

# Context and line numbers must fit exactly: an offset is a finding.
check_apply() {
	local p index=$repo/verify.index out
	rm -f "$index"{,.lock}
	GIT_INDEX_FILE=$index git -C "$repo" read-tree base
	for p in "${list[@]}"; do
		out=$(GIT_INDEX_FILE=$index git -C "$repo" apply --cached --verbose --whitespace=nowarn "$p" 2>&1) || {
			finding "${p##*/} does not apply: $out"
			break
		}
		if grep -qE 'offset|fuzz|succeeded at' <<<"$out"; then finding "${p##*/} applies only with an offset: $(grep -E 'succeeded at' <<<"$out")"; fi
	done
	rm -f "$index"
}

check_base_tree() {
	[[ $(tree_of base) == "$BASE_TREE" ]] || finding "the base's tree is $(tree_of base), BASE_TREE says $BASE_TREE (another source than the pinned one?)"
}

check_tip_tree() {
	[[ $(tree_of "$tip") == "$TIP_TREE" ]] || finding "the series gives tree $(tree_of "$tip"), TIP_TREE says $TIP_TREE; 'tools/series export' records it"
}

check_export() {
	format_patches "$repo" "base..$tip" "$tmp/patches"
	diff -rN -x cover-letter.txt -x changelog "$tmp/patches" "$patches" >"$tmp/diff" ||
		finding "re-export differs; 'tools/series export' writes the canonical form:
$(head -n 40 "$tmp/diff")"
}

check_overlay() {
	overlay_of "$tip" "$tmp/overlay"
	diff -r --no-dereference "$tmp/overlay" "$overlay" >"$tmp/diff" ||
		finding "the overlay is not what the series adds; 'tools/series fold' takes edits, 'export -f' drops them:
$(head -n 40 "$tmp/diff")"
}

check_messages() {
	local commit subject author body n=0
	while read -r commit; do
		n=$((n + 1))
		subject=$(r log -1 --format=%s "$commit")
		author=$(r log -1 --format='%an <%ae>' "$commit")
		[[ ${#subject} -le 75 ]] || finding "patch $n: the subject has ${#subject} characters, 75 are allowed: $subject"
		body=$(r log -1 --format=%b "$commit")
		grep -qxF "Signed-off-by: $author" <<<"$body" || finding "patch $n: no Signed-off-by of its author $author"
		grep -qvE '^(([A-Z][A-Za-z-]+-by|Fixes|Link|Closes|Cc): .*|[[:space:]]*)$' <<<"$body" || finding "patch $n: the message has no body: $subject"
	done < <(r rev-list --reverse "base..$tip")
	subject=$(r log --format=%s "base..$tip" | sort | uniq -d)
	[[ -z $subject ]] || finding "two patches share a subject: $subject"
}

# Clean means that checkpatch said nothing at all: what it could not check, it
# says too.  PATH: its helpers in Python need Debian's own python3.
check_checkpatch() {
	local ignore out accept=$here/lib/checkpatch-ignore
	local dictionary=/usr/lib/python3/dist-packages/codespell_lib/data/dictionary.txt
	[[ ${#list[@]} -gt 0 ]] || return 0
	if grep -vE '^(#.*|[A-Za-z_]+ +[^ ]+ .*)$' "$accept"; then finding "$accept: a line lacks its reason"; fi
	ignore=$(awk '/^[A-Z]/ { print $1 }' "$accept" | paste -sd,)
	[[ -f $dictionary ]] || { finding "codespell's dictionary is missing; run tools/apt-install"; return; }
	awk 'NR == FNR { if (/^[a-z]/) known[$1]; next } { split($0, w, "->") } !(w[1] in known)' \
		"$accept" "$dictionary" >"$tmp/words"
	# shellcheck disable=SC2016 # expanded by the inner shell
	printf '%s\0' "${list[@]}" | (cd "$cache/src-base" && PATH=/usr/bin:$PATH xargs -0 -P "$(nproc)" -I '{}' bash -c '
		out=$(scripts/checkpatch.pl --quiet --strict --codespell --codespellfile "$3/words" --show-types \
			--no-summary --color=never --ignore "$2" "$1" 2>&1) && [[ -z $out ]] ||
			printf "%s\n%s\n" "${1##*/}" "$out" >"$3/checkpatch.${1##*/}"' - '{}' "$ignore" "$tmp") ||
		finding 'checkpatch could not be run'
	for out in "$tmp"/checkpatch.*; do
		if [[ -e $out ]]; then finding "checkpatch: $(cat "$out")"; fi
	done
}

check_kernel_doc() {
	local files out
	mapfile -t files < <(cd "$tmp/overlay" && find . -name '*.[ch]' -printf '%P\n' | sort)
	[[ ${#files[@]} -gt 0 ]] || return 0
	out=$(cd "$tmp/overlay" && "$cache/src-base/scripts/kernel-doc" -none -Wall "${files[@]}" 2>&1) || finding "kernel-doc failed (exit $?)"
	[[ -z $out ]] || finding "kernel-doc: $out"
}

cmd_verify() {
	[[ $# -eq 0 ]] || usage_error 'verify takes no options'
	local list tip
	"$here/kernel-source"
	base_work
	mkdir -p "$patches" "$overlay"
	mapfile -t list < <(patch_list "$patches")
	run_check 'patches/series lists every patch' check_list
	run_check 'the base is the pinned source' check_base_tree
	run_check 'patches apply with offset 0 and no fuzz' check_apply
	if tip=$(apply_patches "$patches" base); then
		run_check 'the tip is TIP_TREE' check_tip_tree
		run_check 're-export is byte-identical' check_export
		run_check 'the overlay is what the series adds' check_overlay
		run_check 'messages are complete' check_messages
		run_check 'checkpatch --strict --codespell' check_checkpatch
		run_check 'kernel-doc of added files' check_kernel_doc
	else
		finding 'git am refuses the series'
	fi
	printf 'verify: %d patches, %d findings\n' "${#list[@]}" "$findings"
	[[ $findings -eq 0 ]]
}
