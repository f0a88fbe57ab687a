/* epoll(7) inside: what epoll.c and epoll_nest.c share. */
#pragma once

#include "../include/file.h"

#define EPOLL_BUCKETS 64u
#define EPOLL_LEVELS  5u /* epolls that may watch one another in a row (epoll_ctl(2): ELOOP) */

struct epoll {
	struct list items;
	struct lock lock; /* LOCK_EPOLL: `ready` and `wait`, where the common lock is shared: in wake-ups */
	struct list ready;
	struct wait_queue wait; /* of epoll_wait, and of those who poll this epoll */
	struct epoll_item *buckets[EPOLL_BUCKETS];
	struct file
	    *file; /* its own, without a reference; its epoll_items are the epolls that watch this one */
	/* epoll_nest.c */
	struct list nested;           /* those of `items` that are epolls */
	uint32_t lower[EPOLL_LEVELS]; /* how many it watches that have so many levels below them */
	uint32_t leads;               /* files it watches, and epolls among them that lead to files */
	uint64_t walk;                /* the last walk that came by, and the levels it had left */
	uint8_t room;
};

struct epoll_hook {
	struct wait_entry entry;
	struct epoll_item *item; /* 0: not in use */
	struct epoll_hook *next; /* heap memory */
};

struct epoll_item {
	struct epoll *epoll;
	struct file *file; /* no reference: the file tells when it goes */
	int fd;
	bool disabled; /* EPOLLONESHOT fired */
	struct linux_epoll_event event;
	struct list link;        /* epoll->items */
	struct list ready_link;  /* epoll->ready, or by itself */
	struct list file_link;   /* file->epoll_items */
	struct list nested_link; /* epoll->nested, or by itself */
	bool counted;            /* in the counts of epoll_nest.c */
	struct epoll_item *bucket_next;
	struct epoll_hook hooks[2]; /* as many queues as most files have; more hang behind the last */
};

extern const struct file_ops epoll_ops;

/* ITEM begins to watch its file: it is entered in the lists of both, not in wait queues. 0; -ELOOP: epolls
 * would watch one another in a circle or in too many levels; -EINVAL: one event could wake too many epolls.
 */
int epoll_nest(struct epoll_item *item);
/* ITEM stops watching, whether epoll_nest let it begin or not; it is in the lists still. */
void epoll_unnest(struct epoll_item *item);
