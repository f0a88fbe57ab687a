/* /sys: processors, memory nodes and classes as far as programs look for them. sysfs(5). */
#include "../internal.h"
#include "../include/vnode.h"
#include "network.h"
#include "proc.h"

static void text_cpu_list(struct proc_text *text, const struct proc_subject *subject)
{
	(void)subject;
	if (machine.cpu_count > 1)
		proc_print(text, "0-%u\n", machine.cpu_count - 1);
	else
		proc_print(text, "0\n");
}

static void text_cpu_mask(struct proc_text *text, const struct proc_subject *subject)
{
	(void)subject;
	proc_print(text, "%lx\n", (1ul << machine.cpu_count) - 1);
}

/* Of the one processor that the directory is about. */
static void text_own_number(struct proc_text *text, const struct proc_subject *subject)
{
	proc_print(text, "%d\n", subject->fd);
}

static void text_own_mask(struct proc_text *text, const struct proc_subject *subject)
{
	proc_print(text, "%lx\n", 1ul << subject->fd);
}

static void text_kernel_max(struct proc_text *text, const struct proc_subject *subject)
{
	(void)subject;
	proc_print(text, "%u\n", CPU_MAX - 1);
}

static void text_node_memory(struct proc_text *text, const struct proc_subject *subject)
{
	uint64_t total, used;
	(void)subject;
	linux_memory(&total, &used);
	proc_print(text,
	           "Node 0 MemTotal:       %8lu kB\nNode 0 MemFree:        %8lu kB\nNode 0 MemUsed:        "
	           "%8lu kB\n",
	           total / 1024, (total - used) / 1024, used / 1024);
}

static const struct proc_entry topology_entries[] = {PROC_TEXT("core_id", text_own_number),
                                                     PROC_FIXED("physical_package_id", "0\n"),
                                                     PROC_FIXED("die_id", "0\n"),
                                                     PROC_TEXT("core_cpus", text_own_mask),
                                                     PROC_TEXT("core_cpus_list", text_own_number),
                                                     PROC_TEXT("thread_siblings", text_own_mask),
                                                     PROC_TEXT("thread_siblings_list", text_own_number),
                                                     PROC_TEXT("core_siblings", text_cpu_mask),
                                                     PROC_TEXT("core_siblings_list", text_cpu_list),
                                                     PROC_TEXT("package_cpus", text_cpu_mask),
                                                     PROC_TEXT("package_cpus_list", text_cpu_list),
                                                     {0}};
static const struct proc_entry one_cpu_entries[] = {
    PROC_FIXED("online", "1\n"), PROC_DIRECTORY("topology", topology_entries), {0}};
static const struct proc_entry cpu_entries[] = {PROC_DIRECTORY("#cpu", one_cpu_entries),
                                                PROC_TEXT("online", text_cpu_list),
                                                PROC_TEXT("possible", text_cpu_list),
                                                PROC_TEXT("present", text_cpu_list),
                                                PROC_FIXED("offline", "\n"),
                                                PROC_FIXED("isolated", "\n"),
                                                PROC_TEXT("kernel_max", text_kernel_max),
                                                {0}};
static const struct proc_entry node0_entries[] = {PROC_TEXT("cpulist", text_cpu_list),
                                                  PROC_TEXT("cpumap", text_cpu_mask),
                                                  PROC_TEXT("meminfo", text_node_memory),
                                                  PROC_FIXED("distance", "10\n"),
                                                  PROC_FIXED("numastat",
                                                             "numa_hit 0\nnuma_miss 0\nnuma_foreign 0\n"
                                                             "interleave_hit 0\nlocal_node 0\n"
                                                             "other_node 0\n"),
                                                  {0}};
static const struct proc_entry node_entries[] = {PROC_FIXED("online", "0\n"),
                                                 PROC_FIXED("possible", "0\n"),
                                                 PROC_FIXED("has_cpu", "0\n"),
                                                 PROC_FIXED("has_memory", "0\n"),
                                                 PROC_FIXED("has_normal_memory", "0\n"),
                                                 PROC_DIRECTORY("node0", node0_entries),
                                                 {0}};
