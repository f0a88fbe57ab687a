/*
 * holon-vdisk: what its commands share. Exit status: 0 good, 1 repaired or different, 2 damaged or the device
 * failed, 3 the command line, or what was asked cannot be done. Functions that fail say what happened to
 * what, and end the program.
 */
#ifndef HOLON_VDISK_TOOL_H
#define HOLON_VDISK_TOOL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "vdisk/file_backend.h"
#include "vdisk/vdisk.h"

enum exit_status { EXIT_GOOD = 0, EXIT_DIFFERENT = 1, EXIT_DAMAGED = 2, EXIT_WRONG = 3 };

struct options {
	const char *arguments[4];
	unsigned argument_count;
	const char *size, *key_file, *new_key_file, *machine_file, *nbd, *fuse, *volume, *from, *anchor,
	    *label, *format, *cipher, *mirrors[VDISK_LEGS_MAX - 1];
	unsigned mirror_count;
	int passphrase_fd, new_passphrase_fd, recovery_fd;
	long slot;
	bool open_key, new_recovery, new_machine, json, yes, read_only, repair, data, fork, quiet;
};

/* An open container and what has to be given back. */
struct container {
	struct vdisk *disk;
	struct file_backend files[VDISK_LEGS_MAX];
	struct vdisk_backend legs[VDISK_LEGS_MAX];
	unsigned leg_count;
	struct vdisk_credentials credentials;
	char *passphrase, *words;
	uint8_t *key_file, *machine;
	const char *anchor;
};

enum access { ACCESS_READ, ACCESS_WRITE, ACCESS_CREATE };

_Noreturn void fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));
_Noreturn void fail_vdisk(int status, const char *what, const char *name);
/* For results of the library that end the command. */
void must(int status, const char *what, const char *name);
void confirm(const struct options *options, const char *question);
uint64_t parse_size(const char *text);
void print_json_string(const char *text);
void *read_file(const char *path, size_t most, size_t *size);
char *read_fd_line(int fd);

/* Opens the files of FILE and --mirror, and fills the credentials from the options. */
void container_files(struct container *container, const struct options *options, enum access access);
void container_open(struct container *container, const struct options *options, enum access access,
                    bool auto_commit);
/* What a slot that CREDENTIALS are for is made of; none where nothing was given. KEY_FILE is their file's name. */
void credentials_factors(const struct vdisk_credentials *credentials, bool draws,
                         enum vdisk_factor factors[2], const char *key_file);
void container_create(struct container *container, const struct options *options, uint64_t bytes);
/* Commits and closes; writes the anchor. */
void container_close(struct container *container);

/* Byte ranges of the open volume; reads beyond its end give fewer bytes. 0 or a negative enum vdisk_status.
 */
int bytes_read(struct vdisk *disk, uint64_t offset, size_t size, void *buffer);
int bytes_write(struct vdisk *disk, uint64_t offset, size_t size, const void *buffer);
int bytes_zero(struct vdisk *disk, uint64_t offset, uint64_t size);

void print_slots(const struct vdisk_slot_info *slots, unsigned count, bool json);
int run_key(const struct options *options);
int run_rekey(const struct options *options);
void serve_nbd(struct container *container, const struct options *options);
/* nbd_connection.c: the volume that is served; one connection, until it ends; and no request is begun any more, for good. */
void nbd_begin(struct vdisk *served);
void nbd_connection(int fd);
void nbd_end(void);
void serve_fuse(struct container *container, const struct options *options);
int run_import(const struct options *options);
int run_export(const struct options *options);

#endif
