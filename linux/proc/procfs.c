/* The mechanism of /proc and /sys: see proc.h.
 *
 * Nodes are made at each lookup and not cached, since processes come and go; numbers stand for processes,
 * threads and descriptors. A node remembers numbers, not pointers, and finds its subject anew at each use.
 */
#include <stdarg.h>
#include "../internal.h"
#include "../fs/name.h"
#include "../net/link.h"
#include "proc.h"

struct proc_node {
	struct vnode vnode;
	const struct proc_entry *entry; /* 0: a number's directory uses `children` of its parent entry */
	int32_t pid, tid, fd;           /* 0, 0, -1 where they do not apply */
};

static const struct vnode_ops proc_ops, proc_text_link_ops;
static const struct file_ops proc_file_ops, proc_polled_ops, proc_directory_ops;

void proc_append(struct proc_text *text, const void *bytes, uint32_t count)
{
	if (text->length + count > text->capacity) {
		uint32_t capacity = text->capacity ? text->capacity * 2 : 1024;
		while (capacity < text->length + count)
			capacity *= 2;
		char *grown = heap_resize(text->bytes, capacity);
		if (!grown) {
			text->failed = true;
			return;
		}
		text->bytes = grown;
		text->capacity = capacity;
	}
	memcpy(text->bytes + text->length, bytes, count);
	text->length += count;
}

void proc_append_escaped(struct proc_text *text, const char *name)
{
	for (; *name; name++) {
		if (*name == ' ' || *name == '\t' || *name == '\n' || *name == '\\')
			proc_print(text, "\\%03o", (unsigned)(uint8_t)*name);
		else
			proc_append(text, name, 1);
	}
}

void proc_print(struct proc_text *text, const char *format, ...)
{
	char line[512];
	va_list arguments;
	va_start(arguments, format);
	int length = text_format_list(line, sizeof(line), format, arguments);
	va_end(arguments);
	proc_append(text, line, length < (int)sizeof(line) ? (uint32_t)length : (uint32_t)sizeof(line) - 1);
}

void proc_fixed(struct proc_text *text, const struct proc_subject *subject)
{
	const char *words = subject->entry->data;
	proc_append(text, words, (uint32_t)strlen(words));
}

static struct proc_node *proc_node(struct vnode *vnode)
{
	return (struct proc_node *)vnode;
}

/* Whose numbers FILESYSTEM shows. */
static const struct pid_namespace *pids_of(const struct filesystem *filesystem)
{
	return filesystem->private ? filesystem->private : &pid_namespace_first;
}

/* False when the process or thread has gone. */
static bool subject_of(const struct proc_node *node, struct proc_subject *subject)
{
	*subject = (struct proc_subject){
	    .fd = node->fd, .entry = node->entry, .pids = pids_of(node->vnode.filesystem)};
	if (!node->pid)
		return true;
	subject->process = process_by_id(node->pid);
	subject->task = node->tid ? task_by_id(node->tid) : 0;
	if (!subject->process || (subject->task && subject->task->process != subject->process))
		return false;
	subject->of_process = !subject->task;
	if (!subject->task)
		subject->task = subject->process->leader;
	return true;
}

/* 0; -ENOENT: it has gone; -EACCES: NODE is not for the current task. Of a process that has ended there is nothing to guard. */
static int subject_for(const struct proc_node *node, struct proc_subject *subject)
{
	if (!subject_of(node, subject))
		return -ENOENT;
	return !node->entry->guarded || !subject->task || process_may_trace(subject->process) ? 0 : -EACCES;
}

static struct vnode *node_make(struct filesystem *filesystem, const struct proc_entry *entry, int32_t pid,
                               int32_t tid, int32_t fd, int *error)
{
	struct proc_node *node = (struct proc_node *)vnode_create(filesystem, entry->mode, sizeof(*node));
	if (!node) {
		*error = -ENOMEM;
		return 0;
	}
	node->entry = entry;
	node->pid = pid;
	node->tid = tid;
	node->fd = fd;
	/* A link without an own way to follow leads where its text says, from its directory on. */
	node->vnode.ops = S_ISLNK(entry->mode) && !entry->follow ? &proc_text_link_ops : &proc_ops;
	node->vnode.file_ops = S_ISDIR(entry->mode) ? &proc_directory_ops : &proc_file_ops;
	/* Stable numbers: the same thing has the same inode at each lookup. */
	node->vnode.inode = ((uintptr_t)entry >> 3 & 0xffffff) | (uint64_t)(uint32_t)(tid ? tid : pid) << 24 |
	                    (uint64_t)(uint32_t)(fd + 1) << 56;
	struct process *process = pid ? process_by_id(pid) : 0;
	if (process && process->leader) {
		node->vnode.uid = process->leader->credentials.euid;
		node->vnode.gid = process->leader->credentials.egid;
	}
	if (S_ISDIR(entry->mode))
		node->vnode.links = 2;
	return &node->vnode;
}

