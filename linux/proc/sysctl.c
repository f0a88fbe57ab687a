/* /proc/sys: what can be set of a kernel, by those who may write the files. proc(5).
 *
 * Most numbers are kept for those who read them back; those with a name of their own (proc.h) are followed.
 */
#include "../internal.h"
#include "../core/core.h"
#include "../fs/name.h"
#include "proc.h"

#define TEXT_BYTES 128u
_Static_assert(sizeof(sysctl_core_pattern) == TEXT_BYTES, "write_words");

struct sysctl sysctl_pipe_max = {1048576, 4096, 1ll << 31};
struct sysctl sysctl_randomize = {2, 0, 2};
struct sysctl sysctl_trace_scope = {0, 0, 3};
struct sysctl sysctl_perf_paranoid = {3, -1, 4};
struct sysctl sysctl_user_namespaces = {1, 0, 1};
struct sysctl sysctl_userfault = {0, 0, 1};
struct sysctl sysctl_mount_max = {8192, 1, 100000};
struct sysctl sysctl_keys_max = {200, 1, INT32_MAX}, sysctl_keys_bytes = {20000, 1, INT32_MAX},
              sysctl_keys_root_max = {1000000, 1, INT32_MAX},
              sysctl_keys_root_bytes = {25000000, 1, INT32_MAX}, sysctl_keys_delay = {300, 0, INT32_MAX};

static void text_number(struct proc_text *text, const struct proc_subject *subject)
{
	const struct sysctl *number = subject->entry->data;
	proc_print(text, "%ld\n", number->value);
}

static int64_t write_number(const struct proc_subject *subject, const char *bytes, uint32_t count)
{
	struct sysctl *number = subject->entry->data;
	const char *at = bytes;
	int64_t value = 0;
	while (*at == ' ' || *at == '\t')
		at++;
	bool negative = *at == '-';
	at += negative;
	if (*at < '0' || *at > '9')
		return -EINVAL;
	for (; *at >= '0' && *at <= '9'; at++)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, *at - '0', &value))
			return -EINVAL;
	if (*at && *at != '\n' && *at != ' ' && *at != '\t')
		return -EINVAL;
	value = negative ? -value : value;
	if (value < number->low || value > number->high)
		return -EINVAL;
	number->value = value;
	return count;
}

static void text_words(struct proc_text *text, const struct proc_subject *subject)
{
	proc_print(text, "%s\n", (const char *)subject->entry->data);
}

static int64_t write_words(const struct proc_subject *subject, const char *bytes, uint32_t count)
{
	char *words = subject->entry->data;
	uint32_t length = count;
	while (length && (bytes[length - 1] == '\n' || !bytes[length - 1]))
		length--;
	if (length >= TEXT_BYTES)
		length = TEXT_BYTES - 1;
	memcpy(words, bytes, length);
	words[length] = 0;
	return count;
}

static void text_threads_max(struct proc_text *text, const struct proc_subject *subject)
{
	(void)subject;
	proc_print(text, "%u\n", pressure_task_limit());
}

static void text_hostname(struct proc_text *text, const struct proc_subject *subject)
{
	proc_print(text, "%s\n", linux_host_text(subject->entry->data != 0));
}

static int64_t write_hostname(const struct proc_subject *subject, const char *bytes, uint32_t count)
{
	char *name = linux_host_text(subject->entry->data != 0);
	uint32_t length = 0;
	while (length < 64 && length < count && bytes[length] && bytes[length] != '\n')
		length++;
	memset(name, 0, 65);
	memcpy(name, bytes, length);
	return count;
}

static void text_user_limit(struct proc_text *text, const struct proc_subject *subject)
{
	const int64_t *kind = subject->entry->data;
	proc_print(text, "%ld\n", user_namespace_current()->most[*kind]);
}

/* Whoever is root in a user namespace sets what its users may have; whoever made it keeps to limits of its own. */
static int64_t write_user_limit(const struct proc_subject *subject, const char *bytes, uint32_t count)
{
	const int64_t *kind = subject->entry->data;
	struct sysctl number = {0, 0, INT32_MAX};
	struct proc_entry entry = {.data = &number};
	struct proc_subject as = {.entry = &entry};
	if (!capable_own(CAP_SYS_RESOURCE))
		return -EPERM;
	int64_t result = write_number(&as, bytes, count);
	if (result >= 0)
		user_namespace_current()->most[*kind] = number.value;
	return result;
}

