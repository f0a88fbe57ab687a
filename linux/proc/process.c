/* /proc/PID: what ps, top, shells and language runtimes read of a process. proc(5). */
#include "../cgroup/cgroup.h"
#include "../internal.h"
#include "../core/core.h"
#include "../fs/lock.h"
#include "../fs/name.h"
#include "../include/vnode.h"
#include "../tty/tty.h"
#include "../task/seccomp.h"
#include "../trace/trace.h"
#include "proc.h"
#include "../time/account.h"

/* The number ID as SUBJECT's file system shows it. */
static int32_t shown(const struct proc_subject *subject, int32_t id)
{
	return pid_in(subject->pids, id);
}

static struct mm *subject_mm(const struct proc_subject *subject)
{
	return subject->task ? subject->task->mm : 0;
}

static char state_letter(const struct proc_subject *subject)
{
	const struct task *task = subject->task;
	if (subject->process->zombie || !task)
		return 'Z';
	if (task_traced(task) && task->trace->stopped)
		return 't';
	if (subject->process->stopped)
		return 'T';
	return task->sleeping ? 'S' : 'R';
}

/* A range of a process's memory (its arguments, environment) as text. */
static void append_memory(struct proc_text *text, struct mm *mm, uint64_t start, uint64_t end)
{
	char part[256];
	while (mm && start < end) {
		uint64_t count = end - start < sizeof(part) ? end - start : sizeof(part);
		int64_t got = mm_access(mm, start, part, count, MM_FORCE);
		if (got <= 0)
			return;
		proc_append(text, part, (uint32_t)got);
		start += (uint64_t)got;
	}
}

static void text_cmdline(struct proc_text *text, const struct proc_subject *subject)
{
	struct mm *mm = subject_mm(subject);
	if (mm)
		append_memory(text, mm, mm->argument_start, mm->argument_end);
}

static void text_environ(struct proc_text *text, const struct proc_subject *subject)
{
	struct mm *mm = subject_mm(subject);
	if (mm)
		append_memory(text, mm, mm->environment_start, mm->environment_end);
}

static void text_auxv(struct proc_text *text, const struct proc_subject *subject)
{
	struct mm *mm = subject_mm(subject);
	if (mm)
		proc_append(text, mm->auxv, sizeof(mm->auxv));
}

static void text_comm(struct proc_text *text, const struct proc_subject *subject)
{
	proc_print(text, "%s\n", subject->task ? subject->task->name : "");
}

static int64_t write_comm(const struct proc_subject *subject, const char *bytes, uint32_t count)
{
	if (!subject->task || subject->process != current_task()->process)
		return -EINVAL;
	text_copy(subject->task->name, sizeof(subject->task->name), bytes);
	char *newline = strchr(subject->task->name, '\n');
	if (newline)
		*newline = 0;
	return count;
}

static uint64_t resident_pages(const struct mm *mm)
{
	struct memory_info info;
	if (!mm || !mm->heap || memory_info(current_page(), mm->heap->handle, &info) < 0)
		return 0;
	return info.resident_bytes / 4096;
}

static void signal_masks(const struct task *task, uint64_t *ignored, uint64_t *caught)
{
	*ignored = *caught = 0;
	for (unsigned i = 0; task->handlers && i < SIGNAL_COUNT; i++) {
		uint64_t handler = task->handlers->actions[i].handler;
		if (handler == SIG_IGN)
			*ignored |= 1ull << i;
		else if (handler != SIG_DFL)
			*caught |= 1ull << i;
	}
}

