# The linux personality: one freestanding native program on lib/holon. Vector registers belong to the guest, so nothing
# here may use them. Two lists, one a side; the handlers of system calls are found by name (linux/syscalls.tbl).
LINUX_PROCESS_SOURCES := $(addprefix linux/,main.c log.c arch/x86_64/guest.S arch/x86_64/cpuinfo.c \
	task/loop.c task/thread.c task/process.c task/clone.c namespace/namespace.c namespace/user.c namespace/map.c namespace/time.c namespace/pid.c namespace/files.c task/exit.c task/identity.c task/limits.c task/pidfd.c \
	task/random.c task/rseq.c task/prctl.c task/schedule.c task/turn.c task/numa.c task/bpf.c task/seccomp.c task/seccomp_notify.c trace/trace.c trace/requests.c trace/watch.c arch/x86_64/registers.c mm/ranges.c mm/heap.c mm/heap_plain.c mm/area.c mm/area_tree.c mm/mm.c mm/calls.c mm/populate.c mm/page_set.c mm/userfault.c mm/user.c mm/pressure.c exec/elf.c exec/exec.c exec/command.c exec/vdso.c arch/x86_64/vdso/image.S \
	core/core.c core/name.c core/helper.c core/notes.c signal/send.c signal/deliver.c signal/calls.c sync/lock.c sync/wait.c sync/futex.c time/account.c time/clock.c time/calls.c time/timers.c)
LINUX_FILE_SOURCES := $(sort $(filter-out %_test.c %_fuzz.c,$(wildcard linux/fs/*.c linux/tty/*.c linux/event/*.c linux/net/*.c linux/proc/*.c linux/native/*.c linux/ipc/*.c linux/keys/*.c linux/cgroup/*.c linux/async/*.c)))

build/gen/linux/syscalls.S: linux/syscalls.tbl linux/gen_syscalls.py linux/flags.py
	@mkdir -p $(@D)
	@linux/gen_syscalls.py asm $< > $@

VDSO := linux/arch/x86_64/vdso
build/gen/linux/vdso.so: $(VDSO)/vdso.c linux/vdso/data.h $(VDSO)/vdso.ld $(VDSO)/vdso.map
	@mkdir -p $(@D)
	@echo "  VDSO    $@"
	@$(CC) --target=x86_64-unknown-none-elf $(CSTD) $(WARN) -O2 -fPIC -fvisibility=default -ffreestanding -mgeneral-regs-only \
		-fno-stack-protector -fno-asynchronous-unwind-tables -Ilinux -c $(VDSO)/vdso.c -o $(@:.so=.o)
	@$(LD) -shared -soname linux-vdso.so.1 --hash-style=both --version-script $(VDSO)/vdso.map -T $(VDSO)/vdso.ld \
		-z noexecstack -z max-page-size=4096 --no-undefined -s -o $@ $(@:.so=.o)
build/x86_64/native/linux/linux.o.d/$(VDSO)/image.S.o build/x86_64/native/linux/linux-debug.o.d/$(VDSO)/image.S.o: \
	build/gen/linux/vdso.so

.PHONY: docs/linux-syscalls.md
docs/linux-syscalls.md: ## Make the page of Linux system calls from its tables
	@linux/gen_syscalls.py doc linux/syscalls.tbl linux/flags > $@

LINUX_SOURCES := $(LINUX_PROCESS_SOURCES) $(LINUX_FILE_SOURCES) build/gen/linux/syscalls.S lib/sysimg/sysimg.c $(NATIVE_BLAKE3) $(NET_SOURCES) lib/link/link_ring.c lib/block/block_client.c lib/block/block_ring.c lib/partition/partition.c lib/input/keys.c $(SOUND_PCM)
LINUX_CFLAGS := -Ilib/block -Ilib/sound -Ilib/net/freestanding -Ilinux -Ilinux/include -Ilinux/arch/x86_64 -DCRYPTO_NO_VECTOR -fdirect-access-external-data
$(call native-program,linux/linux,$(LINUX_SOURCES),$(LINUX_CFLAGS))
# The debug build: the heap checks how it is used, locks in which order they are taken.
$(call native-program,linux/linux-debug,$(patsubst linux/mm/heap_plain.c,linux/mm/heap_checked.c,$(LINUX_SOURCES)) linux/sync/lock_debug.c,$(LINUX_CFLAGS) -DLINUX_DEBUG)

# Tests on the build machine.
$(call host-test,linux_elf_test,linux/exec/elf_test.c linux/exec/elf.c)
build/host/test/linux_elf_test: | build/root/minimal.stamp # reads the busybox in it
$(call host-test,linux_bpf_test,linux/task/bpf_test.c linux/task/bpf.c)
$(call host-test,linux_share_test,linux/cgroup/share_test.c linux/cgroup/share.c,-Ilinux -Ilinux/include -Ilib/holon -Ilib/holon/arch/x86_64)
$(call host-test,linux_acl_test,linux/fs/acl_test.c linux/fs/acl.c,-Ilinux/include)
$(call host-fuzz,linux_acl_fuzz,linux/fs/acl_fuzz.c linux/fs/acl.c,-Ilinux/include)
$(call host-test,linux_ranges_test,linux/mm/ranges_test.c linux/mm/ranges.c,-Ilib/holon)
$(call host-test,linux_page_set_test,linux/mm/page_set_test.c linux/mm/page_set.c,-Ilinux -Ilinux/include)
$(call host-test,linux_area_tree_test,linux/mm/area_tree_test.c linux/mm/area_tree.c,-Ilinux -Ilib/holon)
$(call host-fuzz,linux_elf_fuzz,linux/exec/elf_fuzz.c linux/exec/elf.c)
# What file services answer, by services that answer anything.
$(call host-fuzz,file-replies,linux/fs/reply_fuzz.c,-DHOLON_FAKE_KERNEL -Ilib/holon -Ilinux/fs)
$(call host-object-names,fuzz,-DHOLON_FAKE_KERNEL -Ilib/holon -Ilinux/fs,linux/fs/reply_fuzz.c): | $(INTERFACES)
$(call script-test,linux/check_syscalls,)
