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
};
void proc_print(struct proc_text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_cpuinfo(struct proc_text *text, const struct proc_subject *subject); /* linux/arch */
void proc_append(struct proc_text *text, const void *bytes, uint32_t count);

/* Whom an entry is about: process and thread are 0 outside /proc/PID; fd is of fd/ and fdinfo/. */
struct proc_subject {
	struct process *process;
	struct task *task;
	int fd;
};

struct proc_entry {
	const char *name;                  /* 0 ends a table */
	uint32_t mode;                     /* with type */
	const struct proc_entry *children; /* directories */
	void (*text)(struct proc_text *text, const struct proc_subject *subject);
	/* Written bytes, NUL terminated; how many were taken or an error. */
	int64_t (*write)(const struct proc_subject *subject, const char *bytes, uint32_t count);
	int64_t (*readlink)(const struct proc_subject *subject, char *text, uint32_t size);
	int (*follow)(const struct proc_subject *subject, struct path *to);
	/* Directories whose names are numbers: the INDEXth, or -1. */
	int64_t (*number)(const struct proc_subject *subject, uint32_t index);
};

extern const struct proc_entry proc_root[], proc_process[], sys_root[];

struct filesystem *proc_filesystem(void);
struct filesystem *sys_filesystem(void);
/* Lines of /proc/mounts (INFO: of mountinfo). */
void proc_mounts(struct proc_text *text, bool info);
