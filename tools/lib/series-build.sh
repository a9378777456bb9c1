# shellcheck shell=bash
# shellcheck source-path=SCRIPTDIR source=series-core.sh
# shellcheck disable=SC2154 # variables of tools/series and series-core.sh
# The checks of tools/series that compile: check-build, bisect-build and
# cross-build.

cc=${CC:-gcc}
if [[ -z ${CC:-} ]] && command -v ccache >/dev/null; then cc='ccache gcc'; fi
# Without a run of the preprocessor for what is not in the cache.
export CCACHE_DEPEND=1
# Of cross-build:
target_cc=$cc srcarch=x86 arch_args=() arch_config=''
kmake() { # SOURCE OUT ARGS...
	make -C "$1" "O=$2" "CC=$target_cc" "HOSTCC=$cc" "${arch_args[@]}" -j "${JOBS:-$(nproc)}" "${@:3}"
}

# The sides of the facility: what they add to the configuration of every guest
# and of tools/config/touched.config, and how many of REVOKE and REVOKE_SYSCALL,
# which selects it, are then in effect.
declare -A fragments_of=([on]=revoke [nosyscall]='revoke nosyscall' [off]=norevoke)
declare -A symbols_of=([on]=2 [nosyscall]=1 [off]=0)

# configure SOURCE OUT SIDE: an O= tree that is ready to build single objects.
configure() {
	local source=$1 out=$2 side=$3 fragment
	mkdir -p "$out"
	# The last word on a symbol counts.
	{
		for fragment in base normal touched ${fragments_of[$side]}; do cat "$project/tools/config/$fragment.config"; done
		printf '%s\n' "$arch_config"
	} >"$out/side.config"
	{
		KCONFIG_ALLCONFIG=$out/side.config kmake "$source" "$out" allnoconfig &&
			kmake "$source" "$out" prepare modules_prepare
	} >"$out/prepare.log" 2>&1 || {
		tail -n 20 "$out/prepare.log" >&2
		die "preparing $out failed (log: $out/prepare.log)"
	}
}

# Kernel objects of the C files given NUL-separated; programs are not objects.
objects() { sed -zn '/^\(tools\|scripts\|samples\|Documentation\|usr\)\//d; s/\.c$/.o/p' | tr '\0' '\n'; }

touched_objects() { r diff -z --no-renames --diff-filter=d --name-only base series | objects; }

# members SOURCE OUT DIR: what the makefile of DIR asks for in this
# configuration, relative to DIR.
members() {
	local file=$1/$3/Kbuild
	[[ -f $file ]] || file=$1/$3/Makefile
	make -s -f - __members <<-EOT
		-include $2/include/config/auto.conf
		srctree := $1
		src := $1/$3
		obj := $3
		SRCARCH := $srcarch
		include $file
		__all := \$(obj-y) \$(obj-m) \$(lib-y) \$(lib-m)
		__members: ; @printf '%s\n' \$(__all) \$(foreach m,\$(__all),\$(\$(m:.o=-y)) \$(\$(m:.o=-m)) \$(\$(m:.o=-objs)))
	EOT
}

