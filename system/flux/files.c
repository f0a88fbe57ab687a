/*
 * Files below a directory. A path is walked one component at a time, without following links: '..' and links are refused.
 * A change waits where a branch of the timelines makes it.
 */
#include "capability.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

value capability_files(struct vm *vm, const char *directory, bool writable)
{
	struct handle *h = handle_new(vm, HANDLE_FILES);
	h->descriptor = directory ? open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	h->rights = writable ? RIGHT_WRITE : 0;
	h->path = NULL; /* it is the root that the program knows */
	return from_object(h);
}

/* ---- files ---- */
/* Opens the directory of the last component; its name is left in `last`. -1: errno says why. */
int capability_walk(int directory, const char *path, char last[256])
{
	int at = dup(directory);
	const char *from = path;
	if (at < 0)
		return -1;
	for (;;) {
		while (*from == '/')
			from++;
		const char *slash = strchr(from, '/');
		size_t length = slash ? (size_t)(slash - from) : strlen(from);
		if (length >= 256 || (length == 2 && from[0] == '.' && from[1] == '.')) {
			close(at);
			errno = length >= 256 ? ENAMETOOLONG : EACCES;
			return -1;
		}
		memcpy(last, from, length);
		last[length] = 0;
		while (slash && *slash == '/')
			slash++;
		if (!slash || !*slash) {
			if (!length)
				memcpy(last, ".", 2);
			return at;
		}
		int next = length == 1 && *last == '.'
		               ? dup(at)
		               : openat(at, last, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		int error = errno;
		close(at);
		errno = error;
		if (next < 0)
			return -1;
		at = next;
		from = slash;
	}
}

static int open_under(int directory, const char *path, int flags)
{
	char last[256];
	int at = capability_walk(directory, path, last);
	if (at < 0)
		return -1;
	int fd = openat(at, last, flags | O_NOFOLLOW | O_CLOEXEC, 0666);
	int error = errno;
	close(at);
	errno = error;
	return fd;
}

static bool read_all(int fd, struct text *text)
{
	char buffer[16384];
	ssize_t n;
	while ((n = read(fd, buffer, sizeof(buffer))) > 0 || (n < 0 && errno == EINTR)) {
		if (n > 0)
			text_put(text, buffer, (size_t)n);
		if (text->length > ANSWER_MAX) {
			errno = EFBIG;
			return false;
		}
	}
	return n == 0;
}

/* From an offset; a negative one counts from the end. Does not begin in the middle of a character. */
static value files_read(struct vm *vm, struct handle *h, const char *path, int64_t from)
{
	value v;
	struct text text = {0};
	if (answer_recorded(vm, "file", &v))
		return v;
	int fd = open_under(h->descriptor, path, O_RDONLY | O_NONBLOCK);
	text_put(&text, "=", 1);
	if (fd >= 0 && from && lseek(fd, (off_t)from, from < 0 ? SEEK_END : SEEK_SET) < 0)
		lseek(fd, 0, SEEK_SET); /* there is less than that before the end */
	if (fd < 0 || !read_all(fd, &text)) {
		int error = errno;
		if (fd >= 0)
			close(fd);
		free(text.bytes);
		return answer_refuse(vm, "file", "cannot read %.200s: %s", path, strerror(error));
	}
	close(fd);
	size_t skip = 0;
	while (from && skip < 3 && 1 + skip < text.length && (text.bytes[1 + skip] & 0xC0) == 0x80)
		skip++;
	memmove(text.bytes + 1, text.bytes + 1 + skip, text.length - 1 - skip);
	text.length -= skip;
	return answer_give(vm, "file", &text);
}

value files_read_at(struct vm *vm, struct handle *h, const char *path, int64_t offset, size_t size,
                    bool *exists)
{
	value v;
	*exists = true;
	if (answer_recorded(vm, "part", &v)) {
		if (is_type(v, T_ERROR) &&
		    !strncmp(string_bytes(vm, ((struct flux_error *)as_object(v))->message), "there is no",
		             11))
			*exists = false;
		return v;
	}
	int fd = open_under(h->descriptor, path, O_RDONLY | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT) {
		*exists = false;
		return answer_refuse(vm, "part", "there is no %.200s", path);
	}
	if (fd < 0)
		return answer_refuse(vm, "part", "cannot read %.200s: %s", path, strerror(errno));
	struct text text = {0};
	char buffer[16384];
	text_put(&text, "=", 1);
	while (text.length - 1 < size) {
		size_t want = size - (text.length - 1);
		ssize_t n = pread(fd, buffer, want < sizeof(buffer) ? want : sizeof(buffer),
		                  (off_t)offset + (off_t)text.length - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			int error = errno;
			close(fd);
			free(text.bytes);
			return answer_refuse(vm, "part", "cannot read %.200s: %s", path, strerror(error));
		}
		if (!n)
			break;
		text_put(&text, buffer, (size_t)n);
	}
	close(fd);
	return answer_give(vm, "part", &text);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static value files_list(struct vm *vm, struct handle *h, const char *path)
{
	value v;
	if (!answer_recorded(vm, "list", &v)) {
		struct text text = {0};
		char **names = NULL;
		size_t count = 0;
		int fd = open_under(h->descriptor, path, O_RDONLY | O_DIRECTORY);
		DIR *d = fd < 0 ? NULL : fdopendir(fd);
		if (!d) {
			int error = errno;
			if (fd >= 0)
				close(fd);
			return answer_refuse(vm, "list", "cannot list %.200s: %s", path, strerror(error));
		}
		struct dirent *e;
		while ((e = readdir(d)) && count < 100000) {
			if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
				continue;
			char **more = realloc(names, (count + 1) * sizeof(*names));
			if (!more)
				abort();
			names = more;
			names[count++] = strdup(e->d_name);
		}
		closedir(d);
		if (count)
			qsort(names, count, sizeof(*names), by_name);
		text_put(&text, "=", 1);
		for (size_t i = 0; i < count; i++) {
			text_put(&text, names[i], strlen(names[i]));
			text_put(&text, "\n", 1);
			free(names[i]);
		}
		free(names);
		v = answer_give(vm, "list", &text);
	}
	if (!is_string(v))
		return v;
	struct list *list = list_new(vm, 0);
	const char *at = string_bytes(vm, as_string(v)), *end = at + as_string(v)->length;
	while (at < end) {
		const char *line = memchr(at, '\n', (size_t)(end - at));
		if (!line)
			line = end;
		list_push(vm, list, from_object(string_new(vm, at, (size_t)(line - at))));
		at = line + 1;
	}
	return from_object(list);
}

static value files_info(struct vm *vm, struct handle *h, const char *path)
{
	value v;
	char last[256];
	struct stat st;
	if (!answer_recorded(vm, "info", &v)) {
		int at = capability_walk(h->descriptor, path, last);
		int failed = at < 0 || fstatat(at, last, &st, AT_SYMLINK_NOFOLLOW) != 0;
		int error = errno;
		if (at >= 0)
			close(at);
		if (failed)
			return answer_refuse(vm, "info", "cannot look at %.200s: %s", path, strerror(error));
		struct text text = {0};
		text_print(&text, "=%c %lld %lld",
		           S_ISDIR(st.st_mode)   ? 'd'
		           : S_ISREG(st.st_mode) ? 'f'
		                                 : 'o',
		           (long long)st.st_size, (long long)st.st_mtime);
		v = answer_give(vm, "info", &text);
	}
	if (!is_string(v))
		return v;
	char kind = 'o';
	long long size = 0, changed = 0;
	if (sscanf(string_bytes(vm, as_string(v)), "%c %lld %lld", &kind, &size, &changed) != 3)
		return vm_raise(vm, "outside", "a wrong answer in the trace");
	struct map *map = map_new(vm, 4);
	map_set_text(vm, map, "kind",
	             from_object(string_of(vm, kind == 'd'   ? "directory"
	                                       : kind == 'f' ? "file"
	                                                     : "other")));
	map_set_text(vm, map, "size", from_int64(vm, size));
	map_set_text(vm, map, "changed", from_int64(vm, changed));
	return from_object(map);
}

/* The descriptor's number leads the target of an effect: the handle lives as long as the program. */
/* Its target is "DESCRIPTOR SKIP PATH": PATH as the program's root names it, of which SKIP bytes lead to the descriptor. */
bool files_effect(struct vm *vm, struct handle *h, unsigned kind, const char *path, const char *bytes,
                  size_t length)
{
	char target[1200];
	int skip = h->path ? (int)h->path->length + 1 : 0;
	vm->effect_failed[0] = 0;
	if (!(h->rights & RIGHT_WRITE))
		snprintf(vm->effect_failed, sizeof(vm->effect_failed), "this capability is for reading only");
	else if (strlen(path) > 500 || skip > 500)
		snprintf(vm->effect_failed, sizeof(vm->effect_failed), "the path is too long");
	if (vm->effect_failed[0])
		return false;
	snprintf(target, sizeof(target), "%d %d %s%s%s", h->descriptor, skip,
	         h->path ? string_bytes(vm, h->path) : "", h->path ? "/" : "", path);
	if (timeline_is_branch(vm)) { /* the directory stays open until the merge */
		if (vm->pinned == V_NIL)
			vm->pinned = from_object(list_new(vm, 0));
		list_push(vm, as_list(vm->pinned), from_object(h));
	}
	timeline_effect(vm, kind, target, bytes, length);
	return !vm->effect_failed[0];
}

static value files_change(struct vm *vm, struct handle *h, unsigned kind, const char *path,
                          struct string *text)
{
	if (files_effect(vm, h, kind, path, text ? string_bytes(vm, text) : "", text ? text->length : 0))
		return V_TRUE;
	return answer_error(vm, vm->effect_failed, strlen(vm->effect_failed));
}

/* Intentions that wait for a file hear of what the program does to it. */
static void tell_change(struct vm *vm, unsigned kind, const char *full, const char *bytes, size_t skip,
                        bool fresh)
{
	events_file_changed(vm, full,
	                    kind == EFFECT_REMOVE || kind == EFFECT_MOVE ? "removed"
	                    : fresh                                      ? "created"
	                                                                 : "changed");
	if (kind == EFFECT_MOVE) {
		char to[1200];
		snprintf(to, sizeof(to), "%.*s%s", (int)skip, full, bytes);
		events_file_changed(vm, to, "created");
	}
}

void files_full_path(struct vm *vm, const struct handle *h, const char *path, char *out, size_t size)
{
	snprintf(out, size, "%s%s%s", h->path ? string_bytes(vm, h->path) : "", h->path ? "/" : "", path);
}

void effect_apply(struct vm *vm, unsigned kind, const char *target, const char *bytes, size_t length)
{
	value v;
	if (kind == EFFECT_TEXT) {
		trace_output(vm, bytes, length);
		if (vm->out)
			fwrite(bytes, 1, length, vm->out);
		return;
	}
	char *path;
	int directory = (int)strtol(target, &path, 10);
	long skip = strtol(path, &path, 10);
	const char *full = path + 1;
	path += 1 + skip;
	if (answer_recorded(vm, "change", &v)) {
		if (!is_type(v, T_ERROR))
			tell_change(vm, kind, full, bytes, (size_t)skip, as_string(v)->length > 0);
		else
			snprintf(vm->effect_failed, sizeof(vm->effect_failed), "%s",
			         string_bytes(vm, ((struct flux_error *)as_object(v))->message));
		return;
	}
	int fd = -1;
	bool ok, fresh = false;
	if (kind == EFFECT_MOVE) { /* bytes: where to */
		char from[256], to[256];
		int a = capability_walk(directory, path, from), b = capability_walk(directory, bytes, to);
		ok = a >= 0 && b >= 0 && renameat(a, from, b, to) == 0;
		int error = errno;
		if (a >= 0)
			close(a);
		if (b >= 0)
			close(b);
		errno = error;
	} else if (kind == EFFECT_REMOVE) {
		char last[256];
		int at = capability_walk(directory, path, last);
		ok = at >= 0 && unlinkat(at, last, 0) == 0;
		if (at >= 0) {
			int error = errno;
			close(at);
			errno = error;
		}
	} else {
		char last[256];
		int at = capability_walk(directory, path, last);
		fresh = at >= 0 && faccessat(at, last, F_OK, AT_SYMLINK_NOFOLLOW) != 0;
		if (at >= 0)
			close(at);
		fd = open_under(directory, path,
		                kind == EFFECT_APPEND ? O_WRONLY | O_CREAT | O_APPEND
		                                      : O_WRONLY | O_CREAT | O_TRUNC);
		ok = fd >= 0;
		for (size_t done = 0; ok && done < length;) {
			ssize_t n = write(fd, bytes + done, length - done);
			if (n < 0 && errno == EINTR)
				continue;
			ok = n > 0;
			done += n > 0 ? (size_t)n : 0;
		}
		if (fd >= 0) {
			int error = errno;
			if (close(fd) != 0 && ok)
				ok = false;
			else
				errno = error;
		}
	}
	if (ok) {
		trace_note(vm, "change", fresh ? "=new" : "=", fresh ? 4 : 1);
		tell_change(vm, kind, full, bytes, (size_t)skip, fresh);
	} else {
		snprintf(vm->effect_failed, sizeof(vm->effect_failed), "cannot change %.200s: %s", path,
		         strerror(errno));
		char note[400];
		int n = snprintf(note, sizeof(note), "!%s", vm->effect_failed);
		trace_note(vm, "change", note, (size_t)n);
	}
}

static value files_under(struct vm *vm, struct handle *h, const char *path)
{
	value v;
	struct handle *inner = handle_new(vm, HANDLE_FILES);
	char full[600];
	files_full_path(vm, h, path, full, sizeof(full));
	inner->rights = h->rights;
	inner->path = string_new(vm, full, strlen(full));
	if (!answer_recorded(vm, "under", &v)) {
		inner->descriptor = open_under(h->descriptor, path, O_RDONLY | O_DIRECTORY);
		if (inner->descriptor < 0)
			return answer_refuse(vm, "under", "cannot open the directory %.200s: %s", path,
			                     strerror(errno));
		trace_note(vm, "under", "=", 1);
	} else if (is_type(v, T_ERROR)) {
		return v;
	}
	return from_object(inner);
}

value files_method(struct vm *vm, struct handle *h, const char *name, value *args, unsigned count)
{
	if (!strcmp(name, "read_only") && !count) {
		struct handle *less = handle_new(vm, HANDLE_FILES);
		less->descriptor = h->descriptor < 0 ? -1 : dup(h->descriptor);
		less->path = h->path;
		return from_object(less);
	}
	const char *path = "";
	if (count) {
		ARG_STRING(0);
		path = string_bytes(vm, as_string(args[0]));
		if (strlen(path) != as_string(args[0])->length)
			return vm_raise(vm, "type", "a path with a zero byte");
	}
	if (!strcmp(name, "list") && count <= 1)
		return files_list(vm, h, path);
	int64_t from = 0;
	if (!strcmp(name, "read") && count == 2 && !to_whole(args[1], &from))
		return vm_raise(vm, "type", "where to read from is a whole number of bytes");
	if (!strcmp(name, "read") && (count == 1 || count == 2))
		return files_read(vm, h, path, from);
	if (!strcmp(name, "info") && count == 1)
		return files_info(vm, h, path);
	if (!strcmp(name, "exists") && count == 1)
		return from_bool(is_type(files_info(vm, h, path), T_MAP));
	if (!strcmp(name, "under") && count == 1)
		return files_under(vm, h, path);
	if (!strcmp(name, "remove") && count == 1)
		return files_change(vm, h, EFFECT_REMOVE, path, NULL);
	if (!strcmp(name, "move") && count == 2) {
		ARG_STRING(1);
		if (strlen(string_bytes(vm, as_string(args[1]))) != as_string(args[1])->length)
			return vm_raise(vm, "type", "a path with a zero byte");
		return files_change(vm, h, EFFECT_MOVE, path, as_string(args[1]));
	}
	if ((!strcmp(name, "write") || !strcmp(name, "append_to")) && count == 2) {
		ARG_STRING(1);
		return files_change(vm, h, *name == 'w' ? EFFECT_WRITE : EFFECT_APPEND, path,
		                    as_string(args[1]));
	}
	return vm_raise(
	    vm, "field",
	    "files has read, write, append_to, list, info, exists, remove, move, under, read_only; "
	    "not '%s' with %u arguments",
	    name, count);
}
