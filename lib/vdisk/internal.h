/*
 * What the parts of vdisk share: the on-disk structures and the open container. docs/vdisk.md explains the
 * format.
 *
 *   legs.c        the backends: mirrored reads that heal, writes, flushes
 *   cipher.c      sealing blocks under one-time keys
 *   factor.c      what a person has, turned into the key of a slot
 *   header.c      key slots and the master key
 *   node.c        the cache of map nodes; copy on write of one node
 *   tree.c        the B+-tree over them
 *   space.c       reference counts, allocation
 *   log.c         the commit log: flush in one step
 *   checkpoint.c  superblocks, full commits, opening
 *   volume.c      catalogue of volumes: snapshots, clones, rollback, deletion
 *   vdisk.c       read, write, discard
 *   rekey.c       new keys for everything
 *   stream.c      send and receive;  check.c  check and scrub
 *
 * Structures on disk are little-endian, which the supported processors are.
 */
#ifndef VDISK_INTERNAL_H
#define VDISK_INTERNAL_H

#include <stdlib.h>
#include <string.h>
#include "crypto/blake3.h"
#include "vdisk.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "structures on disk are little-endian");

#define HEADER_BLOCKS    2u /* each of two copies */
#define HEADER_BYTES     (HEADER_BLOCKS * VDISK_BLOCK)
#define SUPER_FIRST      (2 * HEADER_BLOCKS) /* two slots of a block each */
#define FIRST_FREE_BLOCK (SUPER_FIRST + 2)
#define PLACE_MASK       ((UINT64_C(1) << 48) - 1)
#define KEY_BIT          (UINT64_C(1) << 48) /* of an entry's place: which volume key it is sealed under */
#define SECRET_SIZE      16u
#define TAG_SIZE         16u
#define NODE_ENTRIES     85u
#define TREE_HEIGHT_MAX  12u

/* Where a sealed block is and what opens it. */
struct entry {
	uint64_t key;   /* of a map: block number; of an inner node: the smallest key below */
	uint64_t place; /* physical block, 0: none */
	uint8_t secret[SECRET_SIZE];
	uint8_t tag[TAG_SIZE];
};

struct node_disk {
	uint16_t count;
	uint8_t level; /* 0: leaf */
	uint8_t reserved[13];
	struct entry entries[NODE_ENTRIES];
};

/* What a sealed block is: bound into its tag, so that no block can stand for another. */
enum block_kind {
	KIND_DATA = 1, /* key: block number of the volume */
	KIND_MAP_NODE = 2,
	KIND_COUNTS = 3, /* key: page number */
	KIND_COUNTS_NODE = 4,
	KIND_VOLUME = 5, /* key: volume number */
	KIND_CATALOGUE_NODE = 6,
	KIND_LOG = 7,
	KIND_SUPER = 8,
};

#define COUNTS_PER_PAGE 2048u
#define COUNT_MAX       65000u

struct tree {
	struct entry root; /* place 0: empty */
	uint8_t height;    /* nodes from root to leaf; 0 when empty */
	uint8_t node_kind, data_kind;
};

struct tree_disk {
	struct entry root;
	uint8_t height;
	uint8_t reserved[15];
};

struct volume_disk {
	uint64_t number, parent;
	uint8_t id[VDISK_ID_SIZE];
	uint8_t base_id[VDISK_ID_SIZE]; /* of the stream received last */
	char name[VDISK_NAME_MAX + 1];
	uint64_t blocks, mapped;
	int64_t created_ns;
	uint32_t flags; /* VOLUME_* */
	uint32_t reserved0;
	struct tree_disk map;
	uint8_t reserved[3840];
};
#define VOLUME_READ_ONLY 1u
#define VOLUME_DELETING  2u
#define VOLUME_RECEIVING 4u /* half a stream was applied; RECEIVE_BASE is what it was before */
#define RECEIVE_BASE     "(before receiving)"
_Static_assert(sizeof(struct volume_disk) <= VDISK_BLOCK, "a volume's record fits a block");

/* Who was written together. A new era, with a random name, begins with the first commit that a leg of the one before has no part in; legs
 * that were written apart have eras that do not know one another, whatever their generations. Zero is the name before there were any. */
