/* Tests of what serves a volume: the calls of abi/file.interface by its own stubs, on a directory of the host; nothing outside of
 * it is reached, and a read-only one is not changed. */
#include "share.h"
#include "share_buffer.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static struct share share;
static struct thread_page page;
static char top[] = "/tmp/share-test-XXXXXX";
static int failures, directory;

/* The client's side of the stubs: the service answers in place. */
int64_t channel_call(handle_t channel, struct message *message, uint64_t deadline)
{
	(void)channel, (void)deadline;
	message->badge = 1;
	share_answer(&share, message, &page);
	return E_OK;
}

static void check(const char *name, bool right)
{
	printf(right ? "ok share: %s\n" : "not ok share: %s - see the check of this name\n", name);
	failures += !right;
}

static int64_t session(uint32_t flags, uint64_t *root)
{
	handle_t given = 0;
	const void *data;
	uint32_t bytes;
	return file_session(1, &page, 1, 2, flags, 0, &given, root, &data, &bytes, 0);
}

static void begin(bool read_only, uint32_t most, uint64_t *root)
{
	share = (struct share){.buffer_put = put, .buffer_get = get};
	check("it begins", share_begin(&share, open(top, O_RDONLY | O_DIRECTORY), read_only, most) == 0 &&
	                       session(FILE_SESSION_READ | (read_only ? 0 : FILE_SESSION_WRITE), root) >= 0);
}

static int64_t lookup(uint64_t in, const char *name, uint64_t *node, struct file_attributes *found)
{
	const void *data;
	uint32_t bytes;
	int64_t result = file_lookup(1, &page, in, name, node, &data, &bytes, 0);
	if (result >= 0 && found)
		memcpy(found, data, sizeof(*found));
	return result;
}

static int64_t make(uint64_t in, const char *name, uint32_t mode, uint64_t *node)
{
	const void *data;
	uint32_t bytes;
	return file_create(1, &page, in, mode, getuid() | (uint64_t)getgid() << 32, 0, name, node, &data,
	                   &bytes, 0);
}

static void test_contents(uint64_t root)
{
	uint64_t node = 0, done = 0, found = 0;
	struct file_attributes now;
	check("a file is made", make(root, "file", S_IFREG | 04755, &node) >= 0);
	check("without set-user-ID", lookup(root, "file", &node, &now) >= 0 && (now.mode & 07777) == 0755);
	check("once", make(root, "file", S_IFREG | 0644, &found) == FILE_E_EXISTS);
	memset(buffer, 'x', sizeof(buffer));
	check("written", file_write(1, &page, node, 100, 200000, 50, &done, 0) >= 0 && done == 200000);
	memset(buffer, 0, sizeof(buffer));
	check("read", file_read(1, &page, node, 0, 300000, 1000, &done, 0) >= 0 && done == 200100 &&
	                  buffer[1099] == 0 && buffer[1100] == 'x' && buffer[1000 + 200099] == 'x' &&
	                  !buffer[1000 + 200100]);
	check("nothing behind its end", file_read(1, &page, node, 1 << 20, 100, 0, &done, 0) >= 0 && !done);
	check("not over the buffer's end",
	      file_read(1, &page, node, 0, FILE_TRANSFER_MAX, 1, &done, 0) == E_ARGUMENT);
	check("nor behind all files",
	      file_write(1, &page, node, UINT64_MAX - 10, 100, 0, &done, 0) == E_ARGUMENT);
	check("cut", file_resize(1, &page, node, 5, 0) >= 0 && lookup(root, "file", &node, &now) >= 0 &&
	                 now.size == 5);
	check("too large", file_resize(1, &page, node, UINT64_MAX, 0) == FILE_E_TOO_BIG);
	check("durable", file_sync(1, &page, node, 0, 0) >= 0 && file_sync(1, &page, 0, 0, 0) >= 0);
	check("its first data", file_seek(1, &page, node, FILE_SEEK_DATA, 0, &found, 0) >= 0 && !found);
	check("a whence that is none", file_seek(1, &page, node, 0, 0, &found, 0) == E_ARGUMENT);
	struct file_attributes wanted = {.mode = 07777, .modified_ns = -5, .accessed_ns = 7};
	const void *data;
	uint32_t bytes;
	check("attributes",
	      file_set_attributes(1, &page, node, FILE_SET_MODE | FILE_SET_MODIFIED | FILE_SET_ACCESSED,
	                          &wanted, sizeof(wanted), &data, &bytes, 0) >= 0 &&
	          lookup(root, "file", &node, &now) >= 0 && (now.mode & 07777) == 01777 &&
	          now.modified_ns == -5 && now.accessed_ns == 7);
	check("unknown attributes", file_set_attributes(1, &page, node, 1 << 20, &wanted, sizeof(wanted),
	                                                &data, &bytes, 0) == E_ARGUMENT);
	check("too few bytes",
	      file_set_attributes(1, &page, node, 1, &wanted, 3, &data, &bytes, 0) == E_ARGUMENT);
}

