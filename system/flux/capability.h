/* Shared by the files of capabilities: capability.c (which method), files.c, process.c, net.c, subkernels.c. */
#ifndef FLUX_CAPABILITY_H
#define FLUX_CAPABILITY_H

#include "runtime.h"

enum handle_kind {
	HANDLE_FILES = 1,
	HANDLE_CLOCK,
	HANDLE_PROCESS,
	HANDLE_NET,
	HANDLE_SOCKET,
	HANDLE_CHILD,
	HANDLE_HOST,
	HANDLE_SUBKERNELS,
	HANDLE_AGENTS,
	HANDLE_AGENT,
	HANDLE_TRIGGER = 255
};

#define RIGHT_WRITE 1
#define ANSWER_MAX  (15u << 20) /* bytes of one answer from outside */

/* ---- answers: "=" and bytes, or "!" and why not; capability.c ---- */
value answer_error(struct vm *vm, const char *text, size_t length);
/* Notes and returns a failure as an error value. */
value answer_refuse(struct vm *vm, const char *what, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Notes and returns the bytes after the "=" that the text begins with; frees it. */
value answer_give(struct vm *vm, const char *what, struct text *text);
/* In a replay: true, and the recorded answer. */
bool answer_recorded(struct vm *vm, const char *what, value *out);

value files_method(struct vm *vm, struct handle *h, const char *name, value *args, unsigned count);
/* For parts of the runtime that hold such a handle. A part of a file, at most so many bytes, or an error value. */
value files_read_at(struct vm *vm, struct handle *h, const char *path, int64_t offset, size_t size,
                    bool *exists);
/* A change, which a branch keeps until it is merged; EFFECT_MOVE: bytes are the new path. False: it may not. */
bool files_effect(struct vm *vm, struct handle *h, unsigned kind, const char *path, const char *bytes,
                  size_t length);
/* Opens the directory of a path's last component, whose name is left in `last`, without following links. -1: errno. */
int capability_walk(int directory, const char *path, char last[256]);
/* A files handle's own path below what the program was handed, without slashes at the ends: what events call it. */
void files_full_path(struct vm *vm, const struct handle *h, const char *path, char *out, size_t size);

value process_method(struct vm *vm, const char *name, value *args, unsigned count);
value child_method(struct vm *vm, struct handle *h, const char *name, unsigned count);
value net_connect(struct vm *vm, const char *host, const char *port);
value socket_method(struct vm *vm, struct handle *h, const char *name, value *args, unsigned count);

value subkernels_method(struct vm *vm, const char *name, value *args, unsigned count);
/* "running", "frozen", "ended" or "absent". */
void subkernel_state(const char *name, char *text, size_t size);

#endif
