/* holon-verify: checks what a machine says of itself, on another one, and says what that proves and what not: the quote that its TPM gave
 * while it started (log.c), or the quote of the running system (`attest`; running.c).
 *
 * Ends with 0 (all that is claimed is proven), 1 (not, with one sentence) or 3 (wrong command line). */
#define _GNU_SOURCE
#include "check.h"
#include <crypto/keyfile.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../../boot/loader/tpm.h"

enum { FILE_MAX = 1 << 30, MAGIC_BYTES = 8 };

_Noreturn void fail(int status, const char *format, ...)
{
	va_list list;

	fputs("holon-verify: ", stderr);
	va_start(list, format);
	vfprintf(stderr, format, list);
	va_end(list);
	fputc('\n', stderr);
	exit(status);
}

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool hex_read(const char *text, uint8_t *out, size_t room, size_t *count)
{
	for (*count = 0;; text += 2) {
		int high = digit(*text), low = high < 0 ? -1 : digit(text[1]);

		if (high < 0)
			break;
		if (*count == room || low < 0)
			return false;
		out[(*count)++] = (uint8_t)(high << 4 | low);
	}
	return *text == ' ' || *text == 0;
}

void hex_print(const uint8_t *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		printf("%02x", bytes[i]);
}

uint8_t *file_read(const char *path, size_t *count)
{
	FILE *file = fopen(path, "rb");
	uint8_t *bytes;
	long size;

	if (!file || fseek(file, 0, SEEK_END) || (size = ftell(file)) < 0 || size > FILE_MAX)
		fail(EXIT_BAD, "cannot read %s: %m", path);
	rewind(file);
	bytes = malloc((size_t)size + 1);
	if (!bytes || fread(bytes, 1, (size_t)size, file) != (size_t)size)
		fail(EXIT_BAD, "cannot read %s whole", path);
	fclose(file);
	*count = (size_t)size;
	return bytes;
}

void pcr_extend(uint8_t value[SHA256_SIZE], const uint8_t digest[SHA256_SIZE])
{
	struct sha256 hash;

	sha256_init(&hash);
	sha256_update(&hash, value, SHA256_SIZE);
	sha256_update(&hash, digest, SHA256_SIZE);
	sha256_final(&hash, value);
}

void tpm_name_check(const struct asked *asked, const uint8_t *key, size_t count)
{
	uint8_t name[SHA256_SIZE], wanted[2 + SHA256_SIZE];
	size_t size;

	sha256_hash(name, key, count);
	if (asked->key && (!hex_read(asked->key, wanted, sizeof(wanted), &size) || size != sizeof(wanted) ||
	                   memcmp(wanted + 2, name, sizeof(name)) != 0))
		fail(EXIT_BAD, "the quote is by another TPM's key than %s", asked->key);
	printf("key           000b");
	hex_print(name, sizeof(name));
	putchar('\n');
}

void image_root(struct image *image, const struct asked *asked)
{
	struct key root;
	size_t size;
	uint8_t *file = file_read(asked->root, &size);

	*image = (struct image){0};
	if (keyfile_decode(&root, file, size) || root.info->algorithm != KEY_SLHDSA + TRUST_ROOT_SET ||
	    root.kind != KEY_PUBLIC)
		fail(EXIT_BAD, "%s is no public root key", asked->root);
	memcpy(image->policy.root, root.bytes, TRUST_ROOT_BYTES);
	image->policy.least_epoch = asked->epoch;
	image->policy.least_rollback = asked->rollback;
	free(file);
}

const struct bundle_entry *image_entry(const struct image *image, const char *name)
{
	const struct bundle_header *header = (const void *)image->bytes;

	for (uint32_t i = 0; i < header->entry_count; i++)
		if (strcmp(header->entries[i].name, name) == 0)
			return &header->entries[i];
	return NULL;
}

void image_verify(struct image *image, const struct asked *asked)
{
	const struct verified *verified = &image->verified;

	image->bytes = file_read(asked->bundle, &image->size);
	const char *why =
	    bundle_verify((const void *)image->bytes, image->size, &image->policy, &image->verified);
	if (why)
		fail(EXIT_BAD, "%s is refused: %s%s%s", asked->bundle, verified->part,
		     verified->part[0] ? ": " : "", why);
	const struct bundle_entry *manifest = image_entry(image, BUNDLE_MANIFEST);
	image->manifest = image->bytes + manifest->offset;
	image->manifest_count = record_size(image->manifest, manifest->size);
}

/* Whether the file begins as records do, of which the quote of a running system is made. */
static bool is_quote(const uint8_t *bytes, size_t count)
{
	return count >= MAGIC_BYTES && memcmp(bytes, "HolonRec", MAGIC_BYTES) == 0;
}

int main(int count, char **arguments)
{
	static struct asked asked;
	static const char *nonce_text, *epoch = "1", *rollback = "1";
	static const struct {
		const char *name, **value;
	} options[] = {{"--bundle", &asked.bundle}, {"--root", &asked.root}, {"--nonce", &nonce_text},
	               {"--key", &asked.key},       {"--node", &asked.node}, {"--epoch", &epoch},
	               {"--rollback", &rollback}};
	enum { OPTIONS = sizeof(options) / sizeof(options[0]) };
	size_t size;

	for (int i = 1; i < count; i++) {
		unsigned which = 0;
		while (which < OPTIONS && strcmp(arguments[i], options[which].name) != 0)
			which++;
		if (which < OPTIONS && i + 1 < count)
			*options[which].value = arguments[++i];
		else if (which == OPTIONS && !asked.path && arguments[i][0] != '-')
			asked.path = arguments[i];
		else
			asked.path = NULL, i = count;
	}
	if (!asked.path || !asked.bundle || !asked.root || !nonce_text ||
	    !hex_read(nonce_text, asked.nonce, sizeof(asked.nonce), &asked.nonce_count))
		fail(EXIT_USAGE, "usage: holon-verify QUOTE|LOG --bundle FILE --root PUBLIC-KEY --nonce HEX "
		                 "[--node ID] [--key "
		                 "NAME] [--epoch N] [--rollback N]\nQUOTE: of `attest` in a running system. "
		                 "LOG: of `holon-run "
		                 "--tpm DIR --nonce HEX --log LOG`. ID: of the node's key, NAME: of the "
		                 "TPM's. Epoch and rollback "
		                 "index: the loader's floors (1).");
	asked.epoch = strtoull(epoch, NULL, 10);
	asked.rollback = strtoull(rollback, NULL, 10);
	uint8_t *bytes = file_read(asked.path, &size);
	if (is_quote(bytes, size))
		running_check(&asked, bytes, size);
	else
		log_check(&asked);
	free(bytes);
	return fflush(stdout) ? EXIT_BAD : 0;
}
