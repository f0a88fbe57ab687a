/* See errand.h. */
#include "errand.h"
#include "backing_calls.h"
#include "name.h"
#include "ramfs_data.h"

#define AHEAD_FIRST 8u /* entries */
#define AHEAD_MAX   24u
#define NAMES_MAX                                                                                            \
	(1u                                                                                                  \
	 << 20) /* bytes of a directory's names; where there are more, they are fetched with the lock held */

static bool note(struct ram_node *directory, const char *name)
{
	struct errand *errand = current_task() ? current_task()->errand : 0;
	if (!errand || ram_shared(directory) || !directory->upper)
		return false;
	errand_end(errand);
	errand->filesystem = directory->vnode.filesystem;
	filesystem_pass(errand->filesystem);
	errand->directory = directory->upper;
	errand->names = !name;
	if (name)
		text_copy(errand->name, sizeof(errand->name), name);
	return true;
}

/* How many entries from ENTRY on are asked for in one: more and more while they are looked at in order. 0: that one alone; else
 * *COOKIE is the one before. */
static uint32_t look_ahead(struct ram_node *directory, const struct ram_entry *entry, uint64_t *cookie)
{
	const struct list *at = entry->link.previous;
	const struct ram_entry *before =
	    at == &directory->entries ? 0 : container_of(at, struct ram_entry, link);
	uint32_t ahead =
	    directory->looked_ahead * 2 < AHEAD_FIRST ? AHEAD_FIRST : directory->looked_ahead * 2;
	bool in_order = (before ? before->upper && before->sequence <= directory->looked : true) &&
	                directory->looked < entry->sequence;
	directory->looked_ahead = !in_order ? 0 : ahead < AHEAD_MAX ? ahead : AHEAD_MAX;
	directory->looked = entry->sequence;
	*cookie = before ? before->cookie : 0;
	uint32_t count = 0;
	for (at = &entry->link; at != &directory->entries && count < directory->looked_ahead; at = at->next) {
		const struct ram_entry *each = container_of(at, struct ram_entry, link);
		if (each->node || !each->upper ||
		    S_ISLNK(each->mode)) /* a link's target takes a call of its own */
			break;
		directory->looked = each->sequence;
		count++;
	}
	return count < 2 ? 0 : count;
}

bool errand_names(struct ram_node *directory)
{
	return note(directory, 0);
}

bool errand_entry(struct ram_node *directory, const struct ram_entry *entry)
{
	if (!note(directory, entry->name))
		return false;
	struct errand *errand = current_task()->errand;
	errand->count = look_ahead(directory, entry, &errand->cookie);
	return true;
}

bool errand_take(struct ram_node *directory, const struct ram_entry *entry, struct file_attributes *found)
{
	struct errand *errand = current_task() ? current_task()->errand : 0;
	if (!errand || !errand->has || errand->filesystem != directory->vnode.filesystem ||
	    errand->directory != directory->upper || errand->found.node != entry->upper)
		return false;
	*found = errand->found;
	errand->has = false; /* the use goes over */
	return true;
}

static struct backing *backing_of(const struct errand *errand)
{
	return ((struct ram_filesystem *)errand->filesystem)->backing;
}

/* All names of the directory; 0: there are too many, or an error. */
static struct listing *names_fetch(handle_t session, uint64_t directory)
{
	struct listing *listing = 0;
	uint32_t room = 0;
	uint32_t have = 0;
	for (uint64_t cookie = 0;;) {
		uint64_t parent;
		const void *data = 0;
		uint32_t bytes = 0;
		if (!listing || room - have < MESSAGE_BYTES_MAX) {
			room = room ? room * 2 : 2 * MESSAGE_BYTES_MAX;
			struct listing *grown =
			    room <= NAMES_MAX ? heap_resize(listing, sizeof(*listing) + room) : 0;
			if (!grown)
				break;
			listing = grown;
		}
		if (file_list(session, current_page(), directory, cookie, &cookie, &parent, &data, &bytes,
		              DEADLINE_NEVER) < 0 ||
		    bytes > MESSAGE_BYTES_MAX)
			break;
		memcpy(listing->entries + have, data, bytes);
		listing->bytes = have += bytes;
		if (!bytes)
			return listing;
	}
	heap_free(listing);
	return 0;
}

static bool name_fetch(struct errand *errand, handle_t session)
{
	const void *data = 0;
	uint32_t bytes = 0;
	uint64_t node = 0;
	int64_t result = file_lookup(session, current_page(), errand->directory, errand->name, &node, &data,
	                             &bytes, DEADLINE_NEVER);
	return result >= 0 && reply_attributes(&errand->found, data, bytes);
}

/* What the entries stand for into FOUND: how many. */
static uint32_t entries_fetch(const struct errand *errand, handle_t session, struct file_attributes *found)
{
	const void *data = 0;
	uint32_t bytes = 0;
	uint32_t count = 0;
	if (file_list_attributes(session, current_page(), errand->directory, errand->cookie, errand->count,
	                         &data, &bytes, DEADLINE_NEVER) < 0)
		return 0;
	while (count < errand->count && reply_attributes_at(&found[count], data, bytes, count))
		count++;
	return count;
}

/* The use that came with the answer goes, with the node where the tree has it by now. */
static void answer_end(struct errand *errand)
{
	struct backing *backing = backing_of(errand);
	if (errand->has && !backing_use(backing, errand->found.node))
		(void)SERVICE(backing, forget, errand->found.node, 1ull);
	errand->has = false;
}

/* What NAME is may not be among it (many were made since the names were listed): it is asked for alone then, as not in order any more. */
static void entries_run(const struct errand *errand)
{
	struct backing *backing = backing_of(errand);
	handle_t session = backing->session;
	uint64_t forgotten = backing->forgotten;
	struct file_attributes *found = heap_allocate(errand->count * sizeof(*found));
	if (!found)
		return;
	enum common_mode before = common_give();
	uint32_t count = entries_fetch(errand, session, found);
	common_take(before);
	bool still = backing->forgotten == forgotten;
	backing_nodes(backing, still ? errand->directory : 0, errand->name, found, count);
	heap_free(found);
}

bool errand_run(struct errand *errand)
{
	struct backing *backing = backing_of(errand); /* the reference keeps it, and its session */
	if (errand->count) {
		entries_run(errand);
		return true;
	}
	handle_t session = backing->session;
	struct listing *listing = 0;
	uint64_t forgotten = backing->forgotten;
	enum common_mode before = common_give();
	if (errand->names)
		listing = names_fetch(session, errand->directory);
	else
		errand->has = name_fetch(errand, session);
	common_take(before);
	/* A node that has gone since may have been changed before, under another of its names. */
	if (backing->forgotten != forgotten)
		answer_end(errand);
	if (!errand->names)
		return errand->has;
	if (!listing)
		return false;
	if (!backing_listing_keep(backing, errand->directory, listing))
		heap_free(listing); /* somebody else was faster */
	return true;
}

void errand_end(struct errand *errand)
{
	struct filesystem *filesystem = errand->filesystem;
	if (!filesystem)
		return;
	answer_end(errand);
	*errand = (struct errand){0};
	filesystem_passed(filesystem);
}

void errand_looked_up(void)
{
	if (current_task()->errand)
		errand_end(current_task()->errand);
}
