/* See sysimg.h. */
#include "../crypto/blake3.h"
#include "sysimg.h"

void *memcpy(void *restrict to, const void *restrict from, size_t size);
int memcmp(const void *a, const void *b, size_t size);

#define TYPE_MASK      0170000u
#define TYPE_DIRECTORY 0040000u
#define TYPE_FILE      0100000u
#define TYPE_SYMLINK   0120000u

/*@ requires bytes <= 0xfffffffffffff000;
    assigns \nothing;
    ensures bytes <= \result * SYSIMG_BLOCK < bytes + SYSIMG_BLOCK;
*/
static uint64_t blocks(uint64_t bytes)
{
	return bytes / SYSIMG_BLOCK + (bytes % SYSIMG_BLOCK != 0);
}

/*@ assigns \nothing;
    ensures \result <==> offset + count <= limit;
*/
static bool inside(uint64_t offset, uint64_t count, uint64_t limit)
{
	return offset <= limit && count <= limit - offset;
}

/*@ requires \valid_read(header);
    assigns \nothing;
    ensures \result == \null ==> header_good(header) && header->bytes <= size;
*/
static const char *check_header(const struct sysimg_header *header, uint64_t size)
{
	if (header->magic != SYSIMG_MAGIC)
		return "not a system image";
	if (header->version != SYSIMG_VERSION)
		return "system image of another version";
	if (header->bytes > size || header->bytes % SYSIMG_BLOCK || header->data_offset % SYSIMG_BLOCK ||
	    header->data_offset > header->bytes || header->data_offset < SYSIMG_BLOCK)
		return "system image is cut short";
	uint64_t limit = header->data_offset;
	uint64_t data_blocks = (header->bytes - header->data_offset) / SYSIMG_BLOCK;
	if (!header->node_count || header->entry_count > limit / sizeof(struct sysimg_entry) ||
	    !inside(header->nodes_offset, header->node_count * sizeof(struct sysimg_node), limit) ||
	    !inside(header->entries_offset, header->entry_count * sizeof(struct sysimg_entry), limit) ||
	    !inside(header->names_offset, header->names_bytes, limit) ||
	    !inside(header->digests_offset, data_blocks * SYSIMG_DIGEST_BYTES, limit))
		return "a table of the system image lies outside it";
	if (header->nodes_offset % 8 || header->entries_offset % 8)
		return "a table of the system image is not aligned";
	return 0;
}

/*@ requires image_good(image) && number < image->header->node_count;
    assigns \nothing;
    ensures \result ==> node_good(image, number);
*/
static bool node_valid(const struct sysimg *image, uint32_t number)
{
	const struct sysimg_node *node = &image->nodes[number];
	const struct sysimg_header *header = image->header;
	switch (node->mode & TYPE_MASK) {
	case TYPE_FILE:
		return node->size <= header->bytes &&
		       (!node->size ||
		        (node->offset % SYSIMG_BLOCK == 0 && node->offset >= header->data_offset &&
		         inside(node->offset, node->size, header->bytes)));
	case TYPE_SYMLINK:
		return node->size > 0 && node->size < 4096 &&
		       inside(node->offset, node->size, header->names_bytes);
	case TYPE_DIRECTORY:
		if (!inside(node->offset, node->size, header->entry_count))
			return false;
		/*@ loop invariant i <= node->size;
		    loop invariant \forall integer k; node->offset <= k < node->offset + i ==> entry_good(image, &image->entries[k]);
		    loop assigns i;
		    loop variant node->size - i;
		*/
		for (uint64_t i = 0; i < node->size; i++) {
			const struct sysimg_entry *entry = &image->entries[node->offset + i];
			if (!entry->name_bytes || entry->name_bytes > SYSIMG_NAME_MAX ||
			    entry->node >= header->node_count ||
			    !inside(entry->name_offset, entry->name_bytes, header->names_bytes))
				return false;
			/*@ assert entry_good(image, entry); */
			if ((image->nodes[entry->node].mode & TYPE_MASK) == TYPE_DIRECTORY &&
			    entry->node <= number)
				return false;
		}
		return true;
	default:
		return node->size == 0;
	}
}

static bool metadata_valid(const struct sysimg *image)
{
	struct sysimg_header header = *image->header;
	uint8_t digest[SYSIMG_DIGEST_BYTES];
	struct blake3 hash;
	for (unsigned i = 0; i < SYSIMG_DIGEST_BYTES; i++)
		header.metadata_digest[i] = 0;
	blake3_init(&hash);
	blake3_update(&hash, (const uint8_t *)&header, sizeof(header));
	blake3_update(&hash, image->bytes + sizeof(header), image->header->data_offset - sizeof(header));
	blake3_final(&hash, digest, sizeof(digest));
	return memcmp(digest, image->header->metadata_digest, sizeof(digest)) == 0;
}

