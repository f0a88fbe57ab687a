/* `subkernel cp` and `subkernel logs`: what goes into a child and comes out of it beside its terminal.
 *
 * cp starts this command in the child (`subkernel --pack`, `subkernel --unpack`), which sends or takes an archive. The
 * child's side is the child's own program: what comes from it is outside data, and tree_unpack treats it so.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include "command.h"
#include "libholon.h"
#include "log.h"
#include "tree.h"

#define AGENT     "/usr/bin/subkernel"
#define FOLLOW_US 100000u
#define WORDS_MAX 4096u
#define GOOD      'A' /* the first byte of what --pack writes: an archive follows; else a message */
#define BAD       'E'

/* ---- logs ---- */

/* Control sequences do what they like to a terminal: of a child's output only text goes to one. */
static int show(char *bytes, ssize_t count, int is_terminal)
{
	for (ssize_t i = 0; is_terminal && i < count; i++) {
		unsigned char byte = (unsigned char)bytes[i];
		if ((byte < ' ' && byte != '\n' && byte != '\t' && byte != '\r') || byte == 127)
			bytes[i] = '?';
	}
	return write_all(STDOUT_FILENO, bytes, count);
}

/* The log of a detached child that has ended; 0 when there is none. */
static int show_kept(uint64_t child)
{
	static char buffer[LOG_BYTES + 32];
	char path[64];
	snprintf(path, sizeof(path), LOG_DIRECTORY "/%llu", (unsigned long long)(child % LOGS_KEPT));
	int file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t got = file < 0 ? -1 : read(file, buffer, sizeof(buffer) - 1);
	if (file >= 0)
		close(file);
	if (got <= 0)
		return 0;
	buffer[got] = 0;
	char *end;
	if (strtoull(buffer, &end, 10) != child || *end != '\n')
		return 0;
	end++;
	(void)show(end, got - (end - buffer), isatty(STDOUT_FILENO));
	return 1;
}

static int is_number(const char *text)
{
	return *text && text[strspn(text, "0123456789")] == 0;
}

int command_logs(int count, char **arguments)
{
	char buffer[4096];
	uint32_t position = 0x80000000u; /* one that no ring has: the oldest byte */
	int follow = count == 3 && (strcmp(arguments[1], "-f") == 0 || strcmp(arguments[2], "-f") == 0);
	if (count != 2 + follow) {
		fputs(usage, stderr);
		return 2;
	}
	const char *name = follow && strcmp(arguments[1], "-f") == 0 ? arguments[2] : arguments[1];
	if (is_number(name) && show_kept(strtoull(name, 0, 10)))
		return 0;
	uint64_t child = find_subkernel(name);
	if (!child)
		return 1;
	for (int first = 1;; first = 0) {
		ssize_t got;
		size_t shown = 0; /* a child may write as fast as it is read */
		while ((follow || shown < LOG_BYTES) &&
		       (got = holon_subkernel_output(child, &position, buffer, sizeof(buffer))) > 0) {
			shown += (size_t)got;
			if (show(buffer, got, isatty(STDOUT_FILENO)))
				return 0;
		}
		if (got < 0)
			return first ? fail("logs") : 0; /* it has ended */
		if (!follow)
			return 0;
		usleep(FOLLOW_US);
	}
}

/* ---- cp ---- */

static const char *last_part(const char *path)
{
	size_t length = strlen(path);
	while (length && path[length - 1] == '/')
		length--;
	const char *start = path + length;
	while (start > path && start[-1] != '/')
		start--;
	return start;
}

/* Where what is called NAME goes when it is copied to PATH: into PATH, where that is a directory, else to its place. An
 * open directory, or -1; the new name in *AS. */
