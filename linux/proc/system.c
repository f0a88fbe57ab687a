/* /proc outside the processes, and /sys: the machine as seen from this sub-kernel. proc(5), sysfs(5). */
#include "../internal.h"
#include "../fs/name.h"
#include "network.h"
#include "proc.h"

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
	uint64_t now = clock_monotonic() / 10000000;
	(void)subject;
	proc_print(text, "%lu.%02lu 0.00\n", now / 100, now % 100);
}

static void text_loadavg(struct proc_text *text, const struct proc_subject *subject)
{
	(void)subject;
	proc_print(text, "0.00 0.00 0.00 %u/%u %d\n", thread_running_count(), task_count(),
	           current_task()->tid);
}

static void text_version(struct proc_text *text, const struct proc_subject *subject)
{
	(void)subject;
	proc_print(text, "Linux version 6.1.0-holon (holon) #1 SMP\n");
}

static void text_stat(struct proc_text *text, const struct proc_subject *subject)
{
	struct unit_info info;
	(void)subject;
	own_unit(&info);
	uint64_t busy = info.cpu_time / 10000000;
	uint64_t total = clock_monotonic() / 10000000 * machine.cpu_count;
	uint64_t idle = total > busy ? total - busy : 0;
	proc_print(text, "cpu  %lu 0 0 %lu 0 0 0 0 0 0\n", busy, idle);
	for (uint32_t cpu = 0; cpu < machine.cpu_count; cpu++)
		proc_print(text, "cpu%u %lu 0 0 %lu 0 0 0 0 0 0\n", cpu, busy / machine.cpu_count,
		           idle / machine.cpu_count);
	proc_print(text, "intr 0\nctxt 0\nbtime %lu\nprocesses %u\nprocs_running %u\nprocs_blocked 0\n",
	           (uint64_t)((clock_realtime() - clock_monotonic()) / NS_PER_SECOND), process_count(),
	           thread_running_count());
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
	proc_print(text, "nodev\tsysfs\nnodev\ttmpfs\nnodev\tproc\nnodev\tdevtmpfs\nnodev\tdevpts\n");
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
	for (const struct dentry *dentry = mount->root;
	     dentry->parent != dentry && at - buffer > dentry->length + 1; dentry = dentry->parent) {
		at -= dentry->length;
		memcpy(at, dentry->name, dentry->length);
		*--at = '/';
	}
	return *at ? at : "/";
}

