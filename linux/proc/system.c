/* /proc outside the processes, and /sys: the machine as seen from this sub-kernel. proc(5), sysfs(5). */
#include "../cgroup/cgroup.h"
#include "../internal.h"
#include "../fs/lock.h"
#include "../fs/name.h"
#include "network.h"
#include "machine.h"
#include "proc.h"
#include "../time/account.h"

static void own_unit(struct unit_info *info)
{
	memset(info, 0, sizeof(*info));
	if (unit_info(current_page(), machine.unit, info) < 0)
		info->memory_quota = 0;
}

static void text_meminfo(struct proc_text *text, const struct proc_subject *subject)
{
	struct unit_info info;
	(void)subject;
	own_unit(&info);
	uint64_t total = info.memory_quota / 1024;
	uint64_t free = (info.memory_quota - info.memory_used) / 1024;
	proc_print(text,
	           "MemTotal:       %8lu kB\nMemFree:        %8lu kB\nMemAvailable:   %8lu kB\nBuffers:      "
	           "         0 kB\n",
	           total, free, free);
	proc_print(text,
	           "Cached:                0 kB\nSwapCached:            0 kB\nActive:         %8lu "
	           "kB\nInactive:              0 kB\n",
	           total - free);
	proc_print(text, "SwapTotal:             0 kB\nSwapFree:              0 kB\nDirty:                 0 "
	                 "kB\nWriteback:             0 kB\n");
	proc_print(text,
	           "AnonPages:      %8lu kB\nMapped:                0 kB\nShmem:                 0 kB\nSlab: "
	           "                 0 kB\n",
	           total - free);
	proc_print(text,
	           "PageTables:            0 kB\nCommitLimit:    %8lu kB\nCommitted_AS:   %8lu "
	           "kB\nHugePages_Total:       0\nHugepagesize:       2048 kB\n",
	           total, total - free);
}

static void text_uptime(struct proc_text *text, const struct proc_subject *subject)
{
	uint64_t now = time_shifted(clock_monotonic(), time_offset(CLOCK_BOOTTIME)) / TICK_NS;
	(void)subject;
	proc_print(text, "%lu.%02lu 0.00\n", now / 100, now % 100);
}

static void text_loadavg(struct proc_text *text, const struct proc_subject *subject)
{
	(void)subject;
	uint32_t loads[3];
	load_averages(loads);
	for (unsigned i = 0; i < 3; i++)
		proc_print(text, "%u.%02u ", loads[i] / LOAD_ONE, loads[i] % LOAD_ONE * 100 / LOAD_ONE);
	proc_print(text, "%u/%u %d\n", thread_running_count(), task_count(), current_task()->number);
}

static void text_version(struct proc_text *text, const struct proc_subject *subject)
{
	(void)subject;
	proc_print(text, "Linux version 6.1.0-holon (holon) #1 SMP\n");
}

/* NAME's user and system time, and what is left of TOTAL as idle. */
static void cpu_line(struct proc_text *text, const char *name, struct cpu_times times, uint64_t total)
{
	uint64_t busy = times.user_ns + times.system_ns;
	proc_print(text, "%s %lu 0 %lu %lu 0 0 0 0 0 0\n", name, (uint64_t)(times.user_ns / TICK_NS),
	           (uint64_t)(times.system_ns / TICK_NS),
	           (uint64_t)((total > busy ? total - busy : 0) / TICK_NS));
}

static void text_stat(struct proc_text *text, const struct proc_subject *subject)
{
	struct unit_info info;
	(void)subject;
	own_unit(&info);
	struct cpu_times times[CPU_MAX], all = {0};
	cpu_times_of_machine(times, info.cpu_time);
	for (uint32_t cpu = 0; cpu < machine.cpu_count; cpu++) {
		all.user_ns += times[cpu].user_ns;
		all.system_ns += times[cpu].system_ns;
	}
	cpu_line(text, "cpu ", all, clock_monotonic() * machine.cpu_count);
	for (uint32_t cpu = 0; cpu < machine.cpu_count; cpu++) {
		char name[8] = {'c', 'p', 'u', (char)('0' + cpu)};
		cpu_line(text, name, times[cpu], clock_monotonic());
	}
	proc_print(
	    text, "intr 0\nctxt 0\nbtime %lu\nprocesses %u\nprocs_running %u\nprocs_blocked 0\n",
	    (uint64_t)(time_shifted(clock_realtime() - clock_monotonic(), -time_offset(CLOCK_BOOTTIME)) /
	               NS_PER_SECOND),
	    process_count(), thread_running_count());
}

