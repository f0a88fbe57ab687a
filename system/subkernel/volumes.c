/* volumes: what holon-run starts in COMMAND's place when there are volumes (--volume). On Holon and on Linux.
 *
 *     volumes NAME:KIND:PATH... -- COMMAND [ARGUMENT]...
 *
 * NAME is a block device that holds HEADER_BYTES that begin with "HVOLGIVE" and an archive (tree.h) of a host directory (KIND d) or
 * file (f); in capitals it is read-only. The archive is unpacked at PATH, a directory in a tmpfs of its own, so that
 * what the image has there is hidden and never goes out. When COMMAND has ended, what is at PATH then goes back to
 * the device, from where holon-run takes it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tree.h"

enum {
	VOLUMES_MAX = 16,
	NAME_BYTES = 32,
	HEADER_BYTES = 4096,
	FAILED = 125,
	NOT_EXECUTABLE = 126,
	NOT_FOUND = 127
};

struct volume {
	char *path;
	char kind; /* 'd' or 'f' */
	bool read_only;
	char device[300];
};
static const char given[8] = "HVOLGIVE";
/* What stands at the device's start when all that came back is behind it: tools/runner/volumes.py. Little-endian. */
struct volume_answer {
	char magic[8];
	uint8_t removed; /* there is nothing at PATH any more */
	uint8_t reserved[7];
	uint64_t archive_bytes; /* from HEADER_BYTES on, with the two empty blocks at its end */
};
static struct volume volumes[VOLUMES_MAX];
static unsigned volume_count;

static int complain(const char *what, const char *why)
{
	fprintf(stderr, "holon-run: volume %s: %s\n", what, why);
	return -1;
}

/* The device called NAME: Holon names them by serial number, Linux keeps that in /sys. */
static int find_device(const char *name, char *path, size_t size)
{
	snprintf(path, size, "/dev/block/%s", name);
	if (access(path, F_OK) == 0)
		return 0;
	DIR *all = opendir("/sys/block");
	for (struct dirent *entry; all && (entry = readdir(all));) {
		char serial[64] = "";
		snprintf(path, size, "/sys/block/%s/serial", entry->d_name);
		int file = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t length = file < 0 ? -1 : read(file, serial, sizeof(serial) - 1);
		if (file >= 0)
			close(file);
		if (length < 0)
			continue;
		serial[strcspn(serial, "\n")] = 0;
		if (strcmp(serial, name) != 0)
			continue;
		snprintf(path, size, "/dev/%s", entry->d_name);
		closedir(all);
		return 0;
	}
	if (all)
		closedir(all);
	return -1;
}

static int make_directories(char *path)
{
	for (char *slash = strchr(path + 1, '/');; slash = strchr(slash + 1, '/')) {
		if (slash)
			*slash = 0;
		if (mkdir(path, 0755) && errno != EEXIST)
			return -1;
		if (!slash)
			return 0;
		*slash = '/';
	}
}

/* "/a/b" as "/a" and "b". */
static void split(const char *path, char directory[4096], const char **last)
{
	const char *slash = strrchr(path, '/');
	snprintf(directory, 4096, "%.*s", slash == path ? 1 : (int)(slash - path), path);
	*last = slash + 1;
}

static int open_device(const struct volume *volume, int flags)
{
	int device = open(volume->device, flags | O_CLOEXEC);
	return device < 0 || lseek(device, HEADER_BYTES, SEEK_SET) < 0 ? -1 : device;
}

static int place_volume(struct volume *volume)
{
	char header[HEADER_BYTES], directory[4096];
	const char *last = 0;
	int device = open_device(volume, O_RDONLY);
	if (device < 0 || pread(device, header, sizeof(header), 0) != sizeof(header) ||
	    memcmp(header, given, sizeof(given)) != 0)
		return complain(volume->path, "its device cannot be read");
	if (volume->kind == 'd')
		snprintf(directory, sizeof(directory), "%s", volume->path);
	else
		split(volume->path, directory, &last);
	if (make_directories(directory))
		return complain(directory, strerror(errno));
	if (volume->kind == 'd' && mount("volume", directory, "tmpfs", 0, "mode=755"))
		return complain(directory, strerror(errno));
	int into = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct tree_place place = {.rename = last, .keep_owners = true};
	if (into < 0 || tree_unpack(device, into, &place))
		return complain(volume->path, "it cannot be put there");
	close(into);
	close(device);
	if (volume->read_only && volume->kind == 'd' &&
	    mount("volume", directory, "tmpfs", MS_REMOUNT | MS_RDONLY, ""))
		return complain(volume->path, strerror(errno));
	return 0;
}

static int bring_back(const struct volume *volume)
{
	char header[HEADER_BYTES] = "";
	struct volume_answer answer = {.magic = "HVOLBACK"};
	int device = open_device(volume, O_RDWR);
	struct stat there;
	if (device < 0)
		return complain(volume->path, strerror(errno));
	if (lstat(volume->path, &there))
		answer.removed = 1;
	else if (tree_pack(device, volume->path, volume->kind == 'd' ? "." : "file", true))
		return complain(volume->path, "its changes cannot be brought back");
	off_t end = lseek(device, 0, SEEK_CUR);
	answer.archive_bytes = (uint64_t)(end - HEADER_BYTES);
	memcpy(header, &answer, sizeof(answer));
	if (end < HEADER_BYTES || pwrite(device, header, sizeof(header), 0) != sizeof(header) ||
	    fsync(device))
		return complain(volume->path, "its device cannot be written");
	return close(device);
}

/* COMMAND shares this process's terminal and group, and gets the keys; it alone follows them. */
static int run(char **command)
{
	static const int keys[] = {SIGINT, SIGQUIT, SIGTSTP, SIGTTOU, SIGTTIN, SIGPIPE, SIGHUP};
	int status = 0;
	pid_t child = fork();
	if (child == 0) {
		execvp(command[0], command);
		int error = errno;
		fprintf(stderr, "holon-run: %s: %s\n", command[0], strerror(error));
		_exit(error == ENOENT ? NOT_FOUND : NOT_EXECUTABLE);
	}
	for (unsigned i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		signal(keys[i], SIG_IGN);
	for (pid_t ended = 0; child > 0 && ended != child;) {
		ended = waitpid(-1, &status,
		                0); /* as the first process it also takes up those that others left */
		if (ended < 0 && errno != EINTR)
			return FAILED;
	}
	return child < 0 ? FAILED : WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int parse(char *text)
{
	char *kind = strchr(text, ':');
	if (volume_count == VOLUMES_MAX || !kind || kind - text >= NAME_BYTES || !kind[1] || kind[2] != ':' ||
	    kind[3] != '/')
		return complain(text, "it is not NAME:KIND:PATH");
	struct volume *volume = &volumes[volume_count++];
	*kind = 0;
	volume->kind = kind[1] | 32;
	volume->read_only = kind[1] < 'a';
	volume->path = kind + 3;
	return find_device(text, volume->device, sizeof(volume->device))
	           ? complain(volume->path, "its device is not there")
	           : 0;
}

int main(int count, char **arguments)
{
	int at = 1;
	tree_who = "holon-run";
	for (; at < count && strcmp(arguments[at], "--") != 0; at++)
		if (parse(arguments[at]))
			return FAILED;
	if (at + 1 >= count)
		return FAILED;
	for (unsigned i = 0; i < volume_count; i++)
		if (place_volume(&volumes[i]))
			return FAILED;
	int status = run(arguments + at + 1);
	for (unsigned i = 0; i < volume_count; i++)
		if (!volumes[i].read_only && bring_back(&volumes[i]))
			status = FAILED;
	return status;
}
