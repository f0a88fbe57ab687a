/*
 * vdisk: an encrypted, authenticated, thin, copy-on-write block container with atomic commits. docs/vdisk.md
 * has the format and what it promises; this is the whole interface.
 *
 * A container lives on one backend, or on two to four equal ones (legs of a mirror). It holds volumes: one or
 * more writable ones, and read-only snapshots. A handle opens one volume. Blocks are 4 KiB; a block never
 * written, or discarded, reads as zeroes.
 *
 * Everything written since the last vdisk_flush() or vdisk_commit() becomes durable by the next one as a
 * whole: after a crash the volume is as it was at the last of them that returned, or as at the one under way.
 * Nothing is committed in between unless `auto_commit` is set.
 *
 * The library is portable C: it needs memory (malloc), and does no I/O but through the backend. A handle is
 * used by one thread at a time. Functions return 0 or a negative enum vdisk_status; after VDISK_IO or
 * VDISK_DAMAGED from a function that writes, the handle refuses further writes with that status (what was
 * committed is safe), since it no longer knows what the medium holds.
 */
#ifndef VDISK_H
#define VDISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VDISK_BLOCK      4096u
#define VDISK_BLOCKS_MAX (UINT64_C(1) << 34) /* 64 TiB */
#define VDISK_LEGS_MAX   4u
#define VDISK_NAME_MAX   63u
#define VDISK_KEY_SIZE   32u
#define VDISK_ID_SIZE    16u
#define VDISK_CACHE_MIN  (256u << 10)

enum vdisk_status {
	VDISK_OK = 0,
	VDISK_IO = -1,       /* the backend failed */
	VDISK_DAMAGED = -2,  /* data or metadata fails its authentication, or makes no sense */
	VDISK_NO_SPACE = -3, /* the backend is full; nothing was changed */
	VDISK_RANGE = -4,    /* outside the volume, or another argument out of range */
	VDISK_KEY = -5,      /* no slot opens with what was given */
	VDISK_FORMAT = -6,   /* not a container */
	VDISK_VERSION = -7,  /* a container of a format that this code does not know */
	VDISK_READ_ONLY = -8,
	VDISK_NOT_FOUND = -9, /* no such volume, slot */
	VDISK_EXISTS = -10,
	VDISK_STALE = -11,    /* older than the anchor says: somebody put back an old state */
	VDISK_DIVERGED = -12, /* the legs were written apart from each other */
	VDISK_NO_MEMORY = -13,
	VDISK_LIMIT = -14, /* too many slots, snapshots of one block, ... */
	VDISK_BUSY = -15,  /* the volume has what stands in the way */
};

const char *vdisk_status_text(int status);

/* Where a container lives. Calls return 0 or a negative number. Offsets and sizes are multiples of
 * VDISK_BLOCK. */
struct vdisk_backend {
	void *context;
	int (*read)(void *context, uint64_t offset, void *buffer, size_t bytes); /* beyond the end: zeroes */
	int (*write)(void *context, uint64_t offset, const void *buffer, size_t bytes);
	int (*flush)(void *context);                                    /* all completed writes are durable */
	int (*discard)(void *context, uint64_t offset, uint64_t bytes); /* may be NULL */
	uint64_t limit; /* bytes it can hold; 0: grows as written */
};

/* Randomness of the system: fills BUFFER, returns 0, or negative when there is none. */
typedef int (*vdisk_random)(void *buffer, size_t bytes);

enum vdisk_cipher {
	VDISK_CIPHER_AUTO = 0, /* AES where the processor has instructions for it */
	VDISK_CIPHER_AES_256_GCM = 1,
	VDISK_CIPHER_XCHACHA20_POLY1305 = 2,
};

/* ---- Keys: docs/vdisk.md, "Key slots" ---- */

