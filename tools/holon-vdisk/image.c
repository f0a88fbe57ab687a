/* holon-vdisk import and export: raw files and qcow2 images. Holes stay holes in both directions. */
#define _GNU_SOURCE
#include "tool.h"
#include "progress.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "qcow2.h"

#define CHUNK        (256u << 10)
#define QCOW2_BITS   16u
#define QCOW2_BYTES  (1u << QCOW2_BITS)
#define COMMIT_BYTES (256ull << 20)

static int read_exactly(void *context, uint64_t offset, void *buffer, size_t size)
{
	int fd = *(int *)context;
	for (size_t done = 0; done < size;) {
		ssize_t got = pread(fd, (char *)buffer + done, size - done, (off_t)(offset + done));
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return -1;
		done += (size_t)got;
	}
	return 0;
}

static void write_exactly(int fd, const char *name, uint64_t offset, const void *buffer, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t put = pwrite(fd, (const char *)buffer + done, size - done, (off_t)(offset + done));
		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			fail(EXIT_DAMAGED, "%s: %s", name, strerror(errno));
		done += (size_t)put;
	}
}

static bool is_zero(const uint8_t *bytes, size_t size)
{
	return !size || (!bytes[0] && memcmp(bytes, bytes + 1, size - 1) == 0);
}

static uint64_t file_bytes(int fd, const char *name)
{
	off_t end = lseek(fd, 0, SEEK_END);
	if (end < 0)
		fail(EXIT_WRONG, "%s: %s", name, strerror(errno));
	return (uint64_t)end;
}

/* Writes what is not zero, by blocks. */
static void store(struct vdisk *disk, const char *name, uint64_t offset, const uint8_t *bytes, size_t size)
{
	for (size_t at = 0; at < size;) {
		size_t part = size - at < VDISK_BLOCK ? size - at : VDISK_BLOCK;
		size_t run = 0;
		while (at + run < size && !is_zero(bytes + at + run, part)) {
			run += part;
			part = size - at - run < VDISK_BLOCK ? size - at - run : VDISK_BLOCK;
		}
		must(bytes_write(disk, offset + at, run, bytes + at), "writing", name);
		at += run ? run : part;
	}
}

static void import_raw(struct vdisk *disk, const struct options *options, int fd, uint64_t size)
{
	const char *name = options->arguments[1];
	uint8_t *buffer = malloc(CHUNK);
	uint64_t committed = 0;
	if (!buffer)
		fail(EXIT_DAMAGED, "out of memory");
	for (uint64_t at = 0; at < size;) {
		off_t data = lseek(fd, (off_t)at, SEEK_DATA);
		if (data < 0 && errno == ENXIO)
			break;
		if (data > 0)
			at = (uint64_t)data / VDISK_BLOCK * VDISK_BLOCK;
		size_t part = size - at < CHUNK ? (size_t)(size - at) : CHUNK;
		if (read_exactly(&fd, at, buffer, part) < 0)
			fail(EXIT_DAMAGED, "%s: cannot be read at byte %llu", name, (unsigned long long)at);
		store(disk, options->arguments[0], at, buffer, part);
		at += part;
		if (at - committed > COMMIT_BYTES) {
			must(vdisk_commit(disk), "writing", options->arguments[0]);
			committed = at;
		}
		progress("importing", at, size);
	}
	free(buffer);
}

static void import_qcow2(struct vdisk *disk, const struct options *options, struct qcow2 *image)
{
	uint64_t cluster = UINT64_C(1) << image->cluster_bits;
	for (uint64_t at = 0; at < image->size; at += cluster) {
		bool zero;
		const char *error = qcow2_cluster(image, at >> image->cluster_bits, &zero);
		if (error)
			fail(EXIT_DAMAGED, "%s: at byte %llu: %s", options->arguments[1],
			     (unsigned long long)at, error);
		uint64_t part = image->size - at < cluster ? image->size - at : cluster;
		if (!zero)
			store(disk, options->arguments[0], at, image->cluster, (size_t)part);
		if ((at & (COMMIT_BYTES - 1)) == 0)
			must(vdisk_commit(disk), "writing", options->arguments[0]);
		progress("importing", at, image->size);
	}
}