#define ERAS_MAX 128u
struct era {
	uint8_t name[VDISK_ID_SIZE];
	uint8_t past[ERAS_MAX][VDISK_ID_SIZE]; /* the last ones, newest first; further ones are zero */
};

struct super_disk {
	uint64_t generation;
	uint8_t state[VDISK_ID_SIZE],
	    previous_state[VDISK_ID_SIZE]; /* random name of this commit, of the one before */
	uint8_t volume_key[VDISK_KEY_SIZE];
	uint8_t log_key[VDISK_KEY_SIZE];
	uint64_t log_first;
	uint64_t end;  /* blocks from here on were never used */
	uint64_t used; /* blocks with a count */
	uint64_t next_volume;
	uint64_t active_volume; /* whose changes the log has */
	struct tree_disk counts, catalogue;
	uint32_t leg_count, legs_present; /* bit N: leg N was written by this commit */
	uint32_t key_flags;               /* SUPER_* */
	uint32_t reserved0;
	uint64_t rekey_next,
	    rekey_page; /* rekey.c: the first block, and page of counts, not sealed anew yet */
	uint8_t old_volume_key[VDISK_KEY_SIZE];
	struct era era;        /* of the legs that this commit was written to */
	uint64_t rekey_volume; /* whose block rekey_next is */
	uint8_t reserved[872];
};

#define SUPER_KEY_BIT  1u /* KEY_BIT of what is sealed under volume_key */
#define SUPER_REKEYING 2u /* some is sealed under old_volume_key */
#define SUPER_REKEYED  4u /* and now nothing is any more */

/* A superblock as it lies on disk. */
struct super_sealed {
	uint8_t nonce[24];
	uint8_t tag[TAG_SIZE];
	uint8_t leg; /* in the clear, and judged for nothing but finding out which leg this is */
	uint8_t reserved[7];
	uint8_t body[VDISK_BLOCK - 48];
};
_Static_assert(sizeof(struct super_disk) <= VDISK_BLOCK - 48, "a superblock fits");
_Static_assert(sizeof(struct super_sealed) == VDISK_BLOCK, "a superblock is a block");
_Static_assert(sizeof(struct node_disk) == VDISK_BLOCK, "a node is a block");

/* ---- In memory ---- */

struct node {
	struct node *hash_next;
	struct node *older, *newer; /* clean nodes by age */
	uint64_t place;
	bool dirty, used; /* used: since node_trim() last came by */
	struct node_disk disk;
};

/* A page of reference counts. The three bitmaps say which blocks without references may be used again: none
 * that the last checkpoint uses (committed), none that a durable log record may use (held); except what was
 * allocated since the last flush (fresh). */
struct page {
	struct page *hash_next;
	struct page *older, *newer; /* clean pages by age; dirty ones are in a list by newer */
	uint64_t number, place;     /* place: the new one, during a checkpoint */
	bool dirty, has_held;
	uint64_t committed[COUNTS_PER_PAGE / 64], held[COUNTS_PER_PAGE / 64], fresh[COUNTS_PER_PAGE / 64];
	uint16_t counts[COUNTS_PER_PAGE];
};

struct leg {
	struct vdisk_backend backend;
	bool failed;
	bool in_era; /* it has the last commit */
	bool behind; /* it came while the container was open, and a scrub has not filled it yet */
};

#define EPOCH_KEYS_MAX   4096u /* more in one epoch: a checkpoint instead of a log record */
#define EPOCH_RANGES_MAX 256u
#define LOG_BLOCKS_MAX   512u
#define STAGE_BLOCKS     64u

struct range {
	uint64_t first, count;
};

struct vdisk {
	struct leg legs[VDISK_LEGS_MAX];
	unsigned leg_count;
	vdisk_random random;
	int64_t (*now_ns)(void);
	bool read_only, auto_commit;
	int broken; /* the status that ended writing, or 0 */
	size_t cache_limit;

