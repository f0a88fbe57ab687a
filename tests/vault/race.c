/* Many threads change names, attributes and contents of one directory at once.
 *
 * `race DIRECTORY THREADS STEPS SEED`: each thread has a directory of its own, in which everything is to be as it has left it, and
 * all share others, in which they get in each other's way: there a call may fail, but only as one that came too early or too late.
 * `race show DIRECTORY` tells all that is in it, so that what a mount shows can be compared with what the next one does: names, types,
 * inodes, links, which have to be as many as there are names, modes, sizes, attributes, and sums of contents.
 */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include "../linux/check.h"

#define OWN    6 /* files of a thread */
#define SHARED 5 /* names in each of the shared directories */
#define PLACES 3

static int steps;
static uint32_t first_seed;
static volatile int failures;

static uint32_t draw(uint32_t *seed, uint32_t below)
{
	*seed = *seed * 1664525 + 1013904223;
	return (*seed >> 8) % below;
}

static void wrong(const char *what, const char *name)
{
	if (__atomic_add_fetch(&failures, 1, __ATOMIC_SEQ_CST) <= 5)
		printf("# %s of %s: %s\n", what, name, strerror(errno));
}

/* ---- A thread's own ---- */

struct own {
	bool there;
	uint32_t size;
	mode_t mode;
	uint8_t byte;
};

static void own_write(const char *name, struct own *own, uint32_t *seed)
{
	char bytes[5000];
	uint32_t count = 1 + draw(seed, sizeof(bytes));
	own->byte = own->there ? own->byte : (uint8_t)(1 + draw(seed, 255));
	memset(bytes, own->byte, count);
	int file = open(name, O_WRONLY | O_CREAT | O_APPEND | (own->there ? 0 : O_EXCL), 0644);
	if (file < 0 || write(file, bytes, count) != (ssize_t)count)
		wrong("write", name);
	if (draw(seed, 8) == 0 && fsync(file))
		wrong("fsync", name);
	if (file >= 0)
		close(file);
	if (!own->there)
		*own = (struct own){true, 0, 0644, own->byte};
	own->size += count;
}

static void own_check(const char *name, const struct own *own)
{
	struct stat status;
	static __thread char bytes[65536];
	if (lstat(name, &status)) {
		if (own->there || errno != ENOENT)
			wrong("stat", name);
		return;
	}
	errno = 0;
	if (!own->there || status.st_size != own->size || (status.st_mode & 07777) != own->mode ||
	    status.st_nlink != 1)
		wrong("a wrong state", name);
	int file = open(name, O_RDONLY);
	for (ssize_t got; file >= 0 && (got = read(file, bytes, sizeof(bytes))) > 0;)
		for (ssize_t at = 0; at < got; at++)
			if ((uint8_t)bytes[at] != own->byte) {
				wrong("a wrong byte", name);
				break;
			}
	if (file >= 0)
		close(file);
}

static void own_step(int thread, struct own own[OWN], uint32_t *seed)
{
	char name[64];
	char other[64];
	uint32_t which = draw(seed, OWN);
	uint32_t to = draw(seed, OWN);
	struct own *it = &own[which];
	snprintf(name, sizeof(name), "own%d/%u", thread, which);
	snprintf(other, sizeof(other), "own%d/%u", thread, to);
	switch (draw(seed, 7)) {
	case 0:
	case 1:
		if (it->size < 200000)
			own_write(name, it, seed);
		break;
	case 2:
		if (unlink(name) != (it->there ? 0 : -1))
			wrong("unlink", name);
		it->there = false;
		break;
	case 3:
		if (rename(name, other) != (it->there ? 0 : -1))
			wrong("rename", name);
		if (it->there && which != to) {
			own[to] = *it;
			it->there = false;
		}
		break;
	case 4:
		if (it->there && chmod(name, it->mode = 0600 | (mode_t)draw(seed, 0100)))
			wrong("chmod", name);
		break;
	case 5:
		if (it->there && truncate(name, it->size = draw(seed, it->size + 1)))
			wrong("truncate", name);
		break;
	default:
		own_check(name, it);
	}
}

/* ---- What all share ---- */

static void shared_name(char name[64], uint32_t *seed)
{
	uint32_t place = draw(seed, PLACES + 1);
	if (place < PLACES)
		snprintf(name, 64, "place%u/%u", place, draw(seed, SHARED));
	else /* what is a directory now and then */
		snprintf(name, 64, "place%u/%u/%u", draw(seed, PLACES), draw(seed, SHARED),
		         draw(seed, SHARED));
}

static bool expected(int error)
{
	return error == ENOENT || error == EEXIST || error == ENOTEMPTY || error == EISDIR ||
	       error == ENOTDIR || error == EINVAL || error == EPERM || error == ELOOP || error == ENODATA;
}

