/* ramfs: the writable file system of a sub-kernel, in its memory, optionally on top of a tree of the system
 * image.
 *
 * A directory of the image is entered into ramfs when it is first looked at; a file of the image is used in
 * place until it is first written. Data of small files lives in the heap, of larger ones in a memory object
 * mapped in the native half.
 */
#pragma once

#include "name.h"

struct ram_node;

/* An empty file system named NAME with a root directory of MODE; 0: out of memory. */
struct filesystem *ramfs_create(const char *name, uint32_t mode);
/* A tmpfs for mount(2): it takes options, and ends with its last mount. */
struct filesystem *ramfs_create_tmpfs(void);
/* ramfs_mount.c: filesystem->configure and options. */
int ramfs_configure(struct filesystem *filesystem, char *options, bool new);
void ramfs_options(const struct filesystem *filesystem, struct proc_text *text);
/* The first file system: on the image's directory "linux". With VOLUME, a mount of a file service that goes
 * over, what is changed is kept there. */
struct filesystem *ramfs_create_root(handle_t volume, int *error);
/* The directory that MOUNT stands for, which goes over; with IMAGE, over the image's directory "linux". */
struct filesystem *ramfs_create_backed(handle_t mount, bool read_only, bool image, int *error);

/* The directory that MOUNT stands for, which goes over, and which others change meanwhile. */
struct filesystem *ramfs_create_shared(handle_t mount, bool read_only, int *error);
/* The file system of that TYPE on the block device DEVICE, a node (mount(2)). */
struct filesystem *ramfs_create_on_device(struct vnode *device, const char *type, const char *options,
                                          bool read_only, int *error);

/* A regular file without a name (memfd, O_TMPFILE); 0: out of memory. */
struct vnode *ramfs_file(struct filesystem *filesystem, uint32_t mode);
/* Makes NAME in directory VNODE from inside the personality (mode with type; device for nodes). A reference,
 * or 0. */
struct vnode *ramfs_make(struct vnode *directory, const char *name, uint32_t mode, uint64_t device);

extern const struct file_ops ramfs_file_ops;
/* The bytes that a regular file of ramfs takes where something else keeps it; what has not been written back yet counts by pages.
 * False: nothing does. */
bool ramfs_kept(struct vnode *vnode, uint64_t *bytes);
/* Changes the size of a regular file. 0 or -ENOSPC, -EFBIG. */
int ramfs_resize(struct vnode *vnode, uint64_t size);

int64_t sys_close(int fd);
/* /dev/null and its like, as nodes in DIRECTORY (device.c). */
void devices_make(struct vnode *directory);

/* Opens a device node's driver: sets file->ops and private (dev.c). */
int device_open(struct vnode *vnode, struct file *file);
/* block_device.c: disks. */
int block_device_open(struct vnode *vnode, struct file *file);
void block_devices_make(struct vnode *directory);
/* The same of keyboards and pointers: input_device.c. */
/* And of a TPM. */
int tpm_device_open(struct vnode *vnode, struct file *file);
void tpm_device_make(struct vnode *directory);
#define INPUT_MAJOR 13u
#define SOUND_MAJOR 116u
int input_device_open(struct vnode *vnode, struct file *file);
void input_devices_make(struct vnode *directory);
int sound_device_open(struct vnode *vnode, struct file *file);
void sound_devices_make(struct vnode *directory);
/* A capability to the disk or partition NAME, or that is the node VNODE, to be given away. 0 or an error. */
int block_device_give(const char *name, handle_t *device);
int block_device_give_node(const struct vnode *vnode, handle_t *device);
/* Opens a named pipe (pipe.c). */
int fifo_open(struct vnode *vnode, struct file *file);
