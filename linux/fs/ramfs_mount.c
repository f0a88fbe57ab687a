/* What mount(2) says of a tmpfs (tmpfs(5)): size, nr_blocks, nr_inodes, mode, uid, gid; how they show in
 * /proc/mounts; and the end of one. Numbers may have a suffix, size may be a part of the memory ("50%").
 */
#include "../internal.h"
#include "../proc/proc.h"
#include "ramfs_data.h"

#define MODE_DEFAULT 01777u

struct options {
	uint64_t bytes, nodes;
	uint32_t mode, uid, gid;
	bool has_bytes, has_nodes, has_mode, has_uid, has_gid;
};

/* A number with an optional suffix k, m, g, t; PERCENT_OF: "%" may follow instead. */
static bool number(const char *text, uint64_t percent_of, uint64_t *value)
{
	uint64_t sum = 0;
	const char *at = text;
	for (; *at >= '0' && *at <= '9'; at++)
		if (__builtin_mul_overflow(sum, 10u, &sum) || __builtin_add_overflow(sum, *at - '0', &sum))
			return false;
	if (at == text)
		return false;
	if (*at == '%' && percent_of) {
		at++;
		if (sum > 1000000 || __builtin_mul_overflow(percent_of / 100, sum, &sum))
			return false;
	} else if (*at) {
		static const char suffixes[] = "kmgt";
		const char *suffix = strchr(suffixes, *at | 32);
		if (!suffix || sum >> (63 - 10 * (suffix - suffixes + 1)))
			return false;
		sum <<= 10 * (suffix - suffixes + 1);
		at++;
	}
	*value = sum;
	return !*at;
}

static bool octal(const char *text, uint32_t *value)
{
	*value = 0;
	for (const char *at = text; *at; at++) {
		if (*at < '0' || *at > '7' || *value > 07777)
			return false;
		*value = *value * 8 + (uint32_t)(*at - '0');
	}
	return *text && *value <= 07777;
}

static bool id(const char *text, uint32_t *value)
{
	uint64_t wide = 0;
	bool good = number(text, 0, &wide) && wide < UINT32_MAX;
	*value = (uint32_t)wide;
	return good;
}

static bool one_option(const char *name, const char *value, struct options *options)
{
	uint64_t memory, used;
	linux_memory(&memory, &used);
	if (!value) /* those that change nothing here */
		return strcmp(name, "inode32") == 0 || strcmp(name, "inode64") == 0 ||
		       strcmp(name, "noswap") == 0;
	if (strcmp(name, "size") == 0)
		return options->has_bytes = number(value, memory, &options->bytes);
	if (strcmp(name, "nr_blocks") == 0) {
		options->has_bytes = number(value, 0, &options->bytes) && options->bytes < 1ull << 50;
		options->bytes *= PAGE_SIZE_BYTES;
		return options->has_bytes;
	}
	if (strcmp(name, "nr_inodes") == 0)
		return options->has_nodes = number(value, 0, &options->nodes);
	if (strcmp(name, "mode") == 0)
		return options->has_mode = octal(value, &options->mode);
	if (strcmp(name, "uid") == 0)
		return options->has_uid = id(value, &options->uid);
	if (strcmp(name, "gid") == 0)
		return options->has_gid = id(value, &options->gid);
	return strcmp(name, "huge") == 0 || strcmp(name, "mpol") == 0;
}

int ramfs_configure(struct filesystem *filesystem, char *text, bool new)
{
	struct options options = {0};
	while (*text) {
		char *next = strchr(text, ',');
		if (next)
			*next++ = 0;
		char *value = strchr(text, '=');
		if (value)
			*value++ = 0;
		if (*text && !one_option(text, value, &options))
			return -EINVAL;
		text = next ? next : text + strlen(text);
	}
	uint64_t bytes = (options.bytes + PAGE_SIZE_BYTES - 1) & ~(PAGE_SIZE_BYTES - 1);
	if ((options.has_bytes && bytes && bytes < filesystem->bytes_used) ||
	    (options.has_nodes && options.nodes && options.nodes < filesystem->nodes_used))
		return -EINVAL;
	if (options.has_bytes)
		filesystem->bytes_max = bytes;
	if (options.has_nodes)
		filesystem->nodes_max = options.nodes;
	struct vnode *root = filesystem->root;
	if (!new)
		return 0; /* what follows is for the first mount alone */
	if (options.has_mode)
		root->mode = (root->mode & S_IFMT) | options.mode;
	if (options.has_uid)
		root->uid = options.uid;
	if (options.has_gid)
		root->gid = options.gid;
	return 0;
}

void ramfs_options(const struct filesystem *filesystem, struct proc_text *text)
{
	const struct vnode *root = filesystem->root;
	if (filesystem->bytes_max)
		proc_print(text, ",size=%luk", filesystem->bytes_max / 1024);
	if (filesystem->nodes_max)
		proc_print(text, ",nr_inodes=%lu", filesystem->nodes_max);
	if ((root->mode & 07777) != MODE_DEFAULT)
		proc_print(text, ",mode=%o", root->mode & 07777);
	if (root->uid)
		proc_print(text, ",uid=%u", root->uid);
	if (root->gid)
		proc_print(text, ",gid=%u", root->gid);
}