	/* header.c */
	uint8_t *header; /* HEADER_BYTES, the newest copy */
	uint8_t id[VDISK_ID_SIZE];
	enum vdisk_cipher cipher;
	uint8_t master[VDISK_KEY_SIZE], super_key[VDISK_KEY_SIZE];
	bool has_old_master; /* while rekeying: superblocks may be sealed under old_super_key */
	uint8_t old_super_key[VDISK_KEY_SIZE];
	/* rekey.c */
	bool rekeying, rekeyed; /* as SUPER_* */
	uint64_t rekey_next, rekey_page, rekey_volume;
	struct rekey *rekey; /* what steps remember of one another */
	/* cipher.c: one-time keys */
	uint8_t volume_keys[2][VDISK_KEY_SIZE]; /* by KEY_BIT; both are one when not rekeying */
	unsigned key_number;                    /* of what is sealed now */
	uint8_t pool_key[VDISK_KEY_SIZE];
	uint8_t pool[1024];
	size_t pool_left;
	bool has_aes;
	bool has_gcm; /* gcm.h, which is faster */

	/* checkpoint.c */
	struct era era;
	bool era_ends; /* a leg that had a part in it has none in the next commit */
	uint64_t generation;
	uint8_t state[VDISK_ID_SIZE], previous_state[VDISK_ID_SIZE];
	uint64_t next_volume;
	bool must_checkpoint; /* the log of the last checkpoint may not be continued */
	bool changed;         /* something differs from the last checkpoint */

	/* node.c, space.c */
	struct node **nodes;
	size_t node_buckets, node_count, dirty_nodes;
	struct node *node_oldest, *node_newest;
	struct page **pages;
	size_t page_buckets, page_count, dirty_pages;
	struct page *page_oldest, *page_newest;
	struct page *unplaced, *placed; /* dirty pages */
	struct tree counts, catalogue, map;
	uint64_t end, used, cursor, limit;
	uint64_t pinned;      /* blocks without references that may not be used again yet */
	uint64_t extend_left; /* blocks to take from behind the end before searching again */

	/* The open volume */
	struct volume_disk volume;
	bool volume_changed;

	/* log.c */
	uint8_t log_key[VDISK_KEY_SIZE];
	uint64_t log_first, log_next, log_sequence;
	uint64_t *log_blocks; /* LOG_BLOCKS_MAX */
	size_t log_count;
	uint64_t *epoch_keys; /* EPOCH_KEYS_MAX */
	size_t epoch_key_count;
	struct range *epoch_ranges;
	size_t epoch_range_count;
	bool epoch_overflow; /* too much for a record */
	bool epoch_changed;  /* something is not durable yet */

	struct vdisk_scrub *scrub; /* scrub.c, under way */

	uint8_t *stage; /* STAGE_BLOCKS blocks of ciphertext */
	uint64_t healed, written, flushes;
	unsigned replayed;
};

/* Seeded bugs for the positive controls of the crash explorer: compiled in for tests alone. */
enum vdisk_bug {
	BUG_NONE,
	BUG_NO_FLUSH_BEFORE_SUPER, /* dropped flush */
	BUG_NO_FLUSH_AFTER_SUPER,  /* commit returns before it is durable */
	BUG_SUPER_BEFORE_NODES,    /* swapped commit order */
	BUG_SAME_SUPER_SLOT,       /* the only good superblock is overwritten */
	BUG_NO_LOG_FLUSH,          /* flush returns before it is durable */
	BUG_LOG_DATA_NOT_CHECKED,  /* the last record is believed though its data is missing */
	BUG_TAG_NOT_CHECKED,
	BUG_HELD_REUSED, /* blocks of the durable state are used again before the next is durable */
	BUG_COMMITTED_REUSED,
	BUG_PARTIAL_RECORD, /* a record without its end is applied */
	BUG_LOG_KEY_KEPT,   /* the log goes on after opening under the same key: old records come back */
	BUG_DISCARD_NOT_LOGGED,
	BUG_REKEY_FORGETS_MASTER,    /* the header goes to the new master key before the superblocks do */
	BUG_REKEY_FORGETS_BLOCKS,    /* the old volume key is forgotten while blocks need it */
	BUG_REKEY_FORGETS_SNAPSHOTS, /* ... while blocks of other volumes than the open one do */
	BUG_REKEY_TAKES_REUSED,      /* a shared block is taken from where another one was written since */
	BUG_COUNT,
};
#ifdef VDISK_SEEDED_BUGS
extern enum vdisk_bug vdisk_seeded_bug;
#define SEEDED(bug) (vdisk_seeded_bug == (bug))
#else
#define SEEDED(bug) 0
#endif

