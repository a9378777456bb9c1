# shellcheck shell=bash
# shellcheck source-path=SCRIPTDIR source=series-core.sh
# shellcheck disable=SC2154 # variables of tools/series and series-core.sh
# The checks of tools/series that compile: check-build, bisect-build and
# cross-build.

cc=${CC:-gcc}
if [[ -z ${CC:-} ]] && command -v ccache >/dev/null; then cc='ccache gcc'; fi
arch_args=() # of cross-build
kmake() { # SOURCE OUT ARGS...
	make -C "$1" "O=$2" "CC=$cc" "HOSTCC=$cc" "${arch_args[@]}" -j "${JOBS:-$(nproc)}" "${@:3}"
}

# The configuration to start from.
start_config() {
	local config=${KBUILD_OUTPUT:-$cache/build/series-normal}/.config
	[[ -f $config ]] || die "no $config; run 'tools/kernel-build series-normal', or set KBUILD_OUTPUT to a configured O= tree"
	printf '%s\n' "$config"
}

# Kernel objects of the C files given NUL-separated; programs are not objects.
objects() { sed -zn '/^\(tools\|scripts\|samples\|Documentation\|usr\)\//d; s/\.c$/.o/p' | tr '\0' '\n'; }

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
		SRCARCH ?= x86
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
	kmake "$source" "$out" -k "${@:4}" "${try[@]}" >"$log" 2>&1 || true
	for o in "${try[@]}"; do
		if [[ -e $out/$o ]]; then built+=("$o"); else failed+=("$o"); fi
	done
}

# Warnings without the line numbers, which move.
warnings_in() { # LOG SOURCE
	grep -E '(warning|error):' "$1" | sed -E "s#$2/##g; s#^(\.\./)+##; s#:[0-9]+(:[0-9]+)?:#:#" | sort || true
}