enum vdisk_factor {
	VDISK_FACTOR_NONE = 0,
	VDISK_FACTOR_OPEN = 1,        /* none needed: the key is in the clear. Checksums, no secrecy */
	VDISK_FACTOR_PASSPHRASE = 2,  /* Argon2id */
	VDISK_FACTOR_RECOVERY = 3,    /* recovery words */
	VDISK_FACTOR_KEY_FILE = 4,    /* a holon-crypto hybrid-kem key */
	VDISK_FACTOR_SECRET_FILE = 5, /* any other file with at least 32 bytes that nobody knows */
	VDISK_FACTOR_MACHINE = 6,     /* 32 bytes that the machine gives */
	VDISK_FACTOR_SEALED = 7, /* 32 bytes that its TPM unseals in the state in which they were sealed */
};

#define VDISK_SEALED_MAX 480u

/* Who seals and unseals VDISK_KEY_SIZE bytes. Functions return 0 or a negative enum vdisk_status. What is sealed lies in the slot, in
 * the clear: unseal() is given what a disk says. */
struct vdisk_sealer {
	void *context;
	int (*seal)(void *context, const uint8_t *secret, uint8_t sealed[VDISK_SEALED_MAX], size_t *bytes);
	int (*unseal)(void *context, const uint8_t *sealed, size_t bytes, uint8_t *secret);
};

/* Who runs what takes long and a second thread can do: WORK(ARGUMENT), which touches nothing of a container; its result is returned. */
struct vdisk_helper {
	void *context;
	int (*run)(void *context, int (*work)(void *argument), void *argument);
};

/* What a person has to open a slot with, or to make one from. Unused members are NULL. */
struct vdisk_credentials {
	const char *passphrase;
	size_t passphrase_bytes;
	const char *recovery_words;
	const uint8_t *key_file; /* bytes of a HolonKey file, or of a secret file */
	size_t key_file_bytes;
	const uint8_t *machine; /* VDISK_KEY_SIZE bytes */
	const struct vdisk_sealer *sealer;
	const struct vdisk_helper *helper; /* of passphrases; NULL: the caller's own thread */
};

struct vdisk_slot_info {
	uint32_t number;              /* never given twice */
	enum vdisk_factor factors[2]; /* the second is VDISK_FACTOR_NONE in an ordinary slot */
	char label[32];
};

/* Which factor the bytes of a file are: VDISK_FACTOR_KEY_FILE for a hybrid-kem key, VDISK_FACTOR_SECRET_FILE
 * for any other file that is long enough and no public key, else VDISK_FACTOR_NONE. */
enum vdisk_factor vdisk_key_file_factor(const uint8_t *bytes, size_t size);
/* The one or two factors that CREDENTIALS are, and words that are drawn where DRAWS: what a slot is made of that needs all of them. A
 * passphrase that protects the key file is no factor of its own. VDISK_KEY: none, or the file is no key; VDISK_LIMIT: more than two. */
int vdisk_credentials_factors(const struct vdisk_credentials *credentials, bool draws,
                              enum vdisk_factor factors[2]);

#define VDISK_RECOVERY_WORDS_SIZE 64 /* nine words of five letters, with hyphens, and the NUL */

struct vdisk_cost {
	uint32_t memory_kib, passes; /* Argon2id; 0: the default of lib/crypto */
};

/* ---- Containers ---- */

/* How new a state is: both numbers rise, with every durable state and with every change of the key slots. */
struct vdisk_mark {
	uint64_t state, slots;
};

/* Who keeps a mark elsewhere. */
struct vdisk_keeper {
	void *context;
	/* The mark that is kept of the container ID, or zeroes; asked while it is opened, before anything is written. KEY is of this
	 * container's anchor alone. ANCHORED: the container says that there is one. VDISK_STALE: it cannot be had, and must. */
	int (*find)(void *context, const uint8_t id[VDISK_ID_SIZE], const uint8_t key[VDISK_KEY_SIZE],
	            bool anchored, struct vdisk_mark *mark);
};

