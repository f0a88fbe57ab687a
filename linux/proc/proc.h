/* The file systems that show the system itself: /proc and /sys.
 *
 * One mechanism (procfs.c) serves both: a tree of static entries, of which a file's text is made when it is
 * opened. Below /proc, entries also exist for each process, its threads and descriptors.
 */
#pragma once

#include "../include/vnode.h"

struct process;
struct task;
struct proc_subject;

/* Text being made; grows in heap memory. */
struct proc_text {
	char *bytes;
	uint32_t length, capacity;
	bool failed;
	uint64_t seen; /* of a file that can be polled: the change it has told of */
};
void proc_print(struct proc_text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_cpuinfo(struct proc_text *text, const struct proc_subject *subject); /* linux/arch */
/* A name in a table of fields: blanks and backslashes in octal. */
void proc_append_escaped(struct proc_text *text, const char *name);
void proc_append(struct proc_text *text, const void *bytes, uint32_t count);
/* A read of TEXT, which is made, at POSITION: its bytes, or a negated error. */
int64_t proc_text_read(const struct proc_text *text, struct io *io, int64_t *position);

/* Whom an entry is about: process and thread are 0 outside /proc/PID; fd is of fd/ and fdinfo/. */
struct proc_subject {
	const struct pid_namespace *pids; /* whose numbers are shown */
	struct process *process;
	struct task *task;
	bool of_process; /* not of one thread, though `task` is the leader */
	int fd;          /* or the number of a processor */
	const struct proc_entry *entry;
};

struct proc_entry {
	const char *name;                  /* 0 ends a table */
	uint32_t mode;                     /* with type */
	bool guarded;                      /* only for who may trace the process: process_may_trace */
	const struct proc_entry *children; /* directories */
	void (*text)(struct proc_text *text, const struct proc_subject *subject);
	/* Written bytes, NUL terminated; how many were taken or an error. */
	int64_t (*write)(const struct proc_subject *subject, const char *bytes, uint32_t count);
	int64_t (*readlink)(const struct proc_subject *subject, char *text, uint32_t size);
	int (*follow)(const struct proc_subject *subject, struct path *to);
	/* Instead of `text` and `write`: sets FILE's operations. */
	int (*open)(const struct proc_subject *subject, struct file *file);
	/* What poll(2) says, beyond that it can be read. */
	uint32_t (*poll)(struct proc_text *text, struct poll_table *table);
	void *data; /* of `text` and `write` */
};

/* How tables are written. */
#define PROC_DIRECTORY(title, entries)                                                                       \
	{                                                                                                    \
		.name = title, .mode = S_IFDIR | 0555, .children = entries                                   \
	}
#define PROC_TEXT(title, function)                                                                           \
	{                                                                                                    \
		.name = title, .mode = S_IFREG | 0444, .text = function                                      \
	}
/* A text that never changes, with its newline. */
#define PROC_FIXED(title, words)                                                                             \
	{                                                                                                    \
		.name = title, .mode = S_IFREG | 0444, .text = proc_fixed, .data = words                     \
	}
void proc_fixed(struct proc_text *text, const struct proc_subject *subject);

/* A number below /proc/sys: sysctl.c. */
struct sysctl {
	int64_t value, low, high;
};
extern struct sysctl sysctl_pipe_max, sysctl_randomize, sysctl_trace_scope, sysctl_core_uses_pid,
    sysctl_perf_paranoid, sysctl_core_pipe_limit, sysctl_user_namespaces, sysctl_userfault, sysctl_mount_max,
    sysctl_keys_max, sysctl_keys_bytes, sysctl_keys_root_max, sysctl_keys_root_bytes, sysctl_keys_delay;
extern const struct proc_entry sysctl_entries[];

extern const struct proc_entry proc_root[], proc_process[], proc_net[];
extern const struct proc_entry sys_root[], sys_root_alone[]; /* with a link to the network, and without */

/* /proc/PID/mem. */
int proc_memory_open(const struct proc_subject *subject, struct file *file);
/* The process of an open directory /proc/PID; 0: it is none, or the process has gone. */
struct process *proc_file_process(const struct file *file);
struct filesystem *
proc_filesystem(struct pid_namespace *pids); /* that shows PIDS: a new one, but of the first */
struct filesystem *sys_filesystem(void);
/* Lines of /proc/PID/mounts (INFO: of mountinfo). */
void proc_mounts(struct proc_text *text, const struct proc_subject *subject, bool info);
/* "TITLE:" and the numbers that ID has in PIDS and those inside, down to its own. */
void proc_numbers(struct proc_text *text, const char *title, const struct pid_namespace *pids, int32_t id);

/* ../keys/show.c */
void text_keys(struct proc_text *text, const struct proc_subject *subject);
void text_key_users(struct proc_text *text, const struct proc_subject *subject);

/* ../namespace/time.c */
void time_text_offsets(struct proc_text *text, const struct proc_subject *subject);
int64_t time_write_offsets(const struct proc_subject *subject, const char *bytes, uint32_t count);

/* ../namespace/map.c */
int namespace_map_open(const struct proc_subject *subject, struct file *file); /* entry->data: of groups */
void namespace_text_setgroups(struct proc_text *text, const struct proc_subject *subject);
int64_t namespace_write_setgroups(const struct proc_subject *subject, const char *bytes, uint32_t count);