cmd_check_build() {
	[[ $# -eq 0 ]] || usage_error 'check-build takes no options; KBUILD_OUTPUT names the O= tree'
	local want built absent failed out new config checked sparse
	config=$(start_config)
	out=${KBUILD_OUTPUT:-$cache/build/check}
	cmd_checkout
	sparse_for "$work"
	mapfile -t want < <(touched_files series | objects)
	[[ ${#want[@]} -gt 0 ]] || { note 'the series touches no kernel object'; return; }
	prepare "$work" "$out" "$config"
	note "sparse and W=1 over ${#want[@]} objects (log: $out/check.log)"
	build_objects "$work" "$out" "$out/check.log" W=1 C=2 "CHECK=$sparse"
	if [[ ${#failed[@]} -gt 0 ]]; then
		grep -E 'error:|\*\*\*' "$out/check.log" | head -n 20 >&2 || true
		die "${#failed[@]} objects do not build: ${failed[*]}"
	fi
	[[ ${#built[@]} -gt 0 ]] || die "none of the ${#want[@]} touched objects is in this configuration"
	checked="${#built[@]} objects checked; not in this configuration: ${absent[*]:-none}"
	warnings_in "$out/check.log" "$work" >"$out/check.warnings"
	: >"$out/check.base"
	if [[ -s $out/check.warnings ]]; then
		# Only what the base does not say as well counts.
		note "$(wc -l <"$out/check.warnings") warnings; asking the base"
		want=("${built[@]}")
		prepare "$cache/src-base" "$out.base" "$config"
		build_objects "$cache/src-base" "$out.base" "$out.base/check.log" W=1 C=2 "CHECK=$sparse"
		warnings_in "$out.base/check.log" "$cache/src-base" >"$out/check.base"
	fi
	new=$(comm -13 "$out/check.base" "$out/check.warnings")
	note "$checked"
	[[ -z $new ]] || die "new warnings:
$new"
	note 'no new warning'
}

# prepare SOURCE OUT CONFIG: a configured tree, ready to build single objects.
prepare() {
	mkdir -p "$2"
	[[ $3 -ef $2/.config ]] || cp "$3" "$2/.config"
	{ kmake "$1" "$2" olddefconfig && kmake "$1" "$2" prepare modules_prepare; } >"$2/prepare.log" 2>&1 || {
		tail -n 20 "$2/prepare.log" >&2
		die "preparing $2 failed (log: $2/prepare.log)"
	}
}

cmd_bisect_build() {
	local from=${1:-1} tree=$cache/src-bisect n=0 commit side out config all=() want built absent failed count
	[[ $# -le 1 && $from =~ ^[1-9][0-9]*$ ]] || usage_error 'bisect-build: at most one patch number'
	config=$(start_config)
	cmd_checkout
	mapfile -t all < <(touched_files series | objects)
	if [[ ! -e $tree/.git ]]; then
		r worktree prune
		r worktree add -q --detach "$tree" base
	fi
	mkdir -p "$cache/build"
	cat "$config" "$project/tools/config/revoke.config" >"$cache/build/bisect.on"
	# Off: what the facility's fragment switches on is switched off.
	sed -E "$(sed -nE 's/^(CONFIG_[A-Z0-9_]+)=.*/s|^\1=.*|# \1 is not set|;/p' "$project/tools/config/revoke.config")" \
		"$config" >"$cache/build/bisect.off"
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
			prepare "$tree" "$out" "$cache/build/bisect.$side"
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
	local arches=("$@") arch prefix out config=$cache/build/cross.config want built absent failed
	[[ $# -gt 0 ]] || arches=(i386 arm64 riscv)
	cmd_checkout
	mapfile -t want < <(touched_files series | objects)
	mkdir -p "$cache/build"
	# Whatever else has mappings of its own kind; the last word on a symbol counts.
	{
		cat "$project"/tools/config/{base,normal,revoke}.config
		printf 'CONFIG_%s=y\n' NUMA MEMORY_HOTPLUG MEMORY_HOTREMOVE SPARSEMEM_VMEMMAP ZONE_DEVICE FS_DAX DAX DEV_DAX
	} >"$config"
	for arch in "${arches[@]}"; do
		case $arch in
		i386) prefix='' ;;
		arm64) prefix=aarch64-linux-gnu- ;;
		riscv)
			prefix=riscv64-linux-gnu-
			printf '%s\n' CONFIG_NONPORTABLE=y '# CONFIG_MMU is not set' >>"$config"
			;;
		*) usage_error "cross-build: i386, arm64 or riscv, not '$arch'" ;;
		esac
		command -v "${prefix}gcc" >/dev/null || die "no ${prefix}gcc; install the package gcc-${prefix%-}"
		out=$cache/build/cross-$arch
		mkdir -p "$out"
		arch_args=("ARCH=$arch" "CROSS_COMPILE=$prefix" "CC=${cc%gcc}${prefix}gcc")
		KCONFIG_ALLCONFIG=$config kmake "$work" "$out" allnoconfig >"$out/config.log" 2>&1 ||
			die "configuring for $arch failed (log: $out/config.log)"
		prepare "$work" "$out" "$out/.config"
		[[ $arch != riscv ]] || ! grep -q '^CONFIG_MMU=y' "$out/.config" || die 'riscv: that was to be without an MMU'
		note "$arch: ${#want[@]} touched objects (log: $out/cross.log)"
		build_objects "$work" "$out" "$out/cross.log" W=1
		[[ ${#failed[@]} -eq 0 ]] || {
			grep -E 'error:|\*\*\*' "$out/cross.log" | head -n 20 >&2 || true
			die "$arch: ${#failed[@]} objects do not build: ${failed[*]}"
		}
		[[ ${#built[@]} -gt 0 ]] || die "$arch: none of the touched objects is in this configuration"
		note "$arch: ${#built[@]} objects built, ${#absent[@]} not in this configuration, $(grep -c 'warning:' "$out/cross.log" || true) warnings"
	done
}
