/* See tree.h. An archive is read as outside data: sizes, numbers and names are checked, each name is walked from
 * the directory it is unpacked into, part by part, without following a link. */
#include "tree.h"
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define BLOCK            512u
#define BUFFER           (1u << 20)
#define NAME_MAX_BYTES   4096u
#define OPEN_DIRECTORIES 32

const char *tree_who = "tree";

struct header {
	char name[100], mode[8], uid[8], gid[8], size[12], modified[12], checksum[8], type, link[100],
	    magic[8], user[32], group[32], major[8], minor[8], prefix[155], pad[12];
};
_Static_assert(sizeof(struct header) == BLOCK, "tar header");

static int complain(const char *format, ...)
{
	va_list arguments;
	fprintf(stderr, "%s: ", tree_who);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	return -1;
}

/* ---- Packing ---- */

/* A file with several names, and the first one that was packed. */
struct linked {
	dev_t device;
	ino_t inode;
	char *name;
};

static struct packing {
	int file;
	const char *path, *name;
	size_t used;
	uint8_t *buffer;
	struct linked *linked;
	size_t linked_count, linked_size; /* an open hash table; the size is a power of two */
	int error;
} packing;

static int flush_buffer(void)
{
	for (size_t done = 0; done < packing.used;) {
		ssize_t count = write(packing.file, packing.buffer + done, packing.used - done);
		if (count < 0 && errno == EINTR)
			continue;
		if (count <= 0)
			return complain("the archive cannot be written: %s",
			                count ? strerror(errno) : "there is no more room");
		done += (size_t)count;
	}
	packing.used = 0;
	return 0;
}

static int put(const void *data, size_t bytes)
{
	const uint8_t *from = data;
	while (bytes) {
		size_t part = bytes < BUFFER - packing.used ? bytes : BUFFER - packing.used;
		memcpy(packing.buffer + packing.used, from, part);
		packing.used += part;
		from += part;
		bytes -= part;
		if (packing.used == BUFFER && flush_buffer())
			return -1;
	}
	return 0;
}

/* Up to a whole block behind BYTES. */
static int pad(uint64_t bytes)
{
	static const uint8_t zeros[BLOCK];
	return put(zeros, (size_t)(-bytes % BLOCK));
}

/* VALUE in a field of WIDTH bytes: octal, or where that is too short, base 256. */
static void put_number(char *field, size_t width, uint64_t value)
{
	if (value >> 3 * (width - 1) == 0) {
		char text[24];
		snprintf(text, sizeof(text), "%0*" PRIo64, (int)width - 1, value);
		memcpy(field, text, width);
		return;
	}
	for (size_t i = width; i-- > 1; value >>= 8)
		field[i] = (char)value;
	field[0] = (char)0x80;
}

static int put_header(struct header *header, const char *name, uint64_t size)
{
	unsigned sum = 0;
	strncpy(header->name, name, sizeof(header->name));
	put_number(header->size, sizeof(header->size), size);
	memcpy(header->magic, "ustar  ", 8);
	memset(header->checksum, ' ', sizeof(header->checksum));
	for (size_t i = 0; i < BLOCK; i++)
		sum += ((const uint8_t *)header)[i];
	snprintf(header->checksum, sizeof(header->checksum), "%06o", sum);
	return put(header, BLOCK);
}

/* A name or target that is too long for its field goes before, as the contents of a header of TYPE. */
static int put_long(char type, const char *text)
{
	struct header header = {.type = type};
	uint64_t bytes = strlen(text) + 1;
	if (bytes <= sizeof(header.name))
		return 0;
	return put_header(&header, "././@LongLink", bytes) || put(text, bytes) || pad(bytes) ? -1 : 0;
}

