/* `slow DIRECTORY FILE NAMES CHANGED`: a child reads FILE, maps it, and looks at all that is in the directory NAMES, of a vault on a slow
 * device, nothing of which is known yet; meanwhile this program makes and removes things in DIRECTORY, which is memory. What it waits for
 * longest is to be a small part of the time that the child takes. Before that one that has begun to read FILE is killed. Then one
 * child has the device write much, and another changes names and attributes in CHANGED, for which it has to wait. `slow buffer DIRECTORY
 * FILE CHANGED`: a child reads a half of FILE, another sends the other half into memory, and this program has CHANGED written back.
 * `slow unmount DIRECTORY MOUNT VAULT`: what was written below MOUNT, where VAULT is mounted, is unmounted by a child, and then once more
 * while another child syncs; it is to be free when that returns. A sync beside an unmount returns behind it. `slow signals DIRECTORY
 * ROUNDS OTHERS`: a child changes a file of DIRECTORY so often while OTHERS have the service busy; signals come meanwhile, and no call is to fail for that.
 * `slow deep DEEP` makes trees that take long to look through; `slow looks DIRECTORY DEEP`: calls that look up a name there, exec among
 * them, hold up nobody. `slow copies DIRECTORY MOUNT OTHER`: nor do those that reserve room and copy in MOUNT while the service
 * is busy with OTHER. */
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include "../linux/check.h"

#define SHORT_NS 100000000 /* a wait for the device is longer; one for a turn on a busy machine may not be */
#define PART     8 /* of the time; the device takes more of it for each of the pieces in which it is asked */

static uint64_t now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* COUNT bytes of FILE from AT on go through a pipe: are they as pread says? */
static bool through_pipe(int file, off_t at, size_t count)
{
	static char bytes[2][4096];
	int ends[2];
	if (pipe(ends))
		return false;
	for (off_t end = at + (off_t)count; at < end;) {
		off_t from = at;
		ssize_t moved = splice(file, &from, ends[1], 0, sizeof(bytes[0]), 0);
		if (moved <= 0 || from != at + moved || read(ends[0], bytes[0], sizeof(bytes[0])) != moved ||
		    pread(file, bytes[1], (size_t)moved, at) != moved ||
		    memcmp(bytes[0], bytes[1], (size_t)moved) != 0)
			return false;
		at = from;
	}
	return close(ends[0]) == 0 && close(ends[1]) == 0;
}

static int look(const char *file, const char *names)
{
	static char bytes[4096];
	struct stat status;
	int sum = 0;
	int from = open(file, O_RDONLY);
	if (from < 0 || fstat(from, &status))
		return 1;
	off_t half = status.st_size / 2;
	if (!through_pipe(from, 0, (size_t)half / 2))
		return 7;
	for (off_t at = half / 2; at < half; at += (off_t)sizeof(bytes))
		if (pread(from, bytes, sizeof(bytes), at) != (ssize_t)sizeof(bytes))
			return 2;
	const char *map = mmap(0, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, from, 0);
	if (map == MAP_FAILED)
		return 3;
	for (off_t at = 0; at < status.st_size; at += 4096)
		sum += map[at];
	DIR *directory = opendir(names);
	if (!directory)
		return 4;
	for (const struct dirent *entry; (entry = readdir(directory)) != 0;)
		if (fstatat(dirfd(directory), entry->d_name, &status, AT_SYMLINK_NOFOLLOW))
			return 5;
	return sum == INT32_MIN ? 6 : 0;
}

/* It takes the file no longer than for the piece under way. */
static void killed_reader(const char *file)
{
	struct stat status;
	uint64_t start = now();
	pid_t child = fork();
	if (child == 0) {
		int from = open(file, O_RDONLY);
		char *bytes = from >= 0 && !fstat(from, &status) ? malloc((size_t)status.st_size) : 0;
		_exit(bytes && read(from, bytes, (size_t)status.st_size) == status.st_size ? 0 : 1);
	}
	pause_ms(500);
	kill(child, SIGKILL);
	int end = 0;
	waitpid(child, &end, 0);
	printf("# a reader that was killed after half a second ended after %llu ms\n",
	       (unsigned long long)(now() - start) / 1000000);
	check("a slow device: who reads can be killed", killed(end, SIGKILL) && now() - start < 5000000000);
}