static int shared_write(const char *name, uint32_t *seed)
{
	char bytes[9000];
	uint32_t count = 1 + draw(seed, sizeof(bytes));
	memset(bytes, 'a' + (int)draw(seed, 26), count);
	int file = open(name, O_RDWR | O_CREAT | (draw(seed, 3) ? 0 : O_EXCL), 0644);
	if (file < 0)
		return -1;
	int result = pwrite(file, bytes, count, draw(seed, 60000)) == (ssize_t)count ? 0 : -1;
	if (!result && draw(seed, 4) == 0) {
		char *map = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
		result = map == MAP_FAILED ? -1 : 0;
		if (!result) /* somebody may cut it */
			munmap(map, 4096);
	}
	if (!result && draw(seed, 8) == 0)
		result = fsync(file);
	close(file);
	return result;
}

static int shared_look(const char *name)
{
	struct stat status;
	DIR *directory = opendir(name);
	if (!directory)
		return -1;
	for (const struct dirent *entry; (entry = readdir(directory)) != 0;)
		if (fstatat(dirfd(directory), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) && errno != ENOENT)
			wrong("stat", entry->d_name);
	closedir(directory);
	return 0;
}

static void shared_step(uint32_t *seed)
{
	char name[64];
	char other[64];
	int result = 0;
	uint32_t what = draw(seed, 14);
	shared_name(name, seed);
	shared_name(other, seed);
	switch (what) {
	case 0:
	case 1:
	case 2:
		result = shared_write(name, seed);
		break;
	case 3:
		result = unlink(name);
		break;
	case 4:
		result = mkdir(name, 0755);
		break;
	case 5:
		result = rmdir(name);
		break;
	case 6:
	case 7:
		result = rename(name, other);
		break;
	case 8:
		result = renameat2(AT_FDCWD, name, AT_FDCWD, other, RENAME_EXCHANGE);
		break;
	case 9:
		result = link(name, other);
		break;
	case 10:
		result = symlink("away", name);
		break;
	case 11:
		result = truncate(name, draw(seed, 60000));
		break;
	case 12:
		result = draw(seed, 2) ? setxattr(name, "user.race", name, strlen(name), 0)
		                       : chmod(name, 0700 | (mode_t)draw(seed, 070));
		break;
	default:
		result = shared_look(*other && draw(seed, 2) ? name : "place0");
	}
	if (result && !expected(errno)) {
		snprintf(other, sizeof(other), "call %u", what);
		wrong(other, name);
	}
}

static void *run(void *argument)
{
	int thread = (int)(intptr_t)argument;
	uint32_t seed = first_seed * 1000 + (uint32_t)thread;
	struct own own[OWN] = {0};
	char name[64];
	for (int step = 0; step < steps; step++)
		if (draw(&seed, 2))
			own_step(thread, own, &seed);
		else
			shared_step(&seed);
	for (int i = 0; i < OWN; i++) {
		snprintf(name, sizeof(name), "own%d/%d", thread, i);
		own_check(name, &own[i]);
	}
	return 0;
}

/* ---- A socket that two threads bind ---- */

#define BINDS 10

struct binding {
	int socket, error;
	struct sockaddr_un address;
};

static void *bind_one(void *argument)
{
	struct binding *binding = argument;
	const struct sockaddr *address = (const struct sockaddr *)&binding->address;
	binding->error = bind(binding->socket, address, sizeof(binding->address)) ? errno : 0;
	return 0;
}

/* One of them has it, and its name alone is left. */
static void bind_twice(void)
{
	bool good = true;
	for (int round = 0; round < BINDS; round++) {
		struct binding bindings[2];
		pthread_t threads[2];
		struct stat status;
		int one = socket(AF_UNIX, SOCK_STREAM, 0);
		for (int i = 0; i < 2; i++) {
			bindings[i] = (struct binding){.socket = one, .address.sun_family = AF_UNIX};
			snprintf(bindings[i].address.sun_path, sizeof(bindings[i].address.sun_path),
			         "bound%d", i);
			pthread_create(&threads[i], 0, bind_one, &bindings[i]);
		}
		for (int i = 0; i < 2; i++)
			pthread_join(threads[i], 0);
		good = good && bindings[0].error + bindings[1].error == EINVAL && listen(one, 1) == 0;
		for (int i = 0; i < 2; i++) {
			int other = socket(AF_UNIX, SOCK_STREAM, 0);
			const struct sockaddr *address = (const struct sockaddr *)&bindings[i].address;
			bool there = lstat(bindings[i].address.sun_path, &status) == 0;
			good = good && there == !bindings[i].error;
			if (there)
				good = connect(other, address, sizeof(bindings[i].address)) == 0 && good;
			unlink(bindings[i].address.sun_path);
			close(other);
		}
		close(one);
	}
	check("a socket that two bind at once has one name", good);
}

/* ---- Rights that change ---- */

#define ACL_ROUNDS 300
#define STRANGER   1000

/* Of acl(5), as in system.posix_acl_access. */
struct acl {
	uint32_t version;
	struct {
		uint16_t tag, bits;
		uint32_t id;
	} entries[5];
};

