/*
 * qcow2 images, versions 2 and 3 (the format: docs/interop/qcow2.txt of the QEMU project), for import and
 * export. What an image asks that is not known here is refused: encryption, backing files, external data,
 * extended L2 entries, zstd.
 */
#ifndef HOLON_VDISK_QCOW2_H
#define HOLON_VDISK_QCOW2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QCOW2_L1_MAX (32u << 20) /* bytes of L1 table that are accepted */

/* Reads exactly SIZE bytes; beyond the end of the file is an error. 0 or negative. */
typedef int (*qcow2_read)(void *context, uint64_t offset, void *buffer, size_t size);

struct qcow2 {
	void *context;
	qcow2_read read;
	uint64_t size; /* bytes of the disk */
	uint32_t cluster_bits;
	uint32_t l1_entries;
	uint64_t *l1; /* host order */
	uint64_t *l2; /* the one read last */
	uint64_t l2_offset;
	uint8_t *compressed, *cluster;
};

/* Text that says what is wrong, or NULL. The owner calls qcow2_close() in either case. */
const char *qcow2_open(struct qcow2 *image, void *context, qcow2_read read);
void qcow2_close(struct qcow2 *image);
/* The cluster with number NUMBER into image->cluster; *ZERO: it reads as zeroes, and the buffer was not
 * touched. */
const char *qcow2_cluster(struct qcow2 *image, uint64_t number, bool *zero);

#endif
