/* What travels in the file contract (abi/file.interface): attributes, directory entries, statistics, changes,
 * flags and errors. All numbers are little-endian; reserved fields are zero and a receiver refuses others.
 * Modes, types and flags with a POSIX meaning have Linux' values (x86_64), so that the linux personality
 * passes them on.
 */
#pragma once

#include <stdint.h>

#define FILE_BLOCK        4096u
#define FILE_NAME_MAX     255u
#define FILE_SYMLINK_MAX  4095u
#define FILE_XATTR_MAX    65536u
#define FILE_LINKS_MAX    65000u
#define FILE_SIZE_MAX     (UINT64_C(16) << 40) /* 16 TiB */
#define FILE_RESERVE_MAX  (1u << 20)           /* bytes one reserve() grants */
#define FILE_TRANSFER_MAX (1u << 20)

/* Errors of file services, beside enum holon_error's. The number is -(200 + Linux' errno), but for those that
 * enum holon_error has words for: FILE_ERRNO() turns them back. */
enum file_error {
	FILE_E_NOT_FOUND = -202,     /* ENOENT: no such name */
	FILE_E_IO = -205,            /* EIO: the device failed, or what it returned is damaged */
	FILE_E_BUSY = -216,          /* EBUSY: another session has it */
	FILE_E_EXISTS = -217,        /* EEXIST */
	FILE_E_OTHER_DEVICE = -218,  /* EXDEV: leaves the mount or a quota's subtree */
	FILE_E_NOT_DIRECTORY = -220, /* ENOTDIR */
	FILE_E_IS_DIRECTORY = -221,  /* EISDIR */
	FILE_E_TOO_BIG = -227,       /* EFBIG: beyond FILE_SIZE_MAX */
	FILE_E_NO_SPACE = -228,      /* ENOSPC */
	FILE_E_READ_ONLY = -230,     /* EROFS */
	FILE_E_LINKS = -231,         /* EMLINK */
	FILE_E_NAME_TOO_LONG = -236, /* ENAMETOOLONG */
	FILE_E_NOT_EMPTY = -239,     /* ENOTEMPTY */
	FILE_E_NO_ATTRIBUTE = -261,  /* ENODATA: no such extended attribute */
	FILE_E_SUPPORT = -295,       /* EOPNOTSUPP: this file system has no such thing */
	FILE_E_STALE = -316,         /* ESTALE */
	FILE_E_QUOTA = -322,         /* EDQUOT: the subtree's quota is used up */
};
#define FILE_ERRNO(error) ((error) <= -201 && (error) >= -333 ? -(error)-200 : 0)

/* 128 bytes. Times are nanoseconds since 1970 UTC, signed. */
struct file_attributes {
	uint64_t node; /* the inode number */
	uint64_t size; /* bytes; of a symbolic link its target's */
	uint64_t bytes_used;
	int64_t accessed_ns, modified_ns, changed_ns, created_ns;
	uint64_t device; /* of a device node: major << 32 | minor */
	uint32_t mode;   /* S_IF* type and permissions */
	uint32_t links;
	uint32_t uid, gid;
	uint32_t flags;      /* FILE_FLAG_* */
	uint32_t generation; /* of the contents: rises with every change that another session could see */
	uint64_t reserved[5];
};

enum file_flag {
	FILE_FLAG_IMMUTABLE = 1, /* neither contents, attributes nor names may change */
	FILE_FLAG_APPEND = 2,    /* may only grow */
	FILE_FLAG_COMPRESS = 4,  /* new contents are compressed where that helps */
	FILE_FLAG_PINNED = 8,  /* the contents never change (a signed image): may be mapped without a pager */
	FILE_FLAG_OPAQUE = 16, /* kept for clients that lay a mount over something else: in this directory
	                          nothing below shows */
};

enum file_set {
	FILE_SET_MODE = 1,
	FILE_SET_UID = 2,
	FILE_SET_GID = 4,
	FILE_SET_SIZE = 8,
	FILE_SET_ACCESSED = 16,
	FILE_SET_MODIFIED = 32,
	FILE_SET_FLAGS = 64,
	FILE_SET_ACCESSED_NOW = 128, /* by the service's clock */
	FILE_SET_MODIFIED_NOW = 256,
};

/* A directory entry: this header, then name_bytes of name, then padding to eight. Messages align it to four
 * bytes: copy it out. */
struct file_entry {
	uint64_t node;
	uint64_t cookie; /* list() goes on behind this entry with it */
	uint32_t mode;   /* S_IF* type alone */
	uint16_t name_bytes;
	uint16_t entry_bytes; /* from this entry to the next */
};

struct file_statistics {
	uint64_t block_bytes;
	uint64_t blocks, blocks_free;
	uint64_t nodes, nodes_free; /* nodes_free is UINT64_MAX where only room limits them */
	uint64_t name_max;
	uint8_t identity[16]; /* of the file system */
	uint32_t flags;       /* FILE_STATISTICS_* */
	uint32_t reserved;
};
#define FILE_STATISTICS_READ_ONLY 1u
#define FILE_STATISTICS_DEGRADED  2u /* a mirror leg is missing or damage was found: see the service's log */

struct file_change {
	uint64_t node;       /* whose contents, attributes or entries changed; 0 for FILE_CHANGED_ALL */
	uint32_t what;       /* FILE_CHANGED_* */
	uint32_t name_bytes; /* of the entry that changed, behind this structure; 0: no particular one */
};

enum file_changed {
	FILE_CHANGED_CONTENTS = 1,
	FILE_CHANGED_ATTRIBUTES = 2,
	FILE_CHANGED_ENTRIES = 4,
	FILE_CHANGED_ALL = 8,
};

enum file_session_flag { FILE_SESSION_READ = 1, FILE_SESSION_WRITE = 2, FILE_SESSION_SHARED = 4 };
enum file_open_flag {
	FILE_OPEN_READ = 1,
	FILE_OPEN_WRITE = 2,
	FILE_OPEN_EXECUTE = 4,
	FILE_OPEN_TRUNCATE = 8
};
enum file_link_flag { FILE_LINK_UNNAMED = 1 };
enum file_unlink_flag { FILE_UNLINK_DIRECTORY = 1 };
enum file_rename_flag { FILE_RENAME_EXCLUSIVE = 1, FILE_RENAME_EXCHANGE = 2, FILE_RENAME_WHITEOUT = 4 };
enum file_allocate_mode {
	FILE_ALLOCATE_RESERVE = 0, /* room without contents: reads as zero */
	FILE_ALLOCATE_KEEP_SIZE = 1,
	FILE_ALLOCATE_PUNCH = 2, /* with KEEP_SIZE */
	FILE_ALLOCATE_COLLAPSE = 8,
	FILE_ALLOCATE_ZERO = 16,
	FILE_ALLOCATE_INSERT = 32,
};
enum file_seek_what { FILE_SEEK_DATA = 3, FILE_SEEK_HOLE = 4 };
enum file_xattr_flag { FILE_XATTR_CREATE = 1, FILE_XATTR_REPLACE = 2 };
enum file_sync_flag { FILE_SYNC_DATA = 1 };

_Static_assert(sizeof(struct file_attributes) == 128, "file_attributes is fixed");
_Static_assert(sizeof(struct file_entry) == 24, "file_entry is fixed");