/* A list by which the file's group may only read, though the mode's bits of the group are rw-; and none, by which it may only read. */
static void lists(void)
{
	const struct acl list = {
	    2, {{1, 6, ~0u}, {2, 6, 2 * STRANGER}, {4, 4, ~0u}, {16, 6, ~0u}, {32, 0, ~0u}}};
	const struct acl none = {2, {{1, 6, ~0u}, {4, 4, ~0u}, {32, 0, ~0u}}};
	const char *name = "system.posix_acl_access";
	int status = 0;
	int file = open("listed", O_RDWR | O_CREAT | O_EXCL, 0640);
	bool good = file >= 0 && fchown(file, 0, STRANGER) == 0 && fchmod(file, 0640) == 0;
	pid_t child = fork();
	if (child == 0) {
		if (setgroups(0, 0) || setgid(STRANGER) || setuid(STRANGER))
			_exit(1);
		while (getppid() != 1 && access("ended", F_OK))
			if (open("listed", O_WRONLY) >= 0)
				_exit(2);
		_exit(0);
	}
	for (int round = 0; round < ACL_ROUNDS && good; round++)
		good = fsetxattr(file, name, &list, sizeof(list), 0) == 0 &&
		       fsetxattr(file, name, &none, 4 + 3 * sizeof(none.entries[0]), 0) == 0;
	int ended = open("ended", O_WRONLY | O_CREAT, 0600);
	good = waitpid(child, &status, 0) == child && exited(status, 0) && good;
	check("nobody has a right for a moment that no list gives", good);
	close(ended);
	close(file);
	unlink("ended");
	unlink("listed");
}

/* ---- What there is ---- */

#define NODES_MAX 512

static struct {
	ino_t inode;
	unsigned links, names;
} files[NODES_MAX];

static void count_name(const struct stat *status)
{
	for (int i = 0; i < NODES_MAX; i++) {
		if (files[i].names && files[i].inode != status->st_ino)
			continue;
		files[i].inode = status->st_ino;
		files[i].links = (unsigned)status->st_nlink;
		files[i].names++;
		return;
	}
}

static void show(const char *path)
{
	struct stat status;
	struct dirent **names;
	char value[64] = "";
	uint64_t sum = 0;
	if (lstat(path, &status)) {
		wrong("stat", path);
		return;
	}
	if (S_ISREG(status.st_mode)) {
		static unsigned char bytes[65536];
		int file = open(path, O_RDONLY);
		for (ssize_t got; (got = read(file, bytes, sizeof(bytes))) > 0;)
			for (ssize_t at = 0; at < got; at++)
				sum = sum * 31 + bytes[at];
		close(file);
	}
	if (!S_ISLNK(status.st_mode) && getxattr(path, "user.race", value, sizeof(value) - 1) < 0 &&
	    errno != ENODATA)
		wrong("getxattr", path);
	printf("%s %o inode %lu links %lu size %lu sum %lx %s\n", path, status.st_mode,
	       (unsigned long)status.st_ino, (unsigned long)status.st_nlink,
	       S_ISDIR(status.st_mode) ? 0 : (unsigned long)status.st_size, (unsigned long)sum, value);
	if (!S_ISDIR(status.st_mode)) {
		count_name(&status);
		return;
	}
	unsigned directories = 2;
	int count = scandir(path, &names, 0, alphasort);
	for (int i = 0; i < count; i++) {
		char child[512];
		struct stat below;
		snprintf(child, sizeof(child), "%s/%s", path, names[i]->d_name);
		if (names[i]->d_name[0] != '.') {
			directories += !lstat(child, &below) && S_ISDIR(below.st_mode);
			show(child);
		}
		free(names[i]);
	}
	if (status.st_nlink != directories)
		wrong("a wrong count of links", path);
}

static int show_all(const char *path)
{
	show(path);
	for (int i = 0; i < NODES_MAX; i++)
		if (files[i].names != files[i].links) {
			printf("# inode %lu has %u links and %u names\n", (unsigned long)files[i].inode,
			       files[i].links, files[i].names);
			failures++;
		}
	return failures != 0;
}

int main(int count, char **words)
{
	char name[64];
	pthread_t threads[64];
	umask(022);
	if (count == 3)
		return chdir(words[2]) ? 2 : show_all(".");
	if (count != 5 || chdir(words[1]) || atoi(words[2]) > 64)
		return 2;
	steps = atoi(words[3]);
	first_seed = (uint32_t)atoi(words[4]);
	for (int i = 0; i < PLACES; i++) {
		snprintf(name, sizeof(name), "place%d", i);
		mkdir(name, 0755);
	}
	for (int i = 0; i < atoi(words[2]); i++) {
		snprintf(name, sizeof(name), "own%d", i);
		if (mkdir(name, 0755) || pthread_create(&threads[i], 0, run, (void *)(intptr_t)i))
			return 3;
	}
	for (int i = 0; i < atoi(words[2]); i++)
		pthread_join(threads[i], 0);
	bind_twice();
	lists();
	printf("# %s threads, %d steps each\n", words[2], steps);
	check("many change one directory at once", !failures);
	return check_failures != 0;
}
