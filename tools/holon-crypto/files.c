/* Input with progress, and output that is complete or absent. See tool.h. */
#define _GNU_SOURCE
#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PROGRESS_INTERVAL_NS 200000000u
#define PROGRESS_DELAY_NS    700000000u

static bool is_standard(const char *path)
{
	return !path || !strcmp(path, "-");
}

const char *input_name(const char *path)
{
	return is_standard(path) ? "standard input" : path;
}

static uint64_t now_ns(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* The files that a command has read whole, its keys among them: none of them may become its output. */
static struct {
	dev_t device;
	ino_t number;
} files_read[8];
static size_t files_read_count;

static void note_read(int fd)
{
	struct stat status;
	if (!fstat(fd, &status) && S_ISREG(status.st_mode) &&
	    files_read_count < sizeof files_read / sizeof *files_read) {
		files_read[files_read_count].device = status.st_dev;
		files_read[files_read_count++].number = status.st_ino;
	}
}

static bool was_read(const struct stat *status)
{
	for (size_t i = 0; i < files_read_count; i++)
		if (files_read[i].device == status->st_dev && files_read[i].number == status->st_ino)
			return true;
	return false;
}

/* Standard input ends once: what is read from it a second time would be empty, and a signature of nothing. It may also be named
 * as /dev/stdin or /dev/fd/0. */
static void take_standard_input(const char *path, const struct stat *status)
{
	static bool taken;
	struct stat standard;
	if (!is_standard(path) &&
	    (S_ISREG(status->st_mode) || S_ISCHR(status->st_mode) || fstat(STDIN_FILENO, &standard) ||
	     standard.st_dev != status->st_dev || standard.st_ino != status->st_ino))
		return;
	if (taken)
		fail_usage("standard input can be used for one thing only");
	taken = true;
}

void input_open(struct input *input, const char *path, const char *verb, bool quiet)
{
	struct stat status;
	*input = (struct input){.name = input_name(path), .verb = verb};
	input->fd = is_standard(path) ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	if (input->fd < 0 || fstat(input->fd, &status))
		fail("%s: %s", input->name, strerror(errno));
	if (S_ISDIR(status.st_mode))
		fail("%s: is a directory", input->name);
	take_standard_input(path, &status);
	if (S_ISREG(status.st_mode))
		input->size = (uint64_t)status.st_size;
	input->progress = verb && !quiet && isatty(STDERR_FILENO);
	input->last_shown_ns = now_ns() + PROGRESS_DELAY_NS;
}

static void show_progress(struct input *input)
{
	uint64_t now = now_ns();
	if (!input->progress || now < input->last_shown_ns)
		return;
	input->last_shown_ns = now + PROGRESS_INTERVAL_NS;
	input->shown = true;
	if (input->size)
		fprintf(stderr, "\r%s %s: %llu of %llu MiB, %u%%\033[K", input->verb, input->name,
		        (unsigned long long)input->done >> 20, (unsigned long long)input->size >> 20,
		        (unsigned)(input->done / ((input->size + 99) / 100)));
	else
		fprintf(stderr, "\r%s %s: %llu MiB\033[K", input->verb, input->name,
		        (unsigned long long)input->done >> 20);
}

size_t input_read(struct input *input, void *buffer, size_t room)
{
	size_t filled = 0;
	while (filled < room) {
		ssize_t got = read(input->fd, (uint8_t *)buffer + filled, room - filled);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			fail("%s: %s", input->name, strerror(errno));
		if (got == 0)
			break;
		filled += (size_t)got;
	}
	input->done += filled;
	show_progress(input);
	return filled;
}

void input_close(struct input *input)
{
	if (input->shown)
		fputs("\r\033[K", stderr);
	if (input->fd != STDIN_FILENO)
		close(input->fd);
}

size_t read_small(const char *path, void *buffer, size_t most, const char *what)
{
	struct input input;
	uint8_t extra;
	input_open(&input, path, NULL, true);
	size_t size = input_read(&input, buffer, most);
	if (size == most && input_read(&input, &extra, 1))
		fail("%s: not %s: longer than the %zu bytes one can have", input.name, what, most);
	note_read(input.fd);
	input_close(&input);
	return size;
}

uint8_t *read_all(const char *path, const char *verb, bool quiet, size_t *size)
{
	struct input input;
	input_open(&input, path, verb, quiet);
	size_t room = input.size ? (size_t)input.size + 1 : 1 << 16, used = 0;
	uint8_t *data = NULL;
	for (;;) {
		uint8_t *larger = realloc(data, room);
		if (!larger)
			fail("%s: this algorithm needs the whole message in memory, and there is not enough; "
			     "use hybrid-sign, ML-DSA or --prehash",
			     input.name);
		data = larger;
		used += input_read(&input, data + used, room - used);
		if (used < room)
			break;
		room *= 2;
	}
	input_close(&input);
	*size = used;
	return data;
}

/* The temporary files to remove when a signal or an error ends the program; a command has two outputs at
 * most.
 */
static char pending[2][4096];

static void remove_pending(void)
{
	for (size_t i = 0; i < sizeof pending / sizeof *pending; i++) {
		if (pending[i][0])
			unlink(pending[i]);
		pending[i][0] = 0;
	}
}

static void on_signal(int number)
{
	remove_pending();
	signal(number, SIG_DFL);
	raise(number);
}

static void watch_signals(void)
{
	static const int numbers[] = {SIGHUP, SIGINT, SIGTERM, SIGPIPE, SIGQUIT, SIGXCPU, SIGXFSZ};
	static bool watching;
	if (watching)
		return;
	watching = true;
	atexit(remove_pending);
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		struct sigaction action = {.sa_handler = on_signal};
		struct sigaction old;
		if (!sigaction(numbers[i], NULL, &old) && old.sa_handler != SIG_IGN)
			sigaction(numbers[i], &action, NULL);
	}
}

