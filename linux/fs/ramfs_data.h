/* Data of ramfs files: see ramfs.h. */
#pragma once

#include "backing.h"
#include "ramfs.h"

/* A name in a directory. */
struct ram_entry {
	struct ram_entry *hash_next;
	struct list link; /* in order */
	int64_t sequence; /* getdents offset: ascending, from 3 on (1 and 2 are "." and "..") */
	uint32_t hash;
	struct ram_node *node; /* 0 while it is only in the image or the service */
	uint64_t upper;        /* node of the service, while node is 0; 0: none */
	union {
		int64_t lower;   /* node of the image, while node is 0; -1: none */
		uint64_t cookie; /* where upper is not 0: list() of the service goes on behind it */
	};
	uint32_t mode; /* of upper: the type */
	bool hidden;
	uint8_t length;
	char name[];
};

#define RAM_SIZE_MAX (1ull << 40) /* of a file: EFBIG */

struct ram_filesystem {
	struct filesystem filesystem;
	struct backing *backing; /* 0: memory */
};

/* Where a file's bytes are. Exactly one of: lower (image), small (heap), vnode.object (mapped at `map`). */
struct ram_data {
	const uint8_t *lower;             /* in place in the mapped image; read-only */
	uint64_t lower_offset;            /* in the image, for mmap */
	struct memory_object *lower_view; /* what mmap hands out: the image up to the file's end; or 0 */
	uint32_t lower_node;
	bool lower_verified;
	bool exact; /* the object was handed out by mmap: its size follows the file's, page by page */
	uint8_t *small;
	uint32_t small_capacity;
	uint8_t *map; /* window of the object, map_bytes long */
	uint64_t map_bytes;
	uint64_t window_bytes; /* addresses taken from map on */
	uint32_t seals;        /* memfd */
	/* With a backing: for each page of the file a bit in word 2n, it is not here, and one in word 2n + 1, it
	 * differs from the service's. */
	uint64_t *pages;
	uint32_t page_words; /* of each kind */
	uint32_t ahead;      /* pages that were fetched beyond what was asked for, */
	uint64_t fetched;    /* and the page behind all that */
	bool writable;       /* some dirty page may be written through mappings: LOCK_ROOM */
	uint64_t loaded;     /* bytes of pages that are here, about */
	uint64_t changes;    /* counts what makes absent pages others */
	uint64_t kept;       /* bytes that the file takes in the service, as that said last, */
	uint64_t unkept;     /* pages that have become dirty since, some of which it may have had, */
	uint64_t dirty;      /* and those that are */
	int error;           /* of a write back that nobody has been told of */
};

/* The service's names of a directory: struct file_entry, one behind the other. */
struct listing {
	uint32_t bytes;
	uint8_t entries[];
};

struct ram_node {
	struct vnode vnode;
	struct lock lock; /* LOCK_OBJECT: size, times and bytes of a file; where the bytes are, and all else,
	                     changes with the common lock held alone */
	uint64_t charged; /* bytes of it in filesystem->bytes_used */
	struct list doomed;         /* while its file system ends */
	struct ram_data data;       /* regular files */
	struct ram_entry **buckets; /* directories: hash of entries */
	uint32_t bucket_count, entry_count;
	struct list entries; /* in order of `sequence` */
	int64_t next_sequence;
	int64_t lower_directory; /* directory of the image not yet entered; -1: none */
	char *target;            /* symbolic links */
	/* With a backing. */
	uint64_t upper;              /* in the service; 0: only in the image or here */
	uint64_t uses;               /* of it that the service counts for this node */
	struct ram_node *table_next; /* by upper */
	struct ram_node *parent;     /* of directories, and of what is only in the image; 0: without a name */
	struct ram_entry *entry;     /* its name there */
	int64_t image_directory;     /* directories: whose entries show through; -1: none */
	bool attributes_loaded;      /* extended ones */
	bool unlisted;               /* directories: the service's names have not been entered, */
	struct listing *listing;     /* which have been fetched; or 0 */
	int64_t looked;              /* sequence of the name whose node was asked for last, */
	uint32_t looked_ahead;       /* and how many were with it */
	struct list dirty, loaded;
};