static void text_stat(struct proc_text *text, const struct proc_subject *subject)
{
	const struct process *process = subject->process;
	const struct mm *mm = subject_mm(subject);
	const struct task *task = subject->task;
	/* A thread's own under task/, else the process's. */
	struct cpu_times times =
	    !task || subject->of_process ? process_times(process) : task_times((struct task *)task);
	const struct linux_rusage *children = &process->children_usage;
	const struct tty *tty = process->tty;
	proc_print(text, "%d (%s) %c %d %d %d %lu %d 0 ", shown(subject, task ? task->tid : process->pid),
	           task ? task->name : "", state_letter(subject),
	           process->parent ? shown(subject, process->parent->pid) : 0, shown(subject, process->pgid),
	           shown(subject, process->sid), tty ? tty->device_number : 0,
	           tty ? shown(subject, tty->foreground) : -1);
	proc_print(text, "%lu 0 %lu 0 %lu %lu %lu %lu %d %d %u 0 %llu ", task ? task->minor_faults : 0,
	           task ? task->major_faults : 0, (uint64_t)(times.user_ns / TICK_NS),
	           (uint64_t)(times.system_ns / TICK_NS),
	           (uint64_t)(timeval_ns(&children->ru_utime) / TICK_NS),
	           (uint64_t)(timeval_ns(&children->ru_stime) / TICK_NS),
	           task && task->rt_priority ? -1 - (int)task->rt_priority : 20 + (task ? task->nice : 0),
	           task ? task->nice : 0, process->thread_count,
	           time_shifted(process->start_ns, time_offset(CLOCK_BOOTTIME)) / TICK_NS);
	proc_print(text, "%lu %lu %lu %lu %lu %lu 0 0 ", mm ? mm->total_pages * 4096 : 0, resident_pages(mm),
	           ~0ul, mm ? mm->code_start : 0, mm ? mm->code_end : 0, mm ? mm->stack_start : 0);
	uint64_t ignored = 0, caught = 0;
	if (task)
		signal_masks(task, &ignored, &caught);
	proc_print(text, "%lu %lu %lu %lu 0 0 0 %d %u %u %u 0 0 0 ",
	           task ? task->pending.set & 0x7fffffff : 0, task ? task->blocked & 0x7fffffff : 0,
	           ignored & 0x7fffffff, caught & 0x7fffffff, process->exit_signal,
	           task && task->area ? task->area->cpu : 0, task ? task->rt_priority : 0,
	           task ? (uint32_t)task->policy : 0);
	proc_print(text, "%lu %lu %lu %lu %lu %lu %lu %d\n", mm ? mm->data_start : 0, mm ? mm->data_end : 0,
	           mm ? mm->brk_start : 0, mm ? mm->argument_start : 0, mm ? mm->argument_end : 0,
	           mm ? mm->environment_start : 0, mm ? mm->environment_end : 0, process->exit_status);
}

static void text_statm(struct proc_text *text, const struct proc_subject *subject)
{
	const struct mm *mm = subject_mm(subject);
	uint64_t code = mm ? (mm->code_end - mm->code_start + 4095) / 4096 : 0;
	proc_print(text, "%lu %lu 0 %lu 0 %lu 0\n", mm ? mm->total_pages : 0, resident_pages(mm), code,
	           mm ? mm->total_pages - code : 0);
}

