/* Errands: what is asked of a file service while the common lock is given up, so that a slow device does not hold up programs
 * that do without it.
 *
 * A call that looks up names can be begun anew as long as it has changed nothing. With `task->errand` set, what would ask
 * the service for a directory's names, or for what a name stands for, notes that there and answers -EERRAND. The caller, which
 * has let go of all but references by then, runs the errand, and begins anew: the answer is where it is looked for. Where names are
 * looked at one after the other, as by who lists a directory and asks for each file's attributes, one errand brings the nodes of
 * several. Nobody
 * else can have made it untrue: names and nodes are changed through this sub-kernel's tree alone, and what is in the tree by
 * then counts, not the answer; only where nodes have left the tree meanwhile it is asked anew. Mounts that others change are
 * asked as ever, with the lock held.
 */
#pragma once

#include <holon/file.h>
#include "../internal.h"

#define EERRAND     601 /* seen by no guest */
#define ERRANDS_MAX 256u

struct ram_entry;
struct ram_node;

struct errand {
	struct filesystem *filesystem; /* a reference; 0: nothing has been noted */
	uint64_t directory;            /* in the service */
	bool names;                    /* all its names are wanted; otherwise what NAME stands for */
	bool has;                      /* `found` is the answer, with a use of the node that it counts */
	uint32_t count; /* what so many entries behind `cookie` stand for, of which NAME is the first; or 0 */
	uint64_t cookie;
	char name[FILE_NAME_MAX + 1];
	struct file_attributes found;
};

/* DIRECTORY's names are wanted, or what ENTRY in it stands for; false: who asks has to wait here. */
bool errand_names(struct ram_node *directory);
bool errand_entry(struct ram_node *directory, const struct ram_entry *entry);
/* The answer for ENTRY, once; false: there is none. */
bool errand_take(struct ram_node *directory, const struct ram_entry *entry, struct file_attributes *found);
/* Asks. False: there is no answer, and an error is to be met in place. The common lock is held alone, and given up meanwhile. */
bool errand_run(struct errand *errand);
void errand_end(struct errand *errand);
/* The current task has looked up what it needs, and may sleep for long: it keeps no file system by an errand meanwhile. */
void errand_looked_up(void);

/* CALL, of type int64_t, which has changed nothing where it answers -EERRAND; the common lock is held alone. */
#define with_errands(call)                                                                                   \
	({                                                                                                   \
		struct errand errand_ = {0};                                                                 \
		int64_t errand_result_;                                                                      \
		bool errand_more_ = true;                                                                    \
		for (unsigned errands_ = 0;; errands_++) {                                                   \
			current_task()->errand = errand_more_ && errands_ < ERRANDS_MAX ? &errand_ : 0;      \
			if (!current_task()->errand)                                                         \
				errand_end(&errand_);                                                        \
			errand_result_ = (call);                                                             \
			current_task()->errand = 0;                                                          \
			if (errand_result_ != -EERRAND)                                                      \
				break;                                                                       \
			errand_more_ = errand_run(&errand_);                                                 \
		}                                                                                            \
		errand_end(&errand_);                                                                        \
		errand_result_;                                                                              \
	})