#define TRY(expression)                                                                                      \
	do {                                                                                                 \
		int try_status = (expression);                                                               \
		if (try_status < 0)                                                                          \
			return try_status;                                                                   \
	} while (0)

/* ---- legs.c ---- */
int legs_write(struct vdisk *disk, uint64_t place, const void *buffer, size_t blocks);
int legs_flush(struct vdisk *disk);
void legs_discard(struct vdisk *disk, uint64_t place, uint64_t blocks);
/* Reads one sealed block and opens it into OUT, from whichever leg has it; repairs the others. */
int legs_open(struct vdisk *disk, const struct entry *entry, enum block_kind kind, uint64_t key, void *out);
/* Reads BLOCKS raw blocks from LEG. */
int leg_read(struct vdisk *disk, unsigned leg, uint64_t place, void *buffer, size_t blocks);

/* ---- cipher.c ---- */
int cipher_init(struct vdisk *disk, enum vdisk_cipher wanted);
int cipher_reseed(struct vdisk *disk); /* a fresh secret generator */
void cipher_secret(struct vdisk *disk, uint8_t secret[SECRET_SIZE]);
/* Seals VDISK_BLOCK bytes to OUT under a fresh secret, which goes to ENTRY with the tag. ENTRY->place is set
 * before, and gets KEY_BIT or not. */
void cipher_seal(struct vdisk *disk, struct entry *entry, enum block_kind kind, uint64_t key, const void *in,
                 void *out);
void cipher_hchacha20(uint8_t out[VDISK_KEY_SIZE], const uint8_t in[SECRET_SIZE],
                      const uint8_t key[VDISK_KEY_SIZE]);
bool cipher_open(struct vdisk *disk, const struct entry *entry, enum block_kind kind, uint64_t key,
                 const void *in, void *out);
/* Log blocks: KEY is used once with each SEQUENCE. Layout: tag, then VDISK_BLOCK - TAG_SIZE bytes. */
void cipher_seal_log(struct vdisk *disk, uint64_t sequence, const void *in, void *out);
bool cipher_open_log(struct vdisk *disk, uint64_t sequence, const void *in, void *out);

/* ---- header.c ---- */
int header_create(struct vdisk *disk, const struct vdisk_create *create,
                  const struct vdisk_credentials *credentials);
int header_open(struct vdisk *disk, const struct vdisk_credentials *credentials);
int header_write(struct vdisk *disk);
/* A new master key with one slot, for FACTORS; the old one is kept sealed under it until header_rekeyed(). */
int header_rekey(struct vdisk *disk, const enum vdisk_factor factors[2],
                 const struct vdisk_credentials *credentials, const struct vdisk_cost *cost,
                 const char *label, char *words);
int header_rekeyed(struct vdisk *disk);
/* Whether copy COPY, 0 or 1, of the header on LEG is one. */
bool header_copy_is_good(struct vdisk *disk, unsigned leg, unsigned copy);
/* Whether what is on a backend may become a leg: nothing, or this container. */
int header_welcomes(const struct vdisk *disk, const struct vdisk_backend *backend);
extern const char vdisk_magic[8];

/* ---- factor.c ---- */
#define FACTOR_PARAMS_MAX 1160u
/* The bytes a factor keeps in its slot; 0 for an unknown one. */
size_t factor_params_size(enum vdisk_factor factor);
/* Makes fresh parameters and the key they stand for. */
int factor_create(struct vdisk *disk, enum vdisk_factor factor, const struct vdisk_credentials *credentials,
                  const struct vdisk_cost *cost, char *words, uint8_t *params, uint8_t key[VDISK_KEY_SIZE]);
/* The key again, from parameters that somebody may have tampered with. VDISK_KEY: CREDENTIALS lack the
 * factor, or cannot be it. */
int factor_open(enum vdisk_factor factor, const struct vdisk_credentials *credentials, const uint8_t *params,
                uint8_t key[VDISK_KEY_SIZE]);

