/* Rings of io_uring(7): what its parts share. The layout of what the guest sees is Linux' (include/uapi/linux/io_uring.h).
 *
 * A ring is a file. Its two memory objects, the rings and the submission entries, are mapped by the guest and, for as long as
 * the ring lives, by the personality: nothing that is read there is believed, and everything is read once.
 *
 * A request is made of each entry, with copies of what its arguments point to (names, vectors, addresses), so that the guest may use that memory
 * anew. It runs as the system call of its kind would (operations.c): first without sleeping, by whom submits it; where it
 * would sleep it waits for its file to be ready, or goes to a thread that may sleep (async.h).
 */
#pragma once

#include "async.h"

/* ---- The guest's side ---- */

struct uring_sqe {
	uint8_t opcode, flags;
	uint16_t priority;
	int32_t fd;
	uint64_t offset, address;
	uint32_t length, operation_flags;
	uint64_t user_data;
	uint16_t buffer; /* index or group */
	uint16_t personality;
	uint32_t index; /* of a file; splice_fd_in; addr_len */
	uint64_t address3, pad;
};
_Static_assert(sizeof(struct uring_sqe) == 64, "struct io_uring_sqe");

enum uring_sqe_flags {
	SQE_FIXED_FILE = 1,
	SQE_DRAIN = 2,
	SQE_LINK = 4,
	SQE_HARDLINK = 8,
	SQE_ASYNC = 16,
	SQE_BUFFER_SELECT = 32,
	SQE_SKIP_SUCCESS = 64,
	SQE_FLAGS = 127
};

enum uring_cqe_flags { CQE_BUFFER = 1, CQE_MORE = 2, CQE_NOTIFICATION = 8, CQE_BUFFER_SHIFT = 16 };

enum uring_setup_flags {
	SETUP_IOPOLL = 1,
	SETUP_SQPOLL = 2,
	SETUP_SQ_AFF = 4,
	SETUP_CQSIZE = 8,
	SETUP_CLAMP = 16,
	SETUP_ATTACH_WQ = 32,
	SETUP_DISABLED = 64,
	SETUP_SUBMIT_ALL = 128,
	SETUP_COOP_TASKRUN = 256,
	SETUP_TASKRUN_FLAG = 512,
	SETUP_SQE128 = 1024,
	SETUP_CQE32 = 2048,
	SETUP_SINGLE_ISSUER = 4096,
	SETUP_DEFER_TASKRUN = 8192,
};

enum uring_opcode {
	OP_NOP,
	OP_READV,
	OP_WRITEV,
	OP_FSYNC,
	OP_READ_FIXED,
	OP_WRITE_FIXED,
	OP_POLL_ADD,
	OP_POLL_REMOVE,
	OP_SYNC_FILE_RANGE,
	OP_SENDMSG,
	OP_RECVMSG,
	OP_TIMEOUT,
	OP_TIMEOUT_REMOVE,
	OP_ACCEPT,
	OP_ASYNC_CANCEL,
	OP_LINK_TIMEOUT,
	OP_CONNECT,
	OP_FALLOCATE,
	OP_OPENAT,
	OP_CLOSE,
	OP_FILES_UPDATE,
	OP_STATX,
	OP_READ,
	OP_WRITE,
	OP_FADVISE,
	OP_MADVISE,
	OP_SEND,
	OP_RECV,
	OP_OPENAT2,
	OP_EPOLL_CTL,
	OP_SPLICE,
	OP_PROVIDE_BUFFERS,
	OP_REMOVE_BUFFERS,
	OP_TEE,
	OP_SHUTDOWN,
	OP_RENAMEAT,
	OP_UNLINKAT,
	OP_MKDIRAT,
	OP_SYMLINKAT,
	OP_LINKAT,
	OP_MSG_RING,
	OP_FSETXATTR,
	OP_SETXATTR,
	OP_FGETXATTR,
	OP_GETXATTR,
	OP_SOCKET,
	OP_URING_CMD,
	OP_SEND_ZC,
	OP_SENDMSG_ZC,
	OP_COUNT
};

#define FILE_INDEX_ALLOCATE UINT32_MAX

/* ---- Rings ---- */

struct uring_slot {
	struct file *file; /* 0: free */
	uint64_t tag;
};

struct uring_buffer {
	uint64_t base, bytes, tag; /* base 0: none */
};

/* Buffers that the guest lends, by group: one after the other, or in a ring of the guest's. */
struct uring_lent {
	struct list link; /* of its group */
	uint64_t address;
	uint32_t bytes;
	uint16_t id;
};
struct uring_lenders {
	struct list link; /* of the ring's */
	uint16_t group;
	uint16_t head;
	uint32_t count, entries; /* entries: of the guest's ring, 0: it is none */
	uint64_t address;
	struct list lent;
};

