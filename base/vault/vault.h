/* The vault service: what its parts share.
 *
 *   main.c           the beginning, timed commits
 *   turns.c          the loop: whose call it is, what waits, what is done meanwhile
 *   control.c        abi/vault.interface: making, opening, closing vaults; mounts
 *   keys.c           credentials, key slots
 *   machine.c        what the machine's TPM keeps: sealed keys, anchors
 *   care.c           snapshots, scrubs, growth, mirrors, steps of new keys
 *   filesystem.c     its file system and its mounts, for lib/file_service, which serves sessions
 *   entropy.c        randomness of the processor
 *   host_library.c   what Debian's cryptographic libraries ask of a C library, on newlib
 *
 * One thread serves; another computes what opens a key slot by a passphrase. Callers are told apart by the badge that the kernel stamps: the control, a mount, or a session.
 * Nothing that a caller sends is trusted, and nothing here maps memory that a caller owns.
 */
#pragma once

#include <errno.h>
#include <holon.h>
#include <stdlib.h>
#include <string.h>
#include <holon/block.h>
#include <holon/file.h>
#include <holon/vault.h>
#include "block/block_device.h"
#include "file_service/file_service.h"
#include "holonfs/holonfs.h"
#include "holonfs/store_vdisk.h"
#include "native_newlib.h"
#include "vault.interface.h"
#include "vdisk/vdisk.h"

#define VAULTS_MAX  8u
#define MOUNTS_MAX  256u
#define FILE_CACHE  (8u << 20)
#define PROBE_BYTES 65536u /* of a device: what makes it a vault is there */

enum { EVENT_TIMER = 1, EVENT_WORKED = 2 }; /* bits of service.timer */

/* ---- entropy.c ---- */

/* 0, or negative where there is no randomness: then no key is made and nothing is written. */
int entropy_get(void *buffer, size_t bytes);

/* ---- machine.c ---- */

struct keys;
bool machine_present(void);
/* Lets KEYS seal and unseal by the machine's TPM. VAULT_E_NO_TPM: there is none. */
int64_t machine_give(struct keys *keys);
extern const struct vdisk_keeper machine_keeper;
/* DISK is anchored as it is, whatever the TPM knew of it; or no more. */
int64_t anchor_begin(struct vdisk *disk);
int64_t anchor_end(struct vdisk *disk);
/* Tells the TPM how new DISK is, where it is anchored. What it names is durable. */
void anchor_renew(struct vdisk *disk);

/* ---- Vaults ---- */

struct vault {
	char name[VAULT_NAME_MAX + 1]; /* "": free */
	struct block_device legs[VDISK_LEGS_MAX];
	unsigned leg_count;
	struct vdisk *disk;
	struct holonfs *fs;
	bool read_only;
	uint64_t anchored_ns;         /* when the TPM was told last */
	bool deletes;                 /* blocks of deleted snapshots are still to be given back */
	handle_t waiting;             /* the reply to who asked for that */
	struct vault_report scrub;    /* since it was begun */
	struct filesystem filesystem; /* fs, for lib/file_service */
	struct served served;         /* that */
};

struct mount {
	struct vault *vault; /* 0: free */
	uint64_t inode, badge;
	bool read_only;
};

struct service {
	const struct start_info *info;
	struct thread_page *page;
	handle_t log, channel, timer, pause; /* pause: never signalled */
	int64_t clock_offset;                /* of whoever is served */
	int64_t owner_offset;                /* as the control said last */
	bool timer_armed;
	/* Of the call that is served: where its reply is saved, 0: nowhere; whether it is kept for later. */
	handle_t reply;
	bool kept;
	struct vault vaults[VAULTS_MAX];
	struct mount mounts[MOUNTS_MAX];
};

extern struct service service;
extern const struct vault_operations control_operations;
extern const struct file_operations mount_operations;

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
/* Makes a device look empty. An enum vdisk_status. */
int device_erase(const struct vdisk_backend *backend);

/* What a person gave, copied out of the thread page: every call of the device uses that. */
struct keys {
	uint8_t bytes[VAULT_CREDENTIALS_MAX + 2];
	struct vdisk_credentials credentials;
	struct vdisk_sealer sealer;
	int64_t machine_error; /* what the TPM said last, where it failed */
};
int64_t keys_take(struct keys *keys, const void *data, uint32_t bytes);
/* What a slot is made of that all of KEYS open together, and words where DRAWS. */
int64_t keys_factors(const struct keys *keys, bool draws, enum vdisk_factor factors[2]);
/* What STATUS, of something that KEYS were used for, means. */
int64_t keys_error(const struct keys *keys, int status);
void keys_wipe(struct keys *keys);

int64_t keys_slots(void *context, uint64_t badge, uint32_t index, const char *name, const void **info,
                   uint32_t *bytes);
int64_t keys_slot_add(void *context, uint64_t badge, uint32_t flags, uint32_t cost_kib, const char *name,
                      const char *label, const void *credentials, uint32_t credentials_bytes,
                      const void **words, uint32_t *bytes);
int64_t keys_rekey(void *context, uint64_t badge, uint32_t flags, uint32_t cost_kib, const char *name,
                   const char *label, const void *credentials, uint32_t credentials_bytes, const void **words,
                   uint32_t *bytes);
int64_t keys_slot_remove(void *context, uint64_t badge, uint32_t number, const char *name);
int64_t care_snapshot(void *context, uint64_t badge, const char *name, const char *snapshot);
int64_t care_snapshots(void *context, uint64_t badge, uint64_t after, const char *name, const void **info,
                       uint32_t *bytes);
int64_t care_back(void *context, uint64_t badge, const char *name, const char *snapshot);
int64_t care_forget(void *context, uint64_t badge, const char *name, const char *snapshot);
int64_t care_scrub(void *context, uint64_t badge, uint32_t flags, const char *name, const void **report,
                   uint32_t *bytes);
int64_t care_rekey_step(void *context, uint64_t badge, const char *name, const void **report,
                        uint32_t *bytes);
int64_t care_grow(void *context, uint64_t badge, uint64_t size, const char *name);
int64_t care_mirror(void *context, uint64_t badge, handle_t device_channel, uint32_t flags, const char *name,
                    const void **report, uint32_t *bytes);

/* The wall clock of whoever is served. */
int64_t service_now_ns(void);
/* A negative errno of newlib's as an error of the file contract. */
int64_t file_error(int64_t status);
/* SERVED has changed: it is synced within COMMIT_NS. */
void service_touch(struct served *served);
/* ANCHORS: the TPM is told, too, where it is time for that. */
void vault_sync_all(bool anchors);
/* Before what commits by itself: what the file system has is written as a whole. Else a cut would leave a part of it. */
int64_t vault_settle(struct vault *vault);

/* ---- turns.c ---- */

/* Serves until the channel is gone. */
int64_t turns_run(void);
/* The reply to the call that is served, which whoever asked for it gives later; 0: it must be answered now. */
handle_t turn_keep(void);
/* Runs what takes long, while others are served. */
extern const struct vdisk_helper turn_helper;
/* Where VAULT has blocks of deleted snapshots, they are given back from now on. */
void deletion_begin(struct vault *vault);
/* Tells who waits for it the RESULT; no steps any more. */
void deletion_end(struct vault *vault, int64_t result);

/* ---- filesystem.c ---- */

/* VAULT, whose fs is mounted, can be served. */
void vault_serve_begin(struct vault *vault);
