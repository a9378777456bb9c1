# SPDX-License-Identifier: GPL-2.0
# `make help` says what there is.  Nothing has to be installed or typed before:
# `make demo` and `make test` fetch and build what they need, and go on where
# they were interrupted.  Everything made is in the cache directory.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
PROFILE ?= normal
ifeq ($(filter $(PROFILE),normal debug rt lazy),)
$(error PROFILE is normal, debug, rt or lazy, not "$(PROFILE)")
endif

CACHE   := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/linux-revoke
ifneq ($(words $(CURDIR) $(CACHE)),2)
$(error make takes no blanks in $(CURDIR) and $(CACHE): rename, or set XDG_CACHE_HOME)
endif
BIN     := $(CACHE)/tools/bin
TESTS   := $(CACHE)/kselftests
PACKAGE := $(CACHE)/kselftest-package
SELFTEST := $(CACHE)/selftest
RESULTS := $(CACHE)/results/$(PROFILE)
build    = $(CACHE)/build/$(1)-$(PROFILE)
image    = $(call build,$(1))/arch/x86/boot/bzImage

SUITES  := $(sort $(notdir $(basename $(wildcard kselftests/*_test.cc))))
KUNIT   := $(shell sed 's/\#.*//' kunit/suites)
SPLATS  := $(CURDIR)/kselftests/guest/allowed-splats
SKIPS   := $(CURDIR)/kselftests/guest/allowed-skips
# $(call entries,NAME): those of a list
entries  = $(shell grep -v '^\#' kselftests/guest/$(1))
DEVICES := $(addprefix --device ,$(call entries,devices))
CLIENTS := $(addprefix --file ,$(foreach f,$(call entries,clients),$(if $(filter /%,$(f)),$(f),$(TESTS)/$(f))))
# Its real name, by which the guest has it: the build tree is a link.
MODULE   = $(or $(realpath $(call build,series)),$(call build,series))/modules/test_revoke.ko
# $(call modules,KERNEL): what the tests bring along for both kernels
modules  = $(patsubst kselftests/modules/%.c,--module $(call build,$(1))/modules/%.ko,$(wildcard kselftests/modules/*.c))
# Of the kernel itself: sound cards that come and go, and what plays on them
sound    = $(or $(realpath $(call build,$(1))),$(call build,$(1)))/modules
sound_at = $(addprefix --module $(call sound,$(1))/,$(addsuffix .ko,$(call entries,modules))) \
	--env TEST_SOUND_MODULES=$(call sound,$(1)) $(CLIENTS)

# Under `make test` a stage that is done leaves a stamp, and a run that was
# interrupted goes on after it; a stage that is asked for by name always runs.
# $(call stage,STAGE,TITLE,INPUTS): the files that the command names are inputs, too.
stage    = tools/stage $(if $(GREEN),-s $(GREEN)/$(1) $(addprefix -i ,$(3))) $(2)
quietly  = bash -c '{ $(1); } >$(2) 2>&1 || { tail -n 30 $(2); echo "log: $(2)"; exit 1; }'

ctest    = bash -o pipefail -c 'mkdir -p $(RESULTS) && rm -f $(2) && ctest -j $(shell nproc) --test-dir $(1) --output-junit $(2) \
	--output-on-failure | grep -vE "^ *(Start|[0-9]+/[0-9]+ .* Passed)"'

# $(call cmake,SOURCE,BUILD): the cache may have been filled from another checkout.
same_source = grep -qsxF "CMAKE_HOME_DIRECTORY:INTERNAL=$(CURDIR)/$(1)" $(2)/CMakeCache.txt
# One at a time, as what runs beside looks after it, too.
cmake    = exec 8>$(CACHE)/.lock-cmake; flock 8; fresh=--fresh; if $(same_source); then fresh=; fi; cmake $$fresh -G Ninja \
	-DCMAKE_CXX_COMPILER_LAUNCHER=ccache -S $(1) -B $(2) && cmake --build $(2)

# A guest; the debug kernel is slower and stricter.
GUEST   := $(BIN)/guest-run --allow $(SPLATS) $(DEVICES) --monitor --append kunit.enable=1 \
	--sysctl kernel.hung_task_panic=1 $(if $(REQUIRE_ALL),--env REQUIRE_ALL=1) \
	--env REVOKE_ALLOWED_SKIPS=$(SKIPS) --env REVOKE_SPLAT_ALLOW=$(SPLATS) --file $(SKIPS) --file $(SPLATS) --early $(TESTS)/early_user
GUEST   += $(if $(filter debug,$(PROFILE)),--mem 3G --timeout 4800 --env KSFT_MACHINE_SLOW=yes --append numa=fake=2 --append numa_balancing=enable \
	--sysctl kernel.panic_on_warn=1,--timeout 1200)
AGENT    := $(BIN)/guest-agent
BINARIES := $(addprefix $(TESTS)/,$(SUITES))
RUNS     ?= 20
AT_A_TIME ?= 2
SERIES   = --kernel $(call image,series) --module $(MODULE) --env TEST_REVOKE_KO=$(MODULE) $(call modules,series) $(call sound_at,series)
BASE     = --kernel $(call image,base) $(call modules,base) $(call sound_at,base)
# $(call suites,RESULTS,KERNEL,RUN-SUITES OPTIONS,BINARIES)
suites   = $(GUEST) --results $(RESULTS)/$(1) $(2) $(addprefix --file ,$(4)) \
	-- $(BIN)/run-suites $(3) $(4)

# The stages of `make test`, and the results that each must leave.  virtme-ng
# and the unpatched kernel have nothing to add under KASAN, but much time.  Nor
# has UML much to add to KUnit on x86_64, and the unpatched kernel to suites that
# get ENOSYS from it all the time, nor the tests of our own tools to any kernel:
# ALL=1 runs these, too, as .ci/run does.  Two guests run at a time: most of the
# time, a guest waits.
PROVEN  := $(if $(ALL),$(SUITES),$(filter $(SUITES),$(notdir $(basename $(shell \
	grep -lE 'baseline::k(Fails|Passes)' kselftests/*_test.cc)))))
# Those come last that leave processes which nothing ends.
STICKS  := $(filter $(notdir $(basename $(shell grep -l 'baseline::kSticks' kselftests/*_test.cc))),$(SUITES))
PROVEN  := $(filter-out $(STICKS),$(PROVEN)) $(STICKS)
FIRST    = $(if $(ALL),test-tools) test-util $(if $(ALL),kunit) selftest kernel-series
stages   = $(MAKE) --no-print-directory -k GREEN=$(RESULTS)/green $(1)
GUESTS   = $(if $(filter normal,$(PROFILE)),$(call stages,package kernel-base) && tools/beside unpatched \
	"$(call stages,kselftest vng)" "$(call stages,baseline)",$(call stages,kselftest))
ktap     = $(foreach s,guest $(2),$(1)/$(s)=$(RESULTS)/$(1)/$(s).ktap)
EXPECTED = $(if $(ALL),tools=$(RESULTS)/tools.xml) util=$(RESULTS)/util.xml \
	$(if $(ALL),$(foreach s,$(KUNIT),uml/$(s)=$(RESULTS)/uml/$(s).xml)) \
	$(call ktap,kselftest,$(KUNIT:%=kunit-%) revoke_test $(SUITES) $(if $(filter debug,$(PROFILE)),kmemleak)) \
	$(if $(filter normal,$(PROFILE)),$(call ktap,vng,run_kselftest.sh) $(call ktap,baseline,$(PROVEN))) \
	$(if $(ALL),$(foreach s,$(KUNIT),--console uml/$(s)/log=$(RESULTS)/uml/$(s).console.log))
VNG      = $(firstword $(filter syscall_test,$(SUITES)) $(SUITES))

.PHONY: help demo test check-fast shell apply verify kunit kselftest baseline vng flakes coverage coverage-kernel mutants check-mutants \
	model kernel-selftests alsa-selftests sound-clock mail clean distclean deps source tools programs kernel-series kernel-base test-tools test-util \
	lint tidy package selftest cross no-syscall preempt bench bench-check bench-proof bench-reference bench-scaling evidence check-evidence kernel-mutant
.NOTPARALLEL:

help:
	@echo 'make demo         before and after: an unpatched and a patched kernel'
	@echo 'make test         all tests; the last line is "N passed, N failed"; ALL=1: our tools, UML and the whole baseline, too'
	@echo 'make check-fast   everything that needs no kernel build'
	@echo 'make shell        interactive virtme-ng in the patched kernel'
	@echo 'make apply KERNEL=dir   apply the series to a kernel tree of yours'
	@echo 'make verify       prove that patches, overlay and BASE agree and are well-formed'
	@echo 'make kunit        the KUnit suites on UML (kselftest runs them on x86_64)'
	@echo 'make kselftest    the C++ suites in the patched kernel'
	@echo 'make baseline     the same binaries on the unpatched kernel; ALL=1: those that get ENOSYS there, too'
	@echo 'make vng          one suite by run_kselftest.sh, in a guest booted by virtme-ng'
	@echo 'make flakes       the C++ suites RUNS times (now $(RUNS)), AT_A_TIME (now $(AT_A_TIME)) at a time, with two busy loops beside'
	@echo 'make mutants      break the kernel, one mechanism at a time: the tests must notice'
	@echo 'make bench-scaling  ns of the fast path on two CPUs, beside other ways to know who is inside'
	@echo 'make evidence     bring the table of what each test was seen to catch up to date'
	@echo 'make coverage     lines and branches of the facility that the tests execute'
	@echo 'make bench        what each call costs: instructions in both kernels, side by side'
	@echo 'make bench-check  the patched kernel only, compared with tools/bench/reference.tsv'
	@echo 'make bench-proof  bench-check is red on a kernel that is slower'
	@echo 'make kernel-selftests  the kernel's own selftests in both kernels, compared'
	@echo 'make alsa-selftests  those of ALSA, and its KUnit suites, in both kernels, compared'
	@echo 'make sound-clock  a card with ten players goes within 100 ms, on a clock that counts instructions'
	@echo 'make model        check the model of the core, and that its broken variants are wrong'
	@echo 'make mail V=n     version n of the series as mails'
	@echo 'make cross        the touched files compile on i386, arm64 and riscv, facility on and off'
	@echo 'make preempt      the suites that interleave the most, with PREEMPT_RT and PREEMPT_LAZY'
	@echo 'make no-syscall   without CONFIG_REVOKE_SYSCALL, revokeat(2) returns ENOSYS'
	@echo 'make lint         shellcheck and clang-format; tidy: clang-tidy'
	@echo 'make clean        remove builds and results; distclean: the downloads too'
	@echo
	@echo 'PROFILE=normal|debug|rt|lazy  the kernel to test (now $(PROFILE)); debug has KASAN, lockdep, ...;'
	@echo '                       rt and lazy preempt in another way'
	@echo 'FULL=1                 make bench with up to 100,000 files, mappings, threads'
	@echo 'REQUIRE_ALL=1          a skip that is not listed is a failure'
	@echo 'KERNEL=dir             take the kernel source from this tree, which is only read'
	@echo 'Everything made is in  $(CACHE)'

$(CACHE):
	@mkdir -p $@

deps: | $(CACHE)
	@tools/stage 'dependencies' tools/apt-install

source: deps
	@tools/stage 'kernel source and series' tools/series checkout

tools: deps
	@tools/stage 'building the guest runner' $(call quietly,$(call cmake,tools/guest,$(CACHE)/tools),$(CACHE)/tools.log)

programs: deps
	@tools/stage 'building the test programs' $(call quietly,$(call cmake,kselftests,$(TESTS)),$(CACHE)/kselftests.log)

# The suites as the kernel's own runner takes them, and the C selftest of the series as kselftest builds it.
package: programs source
	@tools/stage 'packaging the suites' $(call quietly,make -C kselftests KERNEL=$(CACHE)/src-series \
		OUTPUT=$(TESTS) PACKAGE=$(PACKAGE) package,$(CACHE)/package.log)

selftest: source
	@mkdir -p $(SELFTEST)
	@tools/stage 'building the C selftest' $(call quietly,make -C $(CACHE)/src-series O=$(SELFTEST)/headers headers && \
		make -C $(CACHE)/src-series/tools/testing/selftests/revoke O= OUTPUT=$(SELFTEST) LDFLAGS=-static \
		KHDR_INCLUDES="-isystem $(SELFTEST)/headers/usr/include",$(CACHE)/selftest.log)

kernel-series kernel-base: kernel-%: source
	@tools/stage 'building the $* kernel ($(PROFILE))' tools/kernel-build $*-$(PROFILE) >/dev/null

test-tools: tools
	@tools/stage 'testing the tools' $(call ctest,$(CACHE)/tools,$(RESULTS)/tools.xml)

test-util: programs
	@tools/stage 'testing the test library' $(call ctest,$(TESTS),$(RESULTS)/util.xml)

kunit: source
	@$(call stage,kunit,'KUnit on UML',$(addprefix kunit/,suites .kunitconfig debug.config) \
		$(CACHE)/linux/revoke-state) kunit/run-uml $(PROFILE) $(RESULTS)/uml

kselftest: tools programs selftest kernel-series
	@$(call stage,kselftest,'KUnit and kselftests in the patched kernel',$(AGENT)) \
		$(call suites,kselftest,$(SERIES),$(KUNIT:%=-k %),$(SELFTEST)/revoke_test $(BINARIES))

baseline: tools programs kernel-base
	@$(call stage,baseline,'the same tests in the unpatched kernel',$(AGENT)) \
		$(call suites,baseline,$(BASE),-a --baseline,$(addprefix $(TESTS)/,$(PROVEN)))

# The suites, again and again, on a machine that has other things to do.
flakes: tools programs kernel-series
	@tools/stage 'the suites $(RUNS) times, with two busy loops beside' tools/flakes -n $(RUNS) -j $(AT_A_TIME) $(RESULTS)/flakes \
		'$(call suites,flakes/$${results##*/},$(SERIES),,$(BINARIES))' \
		'$(BIN)/tally --allow $(SPLATS) --status $$status guest=$$results/guest.ktap \
		$(foreach s,$(SUITES),$(s)=$$results/$(s).ktap)'

# What the suites execute of the facility, and whether they notice when it is broken.
# The kernel is there before the real name of its build tree is asked for.
coverage-kernel: source
	@tools/stage 'building the kernel with gcov' tools/kernel-build series-coverage >/dev/null

coverage: private override PROFILE := coverage
coverage: tools programs coverage-kernel
	@tools/stage 'KUnit and kselftests with gcov' $(call suites,coverage,$(SERIES),$(KUNIT:%=-k %),\
		$(BINARIES))
	@tools/stage 'coverage' tools/coverage $(RESULTS)/coverage

# Mutants: switches in one kernel, each of which breaks a mechanism; some tests must notice.
# MUTANTS="NAME..." chooses some, TENTH=YYYY-MM-DD the lines of the table whose turn it is on that day,
# CHANGED="FILE..." adds those that a change may concern, AT_MOST=N of them; on User Mode Linux, too,
# where a test needs it.
kernel-mutant: source
	@tools/stage 'the switches of the mutants' tools/mutants/switches checkout
	@tools/stage 'building the mutant kernel ($(PROFILE))' tools/kernel-build mutant-$(PROFILE) >/dev/null

mutants: tools programs kernel-mutant
	@$(BIN)/mutants run --profile $(PROFILE) $(if $(TENTH),--tenth $(TENTH)) $(addprefix --touched ,$(CHANGED)) \
		$(if $(AT_MOST),--at-most $(AT_MOST)) $(MUTANTS)

evidence: tools programs
	@$(BIN)/mutants evidence

check-mutants: source
	@tools/stage 'the switches fit the series' tools/mutants/switches check

# What has to notice this one is not a test, but `make bench-proof`.
check-evidence: tools programs
	@tools/stage 'each test has been seen red, each mutant noticed' $(BIN)/mutants check --elsewhere slow_common_path

# Instructions are the same on any machine, but not in any kernel: always profile normal.
bench: private mode := table
bench-reference: private mode := reference
bench bench-reference: tools
	@$(MAKE) --no-print-directory PROFILE=normal kernel-base kernel-series
	@tools/stage 'counting instructions in both kernels' tools/bench/run $(if $(FULL),-f) $(mode)

bench-check: tools
	@$(MAKE) --no-print-directory PROFILE=normal kernel-series
	@tools/stage 'counting instructions in the patched kernel' tools/bench/run check

# It must be red in a kernel in which read(2) has an atomic operation more, and for that reason.
bench-proof: private override PROFILE := normal
bench-proof: tools kernel-mutant
	@tools/stage 'the count notices an atomic operation more' bash -c \
		'tools/bench/run -k $(call build,mutant) -m slow_common_path check | grep "^OFF  read, /dev/null:"'

# Those of the kernel itself: what they say of the base is what they have to say of the series.
kernel-selftests: tools
	@$(MAKE) --no-print-directory PROFILE=normal kernel-base kernel-series
	@tools/stage 'selftests of the kernel in both kernels' tools/kernel-selftests $(CACHE)/results/kernel-selftests

# Likewise, of ALSA, with the sound suites of KUnit.
alsa-selftests: tools
	@$(MAKE) --no-print-directory PROFILE=normal kernel-base kernel-series
	@tools/stage 'the ALSA selftests in both kernels' tools/alsa-selftests $(CACHE)/results/alsa-selftests

# How long it takes to remove a card with ten players: on a clock that does not depend on the host.
sound-clock: private override PROFILE := normal
sound-clock: tools programs kernel-series
	@tools/stage 'cards with ten players go in time' $(GUEST) --results $(RESULTS)/sound-clock $(SERIES) \
		--accel icount --smp 1 --env TEST_CLOCK_IS_EXACT=1 --file $(TESTS)/sound_clients_test \
		-- $(BIN)/run-suites -a '--gtest_filter=*SoundTaken*' $(TESTS)/sound_clients_test

model: deps
	@tools/stage 'the model' tools/model

# The kernel's own way to run tests, in a guest booted as kernel developers do.
# What is skipped there has proven nothing.
vng: tools package kernel-series
	@$(call stage,vng,'run_kselftest.sh through virtme-ng',$(AGENT) $(PACKAGE)/revoke_cc/$(VNG)) \
		$(GUEST) --results $(RESULTS)/vng --backend vng --env REQUIRE_ALL=1 $(SERIES) \
		-- $(BIN)/run-suites -a -t -a revoke_cc:$(VNG) $(PACKAGE)/run_kselftest.sh

# A run that came to its end, green or not, leaves no stamps behind.  A red one's
# results are moved where the next run does not overwrite them.  The lock is
# held until the last guest is gone, also where make itself was killed.
test:
	@mkdir -p $(CACHE); exec 9>$(CACHE)/.lock-test-$(PROFILE); \
	flock -n 9 || { echo 'another "make test" is running; wait for it'; exit 1; }; \
	SECONDS=0; [ -d $(RESULTS)/green ] || rm -rf $(RESULTS); \
	mkdir -p $(RESULTS)/green; outer=$${STAGE_TIMES:-/dev/null}; export STAGE_TIMES=$(RESULTS)/times; : >$$STAGE_TIMES; \
	$(MAKE) --no-print-directory tools || exit; \
	status=0; $(call stages,$(FIRST)) || status=$$?; { $(GUESTS); } || status=$$?; rm -rf $(RESULTS)/green; \
	cat $$STAGE_TIMES >>$$outer; \
	RUN_SECONDS=$$SECONDS tools/conclude $(RESULTS) $(BIN)/tally $(if $(REQUIRE_ALL),--require-all) \
		--allowed-skips $(SKIPS) --allow $(SPLATS) --status $$status $(EXPECTED)

# In user space; as much of a CPU as can be had, so nothing else should be running.
bench-scaling: tools
	@mkdir -p $(CACHE)/results
	@tools/stage 'the fast path in user space' $(BIN)/scaling --benchmark_out=$(CACHE)/results/scaling.csv \
		--benchmark_out_format=csv

lint: deps
	@tools/stage 'shell scripts' tools/lint shell
	@tools/stage 'C++ format' tools/lint format

tidy: tools programs
	@tools/stage 'clang-tidy' tools/lint tidy

check-fast: source lint test-tools test-util tidy model check-mutants check-evidence
	@tools/stage 'the series' tools/series verify

verify: check-mutants
	@tools/stage 'the series' tools/series verify
	@tools/stage 'sparse and W=1' tools/series check-build

cross: source
	@tools/stage 'cross compilers' tools/apt-install cross
	@tools/stage 'the touched files on other architectures' tools/series cross-build

# Where a task is preempted, and what sleeps, is not the same everywhere.
INTERLEAVING := file_test mapping_test vmops_test races_test async_races_test sharing_test suspend_test window_test
preempt:
	@for profile in rt lazy; do $(MAKE) --no-print-directory PROFILE=$$profile SUITES='$(INTERLEAVING)' kselftest || exit; done

# Built, but switched off: each test of the call must see ENOSYS.
no-syscall: private override PROFILE := nosyscall
no-syscall: tools programs source
	@tools/stage 'building the kernel without revokeat(2)' tools/kernel-build series-$(PROFILE) >/dev/null
	@rm -rf $(RESULTS)/no-syscall
	@status=0; tools/stage 'the facility without its system call' $(call suites,no-syscall,--kernel $(call image,series) \
		$(call modules,series),-a --baseline,$(TESTS)/syscall_test) || status=$$?; \
	$(BIN)/tally --allow $(SPLATS) --status $$status $(call ktap,no-syscall,syscall_test)

shell: tools programs kernel-series
	@echo 'In the guest:  insmod $(MODULE); export PATH=$(TESTS):$$PATH TEST_REVOKE_KO=$(MODULE)'
	@$(BIN)/guest-run --shell $(DEVICES) --kernel $(call image,series)

# The same program tells the story in both kernels, then puts the answers side by side.
demo: tools programs
	@$(MAKE) --no-print-directory PROFILE=$(PROFILE) kernel-base kernel-series
	@rm -rf $(RESULTS)/demo
	@tools/stage 'the unpatched kernel' $(GUEST) --backend vng --results $(RESULTS)/demo/base $(BASE) \
		-- $(TESTS)/revoke_demo --answers /run/results/answers
	@tools/stage 'the patched kernel' $(GUEST) --backend vng --results $(RESULTS)/demo/series $(SERIES) \
		-- $(TESTS)/revoke_demo --answers /run/results/answers
	@$(TESTS)/revoke_demo --compare $(RESULTS)/demo/base/answers $(RESULTS)/demo/series/answers

apply:
	@[ -n "$(KERNEL)" ] || { echo 'say which tree: make apply KERNEL=dir'; exit 2; }
	@tools/apply "$(KERNEL)"

mail: $(if $(V),source)
	@[ -n "$(V)" ] || { echo 'say which version: make mail V=1'; exit 2; }
	@tools/series mail -v$(V)

clean:
	rm -rf "$(CACHE)"/{build,tools,kselftests,kselftest-package,selftest,results,kvm,model,{kernel,alsa}-selftests}

# What of src-series is not in patches/ would be lost.
distclean:
	@[ -n "$(FORCE)" ] || tools/series status || { echo 'make distclean FORCE=1 drops that'; exit 1; }
	rm -rf "$(CACHE)"