static void text_status(struct proc_text *text, const struct proc_subject *subject)
{
	const struct process *process = subject->process;
	const struct task *task = subject->task;
	const struct mm *mm = subject_mm(subject);
	char letter = state_letter(subject);
	const char *word = letter == 'R'   ? "running"
	                   : letter == 'S' ? "sleeping"
	                   : letter == 'T' ? "stopped"
	                   : letter == 't' ? "tracing stop"
	                                   : "zombie";
	if (!task)
		return;
	const struct credentials *c = &task->credentials;
	proc_print(text,
	           "Name:\t%s\nUmask:\t%04o\nState:\t%c "
	           "(%s)\nTgid:\t%d\nNgid:\t0\nPid:\t%d\nPPid:\t%d\nTracerPid:\t%d\n",
	           task->name, task->fs ? task->fs->umask : 0, letter, word, shown(subject, process->pid),
	           shown(subject, task->tid), process->parent ? shown(subject, process->parent->pid) : 0,
	           task_traced(task) ? shown(subject, task->trace->tracer->process->pid) : 0);
	proc_print(text, "Uid:\t%u\t%u\t%u\t%u\nGid:\t%u\t%u\t%u\t%u\nFDSize:\t%u\nGroups:\t",
	           uid_seen(c->uid), uid_seen(c->euid), uid_seen(c->suid), uid_seen(c->fsuid),
	           gid_seen(c->gid), gid_seen(c->egid), gid_seen(c->sgid), gid_seen(c->fsgid),
	           task->files ? task->files->capacity : 0);
	for (uint32_t i = 0; i < c->group_count; i++)
		proc_print(text, "%u ", gid_seen(c->groups[i]));
	proc_print(text, "\n");
	proc_numbers(text, "NStgid", subject->pids, process->pid);
	proc_numbers(text, "NSpid", subject->pids, task->tid);
	proc_numbers(text, "NSpgid", subject->pids, process->pgid);
	proc_numbers(text, "NSsid", subject->pids, process->sid);
	if (mm) {
		uint64_t resident = resident_pages(mm) * 4;
		proc_print(text, "VmPeak:\t%8lu kB\nVmSize:\t%8lu kB\nVmLck:\t%8lu kB\nVmPin:\t       0 kB\n",
		           mm->total_pages * 4, mm->total_pages * 4, mm->locked_pages * 4);
		proc_print(text,
		           "VmHWM:\t%8lu kB\nVmRSS:\t%8lu kB\nRssAnon:\t%8lu kB\nRssFile:\t       0 "
		           "kB\nRssShmem:\t       0 kB\n",
		           resident, resident, resident);
		proc_print(text,
		           "VmData:\t%8lu kB\nVmStk:\t     132 kB\nVmExe:\t%8lu kB\nVmLib:\t       0 "
		           "kB\nVmPTE:\t       0 kB\nVmSwap:\t       0 kB\n",
		           (mm->data_end - mm->data_start) / 1024, (mm->code_end - mm->code_start) / 1024);
	}
	uint64_t ignored;
	uint64_t caught;
	signal_masks(task, &ignored, &caught);
	proc_print(
	    text,
	    "Threads:\t%u\nSigQ:\t0/"
	    "1024\nSigPnd:\t%016lx\nShdPnd:\t%016lx\nSigBlk:\t%016lx\nSigIgn:\t%016lx\nSigCgt:\t%016lx\n",
	    process->thread_count, task->pending.set, process->pending.set, task->blocked, ignored, caught);
	proc_print(text,
	           "CapInh:\t%016lx\nCapPrm:\t%016lx\nCapEff:\t%016lx\nCapBnd:\t%016lx\nCapAmb:\t%"
	           "016lx\nNoNewPrivs:\t%u\nSeccomp:\t%u\nSeccomp_filters:\t%u\n",
	           c->cap_inheritable, c->cap_permitted, c->cap_effective, c->cap_bounding, c->cap_ambient,
	           task->no_new_privileges, task->seccomp_mode, seccomp_filter_count(task));
	proc_print(text,
	           "Cpus_allowed:\t%x\nCpus_allowed_list:\t0-%u\nvoluntary_ctxt_switches:\t%lu\nnonvoluntary_"
	           "ctxt_switches:\t0\n",
	           (1u << machine.cpu_count) - 1, machine.cpu_count - 1, task->voluntary_switches);
}

static void print_area(struct proc_text *text, const struct mm *mm, const struct area *area)
{
	char path[512];
	uint64_t inode = area->file && area->file->vnode ? area->file->vnode->inode : 0;
	uint64_t device = inode && area->file->vnode->filesystem ? area->file->vnode->filesystem->device : 0;
	proc_print(text, "%08lx-%08lx %c%c%c%c %08lx 00:%02lx %lu ", area->start, area->end,
	           area->flags & AREA_READ ? 'r' : '-', area->flags & AREA_WRITE ? 'w' : '-',
	           area->flags & AREA_EXECUTE ? 'x' : '-', area->flags & AREA_SHARED ? 's' : 'p',
	           area->file ? area->file_offset : 0, device, inode);
	const char *name = "";
	if (area->file) {
		file_path(area->file, path, sizeof(path));
		name = path;
	} else if (area->flags & AREA_VDSO) {
		name = "[vdso]";
	} else if (area->flags & AREA_STACK) {
		name = "[stack]";
	} else if (area->start >= mm->brk_start && area->end <= ((mm->brk + 4095) & ~4095ull)) {
		name = "[heap]";
	}
	proc_print(text, "%s%s\n", *name ? "                   " : "", name);
}

static void text_maps(struct proc_text *text, const struct proc_subject *subject)
{
	struct mm *mm = subject_mm(subject);
	for (const struct area *area = mm ? mm_find(mm, 0) : 0; area; area = mm_next(mm, area))
		print_area(text, mm, area);
}

