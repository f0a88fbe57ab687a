/* `subkernel run --volume`: directories of the caller's that the child has too. Each is served by a process of its own (share.c),
 * with the caller's rights, that ends with this command; what it does for a child is bounded by its limits of memory and
 * descriptors. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include "command.h"
#include "libholon.h"
#include "share.h"

#define NODES_MAX   16384u /* that a child uses at a time, of each volume */
#define FILES_SPARE 64u    /* descriptors for all else */

static struct volume {
	int directory, portal;
	bool read_only;
} volumes[BLUEPRINT_VOLUMES_MAX];
static unsigned volume_count;

int volume_take(struct blueprint *blueprint, const char *text)
{
	char here[PATH_MAX];
	size_t length = strlen(text);
	bool read_only = length > 3 && strcmp(text + length - 3, ":ro") == 0;
	length -= read_only ? 3 : 0;
	const char *colon = memrchr(text, ':', length);
	size_t path = colon ? (size_t)(text + length - (colon + 1)) : 0;
	if (!colon || colon == text || (size_t)(colon - text) >= sizeof(here) || colon[1] != '/' ||
	    path < 2 || path >= sizeof(blueprint->volumes[0].path)) {
		fprintf(stderr,
		        "subkernel: --volume wants DIRECTORY:PATH[:ro] with an absolute PATH of up to %zu "
		        "characters, "
		        "not '%s'\n",
		        sizeof(blueprint->volumes[0].path) - 1, text);
		return -1;
	}
	if (volume_count == BLUEPRINT_VOLUMES_MAX) {
		fprintf(stderr, "subkernel: --volume: at most %u are possible\n", BLUEPRINT_VOLUMES_MAX);
		return -1;
	}
	memcpy(here, text, (size_t)(colon - text));
	here[colon - text] = 0;
	int directory = open(here, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0) {
		fprintf(stderr, "subkernel: --volume: %s: %s\n", here, strerror(errno));
		return -1;
	}
	struct blueprint_volume *place = &blueprint->volumes[volume_count];
	memcpy(place->path, colon + 1, path);
	place->read_only = read_only;
	volumes[volume_count++] =
	    (struct volume){.directory = directory, .portal = -1, .read_only = read_only};
	blueprint->volume_count = volume_count;
	return 0;
}

int volumes_offer(struct blueprint *blueprint)
{
	for (unsigned i = 0; i < volume_count; i++) {
		volumes[i].portal = holon_portal_create();
		long token = volumes[i].portal < 0 ? -1 : holon_portal_offer(volumes[i].portal);
		if (token < 0)
			return fail("--volume");
		blueprint->volumes[i].token = (uint64_t)token;
	}
	return 0;
}

static bool buffer_put(void *context, uint64_t at, const void *bytes, uint64_t count)
{
	return holon_portal_copy(*(const int *)context, at, (void *)(uintptr_t)bytes, count, 1) == 0;
}

static bool buffer_get(void *context, uint64_t at, void *bytes, uint64_t count)
{
	return holon_portal_copy(*(const int *)context, at, bytes, count, 0) == 0;
}

/* Answers until the portal is gone. */
static void serve(struct volume *volume)
{
	static struct share share;
	static struct thread_page page;
	static struct portal_message portal;
	struct rlimit limit;
	unsigned most = NODES_MAX;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur =
		    limit.rlim_max < NODES_MAX + FILES_SPARE ? limit.rlim_max : NODES_MAX + FILES_SPARE;
		(void)!setrlimit(RLIMIT_NOFILE, &limit);
		most =
		    limit.rlim_cur > 2 * FILES_SPARE ? (unsigned)limit.rlim_cur - FILES_SPARE : FILES_SPARE;
	}
	umask(0);
	share.buffer_put = buffer_put;
	share.buffer_get = buffer_get;
	share.context = &volume->portal;
	if (share_begin(&share, volume->directory, volume->read_only, most))
		return;
	for (;;) {
		struct message message;
		if (holon_portal_next(volume->portal, &portal)) {
			if (errno == EINTR)
				continue;
			return;
		}
		memcpy(message.words, portal.words, sizeof(message.words));
		message.info = portal.info;
		message.badge = portal.badge;
		memcpy(page.bytes, portal.bytes, sizeof(portal.bytes));
		share_answer(&share, &message, &page);
		memcpy(portal.words, message.words, sizeof(message.words));
		portal.info = message.info;
		memcpy(portal.bytes, page.bytes, sizeof(portal.bytes));
		if (holon_portal_answer(volume->portal, &portal))
			return;
	}
}

int volumes_serve(int terminal)
{
	static const int ignored[] = {SIGINT, SIGQUIT, SIGTSTP, SIGTTIN, SIGTTOU, SIGHUP, SIGPIPE};
	pid_t parent = getpid();
	for (unsigned i = 0; i < volume_count; i++) {
		pid_t pid = fork();
		if (pid < 0)
			return fail("--volume");
		if (pid) {
			close(volumes[i].portal);
			close(volumes[i].directory);
			continue;
		}
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(0);
		/* The terminal is what keeps the child alive, the other volumes are other processes', and what waits for
		 * the end of this command's output shall not wait for this one. */
		close(terminal);
		for (unsigned other = i + 1; other < volume_count; other++) {
			close(volumes[other].portal);
			close(volumes[other].directory);
		}
		for (int standard = 0; standard < 3; standard++)
			close(standard);
		for (unsigned each = 0; each < sizeof(ignored) / sizeof(*ignored); each++)
			signal(ignored[each], SIG_IGN);
		serve(&volumes[i]);
		_exit(0);
	}
	return 0;
}