static int put_entry(const struct stat *status, char type, const char *name, const char *target,
                     uint64_t size)
{
	struct header header = {.type = type};
	put_number(header.mode, sizeof(header.mode), status->st_mode & 07777);
	put_number(header.uid, sizeof(header.uid), status->st_uid);
	put_number(header.gid, sizeof(header.gid), status->st_gid);
	put_number(header.modified, sizeof(header.modified),
	           status->st_mtime > 0 ? (uint64_t)status->st_mtime : 0);
	if (target) {
		if (put_long('K', target))
			return -1;
		strncpy(header.link, target, sizeof(header.link));
	}
	return put_long('L', name) || put_header(&header, name, size) ? -1 : 0;
}

static struct linked *linked_slot(struct linked *table, size_t size, const struct stat *status)
{
	size_t at = (status->st_ino * 0x9e3779b97f4a7c15u ^ status->st_dev) & (size - 1);
	while (table[at].name && (table[at].inode != status->st_ino || table[at].device != status->st_dev))
		at = (at + 1) & (size - 1);
	return &table[at];
}

/* The name under which the file of STATUS is in the archive already; else 0, and NAME is remembered. */
static const char *linked_name(const struct stat *status, const char *name)
{
	if (packing.linked_count * 2 >= packing.linked_size) {
		size_t size = packing.linked_size ? packing.linked_size * 2 : 256;
		struct linked *table = calloc(size, sizeof(*table));
		if (!table)
			return 0; /* packed again, which costs room alone */
		for (size_t i = 0; i < packing.linked_size; i++) {
			struct stat old = {.st_ino = packing.linked[i].inode,
			                   .st_dev = packing.linked[i].device};
			if (packing.linked[i].name)
				*linked_slot(table, size, &old) = packing.linked[i];
		}
		free(packing.linked);
		packing.linked = table;
		packing.linked_size = size;
	}
	struct linked *slot = linked_slot(packing.linked, packing.linked_size, status);
	if (slot->name)
		return slot->name;
	*slot = (struct linked){status->st_dev, status->st_ino, strdup(name)};
	packing.linked_count += slot->name != 0;
	return 0;
}

static int put_contents(int file, const char *path, uint64_t size)
{
	uint64_t left = size;
	while (left) {
		size_t room = BUFFER - packing.used;
		ssize_t count = read(file, packing.buffer + packing.used, left < room ? left : room);
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return complain("%s: %s", path, strerror(errno));
		if (count == 0) {
			complain("%s became shorter while it was read; its end is filled with zeros", path);
			memset(packing.buffer + packing.used, 0, left < room ? left : room);
			count = (ssize_t)(left < room ? left : room);
		}
		packing.used += (size_t)count;
		left -= (uint64_t)count;
		if (packing.used == BUFFER && flush_buffer())
			return -1;
	}
	return pad(size);
}

static int pack_file(const char *path, const char *name)
{
	struct stat status;
	int file = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (file < 0 || fstat(file, &status) || !S_ISREG(status.st_mode)) {
		complain("%s: %s", path, file < 0 ? strerror(errno) : "it is another kind of file now");
		if (file >= 0)
			close(file);
		return -1;
	}
	uint64_t size = (uint64_t)status.st_size;
	int error = put_entry(&status, '0', name, 0, size) || put_contents(file, path, size);
	close(file);
	return error ? -1 : 0;
}

static int pack_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
	static char name[NAME_MAX_BYTES * 2], target[NAME_MAX_BYTES];
	(void)walk;
	const char *below = path + strlen(packing.path);
	if (snprintf(name, sizeof(name), "%s%s%s", packing.name, *below && *below != '/' ? "/" : "", below) >=
	    (int)sizeof(name))
		return packing.error = complain("%s: the name is too long", path);
	if (kind == FTW_DNR || kind == FTW_NS)
		return packing.error = complain("%s: %s", path, strerror(errno));
	const char *first = status->st_nlink > 1 && !S_ISDIR(status->st_mode) ? linked_name(status, name) : 0;
	int error = 0;
	if (first) {
		error = put_entry(status, '1', name, first, 0);
	} else if (S_ISREG(status->st_mode)) {
		error = pack_file(path, name);
	} else if (S_ISDIR(status->st_mode)) {
		error = put_entry(status, '5', name, 0, 0);
	} else if (S_ISFIFO(status->st_mode)) {
		error = put_entry(status, '6', name, 0, 0);
	} else if (S_ISLNK(status->st_mode)) {
		ssize_t length = readlink(path, target, sizeof(target) - 1);
		if (length < 0)
			return packing.error = complain("%s: %s", path, strerror(errno));
		target[length] = 0;
		error = put_entry(status, '2', name, target, 0);
	} else {
		complain("%s is neither file, directory, link nor FIFO; it is left out", path);
	}
	return packing.error = error ? -1 : 0;
}