static const struct proc_entry clocksource0_entries[] = {
    PROC_FIXED("current_clocksource", "tsc\n"), PROC_FIXED("available_clocksource", "tsc \n"), {0}};
static const struct proc_entry clocksource_entries[] = {PROC_DIRECTORY("clocksource0", clocksource0_entries),
                                                        {0}};
static const struct proc_entry system_entries[] = {PROC_DIRECTORY("cpu", cpu_entries),
                                                   PROC_DIRECTORY("node", node_entries),
                                                   PROC_DIRECTORY("clocksource", clocksource_entries),
                                                   {0}};
static const struct proc_entry empty_entries[] = {{0}};
static const struct proc_entry virtual_entries[] = {
    PROC_DIRECTORY("net", empty_entries), PROC_DIRECTORY("tty", empty_entries), {0}};
static const struct proc_entry devices_entries[] = {
    PROC_DIRECTORY("system", system_entries), PROC_DIRECTORY("virtual", virtual_entries), {0}};
static const struct proc_entry huge_entries[] = {
    PROC_FIXED("enabled", "always madvise [never]\n"),
    PROC_FIXED("defrag", "always defer defer+madvise madvise [never]\n"),
    PROC_FIXED("shmem_enabled", "always within_size advise [never] deny force\n"),
    PROC_FIXED("hpage_pmd_size", "2097152\n"),
    PROC_FIXED("use_zero_page", "0\n"),
    {0}};
static const struct proc_entry ksm_entries[] = {PROC_FIXED("run", "0\n"), {0}};
static const struct proc_entry mm_entries[] = {PROC_DIRECTORY("transparent_hugepage", huge_entries),
                                               PROC_DIRECTORY("hugepages", empty_entries),
                                               PROC_DIRECTORY("ksm", ksm_entries),
                                               {0}};
static const struct proc_entry kernel_entries[] = {PROC_DIRECTORY("mm", mm_entries),
                                                   PROC_DIRECTORY("debug", empty_entries),
                                                   PROC_DIRECTORY("security", empty_entries),
                                                   PROC_FIXED("uevent_seqnum", "0\n"),
                                                   {0}};
#define CLASSES(network)                                                                                     \
	{                                                                                                    \
		PROC_DIRECTORY("net", network), PROC_DIRECTORY("tty", empty_entries),                        \
		    PROC_DIRECTORY("mem", empty_entries), PROC_DIRECTORY("block", empty_entries),            \
		    PROC_DIRECTORY("power_supply", empty_entries), PROC_DIRECTORY("thermal", empty_entries), \
		{                                                                                            \
			0                                                                                    \
		}                                                                                            \
	}
static const struct proc_entry class_entries[] = CLASSES(sys_class_net);
static const struct proc_entry class_entries_alone[] = CLASSES(sys_class_net_alone);
static const struct proc_entry dev_entries[] = {
    PROC_DIRECTORY("block", empty_entries), PROC_DIRECTORY("char", empty_entries), {0}};
static const struct proc_entry fs_entries[] = {PROC_DIRECTORY("cgroup", empty_entries), {0}};
#define SYS_ENTRIES(classes)                                                                                 \
	{                                                                                                    \
		PROC_DIRECTORY("devices", devices_entries), PROC_DIRECTORY("kernel", kernel_entries),        \
		    PROC_DIRECTORY("class", classes), PROC_DIRECTORY("block", empty_entries),                \
		    PROC_DIRECTORY("bus", empty_entries), PROC_DIRECTORY("dev", dev_entries),                \
		    PROC_DIRECTORY("firmware", empty_entries), PROC_DIRECTORY("fs", fs_entries),             \
		    PROC_DIRECTORY("module", empty_entries), PROC_DIRECTORY("power", empty_entries),         \
		{                                                                                            \
			0                                                                                    \
		}                                                                                            \
	}
static const struct proc_entry sys_entries[] = SYS_ENTRIES(class_entries);
static const struct proc_entry sys_entries_alone[] = SYS_ENTRIES(class_entries_alone);
const struct proc_entry sys_root[] = {PROC_DIRECTORY("/", sys_entries), {0}};
const struct proc_entry sys_root_alone[] = {PROC_DIRECTORY("/", sys_entries_alone), {0}};