static bool parse_number(const char *name, uint32_t length, int32_t *number)
{
	int64_t value = 0;
	if (!length || length > 9 || (name[0] == '0' && length > 1))
		return false;
	for (uint32_t i = 0; i < length; i++) {
		if (name[i] < '0' || name[i] > '9')
			return false;
		value = value * 10 + (name[i] - '0');
	}
	*number = (int32_t)value;
	return true;
}

/* Which kind of number a directory's names are is told by the pattern entry, the first of its children, named
 * "#pid", "#tid" or
 * "#fd". */
static struct vnode *number_lookup(struct proc_node *directory, const struct proc_entry *pattern,
                                   int32_t number, int *error)
{
	struct filesystem *filesystem = directory->vnode.filesystem;
	struct proc_subject subject;
	*error = -ENOENT;
	if (strcmp(pattern->name, "#cpu") == 0)
		return (uint32_t)number < machine.cpu_count
		           ? node_make(filesystem, pattern, 0, 0, number, error)
		           : 0;
	if (strcmp(pattern->name, "#pid") == 0) {
		struct process *process = process_by_id(pid_named_in(pids_of(filesystem), number));
		return process ? node_make(filesystem, pattern, process->pid, 0, -1, error) : 0;
	}
	if (!subject_of(directory, &subject))
		return 0;
	if (strcmp(pattern->name, "#tid") == 0) {
		struct task *task = task_by_id(pid_named_in(subject.pids, number));
		return task && task->process == subject.process
		           ? node_make(filesystem, pattern, directory->pid, task->tid, -1, error)
		           : 0;
	}
	struct files *files = subject.task ? subject.task->files : 0;
	if (!files || (uint32_t)number >= files->capacity || !files->slots[number])
		return 0;
	return node_make(filesystem, pattern, directory->pid, directory->tid, number, error);
}

static struct vnode *proc_lookup(struct vnode *vnode, const char *name, uint32_t length, int *error)
{
	struct proc_node *directory = proc_node(vnode);
	struct proc_subject subject;
	int32_t number;
	*error = subject_for(directory, &subject);
	if (*error)
		return 0;
	for (const struct proc_entry *entry = directory->entry->children; entry && entry->name; entry++) {
		if (entry->name[0] == '#') {
			uint32_t skip = strcmp(entry->name, "#cpu") == 0 ? 3 : 0;
			if (length > skip && memcmp(name, "cpu", skip) == 0 &&
			    parse_number(name + skip, length - skip, &number))
				return number_lookup(directory, entry, number, error);
			continue;
		}
		if (strlen(entry->name) == length && memcmp(entry->name, name, length) == 0)
			return node_make(vnode->filesystem, entry, directory->pid, directory->tid,
			                 directory->fd, error);
	}
	*error = -ENOENT;
	return 0;
}

static int64_t proc_readlink(struct vnode *vnode, char *text, uint32_t size)
{
	struct proc_node *node = proc_node(vnode);
	struct proc_subject subject;
	int error = subject_for(node, &subject);
	if (error)
		return error;
	return node->entry->readlink ? node->entry->readlink(&subject, text, size) : -EINVAL;
}

static int proc_follow(struct vnode *vnode, struct path *to)
{
	struct proc_node *node = proc_node(vnode);
	struct proc_subject subject;
	int error = subject_for(node, &subject);
	return error ? error : node->entry->follow(&subject, to);
}

static int proc_open(struct vnode *vnode, struct file *file)
{
	struct proc_node *node = proc_node(vnode);
	struct proc_subject subject;
	int error = subject_for(node, &subject);
	if (error)
		return error;
	if (node->entry->open)
		return node->entry->open(&subject, file);
	if (file_writable(file) && !node->entry->write)
		return -EACCES;
	if (S_ISREG(vnode->mode) && node->entry->text) {
		struct proc_text *text = heap_allocate(sizeof(*text));
		if (!text)
			return -ENOMEM;
		node->entry->text(text, &subject);
		if (node->entry->poll)
			(void)node->entry->poll(text, 0);
		file->private = text;
		if (text->failed)
			return -ENOMEM;
	}
	file->ops = node->entry->poll ? &proc_polled_ops : vnode->file_ops;
	return 0;
}