struct uring_overflow {
	struct list link;
	uint64_t user_data, extra[2];
	int32_t result;
	uint32_t flags;
};

struct request;

#define PERSONALITIES_MAX 64u

struct uring {
	uint32_t references; /* the file, and each request */
	uint32_t flags;
	bool closing, restricted, flushing, drain_next, skips;
	struct memory_object *rings_object, *sqes_object;
	char *rings, *sqes; /* mapped here */
	uint64_t rings_bytes, sqes_bytes;
	uint32_t sq_entries, cq_entries, sq_array; /* sq_array: its offset */
	uint32_t sq_head, cq_tail, cq_overflow, sq_dropped;
	uint32_t completions; /* of all but time-outs */
	struct wait_queue wait;
	struct list requests, deferred, counting; /* counting: time-outs that wait for completions */
	uint32_t active;                          /* requests that are neither deferred nor done */
	struct list overflow;
	uint32_t overflow_count;
	int32_t issuer; /* SETUP_SINGLE_ISSUER: the task's tid, or 0 */
	struct file *eventfd;
	bool eventfd_async;

	struct uring_slot *files;
	uint32_t file_count, file_hint, file_first, file_end;
	struct uring_buffer *buffers;
	uint32_t buffer_count;
	struct list lenders;
	uint32_t lender_count;
	struct credentials *personalities[PERSONALITIES_MAX];
	uint64_t register_allowed, operations_allowed;
	uint8_t sqe_flags_allowed, sqe_flags_required;
};

extern const struct file_ops uring_ops;

void uring_reference(struct uring *ring);
void uring_release(struct uring *ring);
/* A completion, and whoever waits for one is told. ASYNC: not by who submitted it. */
void uring_post(struct uring *ring, uint64_t user_data, int64_t result, uint32_t flags, bool async);

/* ---- Requests ---- */

enum request_state {
	REQUEST_LINKED,   /* it waits for the one before it in its chain */
	REQUEST_DEFERRED, /* for all before it: SQE_DRAIN */
	REQUEST_NEW,      /* to be begun, as soon as a task of its group comes to it */
	REQUEST_RUNS,
	REQUEST_POLLS,  /* for its file */
	REQUEST_BLOCKS, /* for a thread, or is run by one */
	REQUEST_TIMES,  /* a time-out */
};

#define REQUEST_POLLS_MAX 4u

struct request {
	struct async_job job;
	struct list link; /* in the ring's requests */
	struct list deferred_link;
	struct uring *ring;
	struct uring_sqe sqe;
	enum request_state state;
	bool notifies; /* its completion is the notification that its buffer is free */
	bool failed, counted, no_wait, was_async, multishot, expected; /* expected: its error is no failure */
	int64_t result;
	uint32_t tries; /* times in a row that the file was ready and the call would have slept */
	struct file *file;
	struct credentials *credentials; /* with a reference to their user namespace; 0: the task's */
	struct request *next;            /* of its chain */
	struct request *limit;           /* its LINK_TIMEOUT */
	struct request *limits;          /* of a LINK_TIMEOUT: whom */
	/* Copies of what its arguments point to. */
	char *memory;
	uint32_t memory_bytes;
	uint64_t arguments[3]; /* where in it */
	struct linux_iovec *segments;
	uint32_t segment_count;
	uint64_t done; /* bytes, of a send or receive that wants all */
	/* Its buffer among those lent. */
	struct uring_lent *lent;
	struct uring_lenders *lenders;
	bool has_buffer;
	uint16_t buffer_id;
	struct poll_table table;
	struct request_hook {
		struct wait_entry entry;
		struct request *request;
	} polls[REQUEST_POLLS_MAX];
	uint32_t poll_count, poll_events;
	bool poll_failed;
	struct list counting_link;
	struct timer timer;
	uint64_t time;   /* ns, as it was given */
	uint32_t target; /* of a TIMEOUT: completions */
};

/* What an operation answers when it has set up its own end (time-outs, polls). */
#define REQUEST_GOES_ON INT64_MIN

struct operation {
	int (*prepare)(struct request *request); /* 0, or an error: nothing is begun */
	int64_t (*issue)(struct request *request);
	uint32_t polls; /* what its file must be ready for before it is tried again; 0: a thread sleeps */
	bool file, priority, buffer_select, iopoll, sleeps; /* sleeps: it goes to a thread at once */
};
extern const struct operation uring_operations[OP_COUNT];