static void text_file_nr(struct proc_text *text, const struct proc_subject *subject)
{
	uint64_t open = 0;
	(void)subject;
	for (struct process *process = process_next(0); process; process = process_next(process)) {
		const struct files *files = process->leader ? process->leader->files : 0;
		for (uint32_t word = 0; files && word < files->capacity / 64; word++)
			open += (uint64_t)__builtin_popcountll(files->used[word]);
	}
	proc_print(text, "%lu\t0\t9223372036854775807\n", open);
}

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

static int64_t write_ignored(const struct proc_subject *subject, const char *bytes, uint32_t count)
{
	(void)subject;
	(void)bytes;
	return count;
}

#define NUMBER(title, initial, lowest, highest)                                                              \
	{                                                                                                    \
		.name = title, .mode = S_IFREG | 0644, .text = text_number, .write = write_number,           \
		.data = &(struct sysctl)                                                                     \
		{                                                                                            \
			initial, lowest, highest                                                             \
		}                                                                                            \
	}
#define SWITCH(title, initial) NUMBER(title, initial, 0, 1)
#define COUNT(title, initial)  NUMBER(title, initial, 0, INT32_MAX)
#define FOLLOWED(title, number)                                                                              \
	{                                                                                                    \
		.name = title, .mode = S_IFREG | 0644, .text = text_number, .write = write_number,           \
		.data = &(number)                                                                            \
	}
#define WORDS(title, initial)                                                                                \
	{                                                                                                    \
		.name = title, .mode = S_IFREG | 0644, .text = text_words, .write = write_words,             \
		.data = (char[TEXT_BYTES])                                                                   \
		{                                                                                            \
			initial                                                                              \
		}                                                                                            \
	}
#define HOST(title, domain)                                                                                  \
	{                                                                                                    \
		.name = title, .mode = S_IFREG | 0644, .text = text_hostname, .write = write_hostname,       \
		.data = domain                                                                               \
	}

static const struct proc_entry random_entries[] = {PROC_TEXT("boot_id", text_boot_id),
                                                   PROC_TEXT("uuid", text_uuid),
                                                   PROC_FIXED("entropy_avail", "256\n"),
                                                   PROC_FIXED("poolsize", "256\n"),
                                                   COUNT("urandom_min_reseed_secs", 60),
                                                   COUNT("write_wakeup_threshold", 256),
                                                   {0}};
static const struct proc_entry keys_entries[] = {
    FOLLOWED("maxkeys", sysctl_keys_max),           FOLLOWED("maxbytes", sysctl_keys_bytes),
    FOLLOWED("root_maxkeys", sysctl_keys_root_max), FOLLOWED("root_maxbytes", sysctl_keys_root_bytes),
    FOLLOWED("gc_delay", sysctl_keys_delay),        {0}};
static const struct proc_entry yama_entries[] = {FOLLOWED("ptrace_scope", sysctl_trace_scope), {0}};
static const struct proc_entry pty_entries[] = {COUNT("max", 4096), COUNT("reserve", 1024), {0}};
static const struct proc_entry kernel_entries[] = {
    PROC_FIXED("ngroups_max", "65536\n"),
    PROC_FIXED("cap_last_cap", "40\n"),
    PROC_TEXT("threads-max", text_threads_max),
    PROC_FIXED("ostype", "Linux\n"),
    PROC_FIXED("osrelease", "6.1.0-holon\n"),
    PROC_FIXED("version", "#1 SMP Holon\n"),
    HOST("hostname", 0),
    HOST("domainname", (void *)1),
    FOLLOWED("randomize_va_space", sysctl_randomize),
    NUMBER("pid_max", 32768, 301, 4194304),
    NUMBER("tainted", 0, 0, INT64_MAX),
    NUMBER("sched_rt_runtime_us", 950000, -1, 1000000),
    COUNT("sched_rt_period_us", 1000000),
    COUNT("sched_rr_timeslice_ms", 100),
    SWITCH("sched_autogroup_enabled", 0),
    SWITCH("sched_child_runs_first", 0),
    {.name = "core_pattern",
     .mode = S_IFREG | 0644,
     .text = text_words,
     .write = write_words,
     .data = sysctl_core_pattern},
    FOLLOWED("core_uses_pid", sysctl_core_uses_pid),
    FOLLOWED("core_pipe_limit", sysctl_core_pipe_limit),
    NUMBER("shmmax", 0x7fffffff00000000, 0, INT64_MAX),
    NUMBER("shmall", 0x7fffffff00000, 0, INT64_MAX),
    NUMBER("shmmni", 4096, 0, 32768),
    SWITCH("shm_rmid_forced", 0),
    COUNT("msgmax", 8192),
    COUNT("msgmnb", 16384),
    NUMBER("msgmni", 32000, 0, 32768),
    WORDS("sem", "32000\t1024000000\t500\t32000"),
    COUNT("sysrq", 16),
    COUNT("panic", 0),
    SWITCH("panic_on_oops", 0),
    SWITCH("panic_on_warn", 0),
    WORDS("printk", "4\t4\t1\t7"),
    COUNT("printk_ratelimit", 5),
    COUNT("printk_ratelimit_burst", 10),
    SWITCH("dmesg_restrict", 0),
    NUMBER("kptr_restrict", 0, 0, 2),
    FOLLOWED("perf_event_paranoid", sysctl_perf_paranoid),
    COUNT("perf_event_max_sample_rate", 100000),
    COUNT("perf_event_mlock_kb", 516),
    NUMBER("unprivileged_bpf_disabled", 2, 0, 2),
    FOLLOWED("unprivileged_userns_clone", sysctl_user_namespaces),
    WORDS("modprobe", "/sbin/modprobe"),
    SWITCH("modules_disabled", 0),
    SWITCH("watchdog", 0),
    SWITCH("nmi_watchdog", 0),
    COUNT("hung_task_timeout_secs", 120),
    SWITCH("numa_balancing", 0),
    NUMBER("overflowuid", 65534, 0, 65535),
    NUMBER("overflowgid", 65534, 0, 65535),
    COUNT("ctrl-alt-del", 0),
    COUNT("acct", 4),
    PROC_DIRECTORY("random", random_entries),
    PROC_DIRECTORY("keys", keys_entries),
    PROC_DIRECTORY("yama", yama_entries),
    PROC_DIRECTORY("pty", pty_entries),
    {0}};
