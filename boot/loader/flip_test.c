/* Flips single bits of the real bundle and looks whether the loader's own sources (and the image's reader) refuse it: 100 a
 * class, 10,000 with HOLON_SOAK set. For each class a control: the same bundle without a flip is good before and after, and
 * the bytes that nothing covers are flipped too and change nothing.
 *
 *     flip_test BUNDLE ROOT-PUBLIC-KEY-FILE
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysimg/sysimg.h>

#include "bundle.h"
#include "verify.h"

enum { KEY_HEADER = 12, PAGE = 4096 };

static uint8_t *bundle_bytes;
static size_t bundle_size;
static struct verify_policy policy;
static unsigned count, failures;
static uint64_t seed = 20260101;

static void report(bool good, const char *name, const char *why)
{
	failures += !good;
	if (good)
		printf("ok %s\n", name);
	else
		printf("not ok %s - %s\n", name, why);
	fflush(stdout);
}

static uint64_t draw(uint64_t below)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (seed >> 24) % below;
}

static bool accepted(void)
{
	struct verified verified;
	return !bundle_verify((const void *)bundle_bytes, bundle_size, &policy, &verified);
}

/* What runs after the loader: the steward's check of the metadata, the file service's of each file. */
static bool image_accepted(const uint8_t *bytes, uint64_t size)
{
	struct sysimg image;
	if (sysimg_open(&image, bytes, size, true))
		return false;
	for (uint32_t node = 0; node < image.header->node_count; node++)
		if ((image.nodes[node].mode & 0170000) == 0100000 && !sysimg_verify(&image, node))
			return false;
	return true;
}

static void flip(size_t bit)
{
	bundle_bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
}

/* COUNT flips within [FIRST, LAST); how many are accepted must be all or none. */
static void class(const char *name, size_t first, size_t last, bool covered)
{
	char text[128], why[64];
	unsigned taken = 0;
	bool before = accepted();
	for (unsigned i = 0; i < count; i++) {
		size_t bit = first * 8 + draw((last - first) * 8);
		flip(bit);
		taken += accepted();
		flip(bit);
	}
	snprintf(text, sizeof(text), "%u flips in %s: %s", count, name,
	         covered ? "all refused" : "no change");
	snprintf(why, sizeof(why), "%u were accepted", taken);
	report(before && accepted() && taken == (covered ? 0 : count), text, why);
}

static const struct bundle_entry *entry(const char *name)
{
	const struct bundle_entry *found = bundle_find((const void *)bundle_bytes, name);
	if (!found)
		exit((printf("not ok flip_test - the bundle has no %s\n", name), 1));
	return found;
}

static void parts(void)
{
	static const char *const whole[] = {"kernel", "steward"};
	const struct bundle_entry *keys = entry(BUNDLE_KEYS), *manifest = entry(BUNDLE_MANIFEST);
	size_t list = record_size(bundle_bytes + keys->offset, keys->size);
	size_t record = record_size(bundle_bytes + manifest->offset, manifest->size);
	class("the key list", keys->offset, keys->offset + list, true);
	class("the root's signature", keys->offset + list, keys->offset + keys->size, true);
	class("the manifest", manifest->offset, manifest->offset + record, true);
	class("the manifest's signature", manifest->offset + record, manifest->offset + manifest->size, true);
	for (unsigned i = 0; i < 2; i++)
		class(whole[i], entry(whole[i])->offset, entry(whole[i])->offset + entry(whole[i])->size,
		      true);
	class("the bundle's header", 0, sizeof(struct bundle_header), true);
	/* Nothing covers these, and nothing reads them. */
	class("the rest of the header's page", sizeof(struct bundle_header), PAGE, false);
	class("what fills up the kernel's last page", entry("kernel")->offset + entry("kernel")->size,
	      (entry("kernel")->offset + entry("kernel")->size + PAGE - 1) / PAGE * PAGE, false);
}

/* One flip in a page of a file, which is then verified; whether it was accepted. */
static bool page_flip(uint8_t *bytes, uint64_t size)
{
	static struct sysimg image;
	if (!image.bytes && sysimg_open(&image, bytes, size, true))
		return true;
	uint64_t at = image.header->data_offset + draw(size - image.header->data_offset);
	for (uint32_t number = 0; number < image.header->node_count; number++) {
		const struct sysimg_node *node = &image.nodes[number];
		if ((node->mode & 0170000) != 0100000 || at < node->offset ||
		    at >= node->offset + (node->size + PAGE - 1) / PAGE * PAGE)
			continue;
		uint8_t bit = (uint8_t)(1u << draw(8));
		bytes[at] ^= bit;
		bool taken = sysimg_verify(&image, number);
		bytes[at] ^= bit;
		return taken;
	}
	return true; /* a page of no file would be one that nothing covers */
}