int run_import(const struct options *options)
{
	struct container container;
	struct qcow2 image;
	const char *name = options->arguments[1];
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		fail(EXIT_WRONG, "%s: %s", name, strerror(errno));
	bool raw = options->format && !strcmp(options->format, "raw");
	if (options->format && !raw && strcmp(options->format, "qcow2") != 0)
		fail(EXIT_WRONG, "there is no format '%s': raw or qcow2", options->format);
	const char *error = raw ? "raw" : qcow2_open(&image, &fd, read_exactly);
	if (error && !raw && options->format)
		fail(EXIT_DAMAGED, "%s: %s", name, error);
	if (error && !raw && strcmp(error, "not a qcow2 image") != 0)
		fail(EXIT_DAMAGED, "%s: %s (--format raw takes it as it is)", name, error);
	uint64_t size = error ? file_bytes(fd, name) : image.size;
	if (!size)
		fail(EXIT_WRONG, "%s: empty", name);
	container_create(&container, options, options->size ? parse_size(options->size) : size);
	if (vdisk_blocks(container.disk) * VDISK_BLOCK < size)
		fail(EXIT_WRONG, "%s: larger than --size", name);
	if (error)
		import_raw(container.disk, options, fd, size);
	else
		import_qcow2(container.disk, options, &image);
	if (!raw)
		qcow2_close(&image);
	container_close(&container);
	progress_end();
	close(fd);
	return EXIT_GOOD;
}

/* ---- Export ---- */

static void export_raw(struct vdisk *disk, int fd, const char *name)
{
	uint64_t blocks = vdisk_blocks(disk);
	uint8_t *buffer = malloc(CHUNK);
	if (!buffer || ftruncate(fd, (off_t)(blocks * VDISK_BLOCK)) < 0)
		fail(EXIT_DAMAGED, "%s: %s", name, strerror(errno));
	for (uint64_t block = 0;;) {
		must(vdisk_next_mapped(disk, block, &block), "reading", "the volume");
		if (block >= blocks)
			break;
		uint64_t count = blocks - block < CHUNK / VDISK_BLOCK ? blocks - block : CHUNK / VDISK_BLOCK;
		must(vdisk_read(disk, block, count, buffer), "reading", "the volume");
		for (uint64_t i = 0; i < count; i++)
			if (!is_zero(buffer + i * VDISK_BLOCK, VDISK_BLOCK))
				write_exactly(fd, name, (block + i) * VDISK_BLOCK, buffer + i * VDISK_BLOCK,
				              VDISK_BLOCK);
		block += count;
		progress("exporting", block, blocks);
	}
	free(buffer);
}