int tree_pack(int file, const char *path, const char *name, bool last)
{
	static const uint8_t zeros[2 * BLOCK];
	uint8_t *buffer = malloc(BUFFER);
	if (!buffer)
		return complain("there is not enough memory");
	packing = (struct packing){.file = file, .path = path, .name = name, .buffer = buffer};
	int error = nftw(path, pack_one, OPEN_DIRECTORIES, FTW_PHYS);
	if (error && !packing.error)
		complain("%s: %s", path, strerror(errno));
	if (!error)
		error = (last && put(zeros, sizeof(zeros))) || flush_buffer();
	for (size_t i = 0; i < packing.linked_size; i++)
		free(packing.linked[i].name);
	free(packing.linked);
	free(buffer);
	return error ? -1 : 0;
}

/* ---- Unpacking ---- */

struct reading {
	int file;
	uint8_t *buffer;
	size_t start, end;
};

static int refill(struct reading *in)
{
	ssize_t count;
	do
		count = read(in->file, in->buffer, BUFFER);
	while (count < 0 && errno == EINTR);
	if (count <= 0)
		return complain("the archive is cut short%s%s", count ? ": " : "",
		                count ? strerror(errno) : "");
	in->start = 0;
	in->end = (size_t)count;
	return 0;
}

/* The next BYTES to TO. */
static int take(struct reading *in, void *to, size_t bytes)
{
	for (uint8_t *at = to; bytes;) {
		if (in->start == in->end && refill(in))
			return -1;
		size_t part = bytes < in->end - in->start ? bytes : in->end - in->start;
		memcpy(at, in->buffer + in->start, part);
		at += part;
		in->start += part;
		bytes -= part;
	}
	return 0;
}

/* BYTES of contents, filled up to a block, to FILE, or nowhere (-1). */
static int take_contents(struct reading *in, int file, uint64_t bytes, const char *name)
{
	uint64_t left = bytes;
	uint64_t all = bytes + -bytes % BLOCK;
	while (all) {
		if (in->start == in->end && refill(in))
			return -1;
		size_t part = all < in->end - in->start ? (size_t)all : in->end - in->start;
		size_t wanted = left < part ? (size_t)left : part;
		for (size_t done = 0; file >= 0 && done < wanted;) {
			ssize_t count = write(file, in->buffer + in->start + done, wanted - done);
			if (count < 0 && errno == EINTR)
				continue;
			if (count < 0)
				return complain("%s: %s", name, strerror(errno));
			done += (size_t)count;
		}
		left -= wanted;
		all -= part;
		in->start += part;
	}
	return 0;
}

static bool get_number(const char *field, size_t width, uint64_t *value)
{
	*value = 0;
	if (field[0] & 0x80) {
		for (size_t i = 1; i < width; i++) {
			if (*value >> 55)
				return false;
			*value = *value << 8 | (uint8_t)field[i];
		}
		return *value >> 62 == 0;
	}
	size_t i = 0;
	while (i < width && field[i] == ' ')
		i++;
	for (; i < width && field[i] && field[i] != ' '; i++) {
		if (field[i] < '0' || field[i] > '7')
			return false;
		*value = *value * 8 + (uint64_t)(field[i] - '0');
	}
	return true;
}