static int proc_setattr(struct vnode *vnode, const struct attributes *attributes, uint32_t mask)
{
	(void)attributes;
	/* O_TRUNC on a file that can be written changes nothing. */
	bool truncates = (mask & ATTRIBUTE_SIZE) && !(mask & ~(uint32_t)(ATTRIBUTE_SIZE | ATTRIBUTE_MTIME));
	const struct proc_entry *entry = proc_node(vnode)->entry;
	return truncates && (entry->write || entry->open) ? 0 : -EPERM;
}

static const struct vnode_ops proc_ops = {
    .lookup = proc_lookup,
    .readlink = proc_readlink,
    .follow = proc_follow,
    .setattr = proc_setattr,
    .open = proc_open,
};

static const struct vnode_ops proc_text_link_ops = {
    .readlink = proc_readlink,
    .setattr = proc_setattr,
    .open = proc_open,
};

int64_t proc_text_read(const struct proc_text *text, struct io *io, int64_t *position)
{
	if ((uint64_t)*position >= text->length)
		return 0;
	uint64_t count = text->length - (uint64_t)*position;
	int64_t done = io_put(io, text->bytes + *position, count < io->remaining ? count : io->remaining);
	if (done > 0)
		*position += done;
	return done;
}

static int64_t proc_read(struct file *file, struct io *io, int64_t *position)
{
	struct proc_text *text = file->private;
	if (*position == 0 && text) { /* read again from the start: made anew */
		struct proc_subject subject;
		text->length = 0;
		int error = subject_for(proc_node(file->vnode), &subject);
		if (error)
			return error == -ENOENT ? -ESRCH : error;
		proc_node(file->vnode)->entry->text(text, &subject);
		if (text->failed)
			return -ENOMEM;
	}
	return text ? proc_text_read(text, io, position) : 0;
}

static int64_t proc_write(struct file *file, struct io *io, int64_t *position)
{
	struct proc_node *node = proc_node(file->vnode);
	struct proc_subject subject;
	char bytes[256];
	if (!node->entry->write)
		return -EACCES;
	int64_t count = io_take(io, bytes, sizeof(bytes) - 1);
	if (count < 0)
		return count;
	bytes[count] = 0;
	if (!subject_of(node, &subject))
		return -ESRCH;
	int64_t done = node->entry->write(&subject, bytes, (uint32_t)count);
	if (done > 0)
		*position += done;
	return done;
}

static int64_t proc_seek(struct file *file, int64_t offset, int whence)
{
	if (whence == SEEK_CUR)
		offset += file->position;
	else if (whence != SEEK_SET)
		return -EINVAL;
	return offset < 0 ? -EINVAL : (file->position = offset);
}

static void proc_release(struct file *file)
{
	struct proc_text *text = file->private;
	if (text)
		heap_free(text->bytes);
	heap_free(text);
}

static const struct file_ops proc_file_ops = {
    .read = proc_read,
    .write = proc_write,
    .seek = proc_seek,
    .release = proc_release,
    .seekable = true,
};

static uint32_t proc_poll(struct file *file, struct poll_table *table)
{
	return POLLIN | POLLRDNORM | proc_node(file->vnode)->entry->poll(file->private, table);
}

static const struct file_ops proc_polled_ops = {
    .read = proc_read,
    .write = proc_write,
    .seek = proc_seek,
    .poll = proc_poll,
    .release = proc_release,
    .seekable = true,
};

/* The INDEXth number of a pattern, ascending where that is cheap; -1 at the end. */
static int64_t pattern_number(const struct proc_entry *pattern, const struct proc_subject *subject,
                              uint32_t index)
{
	if (strcmp(pattern->name, "#pid") == 0) {
		struct process *process = process_next(0);
		for (; process; process = process_next(process))
			if (pid_in(subject->pids, process->pid) && !index--)
				return pid_in(subject->pids, process->pid);
		return -1;
	}
	if (strcmp(pattern->name, "#tid") == 0) {
		struct task *task;
		if (subject->process)
			list_for_each(task, &subject->process->threads,
			              thread_link) if (!index--) return pid_in(subject->pids, task->tid);
		return -1;
	}
	if (strcmp(pattern->name, "#cpu") == 0)
		return index < machine.cpu_count ? (int64_t)index : -1;
	const struct files *files = subject->task ? subject->task->files : 0;
	for (uint32_t fd = 0; files && fd < files->capacity; fd++)
		if (files->slots[fd] && !index--)
			return fd;
	return -1;
}

