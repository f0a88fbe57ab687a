/* Tests of attributes that are asked for by the directory, and of room: what a session writes without having been promised room for it is cut to what is there, and what was promised is
 * another's no more. The kernel and the file system are stood in for here. */
#include <stdio.h>
#include "file_service.h"

#define BLOCKS 100u
#define NODE   5u
#define FIRST  100u /* of the nodes that the root has, */
#define NAMES  40u  /* by their order */
#define LOST   130u /* what one of them was */

static uint64_t written; /* blocks that the file system has taken */
static int failures;

int64_t syscall6(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f,
                 uint64_t *second)
{
	(void)a, (void)b, (void)c, (void)d, (void)e, (void)f;
	if (second)
		*second = 0;
	return number == SYS_CAP_COPY ? 7 : E_OK;
}

void *window_allocate(uint64_t bytes, handle_t *memory)
{
	*memory = 9;
	return calloc(1, bytes);
}

void window_unmap(void *address, uint64_t bytes)
{
	(void)bytes;
	free(address);
}

static void check(const char *name, bool right)
{
	printf(right ? "ok file service: %s\n" : "not ok file service: %s - see the check of this name\n",
	       name);
	failures += !right;
}

static void touch(struct served *served)
{
	(void)served;
}

static bool has_failed(const struct served *served)
{
	(void)served;
	return false;
}

static int fs_nothing(struct filesystem *fs)
{
	(void)fs;
	return E_OK;
}

static int fs_use(struct filesystem *fs, uint64_t node)
{
	(void)fs, (void)node;
	return E_OK;
}

static void fs_forget(struct filesystem *fs, uint64_t node)
{
	(void)fs, (void)node;
}

static int fs_get(struct filesystem *fs, uint64_t node, struct file_attributes *found)
{
	(void)fs;
	*found = (struct file_attributes){.node = node};
	return node == LOST ? FILE_E_IO : E_OK;
}

static int fs_list(struct filesystem *fs, uint64_t directory, uint64_t cookie, struct filesystem_entry *entry)
{
	(void)fs, (void)directory;
	*entry = (struct filesystem_entry){.node = FIRST + cookie, .cookie = cookie + 1};
	return cookie < NAMES;
}

static int fs_room(struct filesystem *fs, uint64_t node, uint64_t *bytes)
{
	(void)fs, (void)node;
	*bytes = (BLOCKS - written) * FILE_BLOCK;
	return E_OK;
}

static int fs_statistics(struct filesystem *fs, uint64_t root, struct file_statistics *out)
{
	(void)fs, (void)root;
	*out = (struct file_statistics){.block_bytes = FILE_BLOCK, .blocks_free = BLOCKS - written};
	return E_OK;
}

static int64_t fs_write(struct filesystem *fs, uint64_t node, uint64_t offset, const void *buffer,
                        size_t bytes)
{
	(void)fs, (void)node, (void)offset, (void)buffer;
	written += (bytes + FILE_BLOCK - 1) / FILE_BLOCK;
	return (int64_t)bytes;
}

static const struct filesystem_operations operations = {.relieve = fs_nothing,
                                                        .use = fs_use,
                                                        .forget = fs_forget,
                                                        .get = fs_get,
                                                        .list = fs_list,
                                                        .room = fs_room,
                                                        .statistics = fs_statistics,
                                                        .write = fs_write};

static uint64_t session_make(struct served *served)
{
	const void *attributes;
	uint32_t bytes;
	handle_t given;
	handle_t memory;
	if (session_begin(served, 1, false, 20, 21, FILE_SESSION_WRITE | FILE_SESSION_SHARED, 0, &given,
	                  &attributes, &bytes) < 0)
		return 0;
	for (unsigned i = SESSIONS_MAX; i-- > 0;) {
		struct session *session = &file_service.sessions[i];
		if (session->served && session_use(session, NODE) >= 0 &&
		    contents_transfer(0, session->badge, FILE_TRANSFER_MAX, &memory) >= 0)
			return session->badge;
	}
	return 0;
}

static int64_t write_blocks(uint64_t badge, uint64_t offset, uint64_t blocks, uint64_t *done)
{
	*done = 0;
	return contents_write(0, badge, NODE, offset, blocks * FILE_BLOCK, 0, done);
}

/* How many from FIRST + COOKIE on are given when COUNT are asked for; all must be the session's then. */
static int64_t listed(uint64_t badge, uint64_t directory, uint64_t cookie, uint32_t count)
{
	const void *data = 0;
	uint32_t bytes = 0;
	struct file_attributes found;
	int64_t result = names_list_attributes(0, badge, directory, cookie, count, &data, &bytes);
	for (uint32_t at = 0; result >= 0 && at < bytes; at += sizeof(found)) {
		memcpy(&found, (const uint8_t *)data + at, sizeof(found));
		if (found.node != FIRST + cookie + at / sizeof(found) ||
		    !session_knows(session_of(badge), found.node))
			return -1;
	}
	return result < 0 ? result : bytes / sizeof(found);
}

static void check_lists(uint64_t badge)
{
	check("attributes of some names", listed(badge, 1, 2, 3) == 3);
	check("and of no more", !session_knows(session_of(badge), FIRST + 5) && listed(badge, 1, 2, 0) == 0);
	check("of as many as a message has room for",
	      listed(badge, 1, 0, UINT32_MAX) == (MESSAGE_BYTES_MAX - 16) / sizeof(struct file_attributes));
	check("up to one that cannot be read",
	      listed(badge, 1, LOST - FIRST - 4, 10) == 4 && listed(badge, 1, LOST - FIRST, 10) == FILE_E_IO);
	check("up to the end", listed(badge, 1, NAMES - 2, 10) == 2 && listed(badge, 1, NAMES, 10) == 0);
	check("each is a use", session_forget(session_of(badge), FIRST + 2, 2) == E_OK &&
	                           !session_knows(session_of(badge), FIRST + 2));
	check("of no directory that the session has not",
	      listed(badge, 7, 0, 1) == FILE_E_STALE && listed(badge, 0, 0, 1) == FILE_E_STALE);
}

int main(void)
{
	struct filesystem fs = {.operations = &operations, .root = 1};
	struct served served = {.fs = &fs};
	uint64_t granted = 0;
	uint64_t done;
	file_service.touch = touch;
	file_service.has_failed = has_failed;
	uint64_t one = session_make(&served);
	uint64_t two = session_make(&served);
	check("two sessions", one && two && one != two);
	check_lists(one);
	check("what is there is promised to one",
	      contents_reserve(0, one, NODE, 0, 60ull * FILE_BLOCK, &granted) == E_OK &&
	          granted == 60ull * FILE_BLOCK);
	check("the other writes into the rest alone",
	      write_blocks(two, 0, 50, &done) == E_OK && done == 40ull * FILE_BLOCK && written == 40);
	check("and nothing more", write_blocks(two, 0, 1, &done) == FILE_E_NO_SPACE && written == 40);
	check("what was promised is there", write_blocks(one, 0, 59, &done) == E_OK &&
	                                        done == 59ull * FILE_BLOCK && served.reserved == FILE_BLOCK);
	check("by whole blocks", write_blocks(one, 100, 1, &done) == E_OK && done == FILE_BLOCK - 100 &&
	                             written == BLOCKS && !served.reserved);
	check("to the last one", write_blocks(one, 0, 1, &done) == FILE_E_NO_SPACE && written == BLOCKS);
	sessions_clean(&served, true);
	return failures != 0;
}
