/*
 * What the file systems of other systems (lib/fat, lib/ext4) have in common: the disk below them, and the calls
 * above, in the terms of the file contract (abi/holon/file.h). No I/O but through struct disk; one thread at a
 * time.
 *
 * Functions return 0 or more, or a negative enum file_error or enum holon_error; a file system that meets damage
 * reports it once, by `report`, and gives FILE_E_IO from the call that met it; when it was writing, it becomes
 * read-only. Objects are named by numbers. A caller that holds on to one tells so by `use`: then it outlives
 * its last name. Everything changed is durable when `sync` has returned.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <holon/file.h>
#include <holon/types.h>

#define FILESYSTEM_E_NO_MEMORY (-212) /* ENOMEM */
#define FILESYSTEM_E_FORMAT                                                                                  \
	(-222) /* EINVAL: no such file system on this disk, or one that is not understood */
#define FILESYSTEM_E_DAMAGED (-317) /* EUCLEAN: what is there makes no sense; check it on another system */

/* A disk. Offsets and sizes are bytes, multiples of SECTOR_BYTES. Results: 0, or negative when the disk failed.
 * A write is durable after the next flush; until then any part of it, by sectors, may be. */
struct disk {
	void *context;
	uint64_t bytes;
	uint32_t sector_bytes;
	bool read_only;
	int (*read)(void *context, uint64_t offset, void *buffer, size_t bytes);
	int (*write)(void *context, uint64_t offset, const void *buffer, size_t bytes);
	int (*flush)(void *context);
	/* The contents of this range are no longer needed. May be 0. */
	int (*discard)(void *context, uint64_t offset, uint64_t bytes);
};

/* How a file system is mounted; the last four say who owns what on one that keeps no owners. */
struct filesystem_options {
	bool read_only;
	int64_t (*now_ns)(void); /* the wall clock */
	/* A line for people: what was found, or why a mount fails. */
	void (*report)(void *context, const char *text);
	void *report_context;
	size_t cache_bytes;
	uint32_t uid, gid;
	uint32_t file_mask, directory_mask; /* permissions that are not given */
};

struct filesystem_entry {
	uint64_t node, cookie; /* cookie: to go on behind this entry */
	uint32_t mode;         /* type alone */
	char name[FILE_NAME_MAX + 1];
};

struct filesystem;

/* Calls as in abi/file.interface. Names are NUL-ended, without "/"; the caller has checked sizes against
 * FILE_*_MAX. A call that is 0 is FILE_E_SUPPORT. */
