/*
 * FAT12, FAT16 and FAT32 with long names, inside. Source: Microsoft's "FAT32 File System Specification", version 1.03,
 * and of long names in it; what later systems do with the case bits of short names is said where it is done.
 *
 *   fat.c         mounting, syncing in order, unmounting
 *   table.c       the table: chains of clusters
 *   node.c        what is known of files in use
 *   directory.c   entries, short and long
 *   name.c        names: UTF-8, UTF-16, code page 437, short names
 *   data.c        contents
 *   names.c       the calls on names
 *   recover.c     what a crash in the midst of a rename leaves
 *
 * There is no journal, so the order of writes is what keeps a disk whole (fat_sync): contents and table first, entries
 * after them, and what was freed is free on the disk, and given out again, only when no entry leads to it any more. A
 * crash leaves clusters that nobody has, a chain that is longer than its file, or (in the midst of a rename) a file with
 * both names, of which the next mount removes the old one: nothing that was synced is lost.
 */
#pragma once

#include "filesystem/bytes.h"
#include "filesystem/cache.h"

#define FAT_ROOT        1u
#define SLOT_BYTES      32u
#define DIRECTORY_SLOTS 65536u /* 2 MiB */
#define LONG_SLOTS      20u
#define NAME_UNITS      255u
#define IDLE_MAX        256u /* nodes that nobody uses */
#define MARKS           32u
#define SIZE_MAX_FAT    UINT32_MAX

enum { KIND_TABLE = 1, KIND_DIRECTORY = 2, KIND_OTHER = 3 };
enum {
	ATTRIBUTE_READ_ONLY = 1,
	ATTRIBUTE_HIDDEN = 2,
	ATTRIBUTE_SYSTEM = 4,
	ATTRIBUTE_VOLUME = 8,
	ATTRIBUTE_DIRECTORY = 16,
	ATTRIBUTE_ARCHIVE = 32,
	ATTRIBUTE_LONG = 15
};
/* Offsets in an entry. */
enum {
	EN_ATTRIBUTES = 11,
	EN_CASE = 12,
	EN_CREATED_TENTH = 13,
	EN_CREATED = 14,
	EN_ACCESSED = 18,
	EN_START_HI = 20,
	EN_MODIFIED = 22,
	EN_START = 26,
	EN_SIZE = 28
};
enum { CASE_BASE = 8, CASE_EXTENSION = 16 };
/* Of the same byte, bits that nobody else uses: how often it was renamed, modulo 4 (recover.c). */
enum { RENAME_BITS = 0xc0, RENAME_ONE = 0x40 };

struct node {
	uint64_t number, position; /* its entry's byte on the disk / 32; 0: the root, or removed */
	struct node *parent;       /* a reference; 0: the root */
	uint32_t slots;            /* of its entry, long ones and the short */
	uint32_t first_slot;       /* of its directory */
	uint32_t start, size;
	uint8_t attributes, renames;
	bool removed, listed; /* listed: among fat.cut_nodes, which hold a reference */
	uint32_t
	    cut; /* 0, or its last cluster: on the disk the chain goes on behind it until the next sync */
	uint32_t references;
	int64_t created_ns, modified_ns, accessed_ns;
	/* Known places of the chain: cluster number i * mark_step is marks[i]. */
	uint32_t marks[MARKS], mark_count, mark_step;
	struct node *next_number, *next_position;
	struct node *newer, *older; /* when idle */
	struct node *next_cut;
};

/* A chain that is to be freed at the next sync, and (0: none) the cluster that becomes the last before it. */
struct freed {
	uint32_t last, first;
};

struct fat {
	struct filesystem fs; /* first */
	struct cache cache;   /* of sectors */
	unsigned bits;        /* 12, 16 or 32 */
	uint32_t sector_bytes, cluster_bytes, cluster_sectors, table_start, table_sectors, root_start,
	    root_sectors, data_start;
	uint32_t clusters; /* the last one is clusters + 1 */
	uint32_t info_sector, free_count, next_free;
	bool free_known, full, changed, new_directories, data_written, writing;
	bool was_in_use; /* at the mount */
	uint8_t identity[4];
	struct freed *freed;
	size_t freed_count, freed_room;
	struct node *root, **by_number, **by_position;
	uint32_t node_slots, node_count, idle_count;
	struct node *newest, *oldest;
	struct node *cut_nodes;
	uint64_t next_number;
	uint8_t *scratch; /* a sector */
};

static inline struct fat *fat_of(struct filesystem *fs)
{
	return (struct fat *)fs;
}

/* ---- fat.c ---- */

int fat_sync(struct filesystem *fs, uint64_t node, bool data_only);
/* The beginning of every change. */
int fat_begin(struct fat *fs);
uint64_t cluster_sector(const struct fat *fs, uint32_t cluster);

/* ---- recover.c ---- */

/* The disk was not unmounted: names that files had before a rename go. */
int fat_recover(struct fat *fs);

/* ---- table.c ---- */