static void text_smaps(struct proc_text *text, const struct proc_subject *subject)
{
	struct mm *mm = subject_mm(subject);
	for (const struct area *area = mm ? mm_find(mm, 0) : 0; area; area = mm_next(mm, area)) {
		uint64_t size = (area->end - area->start) / 1024;
		print_area(text, mm, area);
		proc_print(
		    text,
		    "Size:           %8lu kB\nKernelPageSize:        4 kB\nMMUPageSize:           4 kB\n",
		    size);
		proc_print(text,
		           "Rss:            %8lu kB\nPss:            %8lu kB\nPrivate_Dirty:  %8lu kB\n",
		           size, size, area->flags & AREA_WRITE ? size : 0);
	}
}

static void text_limits(struct proc_text *text, const struct proc_subject *subject)
{
	static const struct {
		const char *name, *unit;
	} names[16] = {{"Max cpu time", "seconds"},     {"Max file size", "bytes"},
	               {"Max data size", "bytes"},      {"Max stack size", "bytes"},
	               {"Max core file size", "bytes"}, {"Max resident set", "bytes"},
	               {"Max processes", "processes"},  {"Max open files", "files"},
	               {"Max locked memory", "bytes"},  {"Max address space", "bytes"},
	               {"Max file locks", "locks"},     {"Max pending signals", "signals"},
	               {"Max msgqueue size", "bytes"},  {"Max nice priority", ""},
	               {"Max realtime priority", ""},   {"Max realtime timeout", "us"}};
	proc_print(text, "Limit                     Soft Limit           Hard Limit           Units     \n");
	for (unsigned i = 0; i < 16; i++) {
		const struct linux_rlimit *limit = &subject->process->limits[i];
		char values[2][24];
		for (unsigned j = 0; j < 2; j++) {
			uint64_t value = j ? limit->maximum : limit->current;
			if (value == RLIM_INFINITY)
				text_copy(values[j], sizeof(values[j]), "unlimited");
			else
				text_format(values[j], sizeof(values[j]), "%lu", value);
		}
		proc_print(text, "%-25s %-20s %-20s %-10s\n", names[i].name, values[0], values[1],
		           names[i].unit);
	}
}

static void text_mounts(struct proc_text *text, const struct proc_subject *subject)
{
	proc_mounts(text, subject, false);
}

static void text_mountinfo(struct proc_text *text, const struct proc_subject *subject)
{
	proc_mounts(text, subject, true);
}

/* proc_pid_mounts(5): an exceptional condition when the table has changed since the last look. */
static uint32_t poll_mounts(struct proc_text *text, struct poll_table *table)
{
	poll_wait(table, &mounts_wait);
	if (text->seen == mounts_generation)
		return 0;
	text->seen = mounts_generation;
	return POLLERR | POLLPRI;
}

static void text_cgroup(struct proc_text *text, const struct proc_subject *subject)
{
	const struct process *process = subject->process;
	const struct cgroup *group = process->cgroup ? process->cgroup
	                             : subject->task ? cgroup_of(subject->task)
	                                             : &cgroup_root;
	proc_print(text, "0::");
	cgroup_path(text, group, cgroup_namespace_current()->root);
	proc_print(text, "\n");
}

static void text_oom(struct proc_text *text, const struct proc_subject *subject)
{
	proc_print(text, "%d\n", subject->process->oom_adjust);
}

static int64_t write_oom(const struct proc_subject *subject, const char *bytes, uint32_t count)
{
	int value = 0;
	bool negative = bytes[0] == '-';
	for (const char *at = bytes + negative; *at >= '0' && *at <= '9' && value < 10000; at++)
		value = value * 10 + (*at - '0');
	if (value > 1000)
		return -EINVAL;
	subject->process->oom_adjust = negative ? -value : value;
	return count;
}

static void text_core_filter(struct proc_text *text, const struct proc_subject *subject)
{
	proc_print(text, "%08x\n", subject->process->core_filter);
}

/* A number as C writes it; -1: BYTES are none of 32 bits. */
static int64_t number_of(const char *bytes)
{
	uint32_t base = bytes[0] != '0' ? 10 : (bytes[1] | 32) == 'x' ? 16 : 8;
	const char *at = base == 16 ? bytes + 2 : bytes;
	uint64_t value = 0;
	if (*at == '\n' || !*at)
		return -1;
	for (; *at && *at != '\n'; at++) {
		char low = (char)(*at | 32);
		uint32_t digit = *at >= '0' && *at <= '9'   ? (uint32_t)(*at - '0')
		                 : low >= 'a' && low <= 'f' ? (uint32_t)(low - 'a') + 10
		                                            : base;
		value = value * base + digit;
		if (digit >= base || value > UINT32_MAX)
			return -1;
	}
	return (int64_t)value;
}

