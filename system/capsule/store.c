/* Where installed capsules are kept: a directory in memory, for as long as this sub-kernel runs, and one in an open vault, which is
 * mounted for as long as the command looks. What is read from either is verified anew each time. */
#include "capsule.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <holon/vault.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include "../subkernel/command.h"
#include "../subkernel/libholon.h"

#define SESSION   "/run/capsule"
#define NAMES_MAX 4096u

static char mounted[sizeof(((struct store *)0)->path)];

void stores_close(void)
{
	if (!mounted[0])
		return;
	umount2(mounted, MNT_DETACH);
	rmdir(mounted);
	mounted[0] = 0;
}

static int lock = -1;

void stores_lock(bool alone)
{
	lock = open(SESSION, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	while (lock >= 0 && flock(lock, alone ? LOCK_EX : LOCK_SH))
		if (errno != EINTR) {
			close(lock);
			lock = -1;
		}
	if (lock < 0)
		stop(CAPSULE_IMPOSSIBLE, "%s: %s", SESSION, strerror(errno));
}

void stores_unlock(void)
{
	if (lock >= 0)
		close(lock);
	lock = -1;
}

/* Mounts the directory for capsules of the vault NAME; false with errno. */
static bool vault_mount(struct store *store, const char *name)
{
	char source[48];

	snprintf(store->path, sizeof(store->path), SESSION "/vault-XXXXXX");
	snprintf(store->vault, sizeof(store->vault), "%s", name);
	snprintf(source, sizeof(source), "%s:capsules", name);
	if (!mkdtemp(store->path))
		return false;
	if (mount(source, store->path, "vault", 0, "")) {
		int error = errno;

		rmdir(store->path);
		errno = error;
		return false;
	}
	memcpy(mounted, store->path, sizeof(mounted));
	atexit(stores_close);
	return true;
}

/* The vault WANTED, or the first that can be written to; false: there is none. */
static bool vault_find(const char *wanted, char name[VAULT_NAME_MAX + 1])
{
	struct holon_vault request = {0};

	for (; holon_vault(HOLON_VAULT_LIST, &request) == 0; request.index++) {
		struct vault_info info;

		memcpy(&info, request.result, sizeof(info));
		info.name[VAULT_NAME_MAX] = 0;
		if (wanted ? strcmp(info.name, wanted) == 0
		           : !(info.flags & VAULT_READ_ONLY) && !info.failed) {
			memcpy(name, info.name, VAULT_NAME_MAX + 1);
			return true;
		}
	}
	return false;
}

void stores_open(struct stores *stores, const char *wanted, bool session_alone)
{
	char name[VAULT_NAME_MAX + 1];

	*stores = (struct stores){.count = 1};
	snprintf(stores->at[0].path, sizeof(stores->at[0].path), SESSION);
	if (mkdir(SESSION, 0700) && errno != EEXIST)
		stop(CAPSULE_IMPOSSIBLE, "%s: %s", SESSION, strerror(errno));
	if (session_alone)
		return;
	if (!vault_find(wanted, name)) {
		if (wanted)
			stop(CAPSULE_IMPOSSIBLE, "no vault '%s' is open ('vault ls' lists them)", wanted);
		return;
	}
	if (vault_mount(&stores->at[1], name))
		stores->count = 2;
	else
		stop(CAPSULE_IMPOSSIBLE,
		     "the vault '%s' is open, but its capsules cannot be reached: %s. --session leaves it "
		     "alone",
		     name, strerror(errno));
}

struct bytes file_read(const char *path, size_t limit)
{
	int file = open(path, O_RDONLY | O_CLOEXEC);
	struct bytes bytes = {0};
	struct stat status;

	if (file < 0 && errno == ENOENT)
		return bytes;
	if (file < 0 || fstat(file, &status))
		stop(CAPSULE_IMPOSSIBLE, "%s: %s", path, strerror(errno));
	if (!S_ISREG(status.st_mode) || (uint64_t)status.st_size > limit)
		stop(CAPSULE_IMPOSSIBLE, "%s is no file of at most %zu bytes", path, limit);
	/* One more, so that a file that grows meanwhile is found, and an empty one is not none. */
	bytes.at = malloc((size_t)status.st_size + 1);
	if (!bytes.at)
		stop(CAPSULE_IMPOSSIBLE, "%s: there is no memory for it", path);
	for (;;) {
		ssize_t got = read(file, bytes.at + bytes.count, (size_t)status.st_size + 1 - bytes.count);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			stop(CAPSULE_IMPOSSIBLE, "%s: %s", path, strerror(errno));
		bytes.count += (size_t)got;
		if (bytes.count > (size_t)status.st_size)
			stop(CAPSULE_IMPOSSIBLE, "%s is being written", path);
		if (!got)
			break;
	}
	close(file);
	return bytes;
}

static void path_of(char path[256], const struct store *store, const char *name, const char *suffix)
{
	snprintf(path, 256, "%s/%s%s", store->path, name, suffix);
}

struct bytes store_read(const struct store *store, const char *name, const char *suffix, size_t limit)
{
	char path[256];

	path_of(path, store, name, suffix);
	return file_read(path, limit);
}

void store_write(const struct store *store, const char *name, const char *suffix, const void *bytes,
                 size_t count)
{
	char path[256], beside[256];
	int file;

	path_of(path, store, name, suffix);
	path_of(beside, store, "new-XXXXXX", "");
	file = mkstemp(beside);
	if (file < 0)
		stop(CAPSULE_IMPOSSIBLE, "%s: %s", path, strerror(errno));
	if (write_all(file, bytes, (long)count) || fsync(file) || close(file) || rename(beside, path)) {
		int error = errno;

		unlink(beside);
		stop(CAPSULE_IMPOSSIBLE, "cannot write %s: %s", path, strerror(error));
	}
}

bool store_remove(const struct store *store, const char *name, const char *suffix)
{
	char path[256];

	path_of(path, store, name, suffix);
	if (unlink(path) == 0)
		return true;
	if (errno != ENOENT)
		stop(CAPSULE_IMPOSSIBLE, "cannot remove %s: %s", path, strerror(errno));
	return false;
}

void store_each(const struct store *store, const char *suffix,
                void (*each)(const struct store *store, const char *name, void *context), void *context)
{
	struct dirent **entries;
	int count = scandir(store->path, &entries, 0, alphasort);

	if (count < 0)
		stop(CAPSULE_IMPOSSIBLE, "%s: %s", store->path, strerror(errno));
	for (int index = 0; index < count; index++) {
		char *name = entries[index]->d_name;
		size_t length = strlen(name), end = strlen(suffix);

		if (length > end && strcmp(name + length - end, suffix) == 0) {
			name[length - end] = 0;
			each(store, name, context);
		}
		free(entries[index]);
	}
	free(entries);
}
