/* Channels, and the replies owed to their callers. See ipc/channel.c for the protocol. */
#pragma once

#include "object.h"
#include "timer.h"

struct thread;

struct channel {
	struct object object;
	struct lock lock;
	uint32_t flags;        /* enum channel_flags */
	struct list receivers; /* THREAD_RECEIVING: queue_node */
	struct timer *callers; /* THREAD_CALLING: heap of call_node, by priority, then by arrival */
	uint64_t arrivals;
	struct list servers; /* serves_node: threads that last received here */
};

/* A saved reply: names a thread in THREAD_REPLY until it is answered. Deleting it answers E_PEER. */
struct reply {
	struct object object;
	struct thread
	    *volatile caller; /* 0 once answered or gone; who exchanges it for 0 may try to claim it */
	uint64_t caller_wait; /* the wait of CALLER that this answers */
};

/* THREAD ends or receives elsewhere: it serves its channel no more. */
void channel_leave(struct thread *thread);
/* The server is gone: its caller gets E_PEER. */
void channel_fail_caller(struct thread *server);
/* The message calls: results go to SELF's registers; it may wait or hand the CPU over. */
void channel_call(struct thread *self);
void channel_receive(struct thread *self);
void channel_reply_receive(struct thread *self);
void channel_reply(struct thread *self);