static int64_t write_core_filter(const struct proc_subject *subject, const char *bytes, uint32_t count)
{
	int64_t value = number_of(bytes);
	if (value < 0)
		return -EINVAL;
	subject->process->core_filter = value & CORE_FILTER_ALL;
	return count;
}

static void text_zero(struct proc_text *text, const struct proc_subject *subject)
{
	(void)subject;
	proc_print(text, "0\n");
}

static void text_io(struct proc_text *text, const struct proc_subject *subject)
{
	(void)subject;
	proc_print(text, "rchar: 0\nwchar: 0\nsyscr: 0\nsyscw: 0\nread_bytes: 0\nwrite_bytes: "
	                 "0\ncancelled_write_bytes: 0\n");
}

static void text_loginuid(struct proc_text *text, const struct proc_subject *subject)
{
	(void)subject;
	proc_print(text, "%u", UINT32_MAX);
}

/* ---- What is there because programs ask for it; much of it is the same for all ---- */

static void text_schedule(struct proc_text *text, const struct proc_subject *subject)
{
	const struct task *task = subject->task;
	if (!task)
		return;
	uint64_t ns = task_cpu_ns(task);
	proc_print(text, "%s (%d, #threads: %u)\n---------------------------------------------------------\n",
	           task->name, shown(subject, task->tid), subject->process->thread_count);
	proc_print(text, "se.sum_exec_runtime                          : %lu.%06lu\nnr_switches   : %lu\n",
	           ns / 1000000, ns % 1000000, task->voluntary_switches);
	proc_print(text, "nr_voluntary_switches : %lu\nnr_involuntary_switches : 0\npolicy : %d\nprio : %d\n",
	           task->voluntary_switches, task->policy, 120 + task->nice);
}

static void text_schedstat(struct proc_text *text, const struct proc_subject *subject)
{
	proc_print(text, "%lu %lu %lu\n", subject->task ? task_cpu_ns(subject->task) : 0,
	           subject->task ? task_wait_ns(subject->task) : 0,
	           subject->task ? subject->task->voluntary_switches : 0);
}

static void text_syscall(struct proc_text *text, const struct proc_subject *subject)
{
	const struct task *task = subject->task;
	const struct guest_state *state = task ? task->state : 0;
	if (!state || !task->sleeping)
		proc_print(text, "running\n");
	else
		proc_print(text, "%ld 0x%lx 0x%lx 0x%lx 0x%lx 0x%lx 0x%lx 0x%lx 0x%lx\n",
		           task->syscall_number, state->rdi, state->rsi, state->rdx, state->r10, state->r8,
		           state->r9, state->rsp, state->rip);
}

static void text_slack(struct proc_text *text, const struct proc_subject *subject)
{
	proc_print(text, "%lu\n", subject->task ? subject->task->timer_slack_ns : 0);
}

static int64_t write_slack(const struct proc_subject *subject, const char *bytes, uint32_t count)
{
	uint64_t value = 0;
	if (bytes[0] < '0' || bytes[0] > '9' || !subject->task)
		return -EINVAL;
	for (; *bytes >= '0' && *bytes <= '9' && value < 1ull << 59; bytes++)
		value = value * 10 + (uint64_t)(*bytes - '0');
	subject->task->timer_slack_ns = value ? value : subject->task->timer_slack_default_ns;
	return count;
}

static void text_personality(struct proc_text *text, const struct proc_subject *subject)
{
	proc_print(text, "%08lx\n", subject->process->personality);
}

static void text_children(struct proc_text *text, const struct proc_subject *subject)
{
	const struct process *child;
	list_for_each(child, &subject->process->children, sibling)
	    proc_print(text, "%d ", shown(subject, child->pid));
}

