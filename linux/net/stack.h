/* TCP/IP stacks (lib/net) inside the personality, one a network namespace: their lock, memory and thread.
 *
 * A stack is made at its first use. Its arena grows a piece at a time out of the sub-kernel's quota, up to a part of it.
 * Every call into one stands between stack_begin and stack_end, which hold `stack_lock` and run what is due, loopback
 * packets too, in the calling thread; a worker does so when nobody calls. The queues on which tasks wait for sockets are
 * guarded by the same lock, which is one for all.
 */
#pragma once

#include <net/net.h>
#include "../include/namespace.h"
#include "socket.h"

extern struct lock stack_lock; /* LOCK_STACK */

/* network_namespaces(7). */
struct net_namespace {
	struct namespace common;
	struct list link;          /* of all that have a stack: guarded by stack_lock */
	struct net *stack;         /* 0: nothing has used it yet */
	struct net_link *loopback; /* "lo" */
	void *arena;
	uint64_t arena_bytes;
	handle_t arena_memory;
};
extern struct net_namespace net_namespace_first; /* that the link outside belongs to */
/* The current task's. */
struct net_namespace *net_current(void);
/* That of TASK; the first one's, where it is going. */
struct net_namespace *net_of_task(const struct task *task);
/* Has the current task CAPABILITY over NET? */
static inline bool net_capable(const struct net_namespace *net, unsigned capability)
{
	return capable_in(net->common.owner, capability);
}

/* NET's stack is started if need be; false: no memory. The common lock is held alone at the first call. */
bool stack_start(struct net_namespace *net);
/* NET's stack is started. */
void stack_begin(struct net_namespace *net);
/* The stack, and the loopback link, between stack_begin and stack_end. */
struct net *stack_get(void);
struct net_link *stack_loopback(void);
/* LINK comes up or goes down; a loopback that comes up has its addresses. */
void stack_set_up(struct net_link *link, bool up);
/* What the calls since stack_begin caused to be due now is done. Run before a sleep under stack_lock, too. */
void stack_run(void);
/* stack_begin's look at NET's clock again, behind a sleep. */
void stack_again(struct net_namespace *net);
void stack_end(void);
/* 64 KiB for one datagram, guarded by stack_lock. */
#define STACK_BOUNCE_BYTES 65536u
extern uint8_t *stack_bounce;
/* The worker's event: bit 0 makes it look at once. */
uint64_t stack_event(void);