/* Until CHILD ends, with *STATUS: the longest wait is to be less than a PARTth of that. */
static void meanwhile(pid_t child, int *status, unsigned part)
{
	uint64_t start = now();
	uint64_t last = start;
	uint64_t longest = 0;
	unsigned rounds = 0;
	while (waitpid(child, status, WNOHANG) == 0) {
		uint64_t time = now();
		longest = time - last > longest ? time - last : longest;
		last = time;
		if (mkdir("slow", 0700) || rmdir("slow"))
			break;
		rounds++;
	}
	uint64_t end = now();
	uint64_t all = end - start;
	longest = end - last > longest ? end - last : longest;
	printf("# %u rounds in %llu ms, the longest wait was %llu ms\n", rounds,
	       (unsigned long long)all / 1000000, (unsigned long long)longest / 1000000);
	check("a slow device holds up nobody who does without it",
	      longest < all / part || longest < SHORT_NS);
}

static int write_much(void)
{
	static char bytes[1 << 20];
	int file = open("much", O_WRONLY | O_CREAT | O_EXCL, 0600);
	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i * 2654435761u >> 13);
	for (int times = 0; times < 2; times++)
		if (write(file, bytes, sizeof(bytes)) != (ssize_t)sizeof(bytes) || fsync(file))
			return 1;
	return close(file) != 0;
}

/* Leaves 2 MiB in NAME of MOUNT that the device has not got yet. */
static bool leave(const char *mount, const char *name)
{
	static uint32_t words[1 << 19];
	char path[128];
	snprintf(path, sizeof(path), "%s/%s", mount, name);
	for (unsigned i = 0; i < sizeof(words) / sizeof(*words); i++)
		words[i] = i * 2654435761u;
	int file = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	return file >= 0 && write(file, words, sizeof(words)) == sizeof(words) && close(file) == 0;
}

static void unmounted(const char *at, const char *vault)
{
	int status = 0;
	pid_t child = leave(at, "last") ? fork() : -1;
	if (child == 0)
		_exit(umount(at) != 0);
	meanwhile(child, &status, 2); /* it takes a second, of which a busy machine takes a tenth */
	check("a slow device: what it keeps is unmounted", exited(status, 0));
	bool good = mount(vault, at, "vault", 0, 0) == 0 && leave(at, "synced");
	child = fork();
	if (child == 0) {
		sync();
		_exit(0);
	}
	pause_ms(300); /* it is under way, for seconds */
	good = good && umount(at) == 0;
	int error = mount(vault, at, "vault", 0, 0) ? errno : 0;
	printf("# mounted again: %s\n", strerror(error));
	check("a slow device: what is unmounted while others sync is free", good && !error);
	waitpid(child, &status, 0);
	uint64_t *ended = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	good = leave(at, "more") && leave(at, "much more") && leave(at, "yet more");
	child = good ? fork() : -1;
	if (child == 0) {
		good = umount(at) == 0;
		*ended = now();
		_exit(!good);
	}
	pause_ms(300);
	uint64_t start = now();
	sync(); /* else it would say that what is still being written is safe */
	uint64_t synced = now();
	waitpid(child, &status, 0);
	check("a slow device: a sync waits for what others unmount",
	      child > 0 && exited(status, 0) && (*ended < start || (synced - start) * 2 > *ended - start));
	check("a slow device: and it is mounted again", mount(vault, at, "vault", 0, 0) == 0);
}

static void taken(int number)
{
	(void)number;
}

/* Each number is there when it has been synced. */
static int write_numbers(unsigned rounds)
{
	for (unsigned i = 0, got; i < rounds; i++) {
		int file = open("number", O_RDWR | O_CREAT | O_TRUNC, 0600);
		if (file < 0 || write(file, &i, sizeof(i)) != sizeof(i) || fsync(file) ||
		    pread(file, &got, sizeof(got), 0) != sizeof(got) || got != i || chmod("number", 0640) ||
		    close(file)) {
			printf("# round %u: %s\n", i, strerror(errno));
			fflush(stdout);
			return 1;
		}
	}
	return unlink("number") != 0;
}

