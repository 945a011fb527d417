# mod_poolstat: live, exact pool memory of every httpd child
#
#   make             build build/mod_poolstat.so and build/poolstat, the command
#   make release     the same with link-time optimisation, in build/release: what is installed,
#                    packed and measured
#   make run         start a private httpd with demo traffic and print the page's address
#                    (PORT=8080, MPM=event|worker|prefork, TRAFFIC=no)
#   make test        units, then the whole suite on prefork, worker and event
#                    (MPMS="event" picks MPMs, TESTS="t/view" picks tests, VERBOSE=1 shows more)
#   make unit        the C units alone
#   make lint        warnings as errors, cppcheck, and what the documents promise
#   make check-san   units and suite with AddressSanitizer and UBSan, on MPMS="event"
#   make fuzz        each face over spoiled boards: 50,000 executions, ten minutes (FUZZ_SECONDS=600, FUZZ_FACES="json top")
#   make storm       kills and restarts, 200 rounds on each MPM (STORM_ROUNDS=200, MPMS="event")
#   make cases       whole cases of memory trouble, in the minutes that each takes (t/cases; MPMS, TESTS, JOBS)
#   make bench       what it costs, as ratios
#   make docs        the pages of the manual that are made from the sources
#   make install     module, command, headers, manual page and configuration where apxs says
#                    (DESTDIR= goes before every path; LAYOUT=debian|fedora|extra|none: docs/install.md)
#   make uninstall   removes them, but for configuration that was changed
#   make dist        the release archive build/mod-poolstat-VERSION.tar.gz
#   make deb         a Debian package in build/deb, checked by lintian; make rpm: one for Fedora and RHEL in build/rpm
#   make deb-test    install, enable, ask, remove and purge that package in a Debian made for it (root)
#   make fresh       both commands of README on bare machines, as root and as a user (root; make/fresh;
#                    SUITES="bookworm trixie", MPMS, TESTS, REV=commit, ARCH=arm64)
#   make matrix      the module under APRs built in other ways than Debian's (make/matrix)
#   make deps        install the Debian packages that are missing; the others call it (others
#                    than root are told which)
#   make clean       remove build/
#   make help        this text
#
# APXS=/path/to/apxs picks another httpd (APR= and APU= its apr-1-config and apu-1-config, if
# apxs does not know them), DYGRAPHS=/path/to/dygraph.min.js another
# copy of the library that draws the page's chart (2.2).  SAN=1 builds with sanitizers, in build/san.
# What is built is told by its name; V=1 shows the commands.
# Nothing here asks apxs before `deps` has seen to it that there is one: the
# flags below are looked up when the first recipe needs them, and once.

APXS      ?= apxs
APR       ?= `$(APXS) -q APR_CONFIG`
APU       ?= `$(APXS) -q APU_CONFIG`
DYGRAPHS  ?= /usr/share/javascript/dygraphs/dygraph.min.js
PORT      ?= 8080
MPM       ?= event
SHELL      = /bin/sh
# all that is called asks the same httpd
export DYGRAPHS APXS
MAKEFLAGS += --no-builtin-rules --no-builtin-variables
.SUFFIXES:
.DELETE_ON_ERROR:

ifneq ($(filter default undefined,$(origin CC)),)
CC = gcc
endif

# name = command, run once, on first use
once = $(eval $(1) := $$(shell $(2)))$($(1))
HTTPD_FLAGS = $(call once,HTTPD_FLAGS,$(APXS) -q EXTRA_CPPFLAGS EXTRA_CFLAGS NOTEST_CPPFLAGS | tr ';' ' '; \
              echo -I`$(APXS) -q INCLUDEDIR` -DPST_BINDIR=`$(APXS) -q BINDIR`)
# APR 2 has APR-util in it, and apxs knows of none
APR_FLAGS   = $(call once,APR_FLAGS,$(APR) --cppflags --includes; u="$(APU)"; $$$${u:-true} --includes)
CURSES      = $(call once,CURSES,pkg-config --libs ncursesw 2>/dev/null || echo -lncursesw -ltinfo)
APR_LIBS    = $(call once,APR_LIBS,u="$(APU)"; $$$${u:-true} --link-ld; $(APR) --link-ld --libs)