/* ---- node.c ---- */
/* Whether what ENTRY names is a node that was changed and is not on the device yet. */
bool node_is_dirty(struct vdisk *disk, const struct entry *entry);
/* Whether NODE, as it was read, makes sense at LEVEL. */
bool node_makes_sense(const struct node_disk *node, unsigned level);
int node_get(struct vdisk *disk, const struct tree *tree, const struct entry *entry, unsigned level,
             struct node **node);
int node_create(struct vdisk *disk, unsigned level, struct node **node);
/* Makes *NODE, which REFERENCE points to, changeable: a copy at a new place unless it is one already. */
int node_shadow(struct vdisk *disk, const struct tree *tree, struct entry *reference, struct node **node);
/* Drops a dirty or clean node that no reference is left to, with its block. */
int node_drop(struct vdisk *disk, struct node *node);
/* Seals and writes every dirty node below and at the root; sets the root entry's secret and tag. */
int node_write_tree(struct vdisk *disk, struct tree *tree);
/* The same of the node that REFERENCE names, and what is below. */
int node_write(struct vdisk *disk, const struct tree *tree, struct entry *reference, unsigned level);
void node_trim(struct vdisk *disk);
void node_free_all(struct vdisk *disk);

/* ---- tree.c ---- */
void tree_init(struct tree *tree, enum block_kind node_kind, enum block_kind data_kind);
int tree_load(struct tree *tree, const struct tree_disk *from);
void tree_store(const struct tree *tree, struct tree_disk *to);
/* The entry at KEY, or with place 0. */
int tree_find(struct vdisk *disk, const struct tree *tree, uint64_t key, struct entry *found);
/* Up to ROOM entries from KEY on, in order. */
int tree_range(struct vdisk *disk, const struct tree *tree, uint64_t key, uint64_t last, struct entry *found,
               size_t room, size_t *count);
/* Sets ENTRY->key; *OLD gets what was there (place 0: nothing). Its block's count is the caller's. */
int tree_set(struct vdisk *disk, struct tree *tree, const struct entry *entry, struct entry *old);
/* Changes secret and tag of an entry in a leaf that is dirty already. */
int tree_amend(struct vdisk *disk, struct tree *tree, const struct entry *entry);
/* Removes entries FIRST to LAST of one leaf, drops their blocks, and tells how many; 0: there are none. */
int tree_remove(struct vdisk *disk, struct tree *tree, uint64_t first, uint64_t last, size_t *removed);

/* A leaf of a tree, as one finds it from the root. */
struct leaf {
	struct entry reference;
	uint64_t end; /* the smallest key behind it; UINT64_MAX: it is the last */
	bool shared;  /* it, or a node above it, has other references */
	bool old;     /* a node above it, or it, is sealed under the old volume key (rekey.c) */
};
/* The leaf that has KEY, or would have it. TREE is not empty. */
int tree_leaf(struct vdisk *disk, const struct tree *tree, uint64_t key, struct leaf *leaf);
/* The leaf that has KEY becomes the one at REFERENCE. The counts of both are the caller's, but where the nodes above were shared and are copied. */
int tree_leaf_replace(struct vdisk *disk, struct tree *tree, uint64_t key, const struct entry *reference);

/* ---- space.c ---- */
int space_allocate(struct vdisk *disk, uint64_t *place);
int space_claim(struct vdisk *disk, uint64_t place); /* replay: a block known to be used */
int space_add(struct vdisk *disk, uint64_t place);
int space_drop(struct vdisk *disk, uint64_t place);
int space_count(struct vdisk *disk, uint64_t place, unsigned *count);
int space_set(struct vdisk *disk, uint64_t place, unsigned count);
int space_hold(struct vdisk *disk,
               uint64_t place); /* replay: not to be allocated before the next checkpoint */
/* VDISK_NO_SPACE unless BLOCKS more can be written and committed. */
int space_reserve(struct vdisk *disk, uint64_t blocks);
/* The same for what makes the container fuller: what changes every page of counts must have room behind it, as a discard or a
 * deletion may. */