static bool checksum_good(const struct header *header)
{
	uint64_t wanted, sum = 0;
	for (size_t i = 0; i < BLOCK; i++) {
		bool inside = i >= offsetof(struct header, checksum) && i < offsetof(struct header, type);
		sum += inside ? ' ' : ((const uint8_t *)header)[i];
	}
	return get_number(header->checksum, sizeof(header->checksum), &wanted) && wanted == sum;
}

static void copy_field(char *to, const char *from, size_t size)
{
	size_t length = strnlen(from, size);
	memcpy(to, from, length);
	to[length] = 0;
}

/* Walks NAME from the directory INTO to the one that holds its last part, which goes to *LAST; makes directories
 * that are missing. A descriptor, or -1. NAME is changed. */
static int walk(int into, char *name, const char **last)
{
	int at = dup(into);
	char *part = name;
	*last = ".";
	while (at >= 0) {
		while (*part == '/')
			part++;
		char *end = part + strcspn(part, "/");
		char *next = end + strspn(end, "/");
		bool final = !*next;
		*end = 0;
		if (!*part)
			return at;
		if (strcmp(part, "..") == 0) {
			errno = EXDEV;
			break;
		}
		if (strcmp(part, ".") != 0) {
			*last = part;
			if (final)
				return at;
			int below = openat(at, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			if (below < 0 && errno == ENOENT && mkdirat(at, part, 0755) == 0)
				below = openat(at, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			if (below < 0)
				break;
			close(at);
			at = below;
			*last = ".";
		} else if (final) {
			return at;
		}
		part = next;
	}
	int error = errno;
	if (at >= 0)
		close(at);
	errno = error;
	return -1;
}

/* NAME with its first part replaced as PLACE says; false: it became too long. */
static bool place_name(char *name, const struct tree_place *place)
{
	if (!place->rename)
		return true;
	size_t first = strcspn(name, "/"), rest = strlen(name + first) + 1, length = strlen(place->rename);
	if (length + rest > NAME_MAX_BYTES)
		return false;
	memmove(name + length, name + first, rest);
	memcpy(name, place->rename, length);
	return true;
}

/* Takes away what stands in the way of a new LAST in DIRECTORY; a directory in the place of a directory stays. */
static int clear_place(int directory, const char *last, bool wants_directory)
{
	struct stat there;
	if (fstatat(directory, last, &there, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? 0 : -1;
	if (S_ISDIR(there.st_mode))
		return wants_directory ? 0 : unlinkat(directory, last, AT_REMOVEDIR);
	return unlinkat(directory, last, 0);
}

static int finish(int directory, const char *last, const struct header *header,
                  const struct tree_place *place)
{
	uint64_t mode, uid, gid, modified;
	if (!get_number(header->mode, sizeof(header->mode), &mode) ||
	    !get_number(header->uid, sizeof(header->uid), &uid) ||
	    !get_number(header->gid, sizeof(header->gid), &gid) ||
	    !get_number(header->modified, sizeof(header->modified), &modified) || uid > UINT32_MAX ||
	    gid > UINT32_MAX) {
		errno = EINVAL;
		return -1;
	}
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = (time_t)modified}};
	if (place->keep_owners && fchownat(directory, last, (uid_t)uid, (gid_t)gid, AT_SYMLINK_NOFOLLOW) &&
	    errno != EPERM)
		return -1;
	if (header->type != '2' && fchmodat(directory, last, (mode_t)(mode & 07777), 0))
		return -1;
	return utimensat(directory, last, times, AT_SYMLINK_NOFOLLOW);
}

/* Makes a hard link to TARGET, a name in the archive. */
static int unpack_link(int into, char *target, int directory, const char *last)
{
	const char *target_last;
	int at = walk(into, target, &target_last);
	if (at < 0)
		return -1;
	int error = linkat(at, target_last, directory, last, 0);
	int why = errno;
	close(at);
	errno = why;
	return error;
}

static int unpack_one(struct reading *in, int into, const struct header *header, char *name, char *target,
                      uint64_t size, const struct tree_place *place)
{
	char shown[NAME_MAX_BYTES];
	const char *last;
	memcpy(shown, name, strlen(name) + 1);
	int directory = walk(into, name, &last);
	if (directory < 0)
		return complain("%s: %s", shown,
		                errno == EXDEV ? "a name that leads out is not unpacked" : strerror(errno));
	bool is_directory = header->type == '5';
	int error = strcmp(last, ".") == 0 ? is_directory ? 0 : (errno = EISDIR, -1)
	                                   : clear_place(directory, last, is_directory);
	bool contents = header->type == '0' || header->type == 0;
	if (!error && contents) {
		int file =
		    openat(directory, last, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (file >= 0) {
			if (take_contents(in, file, size, shown)) {
				close(file);
				close(directory);
				return -1;
			}
			error = close(file);
		} else {
			error = -1;
		}
	} else if (!error && is_directory) {
		error = mkdirat(directory, last, 0700) && errno != EEXIST ? -1 : 0;
	} else if (!error && header->type == '2') {
		error = symlinkat(target, directory, last);
	} else if (!error && header->type == '1') {
		error = unpack_link(into, target, directory, last);
	} else if (!error && header->type == '6') {
		error = mkfifoat(directory, last, 0600);
	} else if (!error) {
		close(directory);
		complain("%s is of a kind that is not unpacked", shown);
		return take_contents(in, -1, size, shown);
	}
	if (!error && header->type != '1')
		error = finish(directory, last, header, place);
	int why = errno;
	close(directory);
	if (error)
		return complain("%s: %s", shown, strerror(why));
	return contents ? 0 : take_contents(in, -1, size, shown);
}

static int unpack_all(struct reading *in, int into, const struct tree_place *place)
{
	static char name[NAME_MAX_BYTES * 2], target[NAME_MAX_BYTES * 2];
	bool long_name = false, long_target = false;
	for (;;) {
		struct header header;
		uint64_t size;
		if (take(in, &header, BLOCK))
			return -1;
		if (!header.name[0])
			return take(in, &header, BLOCK); /* the second empty block */
		if (!checksum_good(&header) || !get_number(header.size, sizeof(header.size), &size) ||
		    size >> 62)
			return complain("the archive is damaged");
		if (header.type == 'L' || header.type == 'K') {
			char *text = header.type == 'L' ? name : target;
			if (size >= NAME_MAX_BYTES)
				return complain("a name is longer than %u bytes", NAME_MAX_BYTES - 1);
			char filler[BLOCK];
			if (take(in, text, (size_t)size) || take(in, filler, (size_t)(-size % BLOCK)))
				return -1;
			text[size] = 0;
			*(header.type == 'L' ? &long_name : &long_target) = true;
			continue;
		}
		if (!long_name) {
			size_t prefix = memcmp(header.magic, "ustar\0", 6) == 0
			                    ? strnlen(header.prefix, sizeof(header.prefix))
			                    : 0;
			memcpy(name, header.prefix, prefix);
			if (prefix)
				name[prefix++] = '/';
			copy_field(name + prefix, header.name, sizeof(header.name));
		}
		if (!long_target)
			copy_field(target, header.link, sizeof(header.link));
		long_name = long_target = false;
		if (!place_name(name, place) || (header.type == '1' && !place_name(target, place)))
			return complain("a name is longer than %u bytes", NAME_MAX_BYTES - 1);
		if (unpack_one(in, into, &header, name, target, size, place))
			return -1;
	}
}

int tree_unpack(int file, int into, const struct tree_place *place)
{
	struct reading in = {.file = file, .buffer = malloc(BUFFER)};
	if (!in.buffer)
		return complain("there is not enough memory");
	mode_t mask = umask(0);
	int error = unpack_all(&in, into, place);
	umask(mask);
	free(in.buffer);
	return error;
}
