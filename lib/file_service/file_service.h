/*
 * What every service of abi/file.interface that stands on a file system of lib/filesystem has in common: base/vault
 * (holonfs) and base/files (ext4, FAT). A service keeps its mounts, devices and control; here are:
 *
 *   session.c    sessions: who may name which object, and for how long
 *   names.c      names and attributes
 *   contents.c   contents, sizes and extended attributes
 *
 * One thread. Callers are told apart by the badge that the kernel stamps. Nothing that a caller sends is trusted, and
 * nothing here maps memory that a caller owns: contents move through a buffer of the service's own, and past a place
 * that no client reaches, so that what is checksummed and encrypted cannot change meanwhile.
 */
#pragma once

#include <holon.h>
#include <stdlib.h>
#include <string.h>
#include <holon/file.h>
#include "file.interface.h"
#include "filesystem/filesystem.h"
#include "filesystem/uses.h"

#define SESSIONS_MAX 64u
#define NODES_MAX    (1u << 18) /* objects that a session may have in use */

/* A badge is its kind, a number that no two of a kind share, and the place in its table. */
enum badge_kind { BADGE_CONTROL = 1, BADGE_MOUNT = 2, BADGE_SESSION = 3 };
#define BADGE(kind, number, index) ((uint64_t)(kind) << 60 | (uint64_t)(number) << 16 | (index))
#define BADGE_KIND(badge)          ((badge) >> 60)
#define BADGE_INDEX(badge)         ((badge)&0xffff)

/* A file system that is served. */
struct served {
	struct filesystem *fs;
	bool changed;      /* since the last sync */
	uint64_t reserved; /* bytes that sessions were promised */
	uint32_t sessions;
};

struct session {
	struct served *served; /* 0: free */
	uint64_t badge, root;
	handle_t quota, changes; /* changes tells whether the client lives */
	bool write, shared;
	int64_t clock_offset; /* wall clock less clock_ns() */
	uint64_t reserved;
	handle_t buffer_memory;
	uint8_t *buffer;
	uint64_t buffer_bytes;
	struct node_uses uses;
	struct { /* an attribute that comes in pieces */
		uint64_t node;
		uint32_t flags, total, have;
		char name[FILE_NAME_MAX + 1];
		uint8_t *value;
	} pending;
};

struct file_service {
	/* Set by the service when it starts: its channel; what it does when SERVED has changed, so that it is synced
	 * within some seconds; whether the disk of SERVED is gone, so that every call is FILE_E_IO. */
	handle_t channel;
	void (*touch)(struct served *served);
	bool (*has_failed)(const struct served *served);
	uint64_t next_number; /* of badges */
	struct session sessions[SESSIONS_MAX];
};

extern struct file_service file_service;
extern const struct file_operations session_operations; /* for badges of sessions */

/* The calls of a session, as members of struct file_operations; a service adds its mount's session(). */
#define FILE_SERVICE_CALLS                                                                                   \
	.end = names_end, .lookup = names_lookup, .forget = names_forget, .attributes = names_attributes,    \
	.set_attributes = names_set_attributes, .create = names_create,                                      \
	.link_symbolic = names_link_symbolic, .read_link = names_read_link, .link = names_link,              \
	.unlink = names_unlink, .rename = names_rename, .list = names_list, .open = contents_open,           \
	.reserve = contents_reserve, .written = contents_written, .append = contents_append,                 \
	.resize = contents_resize, .allocate = contents_allocate, .seek = contents_seek,                     \
	.share = contents_share, .xattr_get = contents_xattr_get, .xattr_set = contents_xattr_set,           \
	.xattr_list = contents_xattr_list, .xattr_remove = contents_xattr_remove, .sync = contents_sync,     \
	.statistics = contents_statistics, .changes = names_changes, .transfer = contents_transfer,          \
	.read = contents_read, .write = contents_write, .list_attributes = names_list_attributes

/* ---- session.c ---- */

