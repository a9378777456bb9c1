# shellcheck shell=bash
# What a mutant's patch says, and what a run says of the mutant.  Needs $bin
# (of the tools) and $splats (those that are allowed).

# field_of PATCH FIELD
field_of() { sed -n "/^diff /q; s/^$2: //p" "$1"; }

# tests_of PATCH: the tests that must see it, a line each: KIND SUITE TEST
tests_of() { sed -nE '/^diff /q; s/^(Test|KUnit|UML): */\1 /p' "$1"; }

# splat_after LINE CONSOLE: whether the kernel has complained after that line.
# shellcheck disable=SC2154 # $bin and $splats are of whoever sources this
splat_after() {
	local line
	while read -r line; do
		if [[ $line -gt $1 ]]; then return 0; fi
	done < <("$bin/tally" --allow "$splats" --console "log=$2" | sed -nE 's/^ *FAILED console line ([0-9]+): .*/\1/p')
	return 1
}

# seen KIND SUITE TEST RESULTS: whether a run of this one test has seen the
# mutant.  It has if the test failed, or if the kernel complained after it began
# and no result came, as after a panic.  What comes with a result is, for a
# program, in the result: its runner watches the kernel's log.  KUnit does not,
# but nothing else was run.
seen() {
	local results=$4 test=$3 ktap console begins line
	case $1 in
	Test) ktap=$results/$2.ktap console=$results/console.log begins="run-suites: $2 begins" ;;
	KUnit) ktap=$results/kunit-$2.ktap console=$results/console.log begins="run-suites: KUnit suite $2 begins" ;;
	UML) ktap=$results/uml/$2.$3.console.log console=$ktap begins='^    1\.\.1$' ;;
	esac
	if grep -qsE "^ *not ok [0-9]+ (- )?$test( |\$)" "$ktap"; then return 0; fi
	if grep -qsE "^ *ok [0-9]+ (- )?$test # SKIP" "$ktap"; then return 1; fi
	if [[ $1 == Test ]]; then
		grep -qsx '1\.\.1' "$ktap" || return 1
		if grep -qsE '^ok [0-9]' "$ktap"; then return 1; fi
	fi
	line=$(grep -nsEm1 -e "$begins" "$console" | cut -d: -f1) || return 1
	splat_after "$line" "$console"
}