int space_reserve_growth(struct vdisk *disk, uint64_t blocks);
int space_touch(struct vdisk *disk, uint64_t page); /* writes a page of counts again */
int space_place_pages(struct vdisk *disk);
int space_write_pages(struct vdisk *disk);
void space_flushed(struct vdisk *disk);
void space_committed(struct vdisk *disk); /* also discards on the backend */
void space_trim(struct vdisk *disk);
void space_free_all(struct vdisk *disk);

/* ---- log.c ---- */
int log_start(struct vdisk *disk); /* a new log, for the checkpoint under way */
int log_free(struct vdisk *disk);
int log_append(struct vdisk *disk);
int log_replay(struct vdisk *disk);
void epoch_note(struct vdisk *disk, uint64_t key);
void epoch_note_range(struct vdisk *disk, uint64_t first, uint64_t count);

/* ---- checkpoint.c ---- */
int checkpoint(struct vdisk *disk);
/* Whether superblock SLOT, 0 or 1, of LEG opens. */
bool super_copy_is_good(struct vdisk *disk, unsigned leg, unsigned slot);
/* The beginning of a scrub: every leg gets header and superblocks anew, unless it is only read: one may be new, or was away. */
int legs_begin(struct vdisk *disk);
/* Its end: no leg is behind. */
void legs_filled(struct vdisk *disk);
/* Before anything is changed: writable, and a log that may be continued. */
int begin_change(struct vdisk *disk);
int mark_broken(struct vdisk *disk, int status);

/* ---- volume.c ---- */
/* Makes RECORD the open volume. */
int volume_open(struct vdisk *disk, const struct volume_disk *record);
int volume_by_number(struct vdisk *disk, uint64_t number, struct volume_disk *record);
/* The next record above AFTER; VDISK_NOT_FOUND. */
int volume_next(struct vdisk *disk, uint64_t after, struct volume_disk *record);
int volume_find(struct vdisk *disk, const char *name, struct volume_disk *record);
/* Puts a record into the catalogue, sealed and written. */
int volume_put(struct vdisk *disk, const struct volume_disk *record);
int volume_check_name(struct vdisk *disk, const char *name);
/* Removes what MAP has from FIRST to LAST, at least MOST entries if there are so many; *REMOVED counts. */
int remove_range(struct vdisk *disk, struct tree *map, uint64_t first, uint64_t last, uint64_t most,
                 uint64_t *removed);
void map_init(struct tree *tree);

/* ---- stream.c ---- */
/* A volume that is found half received is put back. */
int receive_undo(struct vdisk *disk);

/* ---- vdisk.c ---- */
int read_entry(struct vdisk *disk, const struct entry *entry, void *out);
/* Opens COUNT blocks, at most STAGE_BLOCKS, into BUFFER, one behind the other. */
int read_entries(struct vdisk *disk, const struct entry *entries, size_t count, uint8_t *buffer);
/* Seals as many to new places; ENTRIES have their keys, and get the rest. */
int write_entries(struct vdisk *disk, struct entry *entries, size_t count, const uint8_t *data);

/* ---- rekey.c ---- */
/* Whether what ENTRY names is sealed under the old volume key. */
bool rekey_is_old(const struct vdisk *disk, const struct entry *entry);
/* The block at PLACE is another one from now on. */
void rekey_forget(struct vdisk *disk, uint64_t place);
/* Volumes have got blocks of other ones: what was found to need no old key is looked at again. */
void rekey_recheck(struct vdisk *disk);
void rekey_end(struct vdisk *disk);

/* ---- check.c, scrub.c ---- */

void report_finding(struct vdisk_report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Findings of what no leg has: the block, or the map node and what is below it, that ENTRY names. */
void block_is_lost(struct vdisk_report *report, const char *where, const struct entry *entry);
void node_is_lost(struct vdisk_report *report, const char *where, const struct entry *entry, uint64_t first,
                  uint64_t last);
/* Whether something that is in use can be there. */
bool place_is_sane(const struct vdisk *disk, uint64_t place);
/* Opens a block on every leg; repairs those where it is damaged from one where it is good. WHERE: for findings. */
int open_everywhere(struct vdisk *disk, struct vdisk_report *report, const char *where,
                    const struct entry *entry, enum block_kind kind, uint64_t key, void *out);
/* The block at PLACE is another one from now on. */
void scrub_forget(struct vdisk *disk, uint64_t place);

#endif