bool cluster_valid(const struct fat *fs, uint32_t cluster);
/* The cluster behind CLUSTER; 0: it is the last. */
int table_next(struct fat *fs, uint32_t cluster, uint32_t *next);
int table_set(struct fat *fs, uint32_t cluster, uint32_t value);
#define TABLE_LAST 0x0fffffffu
/* A free cluster, after LAST (0: none) if it can be; it is the last of its chain, LAST leads to it. */
int cluster_allocate(struct fat *fs, uint32_t last, uint32_t *cluster);
/* The chain from FIRST on is freed at the next sync; LAST (0: none) becomes the last then. */
int chain_free_later(struct fat *fs, uint32_t last, uint32_t first);
/* What was to be freed is. */
int chains_free(struct fat *fs);
int table_count_free(struct fat *fs);

/* ---- node.c ---- */

int nodes_init(struct fat *fs);
void nodes_destroy(struct fat *fs);
/* The node of that number: FILE_E_STALE if it is not known. */
int node_get(struct fat *fs, uint64_t number, struct node **node);
struct node *node_at(struct fat *fs, uint64_t position);
/* A node of the entry at POSITION in PARENT, known already or made from ENTRY. */
int node_of_entry(struct fat *fs, struct node *parent, uint64_t position, uint32_t first_slot, uint32_t slots,
                  const uint8_t *entry, struct node **node);
/* It is at POSITION from now on (0: nowhere). */
void node_move(struct fat *fs, struct node *node, uint64_t position);
void node_reference(struct fat *fs, struct node *node);
void node_release(struct fat *fs, struct node *node);
/* The number that the entry at POSITION has. */
uint64_t node_number(struct fat *fs, uint64_t position);
void node_attributes(const struct fat *fs, const struct node *node, struct file_attributes *to);
/* What is known of NODE into its entry. */
int node_store(struct fat *fs, struct node *node);
void entry_fill(struct fat *fs, uint8_t *entry, const struct node *node);
/* The chain of NODE is another. */
void node_forget_chain(struct node *node);
/* Cluster INDEX of NODE's chain; 0: it has not so many. *LAST (0: not wanted) is then its last, and *COUNT how many. */
int node_cluster(struct fat *fs, struct node *node, uint32_t index, uint32_t *cluster, uint32_t *last,
                 uint32_t *count);
int fat_use(struct filesystem *fs, uint64_t number);
void fat_forget(struct filesystem *fs, uint64_t number);

/* ---- name.c ---- */

struct name {
	uint16_t units[NAME_UNITS];
	uint32_t count;
};
int name_from_text(const char *text, struct name *name);
/* NUL-ended; what cannot be in a name of the file contract becomes '_'. */
void name_to_text(const struct name *name, char text[FILE_NAME_MAX + 1]);
bool names_same(const struct name *a, const struct name *b);
void name_of_short(const uint8_t *entry, struct name *name);
uint8_t short_checksum(const uint8_t *short_name);
/* Whether NAME can be a short one as it is: SHORT_NAME and the bits of its case. */
bool name_fits_short(const struct name *name, uint8_t short_name[11], uint8_t *case_bits);
/* The first characters, up to 6 and 3, of a short name for NAME. */
void name_base(const struct name *name, uint8_t short_name[11]);
/* The NUMBERth try. */
void name_number(const struct name *name, const uint8_t base[11], unsigned number, uint8_t short_name[11]);

/* ---- directory.c ---- */

/* An entry with its names. */
struct found {
	uint64_t position;
	uint32_t first_slot, slots, next_slot;
	uint8_t entry[SLOT_BYTES];
	struct name name, short_name;
};
/* The entry in or behind slot SLOT. 1: found, 0: the end. */
int fat_directory_next(struct fat *fs, struct node *directory, uint32_t slot, struct found *found);
int fat_directory_find(struct fat *fs, struct node *directory, const struct name *name, struct found *found);
/* Enters NAME; ENTRY has everything but the name. */
int fat_directory_add(struct fat *fs, struct node *directory, const struct name *name,
                      uint8_t entry[SLOT_BYTES], struct found *made);
int fat_directory_remove(struct fat *fs, struct node *directory, uint32_t first_slot, uint32_t slots);
int fat_directory_is_empty(struct fat *fs, struct node *directory);
/* The entries "." and ".." of a new directory, in its first cluster, on the disk. */
int fat_directory_make(struct fat *fs, struct node *parent, uint32_t cluster);
/* Where slot SLOT of DIRECTORY is; 0: it has not so many. */
int slot_position(struct fat *fs, struct node *directory, uint32_t slot, uint64_t *position);
/* The raw slot at POSITION, in a sector to be released. */
int slot_at(struct fat *fs, uint64_t position, struct buffer **sector, uint8_t **slot);
int fat_directory_set_parent(struct fat *fs, struct node *directory, const struct node *parent);
uint32_t start_of_entry(const struct fat *fs, const uint8_t *entry);

/* ---- data.c ---- */

int64_t fat_read(struct filesystem *fs, uint64_t number, uint64_t offset, void *buffer, size_t bytes);
int64_t fat_write(struct filesystem *fs, uint64_t number, uint64_t offset, const void *buffer, size_t bytes);
int fat_resize(struct filesystem *fs, uint64_t number, uint64_t size);

extern const struct filesystem_operations fat_operations;
