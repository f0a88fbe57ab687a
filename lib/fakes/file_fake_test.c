/* The file contract through its generated stubs against the service in memory: what a client sees, and what
 * hostile messages do. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "file_fake.h"

static struct file_fake fake;
static struct thread_page client_page;
static struct thread_page server_page;
static int failures;

static void check(const char *name, bool right)
{
	printf(right ? "ok file contract: %s\n" : "not ok file contract: %s - see the check of this name\n",
	       name);
	failures += !right;
}

int64_t syscall6(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f,
                 uint64_t *second)
{
	(void)number, (void)a, (void)b, (void)c, (void)d, (void)e, (void)f, (void)second;
	return E_OK;
}

int64_t channel_call(handle_t channel, struct message *message, uint64_t deadline)
{
	(void)channel, (void)deadline;
	memcpy(&server_page, &client_page, sizeof(server_page));
	file_serve(&file_fake_operations, &fake, message, &server_page);
	memcpy(&client_page, &server_page, sizeof(server_page));
	return E_OK;
}

static uint64_t make(uint64_t directory, uint32_t mode, const char *name)
{
	uint64_t node = 0;
	const void *attributes;
	uint32_t bytes;
	int64_t result = file_create(1, &client_page, directory, mode, 5ull | 6ull << 32, 0, name, &node,
	                             &attributes, &bytes, 0);
	return result == E_OK && bytes == sizeof(struct file_attributes) ? node : 0;
}

static uint32_t links(uint64_t node)
{
	struct file_attributes attributes = {0};
	const void *data;
	uint32_t bytes;
	if (file_attributes(1, &client_page, node, &data, &bytes, 0) == E_OK)
		memcpy(&attributes, data, sizeof(attributes));
	return attributes.links;
}

static void test_names(void)
{
	uint64_t node;
	uint64_t root = FILE_FAKE_ROOT;
	uint64_t directory = make(root, 0040755, "directory");
	uint64_t file = make(directory, 0100644, "file");
	const void *data;
	uint32_t bytes;
	check("create and lookup",
	      directory && file && make(root, 0100644, "directory") == 0 &&
	          file_lookup(1, &client_page, directory, "file", &node, &data, &bytes, 0) == E_OK &&
	          node == file);
	check("wrong names", make(root, 0100644, "..") == 0 && make(root, 0100644, "a/b") == 0 &&
	                         make(file, 0100644, "below-a-file") == 0);
	check("links are counted",
	      file_link(1, &client_page, file, root, 0, "again", &data, &bytes, 0) == E_OK &&
	          links(file) == 2 && links(root) == 3);
	check("a directory that is not empty stays",
	      file_unlink(1, &client_page, root, FILE_UNLINK_DIRECTORY, "directory", 0) == FILE_E_NOT_EMPTY &&
	          file_unlink(1, &client_page, root, 0, "directory", 0) == FILE_E_IS_DIRECTORY);
	check("rename below itself is refused",
	      file_rename(1, &client_page, root, directory, 0, "directory", "inside", 0) == E_ARGUMENT);
	check("rename, exclusive and exchanging",
	      file_rename(1, &client_page, root, root, FILE_RENAME_EXCLUSIVE, "again", "directory", 0) ==
	              FILE_E_EXISTS &&
	          file_rename(1, &client_page, root, root, FILE_RENAME_EXCHANGE, "again", "directory", 0) ==
	              E_OK &&
	          file_lookup(1, &client_page, root, "again", &node, &data, &bytes, 0) == E_OK &&
	          node == directory);
	check("the target of a symbolic link",
	      file_link_symbolic(1, &client_page, root, 0, "link", "some/where", &node, &data, &bytes, 0) ==
	              E_OK &&
	          file_read_link(1, &client_page, node, 5, &data, &bytes, 0) == E_OK && bytes == 5 &&
	          memcmp(data, "where", 5) == 0);
	uint64_t next = 0;
	uint64_t parent = 0;
	unsigned entries = 0;
	while (file_list(1, &client_page, root, next, &next, &parent, &data, &bytes, 0) == E_OK && bytes)
		for (uint32_t at = 0; at < bytes; entries++) {
			struct file_entry entry;
			memcpy(&entry, (const uint8_t *)data + at, sizeof(entry));
			at += entry.entry_bytes;
		}
	check("a directory's entries, each once", entries == 3 && parent == root);
	file_unlink(1, &client_page, root, 0, "directory", 0);
	file_unlink(1, &client_page, directory, 0, "file", 0);
	check("a file without a name lives while it is used",
	      links(file) == 0 && file_forget(1, &client_page, file, 2, 0) == E_OK &&
	          file_forget(1, &client_page, file, 1, 0) == FILE_E_STALE);
}

static void test_contents(void)
{
	uint64_t file = make(FILE_FAKE_ROOT, 0100600, "contents");
	handle_t memory = 0;
	uint64_t size = 1;
	uint64_t granted = 0;
	check("open gives the memory object",
	      file_open(1, &client_page, file, FILE_OPEN_READ | FILE_OPEN_WRITE, &memory, &size, 0) == E_OK &&
	          size == 0 && file_fake_contents(&fake, memory));
	check("room is reserved, then said to be written",
	      file_reserve(1, &client_page, file, 100, 1000, &granted, 0) == E_OK && granted == 1000 &&
	          file_written(1, &client_page, file, 100, 1000, &size, 0) == E_OK && size == 1100);
	check("appenders do not overlap",
	      file_append(1, &client_page, file, 10, &size, 0) == E_OK && size == 1100 &&
	          file_append(1, &client_page, file, 10, &size, 0) == E_OK && size == 1110);
	file_fake_contents(&fake, memory)[50] = 7;
	check("what is cut off is gone", file_resize(1, &client_page, file, 10, 0) == E_OK &&
	                                     file_resize(1, &client_page, file, 100, 0) == E_OK &&
	                                     file_fake_contents(&fake, memory)[50] == 0);
	check("a full disk is said before anything is written",
	      file_reserve(1, &client_page, file, FILE_FAKE_CONTENTS, 1, &granted, 0) == FILE_E_NO_SPACE);
	check("sizes beyond all are refused",
	      file_resize(1, &client_page, file, FILE_SIZE_MAX + 1, 0) == FILE_E_TOO_BIG);
	const void *value;
	uint32_t bytes;
	uint64_t total = 0;
	check("an extended attribute in pieces",
	      file_xattr_set(1, &client_page, file, 0, 0, 6, "user.a", "abc", 3, 0) == E_OK &&
	          file_xattr_get(1, &client_page, file, 0, "user.a", &total, &value, &bytes, 0) ==
	              FILE_E_NO_ATTRIBUTE &&
	          file_xattr_set(1, &client_page, file, 0, 3, 6, "user.a", "def", 3, 0) == E_OK &&
	          file_xattr_get(1, &client_page, file, 2, "user.a", &total, &value, &bytes, 0) == E_OK &&
	          total == 6 && bytes == 4 && memcmp(value, "cdef", 4) == 0);
	fake.failed = true;
	check("a device that is gone", file_sync(1, &client_page, 0, 0, 0) == FILE_E_IO);
	fake.failed = false;
	fake.read_only = true;
	check("a mount that is read-only", make(FILE_FAKE_ROOT, 0100600, "new") == 0 &&
	                                       file_resize(1, &client_page, file, 0, 0) == FILE_E_READ_ONLY);
	fake.read_only = false;
}

static void test_hostile(void)
{
	bool sane = true;
	srand(3);
	for (unsigned round = 0; round < 300000; round++) {
		struct message message;
		for (unsigned i = 0; i < MESSAGE_WORDS; i++)
			message.words[i] = (uint64_t)rand() >> (rand() % 32);
		message.words[0] = (uint64_t)FILE_VERSION << 32 | (uint32_t)(rand() % 30);
		message.words[1] %= 8;
		message.info = INFO_MAKE((uint32_t)rand() % MESSAGE_BYTES_MAX, rand() % 3);
		uint32_t length = (uint32_t)rand() % 200;
		memset(server_page.bytes, rand() % 2 ? 'x' : 0, 512);
		memcpy(server_page.bytes, &length, 4);
		server_page.bytes[4 + (length ? length - 1 : 0)] = 0;
		length = (uint32_t)rand() % 300;
		memcpy(server_page.bytes + 4 + (((uint32_t)server_page.bytes[0] + 3) & ~3u), &length, 4);
		file_serve(&file_fake_operations, &fake, &message, &server_page);
		sane = sane && INFO_BYTES(message.info) <= MESSAGE_BYTES_MAX && INFO_CAPS(message.info) <= 4;
	}
	check("random messages", sane);
}

int main(void)
{
	file_fake_init(&fake);
	test_names();
	test_contents();
	test_hostile();
	return failures != 0;
}