# three builds, each in a folder of its own: to work with, to hand out, to look for faults
ifneq ($(FUZZ),)
B         = build/fuzz
CC        = clang
OPTIMISE  = -O1 -fsanitize=fuzzer-no-link,address,undefined,float-cast-overflow -fno-sanitize-recover=all -fno-omit-frame-pointer
else ifneq ($(SAN),)
B         = build/san
OPTIMISE  = -O1 -fsanitize=address,undefined -fno-omit-frame-pointer
else ifneq ($(RELEASE),)
B         = build/release
OPTIMISE  = -O2 -flto=auto
else
B         = build
OPTIMISE  = -O2
endif
# where what is handed out is built
HANDOUT   = $(if $(SAN),build/san,build/release)
WARN      = -Wall -Wextra -Wformat -Werror=format-security
CFLAGS   ?= -g $(OPTIMISE) -fstack-protector-strong
OWN_FLAGS = -std=gnu11 $(CPPFLAGS) $(CFLAGS) $(WARN) -fvisibility=hidden -fPIC -Iinclude
ALL_FLAGS = $(OWN_FLAGS) $(CORE_DIRS:%=-I%) -Ihttpd
SO_FLAGS  = $(CFLAGS) -Wl,-z,relro -Wl,-z,now $(LDFLAGS)
LIBS      = -lpthread -ldl -lm

# the rooms of core/ as data flows, and those that each may include; make lint looks at symbols, too
below_os       =
below_apr      = os
below_board    = $(below_apr) apr
below_gather   = $(below_board) board
below_upkeep   = $(below_gather) gather
below_snapshot = $(below_board) board
below_emit     = $(below_snapshot) snapshot
below_doctor   = $(below_emit) emit
below_view     = $(below_doctor) doctor
CORE_ROOMS = os apr board gather upkeep snapshot emit doctor view
CORE_DIRS = $(CORE_ROOMS:%=core/%)
# those of the command, which sees all of core/
below_tree     =
below_server   = $(below_tree) tree
below_screen   = $(below_server) server
below_command  = $(below_screen) screen
TOOL_ROOMS = tree server screen command
TOOL_DIRS = $(TOOL_ROOMS:%=tool/%)
room      = $(word 2,$(subst /, ,$(1)))
# ROOM=BELOW,BELOW ... for make/lint_rooms
comma    := ,
list      = $(subst $() ,$(comma),$(strip $(1)))
ROOMS     = $(foreach r,$(CORE_ROOMS),core/$(r)=$(call list,$(below_$(r):%=core/%))) \
            $(foreach r,$(TOOL_ROOMS),tool/$(r)=$(call list,$(below_$(r):%=tool/%)))
see_rooms = $(patsubst %,-I$(firstword $(subst /, ,$(1)))/%,$(call room,$(1)) $(below_$(call room,$(1))))
CORE_SRC  = $(wildcard $(CORE_DIRS:%=%/*.c))
HTTPD_SRC = $(wildcard mod_poolstat.c httpd/*.c)
TOOL_SRC  = $(wildcard $(TOOL_DIRS:%=%/*.c))
UNIT_SRC  = $(wildcard t/unit/*.c)
WEB_SRC   = $(filter-out web/embed.sh,$(wildcard web/*))
WEB_OBJ   = $(if $(wildcard web/embed.sh),$(B)/obj/web_files.o)
CORE_OBJ  = $(CORE_SRC:%.c=$(B)/obj/%.o) $(WEB_OBJ)
HTTPD_OBJ = $(HTTPD_SRC:%.c=$(B)/obj/%.o)
TOOL_OBJ  = $(TOOL_SRC:%.c=$(B)/obj/%.o)
UNITS     = $(UNIT_SRC:t/unit/%.c=$(B)/unit/%)
MODULE    = $(B)/mod_poolstat.so
COMMAND   = $(B)/poolstat
PROBE     = $(B)/mod_poolprobe.so
EXAMPLE   = $(B)/mod_example_poolstat.so
SUSPECTS  = $(B)/mod_poolguilty.so $(B)/mod_poolinnocent.so $(B)/mod_poolhands.so $(B)/mod_poolmisuser.so

Q         = $(if $(V),,@$(if $(findstring s,$(firstword -$(MAKEFLAGS))),,echo '  $@'; ))

.PHONY: all release module command probe units deps deps-build run test unit lint check-san fuzz fuzzer storm cases bench docs install uninstall dist deb rpm deb-test fresh matrix clean help
all: module command
release:
	@$(MAKE) --no-print-directory RELEASE=1 all
module: $(MODULE) ; @:
command: $(COMMAND) ; @:
probe: $(PROBE) $(EXAMPLE) $(SUSPECTS) ; @:
units: $(UNITS) ; @:

$(MODULE): $(CORE_OBJ) $(HTTPD_OBJ)
	$(Q)$(CC) -shared $(SO_FLAGS) -o $@ $^ $(LIBS)

# reads the board from outside: core, APR, a terminal, no httpd
$(COMMAND): $(CORE_OBJ) $(TOOL_OBJ)
	$(Q)$(CC) $(SO_FLAGS) -pie -o $@ $^ $(APR_LIBS) $(CURSES) $(LIBS)

# the tests' probe, which make run and make bench use too
$(PROBE): $(B)/obj/c-modules/poolprobe/mod_poolprobe.o
	$(Q)$(CC) -shared $(SO_FLAGS) -o $@ $^ $(LIBS)

# one that keeps memory, and one that gives all back: who is named?
$(SUSPECTS): $(B)/mod_%.so: c-modules/% $(wildcard c-modules/*/mod_*.c)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(WARN) -fPIC -fvisibility=hidden $(HTTPD_FLAGS) $(APR_FLAGS) -shared $(SO_FLAGS) -o $@ $</mod_$*.c

# as any other module would be built: with the header that make install installs, alone
$(EXAMPLE): docs/example/mod_example_poolstat.c include/mod_poolstat.h Makefile | deps-build
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(WARN) -fPIC -Iinclude $(HTTPD_FLAGS) $(APR_FLAGS) -shared -o $@ $<

# core knows APR only: it does not even see httpd's headers; the command neither
$(B)/obj/core/%.o: core/%.c Makefile | deps-build
	@mkdir -p $(@D)
	$(Q)$(CC) $(OWN_FLAGS) $(call see_rooms,$<) $(APR_FLAGS) -MMD -MP -c -o $@ $<

$(B)/obj/tool/%.o: tool/%.c Makefile | deps-build
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_FLAGS) $(call see_rooms,$<) $(APR_FLAGS) -MMD -MP -c -o $@ $<