/* How often and how long the locks of each rank (include/lock.h) were waited for since the start. */
static void text_lock_stat(struct proc_text *text, const struct proc_subject *subject)
{
	(void)subject;
	proc_print(text, "%-16s %12s %12s %16s\n", "lock", "waits", "sleeps", "ns");
	for (unsigned rank = LOCK_COMMON; rank < LOCK_RANKS; rank++)
		proc_print(text, "%-16s %12lu %12lu %16lu\n", lock_waits[rank].name, lock_waits[rank].count,
		           lock_waits[rank].sleeps, lock_waits[rank].ns);
}

static void text_filesystems(struct proc_text *text, const struct proc_subject *subject)
{
	(void)subject;
	proc_print(
	    text,
	    "nodev\tsysfs\nnodev\ttmpfs\nnodev\tramfs\nnodev\tproc\nnodev\tcgroup2\nnodev\tdevtmpfs\nnodev\t"
	    "devpts\n\text4\n\text3\n\text2\n\tvfat\n");
}

static void text_cmdline(struct proc_text *text, const struct proc_subject *subject)
{
	(void)subject;
	proc_print(text, "\n");
}

static void text_devices(struct proc_text *text, const struct proc_subject *subject)
{
	(void)subject;
	proc_print(text, "Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/console\n  5 /dev/ptmx\n136 "
	                 "pts\n\nBlock devices:\n");
}

