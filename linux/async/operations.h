/* What the operations of io_uring(7) share, and those that have files of their own: the table is in operations.c. */
#pragma once

#include "uring.h"

/* Room for BYTES more in REQUEST's memory, whose address may change; *AT is where in it. */
int request_memory_add(struct request *request, uint64_t bytes, uint64_t *at);
/* A copy there of BYTES of the guest's at FROM. */
int request_memory_copy(struct request *request, uint64_t from, uint64_t bytes, uint64_t *at);
/* The address of its copy NUMBER. */
uint64_t argument_of(const struct request *request, unsigned number);
/* What an operation that made descriptor FD answers: FD, or what came of its file's way into the slot that the entry names. */
int64_t request_placed(struct request *request, int64_t fd);

/* ---- Names (names.c) ---- */

int open_prepare(struct request *request);
int64_t open_issue(struct request *request);
int close_prepare(struct request *request);
int64_t close_issue(struct request *request);
int statx_prepare(struct request *request);
int64_t statx_issue(struct request *request);
int two_names_prepare(struct request *request);
int64_t two_names_issue(struct request *request);
int one_name_prepare(struct request *request);
int64_t one_name_issue(struct request *request);
int xattr_prepare(struct request *request);
int64_t xattr_issue(struct request *request);

/* ---- Sockets (sockets.c) ---- */

int transfer_prepare(struct request *request);
int64_t transfer_issue(struct request *request);
int accept_prepare(struct request *request);
int64_t accept_issue(struct request *request);
int connect_prepare(struct request *request);
int64_t connect_issue(struct request *request);
int shutdown_prepare(struct request *request);
int64_t shutdown_issue(struct request *request);
int new_socket_prepare(struct request *request);
int64_t new_socket_issue(struct request *request);
