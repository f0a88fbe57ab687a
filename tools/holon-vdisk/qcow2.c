/* Reading qcow2 images; see qcow2.h. Every offset is judged before use; tables and clusters are read one at a
 * time. */
#include "qcow2.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define MAGIC                0x514649fbu
#define OFFSET_MASK          UINT64_C(0x00fffffffffffe00)
#define L2_COMPRESSED        (UINT64_C(1) << 62)
#define L2_ZERO              UINT64_C(1)
#define INCOMPATIBLE_DIRTY   1u
#define INCOMPATIBLE_DEFLATE 8u /* a compression type is given; 0 is deflate */

struct header {
	uint32_t magic, version;
	uint64_t backing_offset;
	uint32_t backing_size, cluster_bits;
	uint64_t size;
	uint32_t crypt, l1_entries;
	uint64_t l1_offset, refcount_offset;
	uint32_t refcount_clusters, snapshots;
	uint64_t snapshot_offset;
	/* version 3 */
	uint64_t incompatible, compatible, automatic;
	uint32_t refcount_order, header_bytes;
	uint8_t compression;
};

const char *qcow2_open(struct qcow2 *image, void *context, qcow2_read read)
{
	struct header header = {0};
	*image = (struct qcow2){.context = context, .read = read};
	if (read(context, 0, &header, 72) < 0 || be32toh(header.magic) != MAGIC)
		return "not a qcow2 image";
	uint32_t version = be32toh(header.version);
	if (version != 2 && version != 3)
		return "a qcow2 image of an unknown version";
	if (version == 3) {
		if (read(context, 0, &header, 104) < 0)
			return "cut off";
		uint64_t incompatible = be64toh(header.incompatible);
		if (incompatible & ~(uint64_t)(INCOMPATIBLE_DIRTY | INCOMPATIBLE_DEFLATE))
			return "it uses features that this program does not know (external data, extended "
			       "entries, damage)";
		if ((incompatible & INCOMPATIBLE_DEFLATE) &&
		    (read(context, 104, &header.compression, 1) < 0 || header.compression))
			return "its compression is not deflate";
	}
	if (header.crypt)
		return "it is encrypted: decrypt it with qemu-img first";
	if (header.backing_offset)
		return "it has a backing file: make it independent with qemu-img rebase first";
	image->cluster_bits = be32toh(header.cluster_bits);
	image->size = be64toh(header.size);
	image->l1_entries = be32toh(header.l1_entries);
	if (image->cluster_bits < 9 || image->cluster_bits > 21)
		return "its cluster size is out of range";
	if (image->size > UINT64_C(1) << 46)
		return "it is larger than 64 TiB";
	uint64_t per_entry = UINT64_C(1) << (2 * image->cluster_bits - 3);
	if (image->l1_entries > QCOW2_L1_MAX / 8 ||
	    image->l1_entries < (image->size + per_entry - 1) / per_entry)
		return "its L1 table has a wrong size";
	size_t cluster = (size_t)1 << image->cluster_bits;
	image->l1 = calloc(image->l1_entries + 1u, 8);
	image->l2 = malloc(cluster);
	image->cluster = malloc(cluster);
	image->compressed = malloc(cluster + 1024);
	if (!image->l1 || !image->l2 || !image->cluster || !image->compressed)
		return "out of memory";
	if (image->l1_entries &&
	    read(context, be64toh(header.l1_offset), image->l1, image->l1_entries * 8ul) < 0)
		return "its L1 table is cut off";
	for (uint32_t i = 0; i < image->l1_entries; i++)
		image->l1[i] = be64toh(image->l1[i]);
	return NULL;
}

void qcow2_close(struct qcow2 *image)
{
	free(image->l1);
	free(image->l2);
	free(image->cluster);
	free(image->compressed);
}

static const char *read_compressed(struct qcow2 *image, uint64_t entry)
{
	unsigned shift = 62 - (image->cluster_bits - 8);
	uint64_t offset = entry & ((UINT64_C(1) << shift) - 1);
	uint64_t sectors = (entry >> shift & ((UINT64_C(1) << (image->cluster_bits - 8)) - 1)) + 1;
	size_t size = (size_t)(sectors * 512 - (offset & 511));
	size_t cluster = (size_t)1 << image->cluster_bits;
	z_stream stream = {
	    .next_in = image->compressed, .next_out = image->cluster, .avail_out = (uInt)cluster};
	if (size > cluster + 1024)
		return "a compressed cluster has a wrong size";
	/* The last sector may end beyond the file. */
	while (size && image->read(image->context, offset, image->compressed, size) < 0)
		size = size > 512 ? size - 512 : 0;
	stream.avail_in = (uInt)size;
	if (!size || inflateInit2(&stream, -12) != Z_OK)
		return "a compressed cluster cannot be read";
	int result = inflate(&stream, Z_FINISH);
	bool whole =
	    stream.avail_out == 0 && (result == Z_STREAM_END || result == Z_BUF_ERROR || result == Z_OK);
	inflateEnd(&stream);
	return whole ? NULL : "a compressed cluster is damaged";
}

const char *qcow2_cluster(struct qcow2 *image, uint64_t number, bool *zero)
{
	size_t cluster = (size_t)1 << image->cluster_bits;
	unsigned l2_bits = image->cluster_bits - 3;
	uint64_t l1_index = number >> l2_bits;
	*zero = true;
	if (l1_index >= image->l1_entries)
		return "a cluster outside the L1 table";
	uint64_t l2_offset = image->l1[l1_index] & OFFSET_MASK;
	if (!l2_offset)
		return NULL;
	if (l2_offset & (cluster - 1))
		return "an L2 table is not aligned";
	if (l2_offset != image->l2_offset) {
		image->l2_offset = 0;
		if (image->read(image->context, l2_offset, image->l2, cluster) < 0)
			return "an L2 table is cut off";
		image->l2_offset = l2_offset;
	}
	uint64_t entry = be64toh(image->l2[number & ((UINT64_C(1) << l2_bits) - 1)]);
	if (entry & L2_COMPRESSED) {
		*zero = false;
		return read_compressed(image, entry & (L2_COMPRESSED - 1));
	}
	if ((entry & L2_ZERO) || !(entry & OFFSET_MASK))
		return NULL;
	if (entry & OFFSET_MASK & (cluster - 1))
		return "a cluster is not aligned";
	*zero = false;
	return image->read(image->context, entry & OFFSET_MASK, image->cluster, cluster) < 0
	           ? "a cluster is cut off"
	           : NULL;
}