struct vdisk_config {
	const struct vdisk_backend *legs;
	unsigned leg_count;
	vdisk_random random;
	int64_t (*now_ns)(void);
	size_t cache_bytes; /* for map nodes and counts; 0: 16 MiB. Dirty ones may exceed it until the next
	                       commit */
	bool read_only;
	bool
	    auto_commit; /* commits of its own whenever much has piled up: for clients that are plain disks */
	const char *volume; /* NULL: "main" */
	/* Freshness: the value of vdisk_anchor() that was kept elsewhere, or 0. An older state is
	 * VDISK_STALE. */
	uint64_t anchor;
	const struct vdisk_keeper *keeper; /* or who keeps it; NULL: nobody is asked */
};

struct vdisk_create {
	uint64_t blocks;
	enum vdisk_cipher cipher;
	enum vdisk_factor factors[2]; /* of the first slot; taken from CREDENTIALS */
	struct vdisk_cost cost;
	const char *label;
};

struct vdisk;

/* Makes an empty container with one volume "main" on the legs and leaves it open. What was there is lost. */
int vdisk_create(struct vdisk **disk, const struct vdisk_config *config, const struct vdisk_create *create,
                 const struct vdisk_credentials *credentials);

/* Opens; writes nothing until the first write. Legs that are behind, or new and empty, are found and healed
 * as they are read and by vdisk_scrub(). */
int vdisk_open(struct vdisk **disk, const struct vdisk_config *config,
               const struct vdisk_credentials *credentials);

/* One more leg while it is open. It is empty, or was a leg of this container and is behind; vdisk_scrub() fills it. One that has what
 * the others have, since nothing was written since all were closed together, is not behind (legs_behind of struct vdisk_info).
 * VDISK_FORMAT: something else is on it; VDISK_DIVERGED: it belongs to another container, or was written without
 * the others; VDISK_BUSY: it is a leg already; VDISK_NO_SPACE: it is too small. The backend must last as long as the handle. */
int vdisk_leg_add(struct vdisk *disk, const struct vdisk_backend *backend);
/* Whether a device that is no leg yet has all that the container has: it was closed together with the legs, and nothing was written since. */
bool vdisk_leg_is_alike(struct vdisk *disk, const struct vdisk_backend *backend);

/* Commits, wipes keys, frees. The status is the commit's. */
int vdisk_close(struct vdisk *disk);

/* What was written since the last flush is a part of something that cannot be ended: nothing is written or committed any more, which all
 * calls that would say with STATUS. */
void vdisk_give_up(struct vdisk *disk, int status);

/* Frees without a commit: what is not committed is lost, as in a crash. */
void vdisk_abandon(struct vdisk *disk);

uint64_t vdisk_blocks(const struct vdisk *disk);
bool vdisk_is_read_only(const struct vdisk *disk);

int vdisk_read(struct vdisk *disk, uint64_t block, uint64_t count, void *buffer);
int vdisk_write(struct vdisk *disk, uint64_t block, uint64_t count, const void *buffer);
/* The range reads as zeroes from now on; its room is given back by the next commit. */
int vdisk_discard(struct vdisk *disk, uint64_t block, uint64_t count);

/* All before is durable, as one step: one flush of the backend and a few log blocks. */
int vdisk_flush(struct vdisk *disk);
/* Likewise; and what was overwritten or discarded before cannot be had back with any key that is left. */
int vdisk_commit(struct vdisk *disk);

/* Whether so much waits that a flush or commit would be good soon: for clients without auto_commit. */
bool vdisk_wants_commit(const struct vdisk *disk);

/* Where the next mapped block at or behind BLOCK is, or blocks(). For sparse copies. */
int vdisk_next_mapped(struct vdisk *disk, uint64_t block, uint64_t *next);

