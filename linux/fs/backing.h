/* What keeps a ramfs's nodes: a mount of a file service (abi/file.interface), such as a directory of a vault.
 *
 * ramfs stays the one tree of names and pages, whether files live in memory, in the image below, or in a
 * service. With a backing every change of names and attributes is made in the service first; contents are
 * pages of this sub-kernel, fetched when they are wanted, and written back by fsync, at close, by rename, and
 * every few seconds. What a node is in the service is its `upper` number, 0 where it is only in the image.
 *
 * A backing may lie over the image (a union). Then the mount has two directories: "root", whose entries hide
 * those of the image and are merged with its directories, and "work", where things are made whole before they
 * are renamed into place, so that no crash shows half of them. A name that the image has and that was removed
 * is a character device 0:0 in "root"; a directory that hides the image's has FILE_FLAG_OPAQUE.
 *
 * All is called with the common lock held alone. What only asks gives it up where it is an errand (errand.h) or backing_fetch.
 *
 * What changes something in the service is one change at a time, whoever makes it: the *change lock* of the mount, which
 * backing_change takes before anything is looked at that the change goes by, and keeps until the tree here says the same as
 * the service. Its holder gives the common lock up while the service is asked (`beside`): others meanwhile find the
 * tree as it was before. So a change adds to the tree what the service has made, and takes away what the service has taken
 * away, afterwards. Write back is such a change, a run of pages at a time, and keeps its order with all others.
 */
#pragma once

#include "../native/native.h"
#include "ramfs.h"

#define FORGETS_MAX 64u

struct attributes;
struct ram_entry;
struct ram_node;

struct backing {
	struct list link; /* of all */
	struct filesystem *filesystem;
	handle_t session, changes;
	uint64_t root, work; /* work is 0 where there is no union */
	bool read_only;
	bool shared; /* others change it meanwhile: names and attributes are asked for anew each time */
	struct started_service service; /* that the mount has for itself, or none */
	handle_t buffer_memory;
	uint8_t *buffer;
	struct lock buffer_lock;      /* LOCK_BUFFER: the buffer, over the call that moves its bytes */
	uint8_t *spare;               /* what is fetched beside other calls comes here: BESIDE_BYTES, or 0 */
	struct lock change_lock;      /* LOCK_CHANGE: the order of changes in the service */
	const void *changer;          /* the thread area that holds it */
	uint32_t change_depth, still; /* how many backing_change and backing_still it is in */
	struct forgotten {
		uint64_t upper, uses;
	} forgets[FORGETS_MAX]; /* uses that a change's beginning or end gives back */
	uint32_t forget_count;
	uint64_t credit;         /* bytes that the service has promised room for: LOCK_ROOM */
	uint64_t temporary;      /* number of the next name in "work" */
	struct ram_node **table; /* nodes by their upper number */
	uint32_t table_size, table_count;
	uint64_t forgotten; /* counts nodes that have left the table */
	struct list dirty;  /* nodes with something to write back */
	struct list loaded; /* nodes with pages that could be fetched again, oldest first */
	uint64_t loaded_bytes, loaded_max;
};

/* All there are: the first (0), or the one behind AFTER. */
struct backing *backing_next(struct backing *after);

/* A session on MOUNT, which goes over in any case; with IMAGE, a union over it. *ERROR where it is 0. */
struct backing *backing_create(handle_t mount, bool read_only, bool image, int *error);
/* The same for a mount that others change meanwhile. */
struct backing *backing_create_shared(handle_t mount, bool read_only, int *error);
/* Ends the session: from here on nothing is asked of the service. */
void backing_end(struct backing *backing);
/* Frees it, with the session. The nodes are gone. */
void backing_destroy(struct backing *backing);
/* A change in the service begins: waits until nobody else makes one, with the common lock given up. What was learned before
 * holds no more, but for references, one of them to the file system. One may lie in another. 0, for what has no backing, is
 * nothing. */
void backing_change(struct backing *backing);
void backing_change_end(struct backing *backing);
/* The same without waiting; false: somebody else makes one. */
bool backing_change_try(struct backing *backing);
/* Between these the holder keeps the common lock. */
void backing_still(struct backing *backing);
void backing_still_end(struct backing *backing);

/* The root's attributes into NODE. */
int backing_root(struct backing *backing, struct ram_node *node);

/* Enters the service's names into DIRECTORY; those that hide names of the image and show nothing are entered
 * as well, marked `hidden`, until backing_listed. */
int backing_list(struct ram_node *directory);
void backing_listed(struct ram_node *directory);
/* The node of ENTRY, which is in the service. */
struct ram_node *backing_node(struct ram_node *directory, struct ram_entry *entry, int *error);
uint64_t backing_inode(struct ram_node *directory, const struct ram_entry *entry);

/* Of a shared one (backing_shared.c): NAME, or all names, of DIRECTORY become what the service has now. Contents follow where
 * nothing here has changed them and nobody maps them. */
int backing_refresh(struct ram_node *directory, const char *name, uint32_t length);
int backing_refresh_all(struct ram_node *directory);

/* Each makes in the service what ramfs is about to do, or has done and undoes where this fails. NAME ends in
 * NUL. */