static void test_names(uint64_t root)
{
	static const char *const bad[] = {"", ".", "..", "a/b", "/etc", "../outside"};
	uint64_t node = 0, into = 0, below = 0;
	struct file_attributes now;
	const void *data;
	uint32_t bytes;
	char name[300];
	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		check("a name that leads out", lookup(root, bad[i], &node, 0) == E_ARGUMENT &&
		                                   make(root, bad[i], S_IFREG, &node) == E_ARGUMENT &&
		                                   file_unlink(1, &page, root, 0, bad[i], 0) == E_ARGUMENT);
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	check("a long name", make(root, name, S_IFREG, &node) == FILE_E_NAME_TOO_LONG);
	check("devices and sockets",
	      make(root, "d", S_IFCHR | 0600, &node) == -201 && make(root, "s", S_IFSOCK, &node) == -201);
	check("a directory", make(root, "sub", S_IFDIR | 0755, &into) >= 0 &&
	                         make(into, "below", S_IFREG | 0644, &below) >= 0);
	check("a link to the outside stays a link",
	      file_link_symbolic(1, &page, root, 0, "out", "/etc/passwd", &node, &data, &bytes, 0) >= 0 &&
	          lookup(root, "out", &node, &now) >= 0 && S_ISLNK(now.mode) &&
	          file_read_link(1, &page, node, 0, &data, &bytes, 0) >= 0 && bytes == 11 &&
	          memcmp(data, "/etc/passwd", 11) == 0);
	uint64_t done = 0;
	check("whose contents are nobody's", file_read(1, &page, node, 0, 10, 0, &done, 0) < 0);
	check("and which is no directory", lookup(node, "x", &below, 0) == FILE_E_NOT_DIRECTORY);
	check("a node that was never given", lookup(12345678, "x", &below, 0) == FILE_E_STALE);
	check("a further name", file_link(1, &page, node, into, 0, "again", &data, &bytes, 0) >= 0);
	check("renamed", file_rename(1, &page, root, into, 0, "file", "moved", 0) >= 0 &&
	                     lookup(into, "moved", &node, 0) >= 0);
	check("exclusively",
	      file_rename(1, &page, into, into, FILE_RENAME_EXCLUSIVE, "moved", "below", 0) == FILE_E_EXISTS);
	check("a directory that is not empty",
	      file_unlink(1, &page, root, FILE_UNLINK_DIRECTORY, "sub", 0) == FILE_E_NOT_EMPTY);
	check("removed", file_unlink(1, &page, into, 0, "moved", 0) >= 0);
	check("and still readable", file_read(1, &page, node, 0, 5, 0, &done, 0) >= 0 && done == 5);
	check("until it is forgotten", file_forget(1, &page, node, UINT64_MAX, 0) >= 0 &&
	                                   file_read(1, &page, node, 0, 5, 0, &done, 0) == FILE_E_STALE);
}