static inline struct ram_node *ram_node(struct vnode *vnode)
{
	return (struct ram_node *)vnode;
}

static inline struct backing *ram_backing(const struct ram_node *node)
{
	return ((struct ram_filesystem *)node->vnode.filesystem)->backing;
}
/* Others change it meanwhile. */
static inline bool ram_shared(const struct ram_node *node)
{
	const struct backing *backing = ram_backing(node);
	return backing && backing->shared;
}
/* Of ramfs.c, for the backing. */
struct ram_node *ram_node_create(struct filesystem *filesystem, uint32_t mode);
struct ram_entry *ram_entry_add(struct ram_node *directory, const char *name, uint32_t length,
                                struct ram_node *node, int64_t lower);
/* NODE, a reference that goes over, is known by ENTRY of DIRECTORY. */
void ram_entry_name(struct ram_node *directory, struct ram_entry *entry, struct ram_node *node);
void ram_entry_remove(struct ram_node *directory, struct ram_entry *entry);
struct ram_entry *ram_entry_find(struct ram_node *directory, const char *name, uint32_t length);
/* ENTRY's node loses this name: one link less. */
void ram_entry_detach(struct ram_node *directory, struct ram_entry *entry);

/* Makes the bytes [0, size) readable at the returned address (may be 0 when size is 0). 0 with *ERROR = -EIO
 * when the image's digest does not match. */
const uint8_t *ram_data_read(struct ram_node *node, int *error);
/* The bytes of [0, size) that are here are dropped; the service has them. */
void ram_data_drop(struct ram_node *node);
/* Makes the file's bytes up to END writable: moves them out of the image, grows. 0 or an error. */
int ram_data_write(struct ram_node *node, uint64_t end);
/* True when ram_data_write(NODE, END) would change nothing. */
bool ram_data_writable(const struct ram_node *node, uint64_t end);
/* The address of writable bytes after ram_data_write. */
static inline uint8_t *ram_data_bytes(struct ram_node *node)
{
	return node->data.map ? node->data.map : node->data.small;
}
/* Turns the data into a memory object for mmap. *OFFSET: of the file's first byte in it. */
int ram_data_object(struct ram_node *node, bool writable, struct memory_object **object, uint64_t *offset);
/* The bytes [start, end) of writable data read as zero; whole pages go back. 0 or -ENOSPC. */
int ram_data_clear(struct ram_node *node, uint64_t start, uint64_t end);
/* The bytes from START on are BYTES further behind, where zeroes come in (INSERT), or come from BYTES further behind. Both are
 * multiples of a page; what is taken away ends before the file does. The size follows. What memory it needs is taken by
 * ram_data_shift_begin, which changes nothing; behind that it fails no more but for a broken page. The common lock is held alone. */
int ram_data_shift_begin(struct ram_node *node, uint64_t start, uint64_t bytes, bool insert);
/* It is not to be. */
void ram_data_shift_end(struct ram_node *node);
int ram_data_shift(struct ram_node *node, uint64_t start, uint64_t bytes, bool insert);
/* The first byte from OFFSET on, below the size, that is data (DATA) or a hole; the size where there is none:
 * lseek(2), SEEK_DATA. The common lock is held alone. */
uint64_t ram_data_seek(struct ram_node *node, uint64_t offset, bool data);
/* How far of [at, end) may be written before the file system's limit of bytes is reached; and what NODE takes,
 * counted anew. Both with the common lock held alone. */
uint64_t ram_charge_limit(const struct ram_node *node, uint64_t at, uint64_t end);
void ram_charge(struct ram_node *node);
int ram_data_resize(struct ram_node *node, uint64_t size);
/* The same where what keeps it has that size already. */
int ram_data_resized(struct ram_node *node, uint64_t size);
void ram_data_free(struct ram_node *node);

/* The mapped system image (image.c). */
struct sysimg;
const struct sysimg *image_get(void);
/* The node that the root lies on: of the blueprint's image; -1: there is none. */
int64_t image_root(void);
struct memory_object *image_object(void);
int image_verify(uint32_t node);
/* Maps and checks the image that START gives; false: there is none. */
bool image_init(const struct start_info *info);