void proc_mounts(struct proc_text *text, bool info)
{
	struct mount *mount;
	char buffer[PATH_MAX_BYTES], root[PATH_MAX_BYTES];
	list_for_each(mount, &mounts, link)
	{
		struct path path = {mount, mount->root};
		const char *where = path_text(&path, buffer, sizeof(buffer));
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
	(void)subject;
	return text_format(text, size, "%d", current_task()->process->pid);
}

static int64_t read_thread_self(const struct proc_subject *subject, char *text, uint32_t size)
{
	(void)subject;
	return text_format(text, size, "%d/task/%d", current_task()->process->pid, current_task()->tid);
}

static int64_t read_mounts(const struct proc_subject *subject, char *text, uint32_t size)
{
	(void)subject;
	return text_format(text, size, "self/mounts");
}

/* ---- Values of /proc/sys and /sys: fixed texts, or numbers of the machine ---- */

#define FIXED(function, value)                                                                               \
	static void function(struct proc_text *text, const struct proc_subject *subject)                     \
	{                                                                                                    \
		(void)subject;                                                                               \
		proc_print(text, "%s\n", value);                                                             \
	}
static void text_threads_max(struct proc_text *text, const struct proc_subject *subject)
{
	(void)subject;
	proc_print(text, "%u\n", pressure_task_limit());
}

FIXED(fixed_0, "0")
FIXED(fixed_1, "1")
FIXED(fixed_40, "40")
FIXED(fixed_4096, "4096")
FIXED(fixed_65536, "65536")
FIXED(fixed_pid_max, "32768")
FIXED(fixed_65530, "65530")
FIXED(fixed_1048576, "1048576")
FIXED(fixed_ostype, "Linux")
FIXED(fixed_osrelease, "6.1.0-holon")
FIXED(fixed_version, "#1 SMP")
FIXED(fixed_hostname, "holon")
FIXED(fixed_never, "always madvise [never]")
FIXED(fixed_port_range, "32768\t60999")

static void text_uuid(struct proc_text *text, const struct proc_subject *subject)
{
	uint8_t b[16];
	(void)subject;
	random_bytes(b, sizeof(b));
	b[6] = (b[6] & 15) | 0x40;
	b[8] = (b[8] & 63) | 0x80;
	for (unsigned i = 0; i < 16; i++)
		proc_print(text, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", b[i]);
	proc_print(text, "\n");
}

static void text_boot_id(struct proc_text *text, const struct proc_subject *subject)
{
	static struct proc_text once;
	if (!once.length)
		text_uuid(&once, subject);
	proc_append(text, once.bytes, once.length);
}

static void text_cpu_list(struct proc_text *text, const struct proc_subject *subject)
{
	(void)subject;
	if (machine.cpu_count > 1)
		proc_print(text, "0-%u\n", machine.cpu_count - 1);
	else
		proc_print(text, "0\n");
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

static const struct proc_entry random_entries[] = {
    TEXT("boot_id", text_boot_id), TEXT("uuid", text_uuid), TEXT("entropy_avail", fixed_4096), {0}};
static const struct proc_entry kernel_entries[] = {TEXT("ngroups_max", fixed_65536),
                                                   TEXT("cap_last_cap", fixed_40),
                                                   TEXT("pid_max", fixed_pid_max),
                                                   TEXT("threads-max", text_threads_max),
                                                   TEXT("ostype", fixed_ostype),
                                                   TEXT("osrelease", fixed_osrelease),
                                                   TEXT("version", fixed_version),
                                                   TEXT("hostname", fixed_hostname),
                                                   TEXT("randomize_va_space", fixed_0),
                                                   DIRECTORY("random", random_entries),
                                                   {0}};
static const struct proc_entry vm_entries[] = {TEXT("overcommit_memory", fixed_1),
                                               TEXT("max_map_count", fixed_65530),
                                               TEXT("mmap_min_addr", fixed_65536),
                                               {0}};
static const struct proc_entry fs_entries[] = {TEXT("file-max", fixed_1048576),
                                               TEXT("nr_open", fixed_1048576),
                                               TEXT("pipe-max-size", fixed_1048576),
                                               {0}};
FIXED(fixed_212992, "212992")
FIXED(fixed_1024, "1024")
FIXED(fixed_60, "60")
FIXED(fixed_7200, "7200")
FIXED(fixed_cubic, "cubic")
FIXED(fixed_groups, "0\t2147483647")
static const struct proc_entry core_entries[] = {
    TEXT("rmem_default", fixed_212992), TEXT("rmem_max", fixed_212992), TEXT("somaxconn", fixed_4096),
    TEXT("wmem_default", fixed_212992), TEXT("wmem_max", fixed_212992), {0}};
static const struct proc_entry ipv4_entries[] = {TEXT("ip_forward", fixed_0),
                                                 TEXT("ip_local_port_range", fixed_port_range),
                                                 TEXT("ip_unprivileged_port_start", fixed_1024),
                                                 TEXT("ping_group_range", fixed_groups),
                                                 TEXT("tcp_congestion_control", fixed_cubic),
                                                 TEXT("tcp_fin_timeout", fixed_60),
                                                 TEXT("tcp_keepalive_time", fixed_7200),
                                                 TEXT("tcp_syncookies", fixed_1),
                                                 {0}};
static const struct proc_entry ipv6_all_entries[] = {TEXT("disable_ipv6", fixed_0), {0}};
static const struct proc_entry ipv6_conf_entries[] = {
    DIRECTORY("all", ipv6_all_entries), DIRECTORY("default", ipv6_all_entries), {0}};
static const struct proc_entry ipv6_entries[] = {
    TEXT("bindv6only", fixed_0), DIRECTORY("conf", ipv6_conf_entries), {0}};
static const struct proc_entry sys_net_entries[] = {
    DIRECTORY("core", core_entries), DIRECTORY("ipv4", ipv4_entries), DIRECTORY("ipv6", ipv6_entries), {0}};
static const struct proc_entry sysctl_entries[] = {DIRECTORY("kernel", kernel_entries),
                                                   DIRECTORY("vm", vm_entries),
                                                   DIRECTORY("fs", fs_entries),
                                                   DIRECTORY("net", sys_net_entries),
                                                   {0}};
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
                                                 TEXT("modules", text_nothing),
                                                 TEXT("partitions", text_nothing),
                                                 DIRECTORY("sys", sysctl_entries),
                                                 DIRECTORY("net", proc_net),
                                                 {0}};
const struct proc_entry proc_root[] = {DIRECTORY("/", root_entries), {0}};

static const struct proc_entry cpu_entries[] = {
    TEXT("online", text_cpu_list), TEXT("possible", text_cpu_list), TEXT("present", text_cpu_list), {0}};
static const struct proc_entry system_entries[] = {DIRECTORY("cpu", cpu_entries), {0}};
static const struct proc_entry devices_entries[] = {DIRECTORY("system", system_entries), {0}};
static const struct proc_entry huge_entries[] = {TEXT("enabled", fixed_never), {0}};
static const struct proc_entry mm_entries[] = {DIRECTORY("transparent_hugepage", huge_entries), {0}};
static const struct proc_entry sys_kernel_entries[] = {DIRECTORY("mm", mm_entries), {0}};
static const struct proc_entry class_entries[] = {DIRECTORY("net", sys_class_net), {0}};
static const struct proc_entry class_entries_alone[] = {DIRECTORY("net", sys_class_net_alone), {0}};
static const struct proc_entry sys_entries[] = {DIRECTORY("class", class_entries),
                                                DIRECTORY("devices", devices_entries),
                                                DIRECTORY("kernel", sys_kernel_entries),
                                                {0}};
static const struct proc_entry sys_entries_alone[] = {DIRECTORY("class", class_entries_alone),
                                                      DIRECTORY("devices", devices_entries),
                                                      DIRECTORY("kernel", sys_kernel_entries),
                                                      {0}};
const struct proc_entry sys_root[] = {DIRECTORY("/", sys_entries), {0}};
const struct proc_entry sys_root_alone[] = {DIRECTORY("/", sys_entries_alone), {0}};