static const struct proc_entry vm_entries[] = {
    NUMBER("overcommit_memory", 1, 0, 2),
    COUNT("overcommit_ratio", 50),
    COUNT("overcommit_kbytes", 0),
    COUNT("max_map_count", 65530),
    COUNT("mmap_min_addr", 65536),
    NUMBER("swappiness", 60, 0, 200),
    COUNT("dirty_ratio", 20),
    COUNT("dirty_background_ratio", 10),
    COUNT("dirty_expire_centisecs", 3000),
    COUNT("dirty_writeback_centisecs", 500),
    COUNT("min_free_kbytes", 4096),
    COUNT("nr_hugepages", 0),
    COUNT("nr_overcommit_hugepages", 0),
    SWITCH("oom_kill_allocating_task", 0),
    SWITCH("oom_dump_tasks", 1),
    NUMBER("panic_on_oom", 0, 0, 2),
    COUNT("vfs_cache_pressure", 100),
    COUNT("zone_reclaim_mode", 0),
    COUNT("page-cluster", 3),
    SWITCH("legacy_va_layout", 0),
    COUNT("user_reserve_kbytes", 32768),
    COUNT("admin_reserve_kbytes", 8192),
    FOLLOWED("unprivileged_userfaultfd", sysctl_userfault),
    {.name = "drop_caches", .mode = S_IFREG | 0200, .write = write_ignored},
    {.name = "compact_memory", .mode = S_IFREG | 0200, .write = write_ignored},
    {0}};
static const struct proc_entry inotify_entries[] = {COUNT("max_user_watches", 65536),
                                                    COUNT("max_user_instances", 128),
                                                    COUNT("max_queued_events", 16384),
                                                    {0}};
static const struct proc_entry fanotify_entries[] = {
    COUNT("max_user_marks", 8192), COUNT("max_user_groups", 128), COUNT("max_queued_events", 16384), {0}};
static const struct proc_entry epoll_entries[] = {COUNT("max_user_watches", 200000), {0}};
static const struct proc_entry mqueue_entries[] = {
    COUNT("queues_max", 256), NUMBER("msg_max", 10, 1, 65536), NUMBER("msgsize_max", 8192, 128, 16777216),
    COUNT("msg_default", 10), COUNT("msgsize_default", 8192),  {0}};