static void signalled(unsigned rounds, unsigned others)
{
	const struct sigaction action = {.sa_handler = taken, .sa_flags = SA_RESTART};
	pid_t busy[8];
	char name[16];
	int status = 0;
	unsigned sent = 0;
	for (unsigned i = 0; i < others; i++) {
		snprintf(name, sizeof(name), "busy%u", i);
		if ((busy[i] = fork()) == 0) {
			int file = open(name, O_WRONLY | O_CREAT, 0600);
			while (pwrite(file, name, sizeof(name), 0) == sizeof(name) && fsync(file) == 0)
				;
			_exit(1);
		}
	}
	sigaction(SIGUSR1, &action, 0);
	pid_t child = fork();
	if (child == 0)
		_exit(write_numbers(rounds));
	for (; waitpid(child, &status, WNOHANG) == 0; sent++) {
		kill(child, SIGUSR1);
		usleep(500);
	}
	bool good = true;
	for (unsigned i = 0; i < others; i++)
		good = kill(busy[i], SIGKILL) == 0 && waitpid(busy[i], 0, 0) == busy[i] && good;
	printf("# %u signals in %u rounds\n", sent, rounds);
	check("a signal ends no call of a service that is busy", good && exited(status, 0));
}

/* Every kind of change, until the other is there. */
static int change(pid_t other)
{
	struct stat status;
	int end = 0;
	do {
		int file = open("one", O_WRONLY | O_CREAT | O_EXCL, 0600);
		if (file < 0 || write(file, "words", 5) != 5 || close(file) || chmod("one", 0640) ||
		    setxattr("one", "user.a", "b", 1, 0) || link("one", "two") || rename("one", "three") ||
		    truncate("three", 3) || symlink("three", "soft") || mkdir("below", 0700) ||
		    rename("two", "below/two") || stat("below/two", &status) || status.st_size != 3 ||
		    status.st_nlink != 2 || unlink("below/two") || rmdir("below") || unlink("soft") ||
		    unlink("three"))
			return 2;
	} while (waitpid(other, &end, WNOHANG) == 0);
	return exited(end, 0) ? 0 : 3;
}

static int read_half(const char *file)
{
	static char bytes[4096];
	struct stat status;
	int from = open(file, O_RDONLY);
	if (from < 0 || fstat(from, &status))
		return 1;
	for (off_t at = 0; at < status.st_size / 2; at += (off_t)sizeof(bytes))
		if (pread(from, bytes, sizeof(bytes), at) != (ssize_t)sizeof(bytes))
			return 2;
	return 0;
}

static int send_half(const char *file)
{
	struct stat status;
	int from = open(file, O_RDONLY);
	int to = open("sent", O_WRONLY | O_CREAT | O_TRUNC, 0600);
	/* A position that is others', too, is moved with the lock held. */
	if (from < 0 || to < 0 || fstat(from, &status) || dup(from) < 0 ||
	    lseek(from, status.st_size / 2, SEEK_SET) < 0)
		return 1;
	while (lseek(from, 0, SEEK_CUR) < status.st_size)
		if (sendfile(to, from, 0, 16384) <= 0)
			return 2;
	return unlink("sent") != 0;
}

/* All three use the buffer of the file's service: one beside others, one with the lock held that all share, one as a change. */
static void buffer(const char *file, const char *changed)
{
	int ends[2] = {-1, -1};
	pid_t reader = fork();
	if (reader == 0)
		_exit(read_half(file));
	pid_t sender = fork();
	if (sender == 0)
		_exit(send_half(file));
	int to = open(changed, O_RDWR | O_CREAT, 0600);
	bool good = to >= 0;
	unsigned times = 0;
	for (unsigned left = 2; good && left; times++) {
		left -= waitpid(reader, &ends[0], WNOHANG) == reader;
		left -= waitpid(sender, &ends[1], WNOHANG) == sender;
		good = pwrite(to, &times, sizeof(times), 0) == sizeof(times) && fsync(to) == 0;
	}
	printf("# written back %u times\n", times);
	check("a slow device: who reads, who sends and who writes back share a buffer",
	      good && exited(ends[0], 0) && exited(ends[1], 0));
}

/* ---- Calls that look up names ---- */

#define LEVELS 8
#define NAMES  150 /* of each level: more than a block of the device */

static int look_exec(const char *path)
{
	char *words[] = {(char *)path, 0};
	return execv(path, words);
}

static int look_connect(const char *path)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	snprintf(name.sun_path, sizeof(name.sun_path), "%s", path);
	int made = socket(AF_UNIX, SOCK_STREAM, 0);
	return made >= 0 && connect(made, (struct sockaddr *)&name, sizeof(name)) && errno == ECONNREFUSED
	           ? 0
	           : -1;
}

static int look_inotify(const char *path)
{
	return inotify_add_watch(inotify_init1(0), path, IN_MODIFY);
}