/* The directory part of `path`, with its slash. */
static void directory_of(const char *path, char *out, size_t room)
{
	const char *slash = strrchr(path, '/');
	size_t length = slash ? (size_t)(slash - path) + 1 : 0;
	if (length + 40 > room)
		fail("%s: the name is too long", path);
	memcpy(out, path, length);
	memcpy(out + length, slash ? "" : "./", slash ? 1 : 3);
}

/* Chooses a temporary name beside the output's, which signals and errors remove. */
static void choose_temporary(struct output *output)
{
	uint8_t random[8];
	char name[sizeof *pending];
	directory_of(output->path, name, sizeof name);
	size_t length = strlen(name);
	random_bytes(random, sizeof random);
	snprintf(name + length, sizeof name - length, ".holon-crypto.%016llx",
	         (unsigned long long)load_le64(random));
	watch_signals();
	output->temporary = pending[pending[0][0] ? 1 : 0];
	memcpy(output->temporary, name, sizeof name);
}

static void open_temporary(struct output *output)
{
	mode_t mode = output->secret ? 0600 : 0666;
	char directory[sizeof *pending];
	directory_of(output->path, directory, sizeof directory);
	output->fd = open(directory, O_TMPFILE | O_WRONLY | O_CLOEXEC, mode);
	if (output->fd >= 0)
		return;
	/* A file system without unnamed files. */
	choose_temporary(output);
	output->fd = open(output->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (output->fd < 0) {
		output->temporary[0] = 0;
		fail("%s: cannot be written: %s", output->path, strerror(errno));
	}
}

/* Whether two names are those of one directory entry, which need not exist yet. */
static bool same_entry(const char *a, const char *b)
{
	char directory[sizeof *pending];
	struct stat first, second;
	const char *slash_a = strrchr(a, '/'), *slash_b = strrchr(b, '/');
	if (strcmp(slash_a ? slash_a + 1 : a, slash_b ? slash_b + 1 : b) != 0)
		return false;
	directory_of(a, directory, sizeof directory);
	if (stat(directory, &first))
		return false;
	directory_of(b, directory, sizeof directory);
	return !stat(directory, &second) && first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

void output_open(struct output *output, const char *path, bool secret, bool force)
{
	struct stat status;
	*output = (struct output){.path = path, .name = path, .force = force, .secret = secret};
	if (is_standard(path)) {
		if (!path && isatty(STDOUT_FILENO))
			fail_usage("the output is binary, and standard output is a terminal; -o FILE names a "
			           "file, -o - "
			           "wants it there all the same");
		output->name = "standard output";
		output->fd = STDOUT_FILENO;
		output->direct = true;
	} else if (!stat(path, &status) && !S_ISREG(status.st_mode)) {
		output->fd = open(path, O_WRONLY | O_CLOEXEC);
		output->direct = true;
	} else if (!stat(path, &status) && was_read(&status)) {
		fail("%s: this command reads it, so it is not overwritten", path);
	} else if (!lstat(path, &status) && !force) {
		fail("%s: exists already; --force replaces it", path);
	} else {
		open_temporary(output);
	}
	if (output->fd < 0)
		fail("%s: %s", output->name, strerror(errno));
}

void output_open_pair(struct output *first, const char *first_path, bool first_secret, struct output *second,
                      const char *second_path, bool second_secret, bool force)
{
	if (is_standard(first_path) ? is_standard(second_path) : same_entry(first_path, second_path))
		fail("%s: named for two outputs", first_path);
	output_open(first, first_path, first_secret, force);
	output_open(second, second_path, second_secret, force);
}

void output_write(struct output *output, const void *data, size_t size)
{
	const uint8_t *at = data;
	while (size) {
		ssize_t done = write(output->fd, at, size);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			fail("%s: %s", output->name, strerror(errno));
		at += done;
		size -= (size_t)done;
	}
}

/* Gives an unnamed file its name; a temporary one if it is to replace another. */
static void name_unnamed(struct output *output)
{
	char self[40];
	snprintf(self, sizeof self, "/proc/self/fd/%d", output->fd);
	if (!output->force) {
		if (linkat(AT_FDCWD, self, AT_FDCWD, output->path, AT_SYMLINK_FOLLOW))
			fail("%s: %s", output->path, strerror(errno));
		return;
	}
	choose_temporary(output);
	if (linkat(AT_FDCWD, self, AT_FDCWD, output->temporary, AT_SYMLINK_FOLLOW))
		fail("%s: %s", output->path, strerror(errno));
}

/* Moves a file from its temporary name to its own, over another only if forced. */
static bool put_in_place(const struct output *output)
{
	if (output->force)
		return !rename(output->temporary, output->path);
	/* Where there are no hard links (FAT), there is a rename that refuses an existing name. */
	if (link(output->temporary, output->path))
		return errno == EPERM &&
		       !renameat2(AT_FDCWD, output->temporary, AT_FDCWD, output->path, RENAME_NOREPLACE);
	return !unlink(output->temporary);
}

void output_commit(struct output *output)
{
	if (output->direct) {
		if (output->fd != STDOUT_FILENO && close(output->fd))
			fail("%s: %s", output->name, strerror(errno));
		return;
	}
	if (fsync(output->fd))
		fail("%s: %s", output->name, strerror(errno));
	if (!output->temporary)
		name_unnamed(output);
	if (output->temporary) {
		if (!put_in_place(output))
			fail("%s: %s", output->path, strerror(errno));
		output->temporary[0] = 0;
	}
	if (close(output->fd))
		fail("%s: %s", output->name, strerror(errno));
}

void write_file(const char *path, const void *data, size_t size, bool secret, bool force)
{
	struct output output;
	output_open(&output, path, secret, force);
	output_write(&output, data, size);
	output_commit(&output);
}

void random_bytes(void *out, size_t size)
{
	uint8_t *at = out;
	while (size) {
		ssize_t got = getrandom(at, size, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			fail("the kernel gives no random bytes: %s", strerror(errno));
		at += got;
		size -= (size_t)got;
	}
}
