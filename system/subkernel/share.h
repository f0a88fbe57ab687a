/* The parent's side of `subkernel run --volume`: answers abi/file.interface for one directory with the system calls of a Linux
 * process. What a child asks for is done by this process with its rights and within its limits; a child that lies gets errors.
 * Portable: the messages come through a portal (abi/holon/guest_calls.h), or from a test. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "file.interface.h"

struct share_node {
	uint64_t number; /* the inode's; 0: a free place */
	uint64_t count;  /* uses */
	int file;        /* O_PATH */
};

#define SHARE_OPEN_MAX 16u

struct share {
	bool read_only, session;
	uint64_t root;
	dev_t device; /* all of it is on this one */
	struct share_node *nodes;
	uint32_t slots, used, most; /* SLOTS is a power of two; at most MOST nodes are in use */
	struct {
		uint64_t number;
		int file;
		bool write;
	} open[SHARE_OPEN_MAX]; /* contents that were read or written last */
	uint32_t open_next;
	/* Bytes to and from the buffer that the child sees, at AT; false: it is not there, or too short. */
	bool (*buffer_put)(void *context, uint64_t at, const void *bytes, uint64_t count);
	bool (*buffer_get)(void *context, uint64_t at, void *bytes, uint64_t count);
	void *context;
};

/* DIRECTORY, a descriptor that goes over in any case. 0, or -1 with errno. At most MOST nodes are in use at a time. */
int share_begin(struct share *share, int directory, bool read_only, uint32_t most);
void share_end(struct share *share);
/* Answers MESSAGE, whose bytes are in PAGE, in place. */
void share_answer(struct share *share, struct message *message, struct thread_page *page);