/*@ requires image_good(image);
    assigns \nothing;
    ensures \result == \null ==> nodes_good(image);
*/
static const char *check_nodes(const struct sysimg *image)
{
	if ((image->nodes[0].mode & TYPE_MASK) != TYPE_DIRECTORY)
		return "the system image has no root directory";
	/*@ loop invariant i <= image->header->node_count;
	    loop invariant \forall integer k; 0 <= k < i ==> node_good(image, k);
	    loop assigns i;
	    loop variant image->header->node_count - i;
	*/
	for (uint32_t i = 0; i < image->header->node_count; i++)
		if (!node_valid(image, i))
			return "a node of the system image is malformed";
	return 0;
}

const char *sysimg_open(struct sysimg *image, const void *bytes, uint64_t size, bool verify)
{
	if (size < SYSIMG_BLOCK)
		return "not a system image";
	image->bytes = bytes;
	image->header = bytes;
	const char *wrong = check_header(image->header, size);
	if (wrong)
		return wrong;
	image->nodes = (const void *)(image->bytes + image->header->nodes_offset);
	image->entries = (const void *)(image->bytes + image->header->entries_offset);
	image->names = (const char *)(image->bytes + image->header->names_offset);
	if (verify && !metadata_valid(image))
		return "the system image's metadata does not match its digest";
	return check_nodes(image);
}

/*@ requires image_good(image) && \valid_read(entry) && entry_good(image, entry);
    requires \valid_read(name + (0 .. length - 1));
    assigns \nothing;
*/
static int compare(const struct sysimg *image, const struct sysimg_entry *entry, const char *name,
                   size_t length)
{
	size_t common = entry->name_bytes < length ? entry->name_bytes : length;
	int order = memcmp(image->names + entry->name_offset, name, common);
	if (order)
		return order;
	return entry->name_bytes < length ? -1 : entry->name_bytes > length;
}

int64_t sysimg_lookup(const struct sysimg *image, uint32_t directory, const char *name, size_t length)
{
	const struct sysimg_node *node = &image->nodes[directory];
	if ((node->mode & TYPE_MASK) != TYPE_DIRECTORY)
		return -1;
	/*@ assert node_good(image, directory); */
	/*@ assert directory_good(image, node); */
	uint64_t low = 0;
	uint64_t high = node->size;
	/*@ loop invariant low <= high <= node->size;
	    loop assigns low, high;
	    loop variant high - low;
	*/
	while (low < high) {
		uint64_t middle = low + (high - low) / 2;
		const struct sysimg_entry *entry = &image->entries[node->offset + middle];
		/*@ assert entry_good(image, entry); */
		int order = compare(image, entry, name, length);
		if (!order)
			return entry->node;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return -1;
}

int64_t sysimg_path(const struct sysimg *image, const char *path)
{
	int64_t node = 0;
	/*@ loop invariant is_text(path) && -1 <= node < image->header->node_count;
	    loop assigns path, node;
	*/
	while (*path && node >= 0) {
		size_t length = 0;
		/*@ loop invariant \forall integer i; 0 <= i < length ==> path[i] != 0;
		    loop invariant \valid_read(path + (0 .. length)) && length < 0x7fffffffffffffff;
		    loop invariant is_text(path + length);
		    loop assigns length;
		*/
		while (path[length] && path[length] != '/')
			length++;
		if (length)
			node = sysimg_lookup(image, (uint32_t)node, path, length);
		path += length;
		if (*path == '/')
			path++;
	}
	return node;
}

int64_t sysimg_entry(const struct sysimg *image, uint32_t directory, uint64_t index, const char **name,
                     size_t *length)
{
	const struct sysimg_node *node = &image->nodes[directory];
	if ((node->mode & TYPE_MASK) != TYPE_DIRECTORY || index >= node->size)
		return -1;
	/*@ assert node_good(image, directory); */
	/*@ assert directory_good(image, node); */
	const struct sysimg_entry *entry = &image->entries[node->offset + index];
	/*@ assert entry_good(image, entry); */
	*name = image->names + entry->name_offset;
	*length = entry->name_bytes;
	return entry->node;
}

bool sysimg_verify(const struct sysimg *image, uint32_t number)
{
	const struct sysimg_node *node = &image->nodes[number];
	if ((node->mode & TYPE_MASK) != TYPE_FILE || !node->size)
		return true;
	/*@ assert node_good(image, number); */
	/*@ assert file_good(image->header, node); */
	const uint8_t *digests = image->bytes + image->header->digests_offset;
	uint64_t first = (node->offset - image->header->data_offset) / SYSIMG_BLOCK;
	/*@ loop invariant (i - 1) * SYSIMG_BLOCK < node->size;
	    loop assigns i;
	    loop variant node->size - i;
	*/
	for (uint64_t i = 0; i < blocks(node->size); i++) {
		uint8_t digest[SYSIMG_DIGEST_BYTES];
		blake3_hash(digest, image->bytes + node->offset + i * SYSIMG_BLOCK, SYSIMG_BLOCK);
		if (memcmp(digest, digests + (first + i) * SYSIMG_DIGEST_BYTES, sizeof(digest)) != 0)
			return false;
	}
	return true;
}
