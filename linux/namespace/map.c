/* /proc/PID/uid_map, gid_map and setgroups: user_namespaces(7), "User and group ID mappings". Who opens a file counts
 * beside who writes, so that no program with more rights can be led to write one for another.
 */
#include "../internal.h"
#include "../proc/proc.h"

struct map_file {
	struct user_namespace *user; /* whose map it is; a reference */
	struct credentials opener;   /* its user namespace with a reference */
	bool groups;
	struct proc_text text;
};

static struct id_map *map_of(struct map_file *opened)
{
	return opened->groups ? &opened->user->gids : &opened->user->uids;
}

static void print_map(struct map_file *opened)
{
	const struct user_namespace *user = opened->user, *seen_from = opened->opener.user;
	const struct id_map *map = map_of(opened);
	if (user == &user_namespace_first) {
		proc_print(&opened->text, "%10u %10u %10u\n", 0, 0, UINT32_MAX);
		return;
	}
	if (seen_from == user)
		seen_from = user->common.owner;
	const struct id_map *outer = opened->groups ? &seen_from->gids : &seen_from->uids;
	for (uint32_t i = 0; i < map->count; i++)
		proc_print(&opened->text, "%10u %10u %10u\n", map->ranges[i].inside,
		           id_up(seen_from, outer, map->ranges[i].outside), map->ranges[i].count);
}

static int64_t map_read(struct file *file, struct io *io, int64_t *position)
{
	struct map_file *opened = file->private;
	if (*position == 0) {
		opened->text.length = 0;
		print_map(opened);
		if (opened->text.failed)
			return -ENOMEM;
	}
	return proc_text_read(&opened->text, io, position);
}

/* A number and what ends it; 0: there is none, or it is too large. */
static const char *take_number(const char *at, uint32_t *number)
{
	uint64_t value = 0;
	while (*at == ' ' || *at == '\t')
		at++;
	if (*at < '0' || *at > '9')
		return 0;
	for (; *at >= '0' && *at <= '9'; at++)
		if ((value = value * 10 + (uint64_t)(*at - '0')) > UINT32_MAX)
			return 0;
	*number = (uint32_t)value;
	return at;
}

static bool ranges_meet(uint32_t a, uint32_t b, uint32_t a_count, uint32_t b_count)
{
	return a <= b ? b - a < a_count : a - b < b_count;
}

/* Lines "INSIDE OUTSIDE COUNT" into RANGES of ID_RANGES: how many, or -EINVAL. OUTSIDE is still the parent's. */
static int64_t parse(const char *text, struct id_range *ranges)
{
	uint32_t count = 0;
	while (*text) {
		struct id_range *range = &ranges[count];
		if (count == ID_RANGES)
			return -EINVAL;
		const char *at = take_number(text, &range->inside);
		at = at ? take_number(at, &range->outside) : 0;
		at = at ? take_number(at, &range->count) : 0;
		while (at && (*at == ' ' || *at == '\t'))
			at++;
		if (!at || (*at && *at != '\n') || !range->count ||
		    range->inside + range->count < range->inside ||
		    range->outside + range->count < range->outside)
			return -EINVAL;
		for (uint32_t i = 0; i < count; i++)
			if (ranges_meet(ranges[i].inside, range->inside, ranges[i].count, range->count) ||
			    ranges_meet(ranges[i].outside, range->outside, ranges[i].count, range->count))
				return -EINVAL;
		count++;
		text = *at ? at + 1 : at;
	}
	return count ? count : -EINVAL;
}

/* May the map be COUNT RANGES, which name the parent's ids? */
static bool permitted(const struct map_file *opened, const struct id_range *ranges, uint32_t count)
{
	const struct user_namespace *user = opened->user, *parent = user->common.owner;
	const struct credentials *own = &current_task()->credentials, *opener = &opened->opener;
	unsigned capability = opened->groups ? CAP_SETGID : CAP_SETUID;
	for (uint32_t i = 0; !opened->groups && i < count; i++)
		if (!ranges[i].outside &&
		    (opener->user == user ? !user->maps_root
		                          : !credentials_capable(opener, parent, CAP_SETFCAP)))
			return false;
	/* Oneself, which gives nothing that one has not. */
	if (count == 1 && ranges[0].count == 1 && user->creator_uid == opener->euid) {
		uint32_t id =
		    id_down(parent, opened->groups ? &parent->gids : &parent->uids, ranges[0].outside);
		if (!opened->groups && id == opener->euid)
			return true;
		if (opened->groups && user->setgroups_denied && id == opener->egid)
			return true;
	}
	return credentials_capable(own, parent, capability) &&
	       credentials_capable(opener, parent, capability);
}