static int64_t proc_getdents(struct file *file, struct dirent_sink *sink)
{
	struct proc_node *node = proc_node(file->vnode);
	struct proc_subject subject;
	int64_t at = 2;
	char name[16];
	if (!subject_of(node, &subject))
		return -ENOENT;
	if (file->position < 1 &&
	    (!sink->entry(sink, ".", 1, node->vnode.inode, DT_DIR, 1) || (file->position = 1, 0)))
		return 0;
	if (file->position < 2 && (!sink->entry(sink, "..", 2, 1, DT_DIR, 2) || (file->position = 2, 0)))
		return 0;
	const struct proc_entry *pattern = 0;
	for (const struct proc_entry *entry = node->entry->children; entry && entry->name; entry++) {
		if (entry->name[0] == '#') {
			pattern = entry;
			continue;
		}
		if (at++ < file->position)
			continue;
		if (!sink->entry(sink, entry->name, (uint32_t)strlen(entry->name),
		                 ((uintptr_t)entry >> 3 & 0xffffff) | 1,
		                 (uint8_t)((entry->mode & S_IFMT) >> 12), at))
			return 0;
		file->position = at;
	}
	for (uint32_t index = (uint32_t)(file->position > at ? file->position - at : 0); pattern; index++) {
		int64_t number = pattern_number(pattern, &subject, index);
		if (number < 0)
			break;
		int length = text_format(name, sizeof(name), "%s%ld",
		                         strcmp(pattern->name, "#cpu") == 0 ? "cpu" : "", number);
		if (!sink->entry(sink, name, (uint32_t)length, (uint64_t)number << 24 | 1,
		                 (uint8_t)((pattern->mode & S_IFMT) >> 12), at + index + 1))
			return 0;
		file->position = at + index + 1;
	}
	return 0;
}

static int64_t proc_directory_read(struct file *file, struct io *io, int64_t *position)
{
	(void)file;
	(void)io;
	(void)position;
	return -EISDIR;
}

static const struct file_ops proc_directory_ops = {
    .read = proc_directory_read, .getdents = proc_getdents, .seek = proc_seek, .seekable = true};

struct process *proc_file_process(const struct file *file)
{
	if (!file->vnode || file->vnode->ops != &proc_ops)
		return 0;
	const struct proc_node *node = proc_node(file->vnode);
	return node->entry->children == proc_process && !node->tid ? process_by_id(node->pid) : 0;
}

static struct filesystem *make_filesystem(const char *name, int64_t magic, uint64_t device,
                                          const struct proc_entry *root)
{
	struct filesystem *filesystem = heap_allocate(sizeof(*filesystem));
	int error;
	if (!filesystem)
		return 0;
	filesystem->name = name;
	filesystem->flags = FILESYSTEM_UNCACHED;
	filesystem->magic = magic;
	filesystem->device = device;
	filesystem->root = node_make(filesystem, root, 0, 0, -1, &error);
	return filesystem->root ? filesystem : 0;
}

static void proc_gone(struct filesystem *filesystem)
{
	struct pid_namespace *pids = filesystem->private;
	vnode_release(filesystem->root);
	heap_free(filesystem);
	namespace_release(&pids->common);
}

struct filesystem *proc_filesystem(struct pid_namespace *pids)
{
	static struct filesystem *first;
	static uint64_t device = 256;
	if (!pids->level) {
		if (!first)
			first = make_filesystem("proc", 0x9fa0, 4, proc_root);
		return first;
	}
	struct filesystem *filesystem = make_filesystem("proc", 0x9fa0, ++device, proc_root);
	if (!filesystem)
		return 0;
	filesystem->private = pids;
	filesystem->release = proc_gone;
	(void)namespace_reference(&pids->common);
	return filesystem;
}

struct filesystem *sys_filesystem(void)
{
	static struct filesystem *filesystem;
	if (!filesystem)
		filesystem =
		    make_filesystem("sysfs", 0x62656572, 5, link_granted() ? sys_root : sys_root_alone);
	return filesystem;
}