static void text_rollup(struct proc_text *text, const struct proc_subject *subject)
{
	struct mm *mm = subject_mm(subject);
	uint64_t kilobytes = resident_pages(mm) * 4;
	const struct area *first = mm ? mm_find(mm, 0) : 0;
	if (!first)
		return;
	proc_print(text, "%08lx-%08lx ---p 00000000 00:00 0                          [rollup]\n",
	           first->start, mm->stack_start);
	proc_print(text,
	           "Rss:            %8lu kB\nPss:            %8lu kB\nPss_Dirty:      %8lu kB\nPss_Anon:     "
	           "  %8lu kB\n"
	           "Pss_File:              0 kB\nPss_Shmem:             0 kB\nShared_Clean:          0 kB\n",
	           kilobytes, kilobytes, kilobytes, kilobytes);
	proc_print(text,
	           "Shared_Dirty:          0 kB\nPrivate_Clean:         0 kB\nPrivate_Dirty:  %8lu kB\n"
	           "Referenced:     %8lu kB\nAnonymous:      %8lu kB\nLazyFree:              0 kB\n"
	           "AnonHugePages:         0 kB\nSwap:                  0 kB\nSwapPss:               0 kB\n"
	           "Locked:         %8lu kB\n",
	           kilobytes, kilobytes, kilobytes, mm->locked_pages * 4);
}

static void text_timers(struct proc_text *text, const struct proc_subject *subject)
{
	(void)text;
	(void)subject;
}

static int64_t write_nothing(const struct proc_subject *subject, const char *bytes, uint32_t count)
{
	(void)subject;
	(void)bytes;
	return count;
}

static int64_t write_refused(const struct proc_subject *subject, const char *bytes, uint32_t count)
{
	(void)subject;
	(void)bytes;
	(void)count;
	return -EINVAL; /* no security module */
}

/* ---- Links ---- */

/* The text of a link carries no NUL. */
static int64_t link_put(char *to, uint32_t size, const char *from)
{
	uint32_t length = 0;
	for (; length < size && from[length]; length++)
		to[length] = from[length];
	return length;
}

static int64_t link_text(const struct path *path, char *text, uint32_t size)
{
	char buffer[PATH_MAX_BYTES];
	return link_put(text, size, path_text(path, buffer, sizeof(buffer)));
}

static int take_path(const struct path *path, struct path *to)
{
	if (!path->dentry || !path->mount)
		return -ENOENT;
	*to = *path;
	path_reference(to);
	return 0;
}

/* Opening /proc/self/fd/N of something without a name: the file's vnode under an unnamed entry. Pipes and
 * sockets have none. */
static int take_file(struct file *file, struct path *to)
{
	if (file->path.dentry && file->path.mount)
		return take_path(&file->path, to);
	if (!file_vnode(file))
		return -ENOMEM;
	struct dentry *dentry = dentry_unnamed(vnode_reference(file->vnode));
	if (!dentry) {
		vnode_release(file->vnode);
		return -ENOMEM;
	}
	*to = (struct path){current_task()->fs->root.mount, dentry};
	to->mount->references++;
	return 0;
}

static struct file *executable(const struct proc_subject *subject)
{
	const struct mm *mm = subject_mm(subject);
	return mm ? mm->executable : 0;
}

static int64_t read_exe(const struct proc_subject *subject, char *text, uint32_t size)
{
	const struct file *file = executable(subject);
	return file ? link_text(&file->path, text, size) : -ENOENT;
}

static int follow_exe(const struct proc_subject *subject, struct path *to)
{
	struct file *file = executable(subject);
	return file ? take_file(file, to) : -ENOENT;
}

static int64_t read_cwd(const struct proc_subject *subject, char *text, uint32_t size)
{
	return subject->task && subject->task->fs ? link_text(&subject->task->fs->working, text, size)
	                                          : -ENOENT;
}

static int follow_cwd(const struct proc_subject *subject, struct path *to)
{
	return subject->task && subject->task->fs ? take_path(&subject->task->fs->working, to) : -ENOENT;
}

static int64_t read_root(const struct proc_subject *subject, char *text, uint32_t size)
{
	return subject->task && subject->task->fs ? link_text(&subject->task->fs->root, text, size) : -ENOENT;
}

static int follow_root(const struct proc_subject *subject, struct path *to)
{
	return subject->task && subject->task->fs ? take_path(&subject->task->fs->root, to) : -ENOENT;
}

static struct file *subject_file(const struct proc_subject *subject)
{
	const struct files *files = subject->task ? subject->task->files : 0;
	return files && (uint32_t)subject->fd < files->capacity ? files->slots[subject->fd] : 0;
}