static int64_t write_map(struct map_file *opened, const char *text, struct id_range *ranges)
{
	struct user_namespace *user = opened->user, *parent = user->common.owner;
	struct id_map *map = map_of(opened);
	if (map->count || user == &user_namespace_first)
		return -EPERM;
	if (!credentials_capable(&opened->opener, user, CAP_SYS_ADMIN))
		return -EPERM;
	if (opened->opener.user != user && opened->opener.user != parent)
		return -EPERM;
	int64_t count = parse(text, ranges);
	if (count < 0)
		return count;
	if (!permitted(opened, ranges, (uint32_t)count))
		return -EPERM;
	const struct id_map *outer = opened->groups ? &parent->gids : &parent->uids;
	for (int64_t i = 0; i < count; i++) {
		uint32_t outside;
		if (!id_range_down(parent, outer, ranges[i].outside, ranges[i].count, &outside))
			return -EPERM;
		ranges[i].outside = outside;
	}
	map->ranges = heap_allocate((size_t)count * sizeof(*ranges));
	if (!map->ranges)
		return -ENOMEM;
	memcpy(map->ranges, ranges, (size_t)count * sizeof(*ranges));
	__atomic_store_n(&map->count, (uint32_t)count, __ATOMIC_RELEASE);
	return 0;
}

static int64_t map_write(struct file *file, struct io *io, int64_t *position)
{
	uint64_t bytes = io->remaining;
	if (*position || bytes >= PAGE_SIZE_BYTES)
		return -EINVAL;
	char *text = heap_allocate(PAGE_SIZE_BYTES);
	struct id_range *ranges = heap_allocate(ID_RANGES * sizeof(*ranges));
	int64_t error = text && ranges ? io_take(io, text, bytes) : -ENOMEM;
	if (error >= 0)
		error = write_map(file->private, text, ranges);
	heap_free(text);
	heap_free(ranges);
	if (error)
		return error;
	*position += (int64_t)bytes;
	return (int64_t)bytes;
}

static int64_t map_seek(struct file *file, int64_t offset, int whence)
{
	if (whence == SEEK_CUR)
		offset += file->position;
	else if (whence != SEEK_SET)
		return -EINVAL;
	return offset < 0 ? -EINVAL : (file->position = offset);
}

static void map_release(struct file *file)
{
	struct map_file *opened = file->private;
	if (!opened)
		return;
	namespace_release(&opened->user->common);
	namespace_release(&opened->opener.user->common);
	heap_free(opened->text.bytes);
	heap_free(opened);
}

static const struct file_ops map_ops = {
    .read = map_read, .write = map_write, .seek = map_seek, .release = map_release, .seekable = true};

int namespace_map_open(const struct proc_subject *subject, struct file *file)
{
	if (!subject->task)
		return -EINVAL;
	struct map_file *opened = heap_allocate(sizeof(*opened));
	if (!opened)
		return -ENOMEM;
	opened->user = subject->task->credentials.user;
	opened->opener = current_task()->credentials;
	opened->groups = subject->entry->data != 0;
	(void)namespace_reference(&opened->user->common);
	(void)namespace_reference(&opened->opener.user->common);
	file->private = opened;
	file->ops = &map_ops;
	return 0;
}

void namespace_text_setgroups(struct proc_text *text, const struct proc_subject *subject)
{
	if (subject->task)
		proc_print(text, "%s\n",
		           subject->task->credentials.user->setgroups_denied ? "deny" : "allow");
}

int64_t namespace_write_setgroups(const struct proc_subject *subject, const char *bytes, uint32_t count)
{
	struct user_namespace *user = subject->task ? subject->task->credentials.user : 0;
	bool deny = strncmp(bytes, "deny", 4) == 0;
	const char *end = bytes + (deny ? 4 : 5);
	if (!user || (!deny && strncmp(bytes, "allow", 5) != 0))
		return -EINVAL;
	while (*end == ' ' || *end == '\t' || *end == '\n')
		end++;
	if (*end)
		return -EINVAL;
	if (!capable_in(user, CAP_SYS_ADMIN))
		return -EACCES;
	if (deny ? user->gids.count != 0 || user == &user_namespace_first : user->setgroups_denied)
		return deny && user->setgroups_denied ? count : -EPERM;
	user->setgroups_denied |= deny;
	return count;
}