int backing_make(struct ram_node *directory, const char *name, struct ram_node *node);
int backing_link(struct ram_node *directory, const char *name, struct ram_node *node);
int backing_unlink(struct ram_node *directory, const char *name, struct ram_node *node);
int backing_rename(struct ram_node *source, const char *from, struct ram_node *target, const char *to,
                   struct ram_node *node, struct ram_node *over, uint32_t flags);
int backing_set(struct ram_node *node, const struct attributes *attributes, uint32_t mask);
/* Makes NODE exist in the service; WITH_DATA false where its contents are about to go. */
int backing_copy_up(struct ram_node *node, bool with_data);
/* Extended attributes: enters those of the service, once; sets one, or (VALUE 0) removes it. */
int backing_attributes_load(struct ram_node *node);
int backing_attribute_keep(struct ram_node *node, const char *name, const void *value, uint64_t bytes);
/* NODE is not here any more. The service gets its use of it back, and frees what has no name, with the change under way; or,
 * so that no close waits for that, with the next one, which is at once by a thread of its own. */
void backing_forget(struct ram_node *node);
/* All that the service has to get back so: where its room is wanted; or as a change of its own, beside others. */
void backing_forget_all(struct backing *backing);
void backing_forget_beside(struct backing *backing);
/* Gives the common lock up while the service is asked. */
void backing_statistics(const struct backing *backing, struct linux_statfs *statfs);

/* ---- Contents (backing_data.c) ---- */

/* NODE's contents are the service's: none of its pages is here. */
int backing_data_init(struct ram_node *node);
/* True when reading, or writing, [START, END) needs nothing of the service. */
bool backing_readable(const struct ram_node *node, uint64_t start, uint64_t end);
bool backing_writable(const struct ram_node *node, uint64_t start, uint64_t end);
/* NODE has SIZE bytes of other contents in the service: what is here is dropped, where it may be. */
int backing_data_again(struct ram_node *node, uint64_t size);
/* Fetches what is missing of [START, END). */
int backing_fill(struct ram_node *node, uint64_t start, uint64_t end);
/* Fetches some of what is missing of [START, END), and gives the common lock up meanwhile: the caller has to look anew at
 * all but what it has references to, among them to the node and its file system. */
int backing_fetch(struct ram_node *node, uint64_t start, uint64_t end);
/* Before and after bytes [START, END) of NODE are written: room, and the rest of its first and last page. */
int backing_write_begin(struct ram_node *node, uint64_t start, uint64_t end);
/* Would it have to wait for the service? */
bool backing_write_waits(const struct ram_node *node, uint64_t start, uint64_t end);
/* In a change: waits for that beside others. */
int backing_write_prepare(struct ram_node *node, uint64_t start, uint64_t end);
/* The end of what counts as written: less than END where the rest of the last page is not here. */
uint64_t backing_wrote(struct ram_node *node, uint64_t start, uint64_t end);
/* The size changes; what is cut off needs no writing. */
int backing_resize(struct ram_node *node, uint64_t size);
/* In a change: the service has made NODE larger, and here it could not be: it is again as large as it was. */
void backing_not_grown(struct ram_node *node);
/* In a change: fallocate, without contents. */
int backing_allocate(struct ram_node *node, bool keep_size, uint64_t start, uint64_t bytes);
/* In a change: bytes [START, END) of the file become zeroes, here and then, beside others, in the service: a hole, or (ZERO) room. */
int backing_clear(struct ram_node *node, bool zero, uint64_t start, uint64_t end);
/* In a change: what follows START goes BYTES further, or (INSERT false) comes from there, in the service and here (ram_data_shift).
 * With the common lock held, as nobody may fetch meanwhile: but what has to be written back before. */
int backing_shift(struct ram_node *node, uint64_t start, uint64_t bytes, bool insert);
/* As ram_data_seek, or an error: pages that are not here are no holes. */
int64_t backing_seek(struct ram_node *node, uint64_t offset, bool data);
/* All pages are here and stay here. */
int backing_map(struct ram_node *node, bool write);
/* The page at OFFSET is about to be written through a mapping: room for it. file_ops.page_write. */
int backing_page_write(struct ram_node *node, uint64_t offset);
/* Mappings write to NODE's pages no more, until their next fault. */
void backing_protect(struct ram_node *node);
/* In a change: writes back what was changed. */
int backing_write_back(struct ram_node *node);
/* Writes back, as a change, and waits until it is durable. */
int backing_sync(struct ram_node *node, bool data_only);
void backing_write_all(void);
/* All of all; durable. */
int backing_sync_all(void);
/* With the last reference, and nothing open: writes all back, and ends what BACKING has of the service, while the common lock is
 * given up. */
void backing_settle(struct backing *backing);
/* All of BACKING, which nobody has a reference to any more. */
void backing_sync_last(struct backing *backing);
/* Gives back pages that can be fetched again, about BYTES of them; true when there were some. */
bool backing_relieve(struct backing *backing, uint64_t bytes);
void backing_data_gone(struct ram_node *node);
/* Starts what writes back every few seconds, once; and has it make the changes that wait for it. */
bool backing_worker_start(void);
void backing_worker_wake(void);
