/* The sub-kernel's one TCP/IP stack (lib/net) inside the personality: its lock, its memory, its thread.
 *
 * The stack is made at its first use. Its arena grows a piece at a time out of the sub-kernel's quota, up to
 * an eighth of it. Every call into it stands between stack_begin and stack_end, which hold `stack_lock` and
 * run what is due, loopback packets too, in the calling thread; a worker does so when nobody calls. The queues
 * on which tasks wait for sockets are guarded by the same lock.
 */
#pragma once

#include <net/net.h>
#include "socket.h"

extern struct lock stack_lock; /* LOCK_STACK */

/* The stack, started if need be; 0: no memory. The common lock is held alone at the first call. */
struct net *stack_get(void);
void stack_begin(void);
/* What the calls since stack_begin caused to be due now is done. Run before a sleep under stack_lock, too. */
void stack_run(void);
/* stack_begin's look at the clock again, behind a sleep. */
void stack_again(void);
void stack_end(void);
/* 64 KiB for one datagram, guarded by stack_lock. */
#define STACK_BOUNCE_BYTES 65536u
extern uint8_t *stack_bounce;
/* The worker's event: bit 0 makes it look at once. */
uint64_t stack_event(void);
/* The loopback link "lo". */
struct net_link *stack_loopback(void);
