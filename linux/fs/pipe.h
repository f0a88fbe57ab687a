/* Pipes for those who move bytes from file to file (splice.c). The common lock is held alone. */
#pragma once

#include "../include/file.h"

bool is_pipe(const struct file *file);
/* Two ends of one pipe? */
bool pipe_same(const struct file *a, const struct file *b);
/* Waits until FILE, a pipe's reading end, has something: *BYTES of it may be taken at once; 0 of them at the end.
 * 0, -EAGAIN where WAIT is false, or why the sleep ended. */
int pipe_wait_data(struct file *file, bool wait, uint64_t *bytes);
/* Waits until FILE, a writing end, has room for *BYTES. 0, -EAGAIN, -EPIPE (with SIGPIPE), -ENOMEM, or as above. */
int pipe_wait_room(struct file *file, bool wait, uint64_t *bytes);
/* Copies what is there into IO, and leaves it. Bytes, or -EFAULT. */
int64_t pipe_peek(struct file *file, struct io *io);
/* Takes BYTES that were peeked at. */
void pipe_consume(struct file *file, uint64_t bytes);
/* A new pipe's ends, each with a reference. FLAGS: O_NONBLOCK, O_DIRECT. 0 or -ENOMEM. */
int pipe_ends(uint32_t flags, struct file **reader, struct file **writer);
/* WRITER, the last writing end, writes no more: its readers come to the end. Returns when there are none, or PROCESS, the current
 * one, which ends, has been killed. */
struct process;
void pipe_wait_readers(struct file *writer, const struct process *process);
