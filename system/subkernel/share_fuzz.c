/* Fuzzes what serves a volume: any sequence of messages, whole and malformed. Nothing outside of the directory is changed, and
 * what is counted stays within its limits. Files stay small by RLIMIT_FSIZE. */
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "share.h"
#include "share_buffer.h"

#define NODES 64u

static char top[] = "/dev/shm/share-fuzz-XXXXXX";

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
	(void)status, (void)kind, (void)walk;
	return remove(path);
}

static void remove_tree(const char *path)
{
	(void)!nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void clean(void)
{
	remove_tree(top);
}

static void prepare(void)
{
	struct rlimit small = {1 << 20, 1 << 20};
	char canary[64];
	if (!mkdtemp(top))
		abort();
	atexit(clean);
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &small);
	snprintf(canary, sizeof(canary), "%s/canary", top);
	int file = open(canary, O_CREAT | O_WRONLY, 0600);
	if (file < 0 || write(file, "alive", 5) != 5)
		abort();
	close(file);
}

/* The next of DATA as a message: its call, words (small ones name nodes), then texts with their lengths as they come. */
static size_t message_take(const struct share *share, const uint8_t *data, size_t size,
                           struct message *message, struct thread_page *page)
{
	if (size < 12)
		return size;
	*message = (struct message){.badge = 1};
	message->words[0] = (uint64_t)FILE_VERSION << 32 | data[0] % 34;
	for (unsigned i = 1; i < 6; i++) {
		uint8_t byte = data[i];
		const struct share_node *node = &share->nodes[byte % share->slots];
		message->words[i] = byte < 192   ? node->number
		                    : byte < 224 ? (uint64_t)(byte - 192) * 37
		                                 : ~0ull << (byte - 224);
	}
	message->words[2] = data[6] < 128 ? data[6] : message->words[2];
	size_t bytes = data[7] < 128 ? data[7] : (size_t)data[7] * 14;
	if (bytes > size - 8)
		bytes = size - 8;
	memset(page->bytes, 'n', sizeof(page->bytes));
	uint32_t at = 0;
	if (data[0] & 64) { /* raw */
		memcpy(page->bytes, data + 8, bytes);
		at = (uint32_t)bytes;
	} else {
		/* texts that end, split at the bytes 1 */
		const uint8_t *from = data + 8, *end = from + bytes;
		for (unsigned i = 0; i < 2; i++) {
			char text[300] = "";
			size_t length = 0;
			while (from < end && *from != 1 && length < sizeof(text) - 1)
				text[length++] = (char)*from++;
			from += from < end;
			if (!interface_put(page, &at, text, (uint32_t)length + 1))
				break;
		}
	}
	message->info = INFO_MAKE(at, data[0] % 34 == FILE_SESSION ? 2 : data[6] & 3);
	return bytes + 8;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct thread_page page;
	static bool prepared;
	struct share share = {.buffer_put = put, .buffer_get = get};
	struct message message;
	struct stat status;
	char path[64], canary[64];
	if (!prepared)
		prepare();
	prepared = true;
	snprintf(path, sizeof(path), "%s/shared", top);
	snprintf(canary, sizeof(canary), "%s/canary", top);
	mkdir(path, 0700);
	if (!size || share_begin(&share, open(path, O_RDONLY | O_DIRECTORY), data[0] & 1, NODES))
		return 0;
	message = (struct message){.words = {(uint64_t)FILE_VERSION << 32 | FILE_SESSION, 1},
	                           .info = INFO_MAKE(0, 2)};
	share_answer(&share, &message, &page);
	for (size_t at = 1; at < size;) {
		at += message_take(&share, data + at, size - at, &message, &page);
		if (size - at < 1 && at > size)
			break;
		share_answer(&share, &message, &page);
		if (share.used > NODES || INFO_BYTES(message.info) > MESSAGE_BYTES_MAX)
			abort();
	}
	share_end(&share);
	if (stat(canary, &status) || status.st_size != 5)
		abort();
	remove_tree(path);
	return 0;
}
