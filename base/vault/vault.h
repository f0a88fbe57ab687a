/* The vault service: what its parts share.
 *
 *   main.c           the loop: whose call it is, timed commits
 *   control.c        abi/vault.interface: making, opening, closing vaults; mounts
 *   keys.c           credentials, key slots
 *   care.c           snapshots, scrubs, growth, mirrors
 *   session.c        sessions of abi/file.interface: who may name which object
 *   files.c          names and attributes of abi/file.interface
 *   contents.c       its contents, sizes and extended attributes
 *   entropy.c        randomness of the processor
 *   host_library.c   what Debian's cryptographic libraries ask of a C library, on newlib
 *
 * One thread. Callers are told apart by the badge that the kernel stamps: the control, a mount, or a session.
 * Nothing that a caller sends is trusted, and nothing here maps memory that a caller owns.
 */
#pragma once

#include <errno.h>
#include <file_name.h>
#include <holon.h>
#include <stdlib.h>
#include <string.h>
#include <holon/block.h>
#include <holon/file.h>
#include <holon/vault.h>
#include "block/block_device.h"
#include "file.interface.h"
#include "holonfs/holonfs.h"
#include "holonfs/store_vdisk.h"
#include "native_newlib.h"
#include "vault.interface.h"
#include "vdisk/vdisk.h"

#define VAULTS_MAX   8u
#define MOUNTS_MAX   256u
#define SESSIONS_MAX 64u
#define NODES_MAX    (1u << 18) /* objects that a session may have in use */
#define FILE_CACHE   (8u << 20)
#define PROBE_BYTES  65536u /* of a device: what makes it a vault is there */

/* A badge is its kind, a number that no two of a kind share, and the place in its table. */
enum badge_kind { BADGE_CONTROL = 1, BADGE_MOUNT = 2, BADGE_SESSION = 3 };
#define BADGE(kind, number, index) ((uint64_t)(kind) << 60 | (uint64_t)(number) << 16 | (index))
#define BADGE_KIND(badge)          ((badge) >> 60)
#define BADGE_INDEX(badge)         ((badge)&0xffff)

/* ---- entropy.c ---- */

/* 0, or negative where there is no randomness: then no key is made and nothing is written. */
int entropy_get(void *buffer, size_t bytes);

/* ---- Vaults ---- */

struct vault {
	char name[VAULT_NAME_MAX + 1]; /* "": free */
	struct block_device legs[VDISK_LEGS_MAX];
	unsigned leg_count;
	struct vdisk *disk;
	struct holonfs *fs;
	bool read_only;
	bool changed;      /* since the last sync */
	uint64_t reserved; /* bytes that sessions were promised */
	uint32_t sessions;
};

struct mount {
	struct vault *vault; /* 0: free */
	uint64_t inode, badge;
	bool read_only;
};

struct session {
	struct vault *vault; /* 0: free, or closed below it */
	uint64_t badge, root;
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

struct node_use {
	uint64_t inode; /* 0: free */
	uint64_t count;
};

struct service {
	const struct start_info *info;
	struct thread_page *page;
	handle_t log, channel, timer, pause; /* pause: never signalled */
	int64_t clock_offset;                /* of whoever is served */
	int64_t owner_offset;                /* as the control said last */
	bool timer_armed;
	struct vault vaults[VAULTS_MAX];
	struct mount mounts[MOUNTS_MAX];
	struct session sessions[SESSIONS_MAX];
	uint64_t next_number;
};

extern struct service service;
extern const struct vault_operations control_operations;
extern const struct file_operations mount_operations;
extern const struct file_operations session_operations;

/* ---- The control: control.c, keys.c, care.c ---- */

struct vdisk_backend backend_of(struct block_device *device);
int64_t vault_error(int status); /* of enum vdisk_status */
struct vault *vault_find(const char *name);
uint64_t vault_device_bytes(const struct vault *vault); /* of its smallest leg */
bool vault_has_failed(const struct vault *vault);
/* A name of 1 to MOST printable characters without '/' and ':'. */
bool name_is_good(const char *name, size_t most);
/* Lets VAULT, of which nobody has a session, go. The status is that of the last sync. */
int64_t vault_end(struct vault *vault);

/* What a person gave, copied out of the thread page: every call of the device uses that. */
struct keys {
	uint8_t bytes[VAULT_CREDENTIALS_MAX + 2];
	struct vdisk_credentials credentials;
	enum vdisk_factor factor;
};
int64_t keys_take(struct keys *keys, const void *data, uint32_t bytes);
void keys_wipe(struct keys *keys);

int64_t keys_slots(void *context, uint64_t badge, uint32_t index, const char *name, const void **info,
                   uint32_t *bytes);
int64_t keys_slot_add(void *context, uint64_t badge, uint32_t flags, uint32_t cost_kib, const char *name,
                      const char *label, const void *credentials, uint32_t credentials_bytes,
                      const void **words, uint32_t *bytes);
int64_t keys_slot_remove(void *context, uint64_t badge, uint32_t number, const char *name);
int64_t care_snapshot(void *context, uint64_t badge, const char *name, const char *snapshot);
int64_t care_snapshots(void *context, uint64_t badge, uint64_t after, const char *name, const void **info,
                       uint32_t *bytes);
int64_t care_back(void *context, uint64_t badge, const char *name, const char *snapshot);
int64_t care_forget(void *context, uint64_t badge, const char *name, const char *snapshot);
int64_t care_scrub(void *context, uint64_t badge, const char *name, const void **report, uint32_t *bytes);
int64_t care_grow(void *context, uint64_t badge, uint64_t size, const char *name);
int64_t care_mirror(void *context, uint64_t badge, handle_t device_channel, uint32_t flags, const char *name,
                    const void **report, uint32_t *bytes);

/* The wall clock of whoever is served. */
int64_t service_now_ns(void);
/* A negative errno of newlib's as an error of the file contract. */
int64_t file_error(int64_t status);
/* VAULT has changed: it is synced within COMMIT_NS. */
void vault_touch(struct vault *vault);
void vault_sync_all(void);

/* ---- Sessions (session.c) ---- */

int64_t session_open(void *context, uint64_t badge, handle_t quota, handle_t changes, uint32_t flags,
                     int64_t now_ns, handle_t *session, uint64_t *root, const void **attributes,
                     uint32_t *bytes);
/* The session behind BADGE while its vault is open, else 0. */
struct session *session_of(uint64_t badge);
/* Ends SESSION: uses and buffer go. */
void session_end(struct session *session);
/* Ends those of VAULT whose clients have died; with ALL, all. */
void sessions_clean(struct vault *vault, bool all);
/* Gives the session a use of INODE, or says why not. */
int64_t session_use(struct session *session, uint64_t inode);
bool session_knows(const struct session *session, uint64_t inode);
int64_t session_forget(struct session *session, uint64_t inode, uint64_t count);

/* A badged capability to the service's own channel. */
int64_t channel_give(uint64_t badge, handle_t *given);

/* The beginning of every call of a session: its vault's file system, the node that it must know (0: none), and
 * whether it may write. */
int64_t call_begin(uint64_t badge, uint64_t node, bool writes, struct session **session, struct holonfs **fs);
/* The end of one that wrote: RESULT, with the commit that it needs under way. */
int64_t call_end(struct session *session, int64_t result);
void attributes_convert(const struct holonfs_attributes *from, struct file_attributes *to);

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
