/* holonfs: what the tool's parts share. Exit status: 0 good, 1 repaired or different, 2 damaged or the device
 * failed, 3 usage. */
#ifndef HOLONFS_TOOL_H
#define HOLONFS_TOOL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "holonfs/holonfs.h"
#include "vdisk/file_backend.h"

enum exit_status { EXIT_GOOD = 0, EXIT_DIFFERENT = 1, EXIT_DAMAGED = 2, EXIT_WRONG = 3 };

struct options {
	const char *arguments[3];
	unsigned argument_count;
	const char *size, *label, *key_file, *volume;
	int passphrase_fd;
	char fuse_options[1024]; /* for FUSE, by commas */
	bool foreground, json, yes, repair, data, read_only, writeback, compress;
};

_Noreturn void fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What can be asked of a mounted file system, by attributes of its root: "user.holonfs.size" and "user.holonfs.snapshot". Called under the lock; 0 or
 * a negative errno. */
#define CONTROL_SIZE     "user.holonfs.size"
#define CONTROL_SNAPSHOT "user.holonfs.snapshot"
struct control {
	void *context;
	int (*grow)(void *context, uint64_t bytes);
	int (*snapshot)(void *context, const char *name);
};

/* Serves FS at the directory until it is unmounted. 0 or a negative errno. */
int serve_mount(struct holonfs *fs, const struct control *control, const struct options *options,
                bool read_only);

#endif