/* The next entry of the submission queue; false: there is none, or not where the guest says. */
bool uring_next(struct uring *ring, struct uring_sqe *sqe);
/* Takes up to COUNT entries off the submission queue: how many, or an error. */
int64_t uring_submit(struct uring *ring, uint32_t count);
/* REQUEST is begun soon. False: nobody is there to do it. */
bool request_soon(struct request *request);
/* What a poll request's file has for it now; its end, where it wants no more. */
void poll_run(struct request *request);
/* Its end: a completion, the next of its chain. */
void request_complete(struct request *request, int64_t result, uint32_t flags);
/* Ends REQUEST, which some other runs for. 0, -EALREADY (it runs, and will end soon), -ENOENT (it cannot be found so). */
int request_cancel(struct request *request, int result);
/* Waits on REQUEST's file for EVENTS: those that are there already. */
uint32_t request_arm(struct request *request, uint32_t events);
void request_disarm(struct request *request);
void request_run_deferred(struct uring *ring);
/* Cancels all requests of RING. */
void uring_cancel_all(struct uring *ring);

struct uring_cancel {
	uint64_t user_data;
	uint32_t flags;
	const struct file *file;
};
enum { CANCEL_ALL = 1, CANCEL_FD = 2, CANCEL_ANY = 4, CANCEL_FD_FIXED = 8, CANCEL_FLAGS = 15 };
/* As IORING_OP_ASYNC_CANCEL answers; SELF is left alone. */
int64_t uring_cancel(struct uring *ring, const struct uring_cancel *wanted, const struct request *self);

/* ---- Time-outs (timeout.c) ---- */

int timeout_prepare(struct request *request);
int64_t timeout_issue(struct request *request);
int timeout_remove_prepare(struct request *request);
int64_t timeout_remove_issue(struct request *request);
void timeout_arm(struct request *request);
void timeout_run(struct request *request);
/* Time-outs that wait for completions end where there were enough. */
void timeouts_flush(struct uring *ring);

/* ---- Files, buffers (resources.c) ---- */

/* A reference to the file that REQUEST names, or 0. */
struct file *uring_file(struct uring *ring, uint32_t index, bool fixed);
/* Puts FILE, whose reference goes over in any case, into slot INDEX (1 and up: INDEX - 1; FILE_INDEX_ALLOCATE: any). What
 * the operation answers. */
int64_t uring_file_place(struct uring *ring, struct file *file, uint32_t index);
int64_t uring_file_remove(struct uring *ring, uint32_t index);
int64_t uring_files_update(struct uring *ring, uint32_t offset, uint64_t fds, uint64_t tags, uint32_t count);
int64_t uring_files_register(struct uring *ring, uint64_t fds, uint64_t tags, uint32_t count);
void uring_files_free(struct uring *ring);
int64_t uring_buffers_register(struct uring *ring, uint64_t vectors, uint64_t tags, uint32_t count);
int64_t uring_buffers_update(struct uring *ring, uint32_t offset, uint64_t vectors, uint64_t tags,
                             uint32_t count);
void uring_buffers_free(struct uring *ring);
/* Is [address, address + bytes) in fixed buffer INDEX? */
bool uring_buffer_holds(const struct uring *ring, uint32_t index, uint64_t address, uint64_t bytes);
/* Can all of [base, base + bytes) be written? */
bool uring_range_writable(uint64_t base, uint64_t bytes);

/* ---- Lent buffers (lent.c) ---- */

/* A lent buffer for REQUEST of at most *BYTES (0: as it comes). 0, or -ENOBUFS. */
int uring_borrow(struct request *request, uint64_t *address, uint64_t *bytes);
/* It was not used. */
void uring_give_back(struct request *request);
int64_t uring_lend(struct uring *ring, const struct uring_sqe *sqe);
int64_t uring_unlend(struct uring *ring, const struct uring_sqe *sqe);
int64_t uring_lent_ring_register(struct uring *ring, uint64_t argument);
int64_t uring_lent_ring_unregister(struct uring *ring, uint64_t argument);
void uring_lenders_free(struct uring *ring);

/* ---- Registering (register.c) ---- */

/* All that a ring was given. */
void uring_resources_free(struct uring *ring);
/* The ring of descriptor or registered index FD, with a reference to its file in *FILE; 0 with *ERROR. */
struct uring *uring_of(int fd, bool registered, struct file **file, int64_t *error);

struct credentials *credentials_hold(const struct credentials *credentials);
void credentials_drop(struct credentials *credentials);
