/* Starting sub-kernels, for who brings what they are connected to. */
#pragma once

#include "manager.h"

/* What a child is connected to: its terminal's stream, its command; or a service's channel alone. */
struct connection {
	handle_t channel;
	handle_t memory, event, peer; /* the stream: side 1 waits on event and signals peer */
	handle_t command;
	uint64_t command_bytes;
	struct offer add, volume;
	struct offer shares[BLUEPRINT_VOLUMES_MAX];
	struct offer screen;     /* of a tree: the framebuffer, */
	const char *screen_word; /* and what it is */
	bool serves;             /* others reach a port of it */
};

/* Starts a sub-kernel below PARENT (0: the first). Returns its number. */
int64_t subkernel_start(struct subkernel *parent, const struct blueprint *blueprint,
                        struct connection *connection);