static int64_t read_fd(const struct proc_subject *subject, char *text, uint32_t size)
{
	char name[PATH_MAX_BYTES];
	const struct file *file = subject_file(subject);
	if (!file)
		return -ENOENT;
	file_path(file, name, sizeof(name));
	return link_put(text, size, name);
}

static int follow_fd(const struct proc_subject *subject, struct path *to)
{
	struct file *file = subject_file(subject);
	return file ? take_file(file, to) : -ENOENT;
}

static void text_fdinfo(struct proc_text *text, const struct proc_subject *subject)
{
	struct file *file = subject_file(subject);
	if (!file)
		return;
	const struct files *files = subject->task->files;
	bool closes = files->close_on_exec[subject->fd / 64] >> subject->fd % 64 & 1;
	proc_print(text, "pos:\t%ld\nflags:\t0%o\nmnt_id:\t%lu\nino:\t%lu\n", file->position,
	           file_flags_told(file) | (closes ? O_CLOEXEC : 0u),
	           file->path.mount ? file->path.mount->id : 15, file->vnode ? file->vnode->inode : 1);
	lock_info(file, text);
	if (file->ops && file->ops->info)
		file->ops->info(file, text);
}

static struct namespace *subject_namespace(const struct proc_subject *subject, int *error)
{
	const char *name = subject->entry->name;
	struct namespace *found = 0;
	*error = -ENOENT;
	for (unsigned kind = 0; kind < NAMESPACE_KINDS; kind++)
		if (strncmp(name, namespace_name(kind), strlen(namespace_name(kind))) == 0)
			found = namespace_of(subject->task, kind, strchr(name, '_'));
	return found;
}

static int64_t read_namespace(const struct proc_subject *subject, char *text, uint32_t size)
{
	char name[40];
	int error;
	const struct namespace *namespace = subject_namespace(subject, &error);
	if (!namespace)
		return error;
	text_format(name, sizeof(name), "%s:[%lu]", namespace_name(namespace->kind), namespace->inode);
	return link_put(text, size, name);
}

static int follow_namespace(const struct proc_subject *subject, struct path *to)
{
	int error;
	struct namespace *namespace = subject_namespace(subject, &error);
	return namespace ? namespace_path(namespace, to) : error;
}

#define DIRECTORY(title, entries)                                                                            \
	{                                                                                                    \
		.name = title, .mode = S_IFDIR | 0555, .children = entries                                   \
	}
#define TEXT(title, function)                                                                                \
	{                                                                                                    \
		.name = title, .mode = S_IFREG | 0444, .text = function                                      \
	}
#define POLLED(title, function, ask)                                                                         \
	{                                                                                                    \
		.name = title, .mode = S_IFREG | 0444, .text = function, .poll = ask                         \
	}
#define LINK(title, read, go)                                                                                \
	{                                                                                                    \
		.name = title, .mode = S_IFLNK | 0777, .guarded = true, .readlink = read, .follow = go       \
	}
#define GUARDED(title, permissions, function)                                                                \
	{                                                                                                    \
		.name = title, .mode = S_IFREG | permissions, .guarded = true, .text = function              \
	}
#define GUARDED_DIRECTORY(title, permissions, entries)                                                       \
	{                                                                                                    \
		.name = title, .mode = S_IFDIR | permissions, .guarded = true, .children = entries           \
	}

static const struct proc_entry fd_entries[] = {LINK("#fd", read_fd, follow_fd), {0}};
static const struct proc_entry fdinfo_entries[] = {TEXT("#fd", text_fdinfo), {0}};
#define NAMESPACE(title) LINK(title, read_namespace, follow_namespace)
static const struct proc_entry namespace_entries[] = {NAMESPACE("cgroup"),
                                                      NAMESPACE("ipc"),
                                                      NAMESPACE("mnt"),
                                                      NAMESPACE("net"),
                                                      NAMESPACE("pid"),
                                                      NAMESPACE("pid_for_children"),
                                                      NAMESPACE("time"),
                                                      NAMESPACE("time_for_children"),
                                                      NAMESPACE("user"),
                                                      NAMESPACE("uts"),
                                                      {0}};
#define WRITABLE(title, words, function)                                                                     \
	{                                                                                                    \
		.name = title, .mode = S_IFREG | 0644, .text = proc_fixed, .write = function, .data = words  \
	}