static void text_swaps(struct proc_text *text, const struct proc_subject *subject)
{
	(void)subject;
	proc_print(text, "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
}

static void text_cgroups(struct proc_text *text, const struct proc_subject *subject)
{
	(void)subject;
	proc_print(text, "#subsys_name\thierarchy\tnum_cgroups\tenabled\n");
	for (unsigned i = 0; controller_names[i]; i++) {
		uint32_t count = 0;
		for (struct cgroup *at = &cgroup_root; at; at = cgroup_next(at, &cgroup_root))
			count += cgroup_controllers(at) >> i & 1;
		proc_print(text, "%s\t0\t%u\t1\n", controller_names[i], count);
	}
}

static void text_nothing(struct proc_text *text, const struct proc_subject *subject)
{
	(void)text;
	(void)subject;
}

static void text_net_unix(struct proc_text *text, const struct proc_subject *subject)
{
	(void)subject;
	proc_print(text, "Num       RefCount Protocol Flags    Type St Inode Path\n");
}

/* The options of a mount itself, as mount(8) writes them. */
static void mount_options(struct proc_text *text, const struct mount *mount)
{
	static const struct {
		uint32_t flag;
		const char *name;
	} names[] = {{MS_NOSUID, ",nosuid"},
	             {MS_NODEV, ",nodev"},
	             {MS_NOEXEC, ",noexec"},
	             {MS_NODIRATIME, ",nodiratime"},
	             {MS_NOATIME, ",noatime"}};
	proc_print(text, "%s", mount->read_only ? "ro" : "rw");
	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (mount->flags & names[i].flag)
			proc_print(text, "%s", names[i].name);
	if (!(mount->flags & (MS_NOATIME | MS_STRICTATIME)))
		proc_print(text, ",relatime");
	if (mount->flags & MS_NOSYMFOLLOW)
		proc_print(text, ",nosymfollow");
}

static void filesystem_options(struct proc_text *text, const struct mount *mount, bool own)
{
	if (own)
		proc_print(text, "%s", mount->filesystem->flags & FILESYSTEM_READ_ONLY ? "ro" : "rw");
	if (mount->filesystem->options)
		mount->filesystem->options(mount->filesystem, text);
}

/* The directory of its file system that MOUNT shows. */
static const char *mount_root(const struct mount *mount, char *buffer, uint32_t size)
{
	char *at = buffer + size - 1;
	*at = 0;
	if ((mount->filesystem->flags & FILESYSTEM_BARE) && mount->root->parent == mount->root)
		return mount->root->name;
	for (const struct dentry *dentry = mount->root;
	     dentry->parent != dentry && at - buffer > dentry->length + 1; dentry = dentry->parent) {
		at -= dentry->length;
		memcpy(at, dentry->name, dentry->length);
		*--at = '/';
	}
	return *at ? at : "/";
}

/* mount_namespaces(7), "/proc/pid/mountinfo". */
static void mount_propagation(struct proc_text *text, const struct mount *mount)
{
	if (mount->group)
		proc_print(text, " shared:%lu", mount->group);
	if (mount->master)
		proc_print(text, " master:%lu", mount->master->group);
	if (mount->unbindable)
		proc_print(text, " unbindable");
}

void proc_mounts(struct proc_text *text, const struct proc_subject *subject, bool info)
{
	struct mount *mount;
	char buffer[PATH_MAX_BYTES], root[PATH_MAX_BYTES];
	const struct namespace *of = namespace_of(subject->task, NAMESPACE_MOUNT, false);
	if (!of || !subject->task->fs)
		return;
	const struct mount_namespace *namespace = container_of(of, struct mount_namespace, common);
	list_for_each(mount, &namespace->mounts, link)
	{
		struct path path = {mount, mount->root};
		const char *where = path_text_below(&path, &subject->task->fs->root, buffer, sizeof(buffer));
		if (!where)
			continue;
		const struct filesystem *filesystem = mount->filesystem;
		if (info)
			proc_print(text, "%lu %lu 0:%lu ", mount->id,
			           mount->covered.mount ? mount->covered.mount->id : 1, filesystem->device);
		proc_append_escaped(text, info ? mount_root(mount, root, sizeof(root)) : mount->source);
		proc_print(text, " ");
		proc_append_escaped(text, where);
		proc_print(text, " ");
		if (info) {
			mount_options(text, mount);
			mount_propagation(text, mount);
			proc_print(text, " - %s ", filesystem->name);
			proc_append_escaped(text, mount->source);
			proc_print(text, " ");
			filesystem_options(text, mount, true);
			proc_print(text, "\n");
		} else {
			proc_print(text, "%s ", filesystem->name);
			mount_options(text, mount);
			filesystem_options(text, mount, false);
			proc_print(text, " 0 0\n");
		}
	}
}

static int64_t read_self(const struct proc_subject *subject, char *text, uint32_t size)
{
	int32_t number = pid_in(subject->pids, current_task()->process->pid);
	return number ? text_format(text, size, "%d", number) : -ENOENT;
}

static int64_t read_thread_self(const struct proc_subject *subject, char *text, uint32_t size)
{
	int32_t number = pid_in(subject->pids, current_task()->process->pid);
	return number
	           ? text_format(text, size, "%d/task/%d", number, pid_in(subject->pids, current_task()->tid))
	           : -ENOENT;
}

static int64_t read_net(const struct proc_subject *subject, char *text, uint32_t size)
{
	(void)subject;
	return text_format(text, size, "self/net");
}

static void text_locks(struct proc_text *text, const struct proc_subject *subject)
{
	(void)subject;
	lock_table(text);
}

static int64_t read_mounts(const struct proc_subject *subject, char *text, uint32_t size)
{
	(void)subject;
	return text_format(text, size, "self/mounts");
}

#define DIRECTORY(title, entries)                                                                            \
	{                                                                                                    \
		.name = title, .mode = S_IFDIR | 0555, .children = entries                                   \
	}
#define TEXT(title, function)                                                                                \
	{                                                                                                    \
		.name = title, .mode = S_IFREG | 0444, .text = function                                      \
	}
#define LINK(title, read)                                                                                    \
	{                                                                                                    \
		.name = title, .mode = S_IFLNK | 0777, .readlink = read                                      \
	}

const struct proc_entry proc_net[] = {TEXT("arp", text_net_arp),
                                      TEXT("dev", text_net_dev),
                                      TEXT("icmp", text_net_icmp),
                                      TEXT("if_inet6", text_net_if_inet6),
                                      TEXT("ipv6_route", text_net_ipv6_route),
                                      TEXT("pnp", text_net_pnp),
                                      TEXT("raw", text_net_raw),
                                      TEXT("raw6", text_net_raw6),
                                      TEXT("route", text_net_route),
                                      TEXT("snmp", text_net_snmp),
                                      TEXT("sockstat", text_net_sockstat),
                                      TEXT("tcp", text_net_tcp),
                                      TEXT("tcp6", text_net_tcp6),
                                      TEXT("udp", text_net_udp),
                                      TEXT("udp6", text_net_udp6),
                                      TEXT("unix", text_net_unix),
                                      {0}};
static const struct proc_entry root_entries[] = {DIRECTORY("#pid", proc_process),
                                                 LINK("self", read_self),
                                                 LINK("thread-self", read_thread_self),
                                                 LINK("mounts", read_mounts),
                                                 TEXT("meminfo", text_meminfo),
                                                 TEXT("cpuinfo", text_cpuinfo),
                                                 TEXT("uptime", text_uptime),
                                                 TEXT("loadavg", text_loadavg),
                                                 TEXT("version", text_version),
                                                 TEXT("stat", text_stat),
                                                 TEXT("filesystems", text_filesystems),
                                                 TEXT("lock_stat", text_lock_stat),
                                                 TEXT("cmdline", text_cmdline),
                                                 TEXT("devices", text_devices),
                                                 TEXT("swaps", text_swaps),
                                                 TEXT("cgroups", text_cgroups),
                                                 TEXT("modules", text_nothing),
                                                 PROC_FIXED("partitions", "major minor  #blocks  name\n\n"),
                                                 DIRECTORY("sys", sysctl_entries),
                                                 LINK("net", read_net),
                                                 TEXT("locks", text_locks),
                                                 TEXT("keys", text_keys),
                                                 TEXT("key-users", text_key_users),
                                                 MACHINE_ENTRIES,
                                                 {0}};
const struct proc_entry proc_root[] = {DIRECTORY("/", root_entries), {0}};