struct filesystem_operations {
	const char *name;
	/* Syncs, says on the disk that it was left whole, and frees; an error means that the sync failed. */
	int (*unmount)(struct filesystem *fs);
	/* Everything, or what NODE (0: all) needs. */
	int (*sync)(struct filesystem *fs, uint64_t node, bool data_only);
	/* To be called between calls that change: writes back when much has piled up. */
	int (*relieve)(struct filesystem *fs);
	int (*use)(struct filesystem *fs, uint64_t node);
	void (*forget)(struct filesystem *fs, uint64_t node);
	/* Of all, or of what is left to the directory NODE, if that has a quota. */
	int (*statistics)(struct filesystem *fs, uint64_t node, struct file_statistics *statistics);
	/* Bytes that can still be written to NODE; FILE_E_QUOTA when its quota is used up. 0: as statistics says. */
	int (*room)(struct filesystem *fs, uint64_t node, uint64_t *bytes);
	int (*lookup)(struct filesystem *fs, uint64_t directory, const char *name,
	              struct file_attributes *found);
	int (*get)(struct filesystem *fs, uint64_t node, struct file_attributes *found);
	/* VALID is of enum file_set, without the two _NOW. */
	int (*set)(struct filesystem *fs, uint64_t node, uint32_t valid, const struct file_attributes *wanted,
	           struct file_attributes *now);
	/* TARGET is that of a symbolic link, else 0. */
	int (*create)(struct filesystem *fs, uint64_t directory, const char *name, uint32_t mode,
	              uint32_t uid, uint32_t gid, uint64_t device, const char *target,
	              struct file_attributes *made);
	/* The length of the target, which is not NUL-ended. */
	int (*read_link)(struct filesystem *fs, uint64_t node, char target[FILE_SYMLINK_MAX]);
	int (*link)(struct filesystem *fs, uint64_t node, uint64_t directory, const char *name,
	            struct file_attributes *now);
	int (*unlink)(struct filesystem *fs, uint64_t directory, const char *name, bool is_directory);
	int (*rename)(struct filesystem *fs, uint64_t from_directory, const char *from, uint64_t to_directory,
	              const char *to, uint32_t flags);
	/* The entry behind COOKIE (0: the first). 1: found, 0: the end. */
	int (*list)(struct filesystem *fs, uint64_t directory, uint64_t cookie,
	            struct filesystem_entry *entry);
	int (*parent)(struct filesystem *fs, uint64_t directory, uint64_t *parent);
	/* Bytes moved; fewer only at the end of the file, or of room. */
	int64_t (*read)(struct filesystem *fs, uint64_t node, uint64_t offset, void *buffer, size_t bytes);
	int64_t (*write)(struct filesystem *fs, uint64_t node, uint64_t offset, const void *buffer,
	                 size_t bytes);
	int (*resize)(struct filesystem *fs, uint64_t node, uint64_t size);
	int (*allocate)(struct filesystem *fs, uint64_t node, uint32_t mode, uint64_t offset, uint64_t bytes);
	int64_t (*seek)(struct filesystem *fs, uint64_t node, uint64_t offset, bool hole);
	/* Blocks that two files have in common, by copy on write: how many bytes. */
	int64_t (*share)(struct filesystem *fs, uint64_t from, uint64_t from_offset, uint64_t to,
	                 uint64_t to_offset, uint64_t bytes);
	int64_t (*xattr_get)(struct filesystem *fs, uint64_t node, const char *name, void *value,
	                     size_t room);
	int (*xattr_set)(struct filesystem *fs, uint64_t node, const char *name, const void *value,
	                 size_t bytes, uint32_t flags);
	/* Names, each ended by NUL: how many bytes. */
	int64_t (*xattr_list)(struct filesystem *fs, uint64_t node, char *names, size_t room);
	int (*xattr_remove)(struct filesystem *fs, uint64_t node, const char *name);
};

/* The beginning of each file system's own structure. */
struct filesystem {
	const struct filesystem_operations *operations;
	struct disk disk;
	struct filesystem_options options;
	uint64_t root;
	bool read_only; /* by the mount, by the disk, or since damage was found */
	bool failed;    /* the disk failed: nothing is written any more */
};

/* Each mounts the disk, which is copied; *FS where the result is 0. */
int fat_mount(struct filesystem **fs, const struct disk *disk, const struct filesystem_options *options);
int ext4_mount(struct filesystem **fs, const struct disk *disk, const struct filesystem_options *options);

/* Reports by FS's options, as printf. */
__attribute__((format(printf, 2, 3))) void filesystem_report(const struct filesystem *fs, const char *format,
                                                             ...);
/* Damage: reports it, and makes FS read-only. The macro gives FILE_E_IO, so that readers and checkers see that it does. */
__attribute__((format(printf, 2, 3))) void filesystem_damage(struct filesystem *fs, const char *format, ...);
#define filesystem_damaged(fs, ...) (filesystem_damage(fs, __VA_ARGS__), FILE_E_IO)
/* The disk's own calls, with FS's `failed` kept: FILE_E_IO when they fail. */
int filesystem_read(struct filesystem *fs, uint64_t offset, void *buffer, size_t bytes);
int filesystem_write(struct filesystem *fs, uint64_t offset, const void *buffer, size_t bytes);
int filesystem_flush(struct filesystem *fs);
