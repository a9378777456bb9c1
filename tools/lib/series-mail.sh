# shellcheck shell=bash
# shellcheck source-path=SCRIPTDIR source=series-core.sh
# shellcheck disable=SC2154 # variables of tools/series and series-core.sh
# tools/series mail: the series as mails, ready for git send-email or b4.

# people FILE FLAGS...: whom get_maintainer.pl names for a patch.
people() {
	(cd "$work" && scripts/get_maintainer.pl --norolestats --nogit --nogit-fallback "${@:2}" "$1") || die "get_maintainer.pl failed on ${1##*/}"
}

# header NAME, addresses on stdin: one folded header line, names encoded as
# RFC 2047 wants them.
header() {
	sort -u |
		perl -CS -MEncode=encode -pe 's/^"?([^<"]*[^\x00-\x7f][^<"]*?)"?(?= <)/encode("MIME-Q", $1)/e' |
		awk -v h="$1: " 'NF { printf "%s%s", (n++ ? ",\n    " : h), $0 } END { if (n) print "" }'
}

# address FILE TO CC: adds the headers at the end of FILE's header.
address() {
	local headers
	headers=$(header To <"$2"; header Cc <(cat) <"$3")
	awk -v h="$headers" '!done && !NF { if (h != "") print h; done = 1 } { print }' "$1" >"$1.part"
	mv "$1.part" "$1"
}

# The previous version's commits, from the tag series-v(N-1) of this project.
previous_tip() {
	local tag=series-v$1 dir=$2
	git -C "$project" rev-parse -q --verify "$tag^{commit}" >/dev/null || return 0
	mkdir -p "$dir"
	git -C "$project" archive "$tag" patches BASE | tar -x -C "$dir"
	if [[ $(sed -n 's/^BASE_TREE=//p' "$dir/BASE") != "$BASE_TREE" ]]; then
		warn "$tag has another base; no range-diff"
		return 0
	fi
	apply_patches "$dir/patches" base
}

cmd_mail() {
	local version='' out='' tip author previous='' p extra=() cover lines blurb where
	while getopts 'v:o:' opt; do
		case $opt in
		v) version=$OPTARG ;;
		o) out=$OPTARG ;;
		*) usage_error 'mail: -vN [-o DIR]' ;;
		esac
	done
	[[ $# -lt $OPTIND ]] || usage_error "mail: what is '${!OPTIND}'?"
	[[ $version =~ ^[1-9][0-9]*$ ]] || usage_error 'mail: -vN is needed, N from 1'
	out=$(realpath -m "${out:-$cache/mail/v$version}")
	cmd_checkout
	tip=$(r rev-parse series)
	[[ $tip == "$(saved_commit)" ]] || die 'branch series is not what patches/ holds; export first'
	[[ $(r rev-list --count "base..$tip") -gt 0 ]] || die 'the series is empty; nothing to mail'
	cover=$patches/cover-letter.txt
	mapfile -t lines <"$cover" || true
	[[ ${#lines[@]} -gt 2 && -n ${lines[0]} && -z ${lines[1]} ]] ||
		die "$cover needs a subject line, an empty line and a text"
	blurb=$(cat "$cover")
	if [[ $version -gt 1 ]]; then
		[[ -s $patches/changelog/v$version.txt ]] || die "write what changed since v$((version - 1)) into patches/changelog/v$version.txt"
		blurb+=$'\n\n'"Changes since v$((version - 1)):"$'\n'"$(cat "$patches/changelog/v$version.txt")"
	fi
	if compgen -G "$out/*" >/dev/null; then die "$out is not empty; remove it, or give another directory with -o"; fi
	mkdir -p "$out"
	if [[ $version -gt 1 ]]; then
		previous=$(previous_tip $((version - 1)) "$tmp/previous")
		if [[ -n $previous ]]; then
			extra=(--range-diff="base..$previous")
		else
			warn "no usable tag series-v$((version - 1)) in this project, so no range-diff"
		fi
		extra+=("-v$version")
	fi
	author=$(r log -1 --format='%an' "$tip")
	GIT_COMMITTER_NAME=$author GIT_COMMITTER_EMAIL=$(r log -1 --format='%ae' "$tip") git -C "$repo" \
		-c branch.series.description="$blurb" format-patch -q -n --cover-letter --thread=shallow \
		--cover-from-description=subject --no-signature --no-renames --diff-algorithm=myers \
		"${extra[@]}" -o "$out" base..series
	: >"$tmp/to"
	: >"$tmp/cc"
	for p in "$out"/*.patch; do
		if [[ $p == *0000-cover-letter.patch ]]; then continue; fi
		people "$p" --nol >"$tmp/to.one"
		people "$p" --nom --nor >"$tmp/cc.one"
		address "$p" "$tmp/to.one" "$tmp/cc.one"
		cat "$tmp/to.one" >>"$tmp/to"
		cat "$tmp/cc.one" >>"$tmp/cc"
	done
	# A robot takes what follows "base-commit:" for a commit id, whatever it is.
	where="base-commit: $UPSTREAM"
	[[ $UPSTREAM =~ ^[0-9a-f]{40}$ ]] || where="The base is Linux $UPSTREAM as in Debian's $PACKAGE $PACKAGE_VERSION,
git tree $BASE_TREE."
	for p in "$out"/*0000-cover-letter.patch; do
		address "$p" "$tmp/to" "$tmp/cc"
		printf '\n%s\n' "$where" >>"$p"
	done
	note "$(find "$out" -name '*.patch' | wc -l) mails in $out; send: git send-email --suppress-cc=self $out/*.patch"
	note "then record the version: git tag series-v$version"
}