/* Header, L1 table, then data and L2 tables as they come, then reference counts for all of it. */
static void export_qcow2(struct vdisk *disk, int fd, const char *name)
{
	uint64_t blocks = vdisk_blocks(disk);
	uint64_t size = blocks * VDISK_BLOCK;
	uint64_t per_l2 = QCOW2_BYTES / 8;
	uint64_t l1_entries = (size / QCOW2_BYTES + per_l2) / per_l2;
	uint64_t l1_clusters = (l1_entries * 8 + QCOW2_BYTES - 1) / QCOW2_BYTES;
	uint64_t next = 1 + l1_clusters; /* the next free cluster */
	uint64_t *l1 = calloc(l1_clusters, QCOW2_BYTES);
	uint64_t *l2 = calloc(1, QCOW2_BYTES);
	uint8_t *cluster = malloc(QCOW2_BYTES);
	uint64_t l2_index = UINT64_MAX;
	const uint64_t copied = UINT64_C(1) << 63;
	if (!l1 || !l2 || !cluster)
		fail(EXIT_DAMAGED, "out of memory");
	for (uint64_t block = 0;;) {
		must(vdisk_next_mapped(disk, block, &block), "reading", "the volume");
		uint64_t number = block * VDISK_BLOCK >> QCOW2_BITS;
		if (l2_index != UINT64_MAX && (block >= blocks || number / per_l2 != l2_index)) {
			write_exactly(fd, name, next << QCOW2_BITS, l2, QCOW2_BYTES);
			l1[l2_index] = htobe64(next++ << QCOW2_BITS | copied);
			memset(l2, 0, QCOW2_BYTES);
		}
		if (block >= blocks)
			break;
		l2_index = number / per_l2;
		uint64_t first = number * (QCOW2_BYTES / VDISK_BLOCK);
		uint64_t count = QCOW2_BYTES / VDISK_BLOCK;
		if (first + count > blocks)
			count = blocks - first;
		memset(cluster, 0, QCOW2_BYTES);
		must(vdisk_read(disk, first, count, cluster), "reading", "the volume");
		if (!is_zero(cluster, QCOW2_BYTES)) {
			write_exactly(fd, name, next << QCOW2_BITS, cluster, QCOW2_BYTES);
			l2[number % per_l2] = htobe64(next++ << QCOW2_BITS | copied);
		}
		block = first + count;
		progress("exporting", block, blocks);
	}
	/* Counts of 16 bits, all one: blocks of counts, then the table of them; both count themselves. */
	uint64_t per_block = QCOW2_BYTES / 2;
	uint64_t used = next;
	uint64_t count_blocks = 1;
	uint64_t table_clusters = 1;
	while (count_blocks * per_block < used + count_blocks + table_clusters)
		count_blocks++;
	while (table_clusters * per_l2 < count_blocks)
		table_clusters++;
	count_blocks += (used + count_blocks + table_clusters > count_blocks * per_block);
	uint64_t total = used + count_blocks + table_clusters;
	uint64_t *table = calloc(table_clusters, QCOW2_BYTES);
	if (!table)
		fail(EXIT_DAMAGED, "out of memory");
	for (uint64_t i = 0; i < count_blocks; i++) {
		uint16_t *counts = (uint16_t *)(void *)cluster;
		for (uint64_t at = 0; at < per_block; at++)
			counts[at] = htobe16(i * per_block + at < total);
		write_exactly(fd, name, (used + i) << QCOW2_BITS, cluster, QCOW2_BYTES);
		table[i] = htobe64((used + i) << QCOW2_BITS);
	}
	write_exactly(fd, name, (used + count_blocks) << QCOW2_BITS, table, table_clusters * QCOW2_BYTES);
	write_exactly(fd, name, QCOW2_BYTES, l1, l1_clusters * QCOW2_BYTES);
	struct __attribute__((packed)) {
		uint32_t magic, version;
		uint64_t backing_offset;
		uint32_t backing_size, cluster_bits;
		uint64_t size;
		uint32_t crypt, l1_entries;
		uint64_t l1_offset, refcount_offset;
		uint32_t refcount_clusters, snapshots;
		uint64_t snapshot_offset, incompatible, compatible, automatic;
		uint32_t refcount_order, header_bytes;
		uint64_t end;
	} header = {.magic = htobe32(0x514649fb),
	            .version = htobe32(3),
	            .cluster_bits = htobe32(QCOW2_BITS),
	            .size = htobe64(size),
	            .l1_entries = htobe32((uint32_t)l1_entries),
	            .l1_offset = htobe64(QCOW2_BYTES),
	            .refcount_offset = htobe64((used + count_blocks) << QCOW2_BITS),
	            .refcount_clusters = htobe32((uint32_t)table_clusters),
	            .refcount_order = htobe32(4),
	            .header_bytes = htobe32(104)};
	write_exactly(fd, name, 0, &header, sizeof(header));
	free(table);
	free(cluster);
	free(l2);
	free(l1);
}

int run_export(const struct options *options)
{
	struct container container;
	const char *name = options->arguments[1];
	bool qcow2 = options->format && !strcmp(options->format, "qcow2");
	if (options->format && !qcow2 && strcmp(options->format, "raw") != 0)
		fail(EXIT_WRONG, "there is no format '%s': raw or qcow2", options->format);
	container_open(&container, options, ACCESS_READ, false);
	int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | (options->yes ? O_TRUNC : O_EXCL), 0600);
	if (fd < 0)
		fail(EXIT_WRONG, "%s: %s%s", name, strerror(errno),
		     errno == EEXIST ? " (--yes replaces it)" : "");
	if (qcow2)
		export_qcow2(container.disk, fd, name);
	else
		export_raw(container.disk, fd, name);
	if (fsync(fd) < 0 || close(fd) < 0)
		fail(EXIT_DAMAGED, "%s: %s", name, strerror(errno));
	progress_end();
	container_close(&container);
	return EXIT_GOOD;
}
