/* The service of one disk with a file system of other systems: what its parts share.
 *
 *   main.c       the loop, mounting, timed syncs, the end
 *   session.c    sessions of abi/file.interface: who may name which object
 *   names.c      names and attributes of abi/file.interface
 *   contents.c   its contents, sizes and extended attributes
 *
 * One thread, one disk, one file system: what fails here is an I/O error of those that mounted it, and of nobody else.
 * Callers are told apart by the badge that the kernel stamps. Nothing that a caller sends is trusted, nor what the disk
 * holds (lib/ext4, lib/fat); nothing here maps memory that a caller owns.
 */
#pragma once

#include <file_name.h>
#include <holon.h>
#include <stdlib.h>
#include <string.h>
#include <holon/block.h>
#include <holon/file.h>
#include "block/block_device.h"
#include "file.interface.h"
#include "files.interface.h"
#include "filesystem/filesystem.h"
#include "native_newlib.h"

#define SESSIONS_MAX 16u
#define NODES_MAX    (1u << 18) /* objects that a session may have in use */

/* A badge is its kind, and of a session its number and its place in the table. */
enum badge_kind { BADGE_CONTROL = 1, BADGE_MOUNT = 2, BADGE_SESSION = 3 };
#define BADGE(kind, number, index) ((uint64_t)(kind) << 60 | (uint64_t)(number) << 16 | (index))
#define BADGE_KIND(badge)          ((badge) >> 60)
#define BADGE_INDEX(badge)         ((badge)&0xffff)

struct node_use {
	uint64_t node; /* 0: free */
	uint64_t count;
};

struct session {
	uint64_t badge;          /* 0: free */
	handle_t quota, changes; /* changes tells whether the client lives */
	bool write, shared;
	int64_t clock_offset; /* wall clock less clock_ns() */
	uint64_t reserved;
	handle_t buffer_memory;
	uint8_t *buffer;
	uint64_t buffer_bytes;
	struct node_use *uses; /* open addressing, use_slots of them, a power of two */
	uint32_t use_slots, use_count;
	struct { /* an attribute that comes in pieces */
		uint64_t node;
		uint32_t flags, total, have;
		char name[FILE_NAME_MAX + 1];
		uint8_t *value;
	} pending;
};

struct service {
	const struct start_info *info;
	struct thread_page *page;
	handle_t log, channel, timer;
	int64_t clock_offset; /* of whoever is served */
	bool timer_armed, mounting, changed, ended;
	struct block_device device;
	struct filesystem *fs; /* 0: nothing is mounted */
	uint64_t reserved;     /* bytes that sessions were promised */
	uint32_t session_count;
	uint64_t next_number;
	struct session sessions[SESSIONS_MAX];
	char problem[200];
};

extern struct service service;
extern const struct file_operations mount_operations, session_operations;

/* The file system has changed: it is synced within some seconds. */
void service_touch(void);

/* ---- session.c ---- */

int64_t session_open(void *context, uint64_t badge, handle_t quota, handle_t changes, uint32_t flags,
                     int64_t now_ns, handle_t *session, uint64_t *root, const void **attributes,
                     uint32_t *bytes);
/* The session behind BADGE, else 0. */
struct session *session_of(uint64_t badge);
void session_end(struct session *session);
/* Ends those whose clients have died. */
void sessions_clean(void);
/* Gives the session a use of NODE, or says why not. */
int64_t session_use(struct session *session, uint64_t node);
bool session_knows(const struct session *session, uint64_t node);
int64_t session_forget(struct session *session, uint64_t node, uint64_t count);
/* A badged capability to the service's own channel. */
int64_t channel_give(uint64_t badge, handle_t *given);

/* The beginning of every call of a session: the node that it must know (0: none), and whether it writes. */
int64_t call_begin(uint64_t badge, uint64_t node, bool writes, struct session **session);
/* The end of one that wrote: RESULT, with the sync that it needs under way. */
int64_t call_end(int64_t result);

/* The calls of contents.c. */
int64_t contents_transfer(void *context, uint64_t badge, uint64_t bytes, handle_t *memory);
int64_t contents_read(void *context, uint64_t badge, uint64_t node, uint64_t offset, uint64_t bytes,
                      uint64_t at, uint64_t *done);
int64_t contents_write(void *context, uint64_t badge, uint64_t node, uint64_t offset, uint64_t bytes,
                       uint64_t at, uint64_t *done);
int64_t contents_open(void *context, uint64_t badge, uint64_t node, uint32_t flags, handle_t *memory,
                      uint64_t *size);
int64_t contents_reserve(void *context, uint64_t badge, uint64_t node, uint64_t offset, uint64_t bytes,
                         uint64_t *granted);
int64_t contents_written(void *context, uint64_t badge, uint64_t node, uint64_t offset, uint64_t bytes,
                         uint64_t *size);
int64_t contents_append(void *context, uint64_t badge, uint64_t node, uint64_t bytes, uint64_t *offset);
int64_t contents_resize(void *context, uint64_t badge, uint64_t node, uint64_t size);
int64_t contents_allocate(void *context, uint64_t badge, uint64_t node, uint32_t mode, uint64_t offset,
                          uint64_t bytes);
int64_t contents_seek(void *context, uint64_t badge, uint64_t node, uint32_t what, uint64_t offset,
                      uint64_t *found);
int64_t contents_share(void *context, uint64_t badge, uint64_t from, uint64_t from_offset, uint64_t to,
                       uint64_t to_offset, uint64_t bytes, uint64_t *done);
int64_t contents_xattr_get(void *context, uint64_t badge, uint64_t node, uint32_t offset, const char *name,
                           uint64_t *total, const void **value, uint32_t *bytes);
int64_t contents_xattr_set(void *context, uint64_t badge, uint64_t node, uint32_t flags, uint32_t offset,
                           uint32_t total, const char *name, const void *value, uint32_t bytes);
int64_t contents_xattr_list(void *context, uint64_t badge, uint64_t node, uint64_t cookie, uint64_t *next,
                            const void **names, uint32_t *bytes);
int64_t contents_xattr_remove(void *context, uint64_t badge, uint64_t node, const char *name);
int64_t contents_sync(void *context, uint64_t badge, uint64_t node, uint32_t flags);
int64_t contents_statistics(void *context, uint64_t badge, const void **statistics, uint32_t *bytes);