# configured SOURCE OUT PATH: whether kbuild would build PATH (an object, or a
# directory with a slash at its end).  Asked for by name, kbuild compiles any
# file, also one that this configuration cannot compile.
declare -A members_of=() # by directory
configured() {
	local dir=${3%/}
	if [[ $3 == lib/ ]]; then return 0; fi # named by the top makefile alone
	while [[ $dir == */* || $dir != . ]]; do
		if [[ $dir == */* ]]; then dir=${dir%/*}; else dir=.; fi
		[[ -f $1/$dir/Kbuild || $dir != . && -f $1/$dir/Makefile ]] || continue
		if [[ -z ${members_of[$dir]+known} ]]; then
			# Some are fragments of the one above, which then answers.
			members_of[$dir]=$(members "$1" "$2" "$dir" 2>/dev/null || true)
		fi
		if grep -qxF "${3#"$dir"/}" <<<"${members_of[$dir]}"; then
			if [[ $dir == . ]] || configured "$1" "$2" "$dir/"; then return 0; fi
		fi
	done
	return 1
}

# build_objects SOURCE OUT LOG MAKE-ARGS...: builds ${want[@]} anew and sorts
# them into ${built[@]}, ${absent[@]} (not in this configuration) and
# ${failed[@]}.
build_objects() {
	local source=$1 out=$2 log=$3 o try=()
	built=() absent=() failed=()
	local -A members_of=()
	: >"$log"
	for o in "${want[@]}"; do
		if configured "$source" "$out" "$o"; then try+=("$o"); else absent+=("$o"); fi
	done
	[[ ${#try[@]} -gt 0 ]] || return 0
	(cd "$out" && rm -f "${try[@]}")
	kmake "$source" "$out" -k -Otarget "${@:4}" "${try[@]}" >"$log" 2>&1 || true
	for o in "${try[@]}"; do
		if [[ -e $out/$o ]]; then built+=("$o"); else failed+=("$o"); fi
	done
}

# Each warning of LOG, of sources in SOURCE: without the line numbers, which
# move, then a tab, then with them.
warnings_in() { # LOG SOURCE
	{ grep -E '(warning|error):' "$1" || true; } | sed -E "s#$(realpath "$2")/##g; s#^(\.\./)+##" |
		sed -E 'h; s#:[0-9]+(:[0-9]+)?:#:#; G; s#\n#\t#' | sort
}

# tell_failed LOG NAME: dies if there is something in ${failed[@]}.
tell_failed() {
	[[ ${#failed[@]} -gt 0 ]] || return 0
	grep -E 'error:|\*\*\*' "$1" | head -n 20 >&2 || true
	die "$2: ${#failed[@]} objects do not build (log: $1): ${failed[*]}"
}

# judge_absent NAME: ${absent[@]} must be what tools/config/absent lists for
# NAME, each with its reason, and nothing else may be listed.
judge_absent() {
	local list=$project/tools/config/absent where file reason o used
	local -A unlisted=()
	for o in "${absent[@]}"; do unlisted[$o]=1; done
	while read -r where file reason; do
		if [[ -z $where || $where == '#'* ]]; then continue; fi
		[[ -n $reason ]] || die "$list: '$where $file' has no reason; say why no configuration there has it"
		# shellcheck disable=SC2053 # patterns are wanted
		[[ $1 == $where ]] || continue
		used=false
		for o in "${absent[@]}"; do
			# shellcheck disable=SC2053
			if [[ ${o%.o}.c == $file ]]; then
				used=true
				unset "unlisted[$o]"
			fi
		done
		[[ $used == true ]] || die "$1: $list excuses $file, which is compiled, or not touched any more; remove that line"
	done <"$list"
	[[ ${#unlisted[@]} -eq 0 ]] || die "$1: touched, but not compiled: $(printf '%s\n' "${!unlisted[@]}" | sort | xargs)
Add what compiles them to tools/config/touched.config, or the reason why nothing does to tools/config/absent"
}

# inputs_of COMMIT ARGS...: names what a result depends on.
inputs_of() {
	tree_of "$1"
	cat "$project"/tools/lib/{series-build,sparse}.sh "$project"/tools/config/* | sha256sum
	$target_cc --version | head -n 1
	printf '%s\n' "${@:2}"
}
done_before() { # STAMP INPUTS
	[[ -n $2 && -f $1 && $(<"$1") == "$2" ]]
}

# warned_objects LOG: those of ${built[@]} that LOG, in which the targets stand one after
# the other, has warnings of; all of them, if it does not say of which.
warned_objects() {
	local all
	all=$(printf '%s\n' "${built[@]}" | sort)
	awk '$1 == "CC" { object = $NF } /(warning|error):/ { print object == "" ? "?" : object }' "$1" | sort -u >"$tmp/warned"
	if [[ -z $(comm -23 "$tmp/warned" <(printf '%s\n' "$all")) ]]; then cat "$tmp/warned"; else printf '%s\n' "$all"; fi
}

# base_warnings NAME OUT ARGS...: writes to OUT/NAME.warnings what the base says
# about ${warned[@]}.
base_warnings() {
	local name=$1 out=$2 want=("${warned[@]}") built absent failed inputs
	inputs=$(inputs_of base "${@:3}" "${want[@]}")
	if done_before "$out/$name.done" "$inputs"; then return; fi
	configure "$cache/src-base" "$out" "${name##*-}"
	build_objects "$cache/src-base" "$out" "$out/$name.log" "${@:3}"
	tell_failed "$out/$name.log" "$name, the base"
	warnings_in "$out/$name.log" "$cache/src-base" | cut -f 1 >"$out/$name.warnings"
	printf '%s\n' "$inputs" >"$out/$name.done"
}

# check_touched ARCH SIDE ARGS...: compiles what the series touches.  Dies over
# what does not build, what is absent without a reason, and what the base does
# not say as well.  Does nothing where all is as it was when that was last green.
check_touched() {
	local name=$1-$2 out=$cache/build/touched-$1 inputs='' want built absent failed warned new report
	if ! dirty; then inputs=$(inputs_of series "$(tree_of base)" "${@:3}"); fi
	if done_before "$out/$name.done" "$inputs"; then
		note "$(<"$out/$name.report") (nothing has changed since)"
		return
	fi
	mapfile -t want < <(touched_objects)
	[[ ${#want[@]} -gt 0 ]] || { note 'the series touches no kernel object'; return; }
	rm -f "$out/$name.done"
	configure "$work" "$out" "$2"
	[[ $(grep -cE '^CONFIG_REVOKE(_SYSCALL)?=y$' "$out/.config" || true) -eq ${symbols_of[$2]} ]] ||
		die "$name: REVOKE and REVOKE_SYSCALL are not as that wants them in $out/.config; see what selects REVOKE, and tools/config/{${fragments_of[$2]// /,}}.config"
	note "$name: ${#want[@]} touched objects (log: $out/$name.log)"
	build_objects "$work" "$out" "$out/$name.log" "${@:3}"
	tell_failed "$out/$name.log" "$name"
	judge_absent "$name"
	[[ ${#built[@]} -gt 0 ]] || die "$name: none of the touched objects is in this configuration"
	warnings_in "$out/$name.log" "$work" >"$out/$name.warnings"
	if [[ -s $out/$name.warnings ]]; then
		# Only what the base does not say as well counts.
		mapfile -t warned < <(warned_objects "$out/$name.log")
		note "$name: $(wc -l <"$out/$name.warnings") warnings in ${#warned[@]} objects; asking the base"
		base_warnings "$name" "$out.base" "${@:3}"
		new=$(comm -13 "$out.base/$name.warnings" <(cut -f 1 "$out/$name.warnings"))
		[[ -z $new ]] || die "$name: new warnings:
$(awk -F '\t' 'NR == FNR { new[$0]; next } $1 in new { print $2 }' <(printf '%s\n' "$new") "$out/$name.warnings" | sort -u)"
	fi
	report="$name: ${#built[@]} objects built, ${#absent[@]} absent for a reason, no new warning"
	note "$report"
	printf '%s\n' "$report" >"$out/$name.report"
	if [[ -n $inputs ]]; then printf '%s\n' "$inputs" >"$out/$name.done"; fi
}

cmd_check_build() {
	[[ $# -eq 0 ]] || usage_error 'check-build takes no options'
	local sparse
	cmd_checkout
	sparse_for "$work"
	check_touched x86_64 on W=1 C=2 "CHECK=$sparse"
}

cmd_bisect_build() {
	local from=${1:-1} tree=$cache/src-bisect n=0 commit side out all=() want built absent failed count
	[[ $# -le 1 && $from =~ ^[1-9][0-9]*$ ]] || usage_error 'bisect-build: at most one patch number'
	cmd_checkout
	mapfile -t all < <(touched_objects)
	if [[ ! -e $tree/.git ]]; then
		r worktree prune
		r worktree add -q --detach "$tree" base
	fi
	count=$(r rev-list --count base..series)
	while read -r commit; do
		n=$((n + 1))
		[[ $n -ge $from ]] || continue
		git -C "$tree" checkout -q --detach "$commit"
		mapfile -t want < <(r diff -z --no-renames --diff-filter=d --name-only "$commit^" "$commit" | objects)
		if [[ -n $(r diff --name-only "$commit^" "$commit" -- '*.h' ':!tools') ]]; then
			mapfile -t want < <(printf '%s\n' "${want[@]}" "${all[@]}" | sed '/^$/d' | sort -u |
				while read -r o; do if [[ -e $tree/${o%.o}.c ]]; then printf '%s\n' "$o"; fi; done)
		fi
		for side in on off; do
			out=$cache/build/bisect-$side
			configure "$tree" "$out" "$side"
			[[ $side == on ]] || ! grep -q '^CONFIG_REVOKE=y' "$out/.config" ||
				die "patch $n: something selects REVOKE in $out/.config; switch that off in tools/config/norevoke.config"
			build_objects "$tree" "$out" "$out/bisect.log"
			note "patch $n/$count, facility $side: ${#built[@]} objects built, ${#absent[@]} not in this configuration"
			[[ ${#failed[@]} -eq 0 ]] || {
				grep -E 'error:|\*\*\*' "$out/bisect.log" | head -n 20 >&2 || true
				die "patch $n ($(r log -1 --format=%s "$commit")) does not build with the facility $side: ${failed[*]}"
			}
		done
	done < <(r rev-list --reverse base..series)
	note "each of the patches $from to $n builds, facility on and off"
}

cmd_cross_build() {
	local arches=("$@") arch prefix side sides launcher=''
	if [[ $cc == *' '* ]]; then launcher=${cc% *}' '; fi
	[[ $# -gt 0 ]] || arches=(i386 arm64 riscv)
	cmd_checkout
	for arch in "${arches[@]}"; do
		sides=(on nosyscall off) arch_config=''
		case $arch in
		i386) prefix='' srcarch=x86 ;;
		arm64) prefix=aarch64-linux-gnu- srcarch=arm64 ;;
		riscv)
			# For the sake of mm/nommu.c.
			prefix=riscv64-linux-gnu- srcarch=riscv sides=(on)
			arch_config=$'CONFIG_NONPORTABLE=y\n# CONFIG_MMU is not set'
			;;
		*) usage_error "cross-build: i386, arm64 or riscv, not '$arch'" ;;
		esac
		command -v "${prefix}gcc" >/dev/null || die "no ${prefix}gcc; run 'tools/apt-install cross', or install the package gcc-${prefix%-}"
		target_cc=$launcher${prefix}gcc
		arch_args=("ARCH=$arch" "CROSS_COMPILE=$prefix")
		for side in "${sides[@]}"; do check_touched "$arch" "$side" W=1; done
	done
}
