/* Which objects are in use, and how often. One thread at a time. */
#pragma once

#include <stdint.h>

struct node_use {
	uint64_t node; /* 0: free */
	uint64_t count;
};

/* Begins as zeros; who ends it frees LIST. */
struct node_uses {
	struct node_use
	    *list; /* open addressing, SLOTS of them (a power of two), at most half of them used */
	uint32_t slots, count;
};

/* That of NODE, which is not 0; 0: it is not in use. Valid until the next call of the other two. */
struct node_use *uses_find(const struct node_uses *uses, uint64_t node);
/* The same, or a new one whose count is 0; 0: no memory. */
struct node_use *uses_take(struct node_uses *uses, uint64_t node);
void uses_remove(struct node_uses *uses, struct node_use *use);