static void test_list(uint64_t root)
{
	uint64_t many = 0, node, cookie = 0, parent, seen = 0, rounds = 0;
	const void *data;
	uint32_t bytes;
	bool good = make(root, "many", S_IFDIR | 0755, &many) >= 0;
	for (unsigned i = 0; i < 500; i++) {
		char name[200];
		snprintf(name, sizeof(name), "%0150u", i);
		good = good && make(many, name, S_IFREG | 0644, &node) >= 0 &&
		       file_forget(1, &page, node, 1, 0) >= 0;
	}
	check("five hundred names", good);
	while (good && file_list(1, &page, many, cookie, &cookie, &parent, &data, &bytes, 0) >= 0 && bytes &&
	       rounds++ < 1000) {
		for (uint32_t at = 0; at < bytes; seen++) {
			struct file_entry entry;
			memcpy(&entry, (const char *)data + at, sizeof(entry));
			good = good && entry.node && entry.name_bytes == 150 &&
			       entry.entry_bytes >= sizeof(entry) + 150;
			at += entry.entry_bytes;
		}
	}
	check("each is listed once", good && seen == 500);
}

static void test_limits(void)
{
	uint64_t root = 0, node = 0;
	begin(false, 5, &root);
	unsigned made = 0;
	for (unsigned i = 0; i < 10; i++) {
		char name[8];
		snprintf(name, sizeof(name), "l%u", i);
		made += make(root, name, S_IFREG | 0644, &node) >= 0;
	}
	check("no more nodes than were allowed", made == 4 && share.used == 5);
	check("one session", session(FILE_SESSION_READ, &node) == FILE_E_BUSY);
	check("after its end another",
	      file_end(1, &page, 0) >= 0 && share.used == 1 && session(FILE_SESSION_READ, &node) >= 0);
	share_end(&share);
}

static void test_read_only(void)
{
	uint64_t root = 0, node = 0, done = 0;
	const void *data;
	uint32_t bytes;
	share = (struct share){.buffer_put = put, .buffer_get = get};
	check("read-only", share_begin(&share, open(top, O_RDONLY | O_DIRECTORY), true, 100) == 0 &&
	                       session(FILE_SESSION_READ | FILE_SESSION_WRITE, &root) == FILE_E_READ_ONLY &&
	                       session(FILE_SESSION_READ, &root) >= 0 && lookup(root, "l0", &node, 0) >= 0);
	check("nothing is changed",
	      make(root, "x", S_IFREG, &done) == FILE_E_READ_ONLY &&
	          file_unlink(1, &page, root, 0, "l0", 0) == FILE_E_READ_ONLY &&
	          file_write(1, &page, node, 0, 1, 0, &done, 0) == FILE_E_READ_ONLY &&
	          file_resize(1, &page, node, 0, 0) == FILE_E_READ_ONLY &&
	          file_rename(1, &page, root, root, 0, "l0", "l1", 0) == FILE_E_READ_ONLY &&
	          file_set_attributes(1, &page, node, 0, &node, 0, &data, &bytes, 0) == FILE_E_READ_ONLY &&
	          file_link(1, &page, node, root, 0, "y", &data, &bytes, 0) == FILE_E_READ_ONLY);
	check("and read", file_read(1, &page, node, 0, 1, 0, &done, 0) >= 0);
	share_end(&share);
}

int main(void)
{
	uint64_t root = 0;
	char line[64];
	if (!mkdtemp(top) || (directory = open(top, O_RDONLY | O_DIRECTORY)) < 0)
		return 1;
	umask(0);
	begin(false, 1000, &root);
	test_contents(root);
	test_names(root);
	test_list(root);
	share_end(&share);
	test_limits();
	test_read_only();
	snprintf(line, sizeof(line), "rm -rf %s", top);
	return system(line) != 0 || failures != 0;
}