static int look_fanotify(const char *path)
{
	return fanotify_mark(fanotify_init(FAN_CLASS_NOTIF, O_RDONLY), FAN_MARK_ADD, FAN_MODIFY, AT_FDCWD,
	                     path);
}

static int look_handle(const char *path)
{
	int mount = 0;
	struct {
		struct file_handle handle;
		char bytes[MAX_HANDLE_SZ];
	} to = {.handle.handle_bytes = MAX_HANDLE_SZ};
	return name_to_handle_at(AT_FDCWD, path, &to.handle, &mount, 0);
}

static const struct {
	const char *name;
	int (*call)(const char *path);
	int status;                  /* of the child */
} looks[] = {{"exec", look_exec, 2}, /* the program is this one, given too few words */
             {"connect", look_connect, 0},
             {"inotify", look_inotify, 0},
             {"fanotify", look_fanotify, 0},
             {"handle", look_handle, 0}};
#define LOOKS (sizeof(looks) / sizeof(*looks))

static bool chain(char *path, size_t room, const char *deep, const char *name, bool makes)
{
	size_t at = (size_t)snprintf(path, room, "%s/%s", deep, name);
	bool good = true;
	for (int level = 0; good; level++) {
		good = !makes || mkdir(path, 0700) == 0;
		for (int i = 0; makes && good && i < NAMES; i++) {
			snprintf(path + at, room - at, "/another-name-%d", i);
			good = symlink("nothing", path) == 0;
		}
		if (level == LEVELS)
			break;
		at += (size_t)snprintf(path + at, room - at, "/%d", level);
	}
	snprintf(path + at, room - at, "/end");
	return good;
}

static int make_deep(const char *deep)
{
	char path[256];
	char line[256];
	snprintf(line, sizeof(line), "#!%s/interpreter\n", deep);
	for (unsigned i = 0; i < LOOKS; i++) {
		if (!chain(path, sizeof(path), deep, looks[i].name, true))
			return 1;
		int file = open(path, O_WRONLY | O_CREAT | O_EXCL, 0700);
		if (file < 0 || write(file, line, strlen(line)) < 0 || close(file))
			return 1;
	}
	return 0;
}

static void look_up(const char *deep)
{
	char path[256];
	for (unsigned i = 0; i < LOOKS; i++) {
		int status = 0;
		chain(path, sizeof(path), deep, looks[i].name, false);
		printf("# %s:\n", looks[i].name);
		fflush(stdout);
		pid_t child = fork();
		if (child == 0)
			_exit(looks[i].call(path) < 0 ? 9 : 0);
		meanwhile(child, &status, 2);
		check("a slow device: what looks up a name finds it", exited(status, looks[i].status));
	}
}

/* ---- Room and copies ---- */

/* Every way, until the other is there. */
static int copy_in(pid_t other)
{
	static char bytes[65536];
	int end = 0;
	int memory = memfd_create("source", 0);
	int ends[2];
	if (memory < 0 || pipe(ends) || write(memory, bytes, sizeof(bytes)) != sizeof(bytes))
		return 1;
	do {
		off_t from = 0;
		off_t again = 0;
		off_t out = 1 << 20;
		struct statfs all = {0};
		int file = open("copied", O_RDWR | O_CREAT | O_EXCL, 0600);
		if (file < 0 || fallocate(file, 0, 0, 1 << 18) || fallocate(file, 1, 0, 1 << 19) ||
		    lseek(file, 0, SEEK_END) != 1 << 18 || lseek(file, 1 << 18, SEEK_SET) < 0 ||
		    sendfile(file, memory, &from, sizeof(bytes)) != sizeof(bytes) || from != sizeof(bytes) ||
		    fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100, 1 << 18) ||
		    fallocate(file, FALLOC_FL_ZERO_RANGE, 1000, 1 << 17) ||
		    copy_file_range(memory, &again, file, 0, sizeof(bytes), 0) != sizeof(bytes) ||
		    write(ends[1], bytes, sizeof(bytes)) != sizeof(bytes) ||
		    splice(ends[0], 0, file, &out, sizeof(bytes), 0) != sizeof(bytes) ||
		    out != (1 << 20) + (off_t)sizeof(bytes) ||
		    lseek(file, 0, SEEK_CUR) != (1 << 18) + 2 * (off_t)sizeof(bytes) ||
		    lseek(file, 0, SEEK_HOLE) < 0 || fstatfs(file, &all) || !all.f_blocks ||
		    unlink("copied") || close(file))
			return 2;
	} while (waitpid(other, &end, WNOHANG) == 0);
	return exited(end, 0) ? 0 : 3;
}