static const struct proc_entry attr_entries[] = {WRITABLE("current", "unconfined\n", write_refused),
                                                 WRITABLE("exec", "", write_refused),
                                                 WRITABLE("fscreate", "", write_refused),
                                                 WRITABLE("keycreate", "", write_refused),
                                                 WRITABLE("sockcreate", "", write_refused),
                                                 PROC_FIXED("prev", "unconfined\n"),
                                                 {0}};
static const struct proc_entry map_files_entries[] = {{0}};
#define ID_MAP(title, groups)                                                                                \
	{                                                                                                    \
		.name = title, .mode = S_IFREG | 0644, .open = namespace_map_open, .data = groups            \
	}

#define COMMON_ENTRIES                                                                                       \
	GUARDED_DIRECTORY("fd", 0500, fd_entries), GUARDED_DIRECTORY("fdinfo", 0555, fdinfo_entries),        \
	    DIRECTORY("ns", namespace_entries), TEXT("cmdline", text_cmdline),                               \
	    GUARDED("environ", 0400, text_environ), GUARDED("auxv", 0400, text_auxv),                        \
	    TEXT("stat", text_stat), TEXT("statm", text_statm), TEXT("status", text_status),                 \
	    GUARDED("maps", 0444, text_maps), GUARDED("smaps", 0444, text_smaps),                            \
	    TEXT("limits", text_limits), POLLED("mounts", text_mounts, poll_mounts),                         \
	    POLLED("mountinfo", text_mountinfo, poll_mounts), TEXT("cgroup", text_cgroup),                   \
	    TEXT("oom_score", text_zero), GUARDED("io", 0400, text_io), TEXT("wchan", text_zero),            \
	    TEXT("loginuid", text_loginuid), TEXT("sessionid", text_loginuid),                               \
	    LINK("exe", read_exe, follow_exe), LINK("cwd", read_cwd, follow_cwd),                            \
	    LINK("root", read_root, follow_root), TEXT("sched", text_schedule),                              \
	    TEXT("schedstat", text_schedstat), GUARDED("syscall", 0400, text_syscall),                       \
	    PROC_FIXED("stack", ""), TEXT("personality", text_personality),                                  \
	    GUARDED("smaps_rollup", 0444, text_rollup), PROC_FIXED("pagemap", ""),                           \
	    PROC_FIXED("numa_maps", ""), PROC_DIRECTORY("attr", attr_entries),                               \
	    PROC_DIRECTORY("net", proc_net), PROC_FIXED("cpuset", "/\n"), ID_MAP("uid_map", 0),              \
	    ID_MAP("gid_map", ""), PROC_FIXED("projid_map", "         0          0 4294967295\n"),           \
	    {.name = "setgroups",                                                                            \
	     .mode = S_IFREG | 0644,                                                                         \
	     .text = namespace_text_setgroups,                                                               \
	     .write = namespace_write_setgroups},                                                            \
	    {.name = "mem", .mode = S_IFREG | 0600, .open = proc_memory_open},                               \
	    {.name = "clear_refs", .mode = S_IFREG | 0200, .write = write_nothing},                          \
	    {.name = "comm", .mode = S_IFREG | 0644, .text = text_comm, .write = write_comm},                \
	{                                                                                                    \
		.name = "oom_score_adj", .mode = S_IFREG | 0644, .text = text_oom, .write = write_oom        \
	}

static const struct proc_entry thread_entries[] = {COMMON_ENTRIES, TEXT("children", text_children), {0}};
static const struct proc_entry task_entries[] = {DIRECTORY("#tid", thread_entries), {0}};
const struct proc_entry proc_process[] = {
    COMMON_ENTRIES,
    DIRECTORY("task", task_entries),
    DIRECTORY("map_files", map_files_entries),
    TEXT("timers", text_timers),
    {.name = "coredump_filter", .mode = S_IFREG | 0644, .text = text_core_filter, .write = write_core_filter},
    WRITABLE("autogroup", "/autogroup-0 nice 0\n", write_nothing),
    {.name = "timens_offsets",
     .mode = S_IFREG | 0644,
     .text = time_text_offsets,
     .write = time_write_offsets},
    {.name = "timerslack_ns", .mode = S_IFREG | 0666, .text = text_slack, .write = write_slack},
    {0}};
