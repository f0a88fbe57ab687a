/* Fuzzes the client's side of abi/file.interface: a service that answers anything at all. Its messages go through the
 * generated stubs and then through service_reply.h, as linux/fs/backing*.c uses both. Every byte that is accepted is
 * read, so that a length that was not checked shows. */
#include <stdlib.h>
#include "fuzz_input.h"
#include "holon.h"
#include "file.interface.h"
#include "service_reply.h"

#define CALLS_MAX 200u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct thread_page *page;
static uint64_t sum; /* of what was accepted */

int64_t syscall6(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f,
                 uint64_t *second)
{
	(void)number, (void)a, (void)b, (void)c, (void)d, (void)e, (void)f, (void)second;
	return E_OK;
}

/* The kernel bounds what a message's info says; all else is the service's. */
int64_t channel_call(handle_t channel, struct message *message, uint64_t deadline)
{
	uint16_t bytes;
	uint8_t caps;
	(void)channel, (void)deadline;
	take(&bytes, sizeof(bytes));
	take(&caps, sizeof(caps));
	take(message->words, sizeof(message->words));
	if (message->words[0] & 1)
		message->words[0] = 0;
	bytes %= MESSAGE_BYTES_MAX + 1;
	message->info = INFO_MAKE(bytes, caps % (MESSAGE_CAPS_MAX + 1));
	take(page->bytes, bytes);
	take(page->caps, sizeof(page->caps));
	return E_OK;
}

static void read_all(const void *data, uint32_t bytes)
{
	for (uint32_t i = 0; i < bytes; i++)
		sum += ((const uint8_t *)data)[i];
}

static void list(void)
{
	uint64_t next;
	uint64_t parent;
	const void *data = 0;
	uint32_t bytes = 0;
	uint32_t at = 0;
	struct file_entry entry;
	char name[FILE_NAME_MAX + 1];
	if (file_list(1, page, 1, 0, &next, &parent, &data, &bytes, 0) < 0 || !bytes)
		return;
	while (at < bytes && reply_entry(data, bytes, &at, &entry, name)) {
		if (strlen(name) != entry.name_bytes || strchr(name, '/'))
			abort();
		read_all(name, entry.name_bytes);
	}
}

static void attributes(void)
{
	const void *data = 0;
	uint32_t bytes = 0;
	uint64_t node;
	struct file_attributes found;
	if (file_lookup(1, page, 1, "name", &node, &data, &bytes, 0) >= 0 &&
	    reply_attributes(&found, data, bytes) && found.size > FILE_SIZE_MAX)
		abort();
}

static void entries(void)
{
	const void *data = 0;
	uint32_t bytes = 0;
	uint32_t count = 0;
	struct file_attributes found;
	if (file_list_attributes(1, page, 1, 0, 24, &data, &bytes, 0) < 0)
		return;
	while (reply_attributes_at(&found, data, bytes, count))
		count++;
	if (count > bytes / sizeof(found))
		abort();
}

static void xattr(void)
{
	uint8_t *value = malloc(FILE_XATTR_MAX); /* as long as its longest, so that one byte more shows */
	uint64_t total = 0;
	uint64_t have = 0;
	for (unsigned i = 0; i < CALLS_MAX; i++) {
		const void *data = 0;
		uint32_t bytes = 0;
		if (file_xattr_get(1, page, 1, (uint32_t)have, "user.x", &total, &data, &bytes, 0) < 0 ||
		    !reply_piece(total, FILE_XATTR_MAX, have, bytes))
			break;
		memcpy(value + have, data, bytes);
		have += bytes;
		if (have == total)
			break;
	}
	read_all(value, 0);
	free(value);
}

static void names(void)
{
	uint64_t next;
	const void *data = 0;
	uint32_t bytes = 0;
	const char *name = 0;
	if (file_xattr_list(1, page, 1, 0, &next, &data, &bytes, 0) < 0)
		return;
	while ((name = reply_name(data, bytes, name)) != 0)
		read_all(name, (uint32_t)strlen(name) + 1);
}

static void others(void)
{
	const void *data = 0;
	uint32_t bytes = 0;
	uint64_t number;
	handle_t memory;
	if (file_read_link(1, page, 1, 0, &data, &bytes, 0) >= 0)
		read_all(data, bytes);
	if (file_statistics(1, page, &data, &bytes, 0) >= 0)
		read_all(data, bytes);
	if (file_changes(1, page, &data, &bytes, 0) >= 0)
		read_all(data, bytes);
	(void)(file_transfer(1, page, 4096, &memory, 0) < 0);
	(void)(file_read(1, page, 1, 0, 10, 0, &number, 0) < 0);
	(void)(file_session(1, page, 1, 1, 1, 0, &memory, &number, &data, &bytes, 0) < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const calls[])(void) = {list, attributes, entries, xattr, names, others};
	input = data;
	left = size;
	page = calloc(1, sizeof(*page)); /* of its own, so that what is behind it is seen */
	for (unsigned i = 0; i < CALLS_MAX && left; i++) {
		uint8_t which;
		take(&which, 1);
		calls[which % 6]();
	}
	free(page);
	return 0;
}