/* A badged capability to the service's own channel. */
int64_t channel_give(uint64_t badge, handle_t *given);
/* A session on what is below the directory ROOT, as session() of the interface has it. */
int64_t session_begin(struct served *served, uint64_t root, bool read_only, handle_t quota, handle_t changes,
                      uint32_t flags, int64_t now_ns, handle_t *given, const void **attributes,
                      uint32_t *bytes);
/* The session behind BADGE, else 0. */
struct session *session_of(uint64_t badge);
/* Ends SESSION: uses and buffer go. */
void session_end(struct session *session);
/* Ends those of SERVED whose clients have died; with ALL, all. */
void sessions_clean(const struct served *served, bool all);
/* Gives the session a use of NODE, or says why not. */
int64_t session_use(struct session *session, uint64_t node);
bool session_knows(const struct session *session, uint64_t node);
int64_t session_forget(struct session *session, uint64_t node, uint64_t count);

/* The beginning of every call of a session: its file system, the node that it must know (0: none), and whether it
 * writes. */
int64_t call_begin(uint64_t badge, uint64_t node, bool writes, struct session **session,
                   struct filesystem **fs);
/* The end of one that wrote: RESULT, with the sync that it needs under way. */
int64_t call_end(struct session *session, int64_t result);

/* ---- names.c and contents.c ---- */

int64_t names_lookup(void *context, uint64_t badge, uint64_t directory, const char *name, uint64_t *node,
                     const void **attributes, uint32_t *bytes);
int64_t names_forget(void *context, uint64_t badge, uint64_t node, uint64_t count);
int64_t names_attributes(void *context, uint64_t badge, uint64_t node, const void **attributes,
                         uint32_t *bytes);
int64_t names_set_attributes(void *context, uint64_t badge, uint64_t node, uint32_t valid,
                             const void *wanted_data, uint32_t wanted_bytes, const void **attributes,
                             uint32_t *bytes);
int64_t names_create(void *context, uint64_t badge, uint64_t directory, uint32_t mode, uint64_t owner,
                     uint64_t device, const char *name, uint64_t *node, const void **attributes,
                     uint32_t *bytes);
int64_t names_link_symbolic(void *context, uint64_t badge, uint64_t directory, uint64_t owner,
                            const char *name, const char *target, uint64_t *node, const void **attributes,
                            uint32_t *bytes);
int64_t names_read_link(void *context, uint64_t badge, uint64_t node, uint32_t offset, const void **target,
                        uint32_t *bytes);
int64_t names_link(void *context, uint64_t badge, uint64_t node, uint64_t directory, uint32_t flags,
                   const char *name, const void **attributes, uint32_t *bytes);
int64_t names_unlink(void *context, uint64_t badge, uint64_t directory, uint32_t flags, const char *name);
int64_t names_rename(void *context, uint64_t badge, uint64_t from_directory, uint64_t to_directory,
                     uint32_t flags, const char *from, const char *to);
int64_t names_list(void *context, uint64_t badge, uint64_t directory, uint64_t cookie, uint64_t *next,
                   uint64_t *parent, const void **entries, uint32_t *bytes);
int64_t names_list_attributes(void *context, uint64_t badge, uint64_t directory, uint64_t cookie,
                              uint32_t count, const void **attributes, uint32_t *bytes);
int64_t names_changes(void *context, uint64_t badge, const void **change, uint32_t *bytes);
int64_t names_end(void *context, uint64_t badge);
int64_t contents_transfer(void *context, uint64_t badge, uint64_t bytes, handle_t *memory);
int64_t contents_read(void *context, uint64_t badge, uint64_t node, uint64_t offset, uint64_t bytes,
                      uint64_t at, uint64_t *done);
int64_t contents_write(void *context, uint64_t badge, uint64_t node, uint64_t offset, uint64_t bytes,
                       uint64_t at, uint64_t *done);
int64_t contents_open(void *context, uint64_t badge, uint64_t node, uint32_t flags, handle_t *memory,
                      uint64_t *size);
int64_t contents_written(void *context, uint64_t badge, uint64_t node, uint64_t offset, uint64_t bytes,
                         uint64_t *size);
int64_t contents_reserve(void *context, uint64_t badge, uint64_t node, uint64_t offset, uint64_t bytes,
                         uint64_t *granted);
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