$(B)/obj/%.o: %.c Makefile | deps-build
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_FLAGS) $(HTTPD_FLAGS) $(APR_FLAGS) -MMD -MP -c -o $@ $<

$(B)/web_files.c: web/embed.sh $(WEB_SRC) $(DYGRAPHS)
	@mkdir -p $(@D)
	$(Q)sh web/embed.sh $@ $(WEB_SRC) $(DYGRAPHS)

# not ours and not in the checkout: deps brings it
$(DYGRAPHS): | deps-build ;

$(B)/obj/web_files.o: $(B)/web_files.c Makefile | deps-build
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_FLAGS) $(APR_FLAGS) -MMD -MP -c -o $@ $<

# a unit is one file that prints TAP, linked with all of core
$(B)/unit/%: t/unit/%.c $(CORE_OBJ) Makefile | deps-build
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_FLAGS) $(APR_FLAGS) -It/unit $(TOOL_DIRS:%=-I%) -MMD -MP -MF $@.d -o $@ $< $(UNIT_OBJ) $(CORE_OBJ) $(APR_LIBS) $(LIBS)

# but for what reads other processes, which is the command's
TREE_OBJ = $(patsubst %.c,$(B)/obj/%.o,$(wildcard tool/tree/*.c))
$(B)/unit/forest: $(TREE_OBJ)
$(B)/unit/forest: UNIT_OBJ = $(TREE_OBJ)
# and for the command itself, but for its main()
READER_OBJ = $(filter-out $(B)/obj/tool/command/poolstat.o,$(TOOL_OBJ))
$(B)/unit/command: $(READER_OBJ)
$(B)/unit/command: UNIT_OBJ = $(READER_OBJ) $(CURSES)
$(B)/unit/hostile: $(READER_OBJ)
$(B)/unit/hostile: UNIT_OBJ = $(READER_OBJ) $(CURSES)
TEXT_OBJ = $(patsubst %,$(B)/obj/tool/%.o,server/poolstat_say screen/poolstat_text command/poolstat_nearest)
$(B)/unit/text: $(TEXT_OBJ)
$(B)/unit/text: UNIT_OBJ = $(TEXT_OBJ)

# the faces over spoiled boards, by libFuzzer: clang's, in a build of its own
FUZZ_OBJ = $(patsubst %.c,$(B)/obj/%.o,$(wildcard t/fuzz/*.c))
$(B)/obj/t/fuzz/%.o: t/fuzz/%.c Makefile | deps-build
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_FLAGS) -fno-sanitize=fuzzer-no-link $(APR_FLAGS) -It/unit $(TOOL_DIRS:%=-I%) -MMD -MP -c -o $@ $<

fuzzer: $(B)/fuzz ; @:
$(B)/fuzz: $(FUZZ_OBJ) $(CORE_OBJ) $(READER_OBJ)
	$(Q)$(CC) $(CFLAGS) -fsanitize=fuzzer -Wl,--wrap=poolstat_servers_find -o $@ $^ $(APR_LIBS) $(CURSES) $(LIBS)

-include $(wildcard $(B)/obj/*.d $(B)/obj/*/*.d $(B)/obj/*/*/*.d $(B)/unit/*.d)

deps-build:
	@sh make/deps build
deps:
	@sh make/deps build run test lint

run:
	@sh make/deps build run
	@$(MAKE) --no-print-directory module probe
	@PORT='$(PORT)' MPM='$(MPM)' TRAFFIC='$(TRAFFIC)' exec sh make/run/run $(B)

# of the units those that TESTS asks for, by parts of their names as t/suite does
TEST_UNITS = $(if $(TESTS),$(foreach u,$(UNITS),$(if $(strip \
    $(foreach t,$(TESTS),$(findstring $(t),t/unit/$(notdir $(u))))),$(u))),$(UNITS))
# what t/package installs is built before: a test has its time, and link-time optimisation takes most of a minute
TEST_INSTALLS = $(if $(TESTS),$(strip $(foreach t,$(TESTS),$(findstring $(t),t/package/install.t))),yes)
test:
	@sh make/deps build run test
	@$(MAKE) --no-print-directory module command probe $(TEST_UNITS)
	@$(if $(TEST_INSTALLS),$(MAKE) --no-print-directory RELEASE=1 all)
	@perl t/suite $(B)

unit:
	@$(MAKE) --no-print-directory units
	@perl t/suite --units $(B)

lint:
	@sh make/deps build lint
	@$(MAKE) --no-print-directory module command
	@CC='$(CC)' FLAGS='$(ALL_FLAGS)' CORE_DIRS='$(CORE_DIRS)' TOOL_DIRS='$(TOOL_DIRS)' ROOMS='$(ROOMS)' HTTPD_FLAGS='$(HTTPD_FLAGS)' APR_FLAGS='$(APR_FLAGS)' sh make/lint $(B)

check-san:
	@$(MAKE) --no-print-directory test SAN=1 MPMS='$(or $(MPMS),event)'

fuzz:
	@sh make/deps build run fuzz
	@$(MAKE) --no-print-directory module probe
	@$(MAKE) --no-print-directory fuzzer FUZZ=1
	@sh t/fuzz/run $(B) $(B)/fuzz/fuzz

storm:
	@sh make/deps build run storm
	@$(MAKE) --no-print-directory module probe
	@perl t/storm/run $(B)

cases:
	@sh make/deps build run test
	@$(MAKE) --no-print-directory module command probe
	@CASES=1 perl t/suite $(B)

bench:
	@sh make/deps build run
	@$(MAKE) --no-print-directory RELEASE=1 module probe
	@BUILD='$(HANDOUT)' APR="$(APR)" APU="$(APU)" bench/run

docs: $(COMMAND)
	$(COMMAND) --describe=markdown > docs/metrics.md

install uninstall: export DESTDIR := $(DESTDIR)
install uninstall: export LAYOUT := $(LAYOUT)
install:
	@$(MAKE) --no-print-directory RELEASE=1 module command
	@sh make/install $(HANDOUT)
uninstall:
	@sh make/install --remove $(HANDOUT)

dist:
	@sh make/dist build

# each builds from an archive of its own: what is packed has been built elsewhere
deb:
	@sh make/deps build deb
	@sh packaging/build deb build
rpm:
	@sh make/deps build rpm
	@sh packaging/build rpm build
deb-test: deb
	@sh make/deps deb-test
	@sh packaging/try-deb build

# on machines that have nothing of ours: what is committed, not what lies here
fresh:
	@ARCH='$(ARCH)' sh make/deps fresh
	@PORT='$(PORT)' SUITES='$(SUITES)' ARCH='$(ARCH)' MPMS='$(MPMS)' TESTS='$(TESTS)' REV='$(REV)' sh make/fresh build

# sources by apt-get source, with a libapr built of them in place of the system's
matrix:
	@sh make/deps build run matrix
	@$(MAKE) --no-print-directory module probe
	@PORT='$(PORT)' MPM='$(MPM)' sh make/matrix $(B)

clean:
	rm -rf build

help:
	@sed -n '/^#/!q; s/^# \{0,1\}//; p' Makefile
