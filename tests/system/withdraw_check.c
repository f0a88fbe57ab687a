/* Runs inside a Linux sub-kernel on Holon: a volume is taken from a child while its session begins, and serves nothing then. */
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "libholon.h"

/* Two wait for requests: one is given the session's, the other is told when the volume is withdrawn. */
struct waiter {
	int portal, error;
	struct portal_message message;
};
static int told[2];

static void *wait_next(void *argument)
{
	struct waiter *waiter = argument;

	waiter->error = holon_portal_next(waiter->portal, &waiter->message) ? errno : 0;
	if (write(told[1], &waiter, sizeof(waiter)) != sizeof(waiter))
		abort();
	return 0;
}

/* The next of the two that is back; the program ends if ERROR is not what it was told. */
static struct waiter *back(int error)
{
	struct waiter *waiter;

	if (read(told[0], &waiter, sizeof(waiter)) != sizeof(waiter) || waiter->error != error) {
		puts("not ok system: volume: a child's session is withdrawn - no request, or not told of it");
		exit(1);
	}
	return waiter;
}

/* The session begins, with some attributes. */
static void answer(struct waiter *waiter)
{
	const uint32_t bytes = 8;

	memset(waiter->message.words, 0, sizeof(waiter->message.words));
	waiter->message.words[1] = 1; /* the root */
	memset(waiter->message.bytes, 0, 4 + bytes);
	memcpy(waiter->message.bytes, &bytes, sizeof(bytes));
	waiter->message.info = 4 + bytes;
	if (holon_portal_answer(waiter->portal, &waiter->message))
		perror("answer");
}

int main(void)
{
	static struct blueprint blueprint = {.version = BLUEPRINT_VERSION,
	                                     .memory_bytes = 32 << 20,
	                                     .name = "withdrawn",
	                                     .profile = "linux",
	                                     .volume_count = 1,
	                                     .volumes = {{.path = "/v"}}};
	static struct waiter waiters[2];
	char *command[] = {"ls", "/v", NULL}, bytes[512];
	int portal = holon_portal_create(), terminal;
	long token = portal < 0 ? -1 : holon_portal_offer(portal);
	bool served = false;
	uint64_t child;
	pthread_t thread;

	blueprint.volumes[0].token = (uint64_t)token;
	if (token < 0 || pipe(told) ||
	    (terminal = holon_subkernel_create(&blueprint, command, environ, 0, &child)) < 0) {
		printf("not ok system: volume: a child is made - errno %d\n", errno);
		return 1;
	}
	for (unsigned i = 0; i < 2; i++) {
		waiters[i].portal = portal;
		if (pthread_create(&thread, NULL, wait_next, &waiters[i]))
			abort();
	}
	struct waiter *session = back(0);
	if (holon_subkernel_revoke(child, 1u << GRANT_FILES))
		perror("revoke");
	back(EPIPE);
	answer(session);
	/* Until the child has ended, which it does without its volume. */
	for (;;) {
		struct pollfd file = {.fd = terminal, .events = POLLIN};

		served = served || holon_portal_next(portal, &waiters[0].message) == 0;
		if (served || (poll(&file, 1, 10) > 0 && read(terminal, bytes, sizeof(bytes)) <= 0))
			break;
	}
	puts(served ? "not ok system: volume: one that is withdrawn while its session begins - it serves on"
	            : "ok system: volume: one that is withdrawn while its session begins serves nothing");
	return served;
}