/* A number that rises with every durable state; to be kept where nobody can put an old one back. */
uint64_t vdisk_anchor(const struct vdisk *disk);
/* The same for a keeper, and the key that its anchor is kept under. New keys (vdisk_rekey_begin) change that. */
struct vdisk_mark vdisk_mark(const struct vdisk *disk);
void vdisk_anchor_key(const struct vdisk *disk, uint8_t key[VDISK_KEY_SIZE]);
/* Writes into the header whether a keeper has to know it. Durable when it returns. */
int vdisk_set_anchored(struct vdisk *disk, bool anchored);
bool vdisk_is_anchored(const struct vdisk *disk);

/* Grows or shrinks the volume; what is beyond BLOCKS is discarded. Committed when it returns. */
int vdisk_resize(struct vdisk *disk, uint64_t blocks);

struct vdisk_info {
	uint8_t id[VDISK_ID_SIZE];
	uint64_t blocks;           /* of the volume */
	uint64_t mapped;           /* blocks of the volume that hold something */
	uint64_t container_blocks; /* from the start of the backend to the last block ever used */
	uint64_t used_blocks;      /* of those, in use: all volumes, maps, header */
	uint64_t pinned_blocks;    /* given up, and free when that is committed */
	uint64_t generation;
	uint64_t healed;          /* blocks repaired on a leg since open */
	uint64_t backend_written; /* bytes, on one leg, since open */
	uint64_t backend_flushes;
	uint64_t cache_bytes; /* now in use for nodes and counts */
	enum vdisk_cipher cipher;
	unsigned legs, legs_failed;
	unsigned legs_behind; /* that vdisk_leg_add() brought and that were not filled yet */
	unsigned replayed;    /* log records that opening found */
};

void vdisk_get_info(const struct vdisk *disk, struct vdisk_info *info);

/* ---- Volumes ---- */

struct vdisk_volume {
	uint64_t number;
	uint64_t parent; /* the number of the volume it was made from, or 0 */
	uint8_t id[VDISK_ID_SIZE];
	char name[VDISK_NAME_MAX + 1];
	uint64_t blocks, mapped;
	int64_t created_ns;
	bool read_only, deleting;
};

/* The volume with the smallest number above AFTER. VDISK_NOT_FOUND: none. */
int vdisk_volume_next(struct vdisk *disk, uint64_t after, struct vdisk_volume *volume);
int vdisk_volume_find(struct vdisk *disk, const char *name, struct vdisk_volume *volume);
/* A read-only copy of the open volume as it is now. Constant time; committed when it returns. */
int vdisk_snapshot(struct vdisk *disk, const char *name);
/* A writable copy of volume FROM. */
int vdisk_clone(struct vdisk *disk, const char *from, const char *name);
/* The open volume becomes what snapshot FROM is. */
int vdisk_rollback(struct vdisk *disk, const char *from);
/* Deletes a volume that is not open, in steps; a deletion that was cut off goes on at the next call. */
int vdisk_volume_delete(struct vdisk *disk, const char *name);
/* The same in two parts: what was there is no volume any more when these return, and its blocks are given back by steps, of about MOST
 * blocks each. 1: there may be more to do; 0: that was all. */
int vdisk_volume_delete_begin(struct vdisk *disk, const char *name);
int vdisk_rollback_begin(struct vdisk *disk, const char *from);
int vdisk_delete_step(struct vdisk *disk, unsigned most);

/* ---- Moving volumes: a stream of blocks, docs/vdisk.md "Streams" ---- */

struct vdisk_stream {
	void *context;
	int (*read)(void *context, void *buffer, size_t bytes); /* exactly BYTES, else negative */
	int (*write)(void *context, const void *buffer, size_t bytes);
	void (*progress)(void *context, uint64_t done, uint64_t total); /* may be NULL */
};