static void image(void)
{
	const struct bundle_entry *system = entry("system");
	uint8_t *bytes = bundle_bytes + system->offset;
	const struct sysimg_header *header = (const void *)bytes;
	unsigned flips = count > 1000 ? count : 20, metadata = 0,
	         pages = 0; /* each may read the whole image */
	size_t data = header->data_offset;
	bool before = image_accepted(bytes, system->size);
	char text[128];
	class("the image's root", system->offset + offsetof(struct sysimg_header, metadata_digest),
	      system->offset + offsetof(struct sysimg_header, metadata_digest) + SYSIMG_DIGEST_BYTES, true);
	for (unsigned i = 0; i < flips; i++) {
		size_t bit = (size_t)system->offset * 8 + draw(data * 8);
		flip(bit);
		metadata += accepted() && image_accepted(bytes, system->size);
		flip(bit);
	}
	for (unsigned i = 0; i < count; i++)
		pages += page_flip(bytes, system->size);
	snprintf(text, sizeof(text),
	         "%u flips in the image's tables: all refused by the loader or the steward", flips);
	report(before && !metadata, text, "one was accepted");
	snprintf(text, sizeof(text), "%u flips in the image's pages: all refused by the file service", count);
	report(before && !pages && image_accepted(bytes, system->size), text, "one was accepted");
}

static bool swapped(const char *a, const char *b)
{
	struct bundle_entry *first = (struct bundle_entry *)entry(a),
	                    *second = (struct bundle_entry *)entry(b), kept;
	char name[BUNDLE_NAME_MAX];
	kept = *first;
	memcpy(name, first->name, sizeof(name));
	memcpy(first->name, second->name, sizeof(name));
	memcpy(second->name, name, sizeof(name));
	bool taken = accepted();
	memcpy(second->name, first->name, sizeof(name));
	*first = kept;
	return taken;
}

static void order(void)
{
	struct bundle_header *header = (void *)bundle_bytes;
	report(!swapped("kernel", "steward"), "kernel and steward swapped are refused", "accepted");
	report(!swapped("steward", "system"), "steward and image swapped are refused", "accepted");
	report(!swapped("keys", "manifest"), "key list and manifest swapped are refused", "accepted");
	header->entry_count--;
	report(!accepted(), "a bundle without its last part is refused", "accepted");
	header->entry_count++;
	policy.least_rollback++;
	report(!accepted(), "a bundle with a lower rollback index is refused", "accepted");
	policy.least_rollback--;
	policy.least_epoch++;
	report(!accepted(), "a key list of an older epoch is refused", "accepted");
	policy.least_epoch--;
	policy.root[40] ^= 1;
	report(!accepted(), "another root refuses all", "accepted");
	policy.root[40] ^= 1;
	report(accepted(), "after all this the bundle is good", "it is refused");
}

static void *load(const char *path, size_t *size)
{
	FILE *file = fopen(path, "rb");
	if (!file || fseek(file, 0, SEEK_END))
		exit((perror(path), 1));
	*size = (size_t)ftell(file);
	rewind(file);
	void *bytes = aligned_alloc(PAGE, (*size + PAGE - 1) / PAGE * PAGE);
	if (!bytes || fread(bytes, 1, *size, file) != *size)
		exit((perror(path), 1));
	fclose(file);
	return bytes;
}

int main(int arguments, char **argument)
{
	size_t size;
	if (arguments != 3)
		return 3;
	bundle_bytes = load(argument[1], &bundle_size);
	uint8_t *root = load(argument[2], &size);
	if (size < KEY_HEADER + TRUST_ROOT_BYTES)
		return 3;
	memcpy(policy.root, root + KEY_HEADER, TRUST_ROOT_BYTES);
	free(root);
	struct verified verified;
	const char *why = bundle_verify((const void *)bundle_bytes, bundle_size, &policy, &verified);
	report(!why, "the bundle is good", why);
	if (why)
		return 1;
	policy.least_rollback = verified.rollback;
	policy.least_epoch = verified.epoch;
	count = getenv("HOLON_SOAK") ? 10000 : 100;
	order();
	parts();
	image();
	free(bundle_bytes);
	return failures != 0;
}