static const struct proc_entry fs_entries[] = {NUMBER("file-max", INT64_MAX, 0, INT64_MAX),
                                               PROC_TEXT("file-nr", text_file_nr),
                                               NUMBER("nr_open", 1048576, 64, 1048576),
                                               FOLLOWED("pipe-max-size", sysctl_pipe_max),
                                               COUNT("pipe-user-pages-hard", 0),
                                               COUNT("pipe-user-pages-soft", 16384),
                                               PROC_FIXED("inode-nr", "1024\t0\n"),
                                               PROC_FIXED("inode-state", "1024\t0\t0\t0\t0\t0\t0\n"),
                                               PROC_FIXED("dentry-state", "1024\t512\t45\t0\t0\t0\n"),
                                               COUNT("lease-break-time", 45),
                                               SWITCH("leases-enable", 1),
                                               SWITCH("dir-notify-enable", 1),
                                               NUMBER("overflowuid", 65534, 0, 65535),
                                               NUMBER("overflowgid", 65534, 0, 65535),
                                               NUMBER("suid_dumpable", 0, 0, 2),
                                               SWITCH("protected_hardlinks", 0),
                                               SWITCH("protected_symlinks", 0),
                                               NUMBER("protected_fifos", 0, 0, 2),
                                               NUMBER("protected_regular", 0, 0, 2),
                                               FOLLOWED("mount-max", sysctl_mount_max),
                                               PROC_FIXED("aio-nr", "0\n"),
                                               COUNT("aio-max-nr", 65536),
                                               PROC_DIRECTORY("inotify", inotify_entries),
                                               PROC_DIRECTORY("fanotify", fanotify_entries),
                                               PROC_DIRECTORY("epoll", epoll_entries),
                                               PROC_DIRECTORY("mqueue", mqueue_entries),
                                               {0}};
static const struct proc_entry core_entries[] = {
    COUNT("somaxconn", 4096),          COUNT("rmem_max", 212992),
    COUNT("wmem_max", 212992),         COUNT("rmem_default", 212992),
    COUNT("wmem_default", 212992),     COUNT("optmem_max", 20480),
    COUNT("netdev_max_backlog", 1000), {0}};
static const struct proc_entry ipv4_entries[] = {PROC_FIXED("ip_forward", "0\n"),
                                                 PROC_FIXED("ip_local_port_range", "32768\t60999\n"),
                                                 PROC_FIXED("ip_unprivileged_port_start", "1024\n"),
                                                 PROC_FIXED("ping_group_range", "0\t2147483647\n"),
                                                 PROC_FIXED("tcp_congestion_control", "cubic\n"),
                                                 PROC_FIXED("tcp_fin_timeout", "60\n"),
                                                 PROC_FIXED("tcp_keepalive_time", "7200\n"),
                                                 PROC_FIXED("tcp_syncookies", "1\n"),
                                                 {0}};
static const struct proc_entry ipv6_all_entries[] = {PROC_FIXED("disable_ipv6", "0\n"), {0}};
static const struct proc_entry ipv6_conf_entries[] = {
    PROC_DIRECTORY("all", ipv6_all_entries), PROC_DIRECTORY("default", ipv6_all_entries), {0}};
static const struct proc_entry ipv6_entries[] = {
    PROC_FIXED("bindv6only", "0\n"), PROC_DIRECTORY("conf", ipv6_conf_entries), {0}};
static const struct proc_entry unix_entries[] = {COUNT("max_dgram_qlen", 10), {0}};
static const struct proc_entry net_entries[] = {PROC_DIRECTORY("core", core_entries),
                                                PROC_DIRECTORY("ipv4", ipv4_entries),
                                                PROC_DIRECTORY("ipv6", ipv6_entries),
                                                PROC_DIRECTORY("unix", unix_entries),
                                                {0}};
#define USER_LIMIT(title, which)                                                                             \
	{                                                                                                    \
		.name = title, .mode = S_IFREG | 0644, .text = text_user_limit, .write = write_user_limit,   \
		.data = &(int64_t)                                                                           \
		{                                                                                            \
			which                                                                                \
		}                                                                                            \
	}
static const struct proc_entry user_entries[] = {USER_LIMIT("max_cgroup_namespaces", NAMESPACE_CGROUP),
                                                 USER_LIMIT("max_ipc_namespaces", NAMESPACE_IPC),
                                                 USER_LIMIT("max_mnt_namespaces", NAMESPACE_MOUNT),
                                                 USER_LIMIT("max_net_namespaces", NAMESPACE_NET),
                                                 USER_LIMIT("max_pid_namespaces", NAMESPACE_PID),
                                                 USER_LIMIT("max_time_namespaces", NAMESPACE_TIME),
                                                 USER_LIMIT("max_user_namespaces", NAMESPACE_USER),
                                                 USER_LIMIT("max_uts_namespaces", NAMESPACE_UTS),
                                                 COUNT("max_inotify_instances", 128),
                                                 COUNT("max_inotify_watches", 65536),
                                                 {0}};
const struct proc_entry sysctl_entries[] = {
    PROC_DIRECTORY("kernel", kernel_entries), PROC_DIRECTORY("vm", vm_entries),
    PROC_DIRECTORY("fs", fs_entries),         PROC_DIRECTORY("net", net_entries),
    PROC_DIRECTORY("user", user_entries),     {0}};