/* Sends snapshot NAME; with FROM, what differs from that older snapshot alone. */
int vdisk_send(struct vdisk *disk, const char *name, const char *from, const struct vdisk_stream *stream);
/* Applies a stream to the open volume, which must be empty or equal to the stream's base (its newest received
 * snapshot), and keeps it as a snapshot under the sender's name. All or nothing. */
int vdisk_receive(struct vdisk *disk, const struct vdisk_stream *stream);

/* ---- Check and scrub ---- */

struct vdisk_report {
	uint64_t nodes, data_blocks; /* read and authentic */
	uint64_t damaged;            /* on all legs: lost */
	uint64_t healed;             /* on one leg, repaired from another */
	uint64_t leaked, missing;    /* blocks whose count is too high, too low */
	uint64_t repaired;           /* counts set right, and copies */
	uint64_t copies;             /* of the header and the superblock: damaged, where another is good */
	void *context;
	void (*finding)(void *context, const char *text); /* each finding in words; may be NULL */
	void (*progress)(void *context, uint64_t done, uint64_t total);
};

/* Walks everything: maps and counts, and with DATA every block. REPAIR sets wrong counts right. Needs two
 * bytes of memory for each block of the container. */
int vdisk_check(struct vdisk *disk, bool data, bool repair, struct vdisk_report *report);
/* Reads every block on every leg, and repairs what is damaged on one from another. */
int vdisk_scrub(struct vdisk *disk, struct vdisk_report *report);

/* The same in steps, between which the container may be used and changed: what is written meanwhile is good on every leg
 * already. Counts are not compared. Beginning anew ends the one that is under way; vdisk_close() does, too. */
int vdisk_scrub_begin(struct vdisk *disk);
/* Reads about MOST blocks. 1: there is more to do, 0: that was all. Damage is in the REPORT alone, which is added to. */
int vdisk_scrub_step(struct vdisk *disk, unsigned most, struct vdisk_report *report);
void vdisk_scrub_end(struct vdisk *disk);

/* ---- Slots ---- */

int vdisk_slot_list(struct vdisk *disk, struct vdisk_slot_info *slots, unsigned room, unsigned *count);
/* Adds a slot for FACTORS of CREDENTIALS. For VDISK_FACTOR_RECOVERY new words are drawn and written to WORDS
 * (VDISK_RECOVERY_WORDS_SIZE). */
int vdisk_slot_add(struct vdisk *disk, const enum vdisk_factor factors[2],
                   const struct vdisk_credentials *credentials, const struct vdisk_cost *cost,
                   const char *label, char *words);
/* Removes a slot. The last one stays: VDISK_BUSY. */
int vdisk_slot_remove(struct vdisk *disk, uint32_t number);

/* ---- Rekeying: docs/vdisk.md, "New keys" ---- */

/* Begins to give the container new keys: a master key with one slot, as vdisk_slot_add() makes it (all others are
 * gone when this returns), and a key for every block of every volume. VDISK_BUSY while this is under way. */
int vdisk_rekey_begin(struct vdisk *disk, const enum vdisk_factor factors[2],
                      const struct vdisk_credentials *credentials, const struct vdisk_cost *cost,
                      const char *label, char *words);
/* Seals up to MOST blocks anew and commits. 1: there is more to do, 0: it is over, and nothing on the device opens
 * with the old keys. A step that fails, or is cut off by a crash, loses nothing, and the next goes on. */
int vdisk_rekey_step(struct vdisk *disk, unsigned most);
bool vdisk_is_rekeying(const struct vdisk *disk);
void vdisk_rekey_progress(const struct vdisk *disk, uint64_t *done, uint64_t *total);

/* Whether a backend starts with a container's header: VDISK_OK, VDISK_FORMAT, VDISK_VERSION, VDISK_IO. Lists
 * slots without a key. */
int vdisk_probe(const struct vdisk_backend *backend, struct vdisk_slot_info *slots, unsigned room,
                unsigned *count, uint8_t id[VDISK_ID_SIZE]);

#endif