/* All that comes from IN into NAME. */
static int drain(int in, const char *name)
{
	int file = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
	ssize_t part = -1;
	while (file >= 0 && (part = splice(in, 0, file, 0, 16384, 0)) > 0)
		;
	return part || close(file);
}

/* Two processes drain one pipe into files of the mount: each byte comes once. */
static void drained(const char *mount)
{
	static uint8_t bytes[1 << 20];
	static const char *const names[] = {"first", "second"};
	int ends[2];
	uint64_t left = 0;
	size_t all = 0;
	pid_t children[2];
	bool good = chdir(mount) == 0 && pipe(ends) == 0;
	for (int i = 0; good && i < 2; i++)
		if ((children[i] = fork()) == 0)
			_exit(close(ends[1]) || drain(ends[0], names[i]));
	for (size_t i = 0; i < sizeof(bytes); i++) {
		bytes[i] = (uint8_t)(i * 2654435761u >> 11);
		left += bytes[i];
	}
	for (size_t at = 0; good && at < sizeof(bytes); at += 1 << 14)
		good = write(ends[1], bytes + at, 1 << 14) == 1 << 14;
	good = good && close(ends[1]) == 0 && close(ends[0]) == 0;
	for (int i = 0; good && i < 2; i++) {
		int status = 0;
		ssize_t part;
		good = waitpid(children[i], &status, 0) == children[i] && exited(status, 0);
		int file = open(names[i], O_RDONLY);
		while ((part = read(file, bytes, sizeof(bytes))) > 0) {
			for (ssize_t at = 0; at < part; at++)
				left -= bytes[at];
			all += (size_t)part;
		}
		good = good && part == 0 && unlink(names[i]) == 0 && close(file) == 0;
	}
	check("what two splice from one pipe comes once", good && all == sizeof(bytes) && !left);
}

static void copies(const char *mount, const char *busy)
{
	int status = 0;
	pid_t child = fork();
	if (child == 0) {
		pid_t other = fork();
		if (other == 0)
			_exit(chdir(busy) ? 4 : write_much());
		_exit(chdir(mount) ? 5 : copy_in(other));
	}
	meanwhile(child, &status, PART);
	check("a slow device: what is copied and reserved is there", exited(status, 0));
	child = fork();
	if (child == 0)
		_exit(chdir(busy) || unlink("much") ? 4 : write_much());
	drained(mount);
	waitpid(child, &status, 0);
	check("a slow device: and what others write meanwhile", exited(status, 0));
}

int main(int count, char **words)
{
	int status = 0;
	if (count == 3 && strcmp(words[1], "deep") == 0)
		return make_deep(words[2]);
	if (count == 4 && strcmp(words[1], "looks") == 0 && chdir(words[2]) == 0) {
		look_up(words[3]);
		return check_failures != 0;
	}
	bool named = count == 5 && (!strcmp(words[1], "buffer") || !strcmp(words[1], "copies") ||
	                            !strcmp(words[1], "unmount") || !strcmp(words[1], "signals"));
	if (count != 5 || chdir(words[named ? 2 : 1]))
		return 2;
	if (strcmp(words[1], "signals") == 0) {
		unsigned others = (unsigned)atoi(words[4]);
		signalled((unsigned)atoi(words[3]), others < 8 ? others : 8);
		return check_failures != 0;
	}
	if (strcmp(words[1], "unmount") == 0) {
		unmounted(words[3], words[4]);
		return check_failures != 0;
	}
	if (strcmp(words[1], "copies") == 0) {
		copies(words[3], words[4]);
		return check_failures != 0;
	}
	if (strcmp(words[1], "buffer") == 0) {
		buffer(words[3], words[4]);
		return check_failures != 0;
	}
	killed_reader(words[2]);
	pid_t child = fork();
	if (child == 0)
		_exit(look(words[2], words[3]));
	meanwhile(child, &status, PART);
	check("a slow device: what is there is read", exited(status, 0));
	child = fork();
	if (child == 0) {
		if (chdir(words[4]))
			_exit(4);
		pid_t other = fork();
		if (other == 0)
			_exit(write_much());
		_exit(change(other));
	}
	meanwhile(child, &status, PART);
	check("a slow device: what is changed is changed", exited(status, 0));
	return check_failures != 0;
}
