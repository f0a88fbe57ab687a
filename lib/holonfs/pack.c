/*
 * Compression: up to PACK_BLOCKS blocks of a file as one run of LZ4 (Debian's liblz4). What is stored comes from
 * disk, so it is bounded here: never more than PACK_BLOCKS blocks are read or unpacked, and anything that does not
 * unpack to exactly what its extent says is damage. The store below authenticates what is stored.
 */
#include <lz4.h>
#include "internal.h"

#define B HOLONFS_BLOCK

struct packer {
	struct extent open;                /* what `unpacked` holds; total 0: nothing */
	uint8_t stored[PACK_BLOCKS * B];   /* compressed */
	uint8_t unpacked[PACK_BLOCKS * B]; /* the extent that was read in part last */
	uint8_t cluster[PACK_BLOCKS * B];  /* a caller's */
	LZ4_stream_t state;
};

static int get(struct holonfs *fs)
{
	if (!fs->packer)
		fs->packer = calloc(1, sizeof(*fs->packer));
	return fs->packer ? 0 : -ENOMEM;
}

void pack_free(struct holonfs *fs)
{
	free(fs->packer);
}

int pack_cluster(struct holonfs *fs, uint8_t **data)
{
	TRY(get(fs));
	*data = fs->packer->cluster;
	return 0;
}

void pack_forget(struct holonfs *fs, uint64_t block, uint64_t count)
{
	struct packer *packer = fs->packer;
	if (packer && packer->open.disk.block >= block && packer->open.disk.block - block < count)
		packer->open.total = 0;
}

int pack_seal(struct holonfs *fs, const uint8_t *data, uint64_t blocks, const uint8_t **stored,
              uint32_t *bytes)
{
	TRY(get(fs));
	struct packer *packer = fs->packer;
	/* Less than an eighth of the room saved, or no block, is not worth it. */
	uint64_t most = (blocks * 7 / 8 < blocks - 1 ? blocks * 7 / 8 : blocks - 1) * B;
	int length = LZ4_compress_fast_extState(&packer->state, (const char *)data, (char *)packer->stored,
	                                        (int)(blocks * B), (int)most, 1);
	*bytes = length > 0 ? (uint32_t)length : 0;
	*stored = packer->stored;
	if (*bytes % B)
		memset(packer->stored + *bytes, 0, B - *bytes % B);
	return 0;
}

static int unpack(struct holonfs *fs, const struct extent *extent, uint8_t *out)
{
	struct packer *packer = fs->packer;
	int size = (int)(extent->total * B);
	TRY(fs->store.read(fs->store.context, extent->disk.block, extent_stored(extent), packer->stored));
	int length = LZ4_decompress_safe((const char *)packer->stored, (char *)out, (int)extent->bytes, size);
	return length == size ? 0 : -EUCLEAN;
}

int pack_open(struct holonfs *fs, const struct extent *extent, uint8_t *data)
{
	TRY(get(fs));
	struct packer *packer = fs->packer;
	if (!extent->first && extent->disk.count == extent->total)
		return unpack(fs, extent, data);
	const struct extent *open = &packer->open;
	if (open->total != extent->total || open->disk.block != extent->disk.block ||
	    open->bytes != extent->bytes) {
		packer->open.total = 0;
		TRY(unpack(fs, extent, packer->unpacked));
		packer->open = *extent;
	}
	memcpy(data, packer->unpacked + (size_t)extent->first * B, (size_t)extent->disk.count * B);
	return 0;
}
