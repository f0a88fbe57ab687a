/* What open files need of locks, epoll, pipes and memfd when they are closed or asked through fcntl. */
#pragma once

#include "../include/file.h"

/* A process closed a descriptor of FILE's vnode: its record locks on it go (POSIX). */
void lock_process_close(struct file *file);
/* The description FILE is gone: its flock and OFD locks go. */
void lock_file_gone(struct file *file);
/* FILE is that of descriptor FD. */
int64_t lock_fcntl(int fd, struct file *file, int command, uint64_t argument);
/* Lines of /proc/N/fdinfo about the locks on FILE; all of /proc/locks. */
void lock_info(const struct file *file, struct proc_text *text);
void lock_table(struct proc_text *text);
void epoll_file_gone(struct file *file);
int64_t pipe_fcntl(struct file *file, int command, uint64_t argument);
int64_t memfd_fcntl(struct file *file, int command, uint64_t argument);