static int open_place(const char *path, const char *name, const char **as)
{
	static char directory[4096], last[256];
	struct stat status;
	*as = last;
	const char *own = stat(path, &status) == 0 && S_ISDIR(status.st_mode) ? name : last_part(path);
	size_t length = strcspn(own, "/");
	if (!length || length >= sizeof(last) || strlen(path) >= sizeof(directory)) {
		errno = length ? ENAMETOOLONG : EINVAL;
		return -1;
	}
	snprintf(last, sizeof(last), "%.*s", (int)length, own);
	if (own == name)
		return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	snprintf(directory, sizeof(directory), "%.*s", (int)(own - path), path);
	return open(directory[0] ? directory : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int command_pack(int count, char **arguments)
{
	struct stat status;
	if (count != 2)
		return 2;
	if (lstat(arguments[1], &status)) {
		printf("%c%s", BAD, strerror(errno));
		return 1;
	}
	if (write_all(STDOUT_FILENO, (char[]){GOOD}, 1))
		return 1;
	/* Standard error is the same stream. */
	int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (nowhere >= 0)
		dup2(nowhere, STDERR_FILENO);
	return tree_pack(STDOUT_FILENO, arguments[1], "copied", true) ? 1 : 0;
}

int command_unpack(int count, char **arguments)
{
	const char *as;
	if (count != 3)
		return 2;
	int into = open_place(arguments[1], arguments[2], &as);
	struct tree_place place = {.rename = as};
	if (into < 0) {
		fprintf(stderr, "subkernel: %s: %s\n", arguments[1], strerror(errno));
		return 1;
	}
	return tree_unpack(STDIN_FILENO, into, &place) ? 1 : 0;
}

static int start_agent(uint64_t child, char *operation, char *path, char *name)
{
	char *words[] = {AGENT, operation, path, name, 0};
	char *environment[] = {"PATH=/usr/bin:/bin", 0};
	return holon_subkernel_enter(child, words, environment, HOLON_SUBKERNEL_CLOEXEC, 0);
}

/* The agent's last words, of NAMED where they name nothing themselves, and its status. */
static int finish(int agent, const char *what, const char *named)
{
	char buffer[512];
	ssize_t got;
	size_t said = 0;
	if (named)
		fprintf(stderr, "subkernel: cp: %s: ", named);
	while ((got = read(agent, buffer, sizeof(buffer))) > 0 || (got < 0 && errno == EINTR)) {
		for (ssize_t i = 0; i < got; i++)
			fputc((buffer[i] >= ' ' && buffer[i] <= '~') || buffer[i] == '\n' ? buffer[i] : '?',
			      stderr);
		said += got > 0 ? (size_t)got : 0;
		if (said > WORDS_MAX) { /* it may talk for ever */
			fputs("...\n", stderr);
			close(agent);
			return 1;
		}
	}
	if (named)
		fputc('\n', stderr);
	int status = holon_subkernel_wait(agent);
	close(agent);
	if (status < 0)
		return fail(what);
	if (exit_code(status) == 127)
		fprintf(stderr, "subkernel: cp: the child has no " AGENT "\n");
	else if (status && !named)
		fprintf(stderr, "subkernel: cp: %s was not copied whole\n", what);
	return status ? 1 : 0;
}

static int copy_in(const char *from, uint64_t child, char *to)
{
	char name[256];
	struct stat status;
	const char *last = last_part(from);
	if (lstat(from, &status)) {
		fprintf(stderr, "subkernel: cp: %s: %s\n", from, strerror(errno));
		return 1;
	}
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(last, "/"), last);
	if (!name[0] || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		snprintf(name, sizeof(name), "copied");
	int agent = start_agent(child, "--unpack", to, name);
	if (agent < 0)
		return fail("cp");
	int error = tree_pack(agent, from, "copied", true);
	holon_subkernel_end_input(agent);
	return finish(agent, from, 0) || error ? 1 : 0;
}

static int copy_out(uint64_t child, char *from, const char *to)
{
	char name[256], first;
	const char *as, *last = last_part(from);
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(last, "/"), last);
	if (!name[0] || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		snprintf(name, sizeof(name), "copied");
	int into = open_place(to, name, &as);
	struct tree_place place = {.rename = as};
	if (into < 0) {
		fprintf(stderr, "subkernel: cp: %s: %s\n", to, strerror(errno));
		return 1;
	}
	int agent = start_agent(child, "--pack", from, 0);
	if (agent < 0)
		return fail("cp");
	ssize_t got;
	do
		got = read(agent, &first, 1);
	while (got < 0 && errno == EINTR);
	int error = 0;
	if (got == 1 && first == GOOD)
		error = tree_unpack(agent, into, &place);
	if (error) {
		close(agent); /* which ends it: it may write for ever */
		fprintf(stderr, "subkernel: cp: %s was not copied whole\n", from);
		return 1;
	}
	return finish(agent, from, got == 1 && first == BAD ? from : 0);
}

/* "NAME:PATH" as the sub-kernel and *PATH; a colon behind a slash belongs to a path of this sub-kernel. 0: it is none. */
static char *remote_part(char *text)
{
	char *colon = strchr(text, ':'), *slash = strchr(text, '/');
	return colon && colon > text && (!slash || colon < slash) ? colon : 0;
}

int command_copy(int count, char **arguments)
{
	char *from = count == 3 ? remote_part(arguments[1]) : 0,
	     *to = count == 3 ? remote_part(arguments[2]) : 0;
	if (!from == !to) {
		fputs(usage, stderr);
		return 2;
	}
	char *colon = from ? from : to;
	*colon = 0;
	if (!colon[1]) {
		fprintf(stderr, "subkernel: cp: there is no path behind '%s:'\n",
		        from ? arguments[1] : arguments[2]);
		return 2;
	}
	uint64_t child = find_subkernel(from ? arguments[1] : arguments[2]);
	if (!child)
		return 1;
	return from ? copy_out(child, colon + 1, arguments[2]) : copy_in(arguments[1], child, colon + 1);
}
