/*
 * Bounded crash testing, after CrashMonkey and ACE (Mohan et al., "Finding Crash-Consistency Bugs with Bounded Black-Box Crash Testing", OSDI 2018):
 * all short sequences of operations over a few names, from a small file system on, with and without a sync after each but the last, which has one.
 * The power is cut at every write and flush of each, in the shapes of crash_device.h; what is left is mounted and judged.
 *
 * Oracle: a model of POSIX names and contents that knows nothing of the file system, kept beside it. What is mounted must be the model at a sync from
 * the newest that had returned to the newest that had begun: every name, kind, mode, link, byte, attribute and target, and which names are one file.
 * The check finds nothing, and what is there can be changed and synced again. An operation fails where the model's does.
 *
 * A sync of anything (fsync, fdatasync, sync) is one of everything here (holonfs_sync), so that there is one kind. The model knows of a file's last
 * close, which deletes one without a name.
 *
 *   holonfs-bounded [LENGTH [ONE_IN [FIRST]]]    sequences of LENGTH operations, one of ONE_IN of them, beginning with number FIRST
 */
#include "crash_device.h"

#define OBJECTS    16u
#define ENTRIES    24u
#define SIZE_MOST  32768u
#define LENGTH_MAX 3u

/* ---- The model ---- */

struct object {
	uint32_t mode; /* 0: there is none */
	uint32_t links, size;
	uint8_t data[SIZE_MOST]; /* of a link: its target */
	uint32_t attribute;      /* bytes of user.a, whose value is its size's; 0: there is none */
};

struct name {
	unsigned directory, object;
	char name[8]; /* empty: there is none */
};

struct model {
	struct object objects[OBJECTS];
	struct name names[ENTRIES];
};

static struct model living, synced[LENGTH_MAX + 2];

static bool is_kind(const struct model *model, unsigned object, uint32_t kind)
{
	return (model->objects[object].mode & 0170000) == kind;
}

static struct name *model_find(struct model *model, unsigned directory, const char *name)
{
	for (unsigned i = 0; i < ENTRIES; i++)
		if (model->names[i].name[0] && model->names[i].directory == directory &&
		    strcmp(model->names[i].name, name) == 0)
			return &model->names[i];
	return NULL;
}

static struct name *model_add(struct model *model, unsigned directory, const char *name, unsigned object)
{
	for (unsigned i = 0; i < ENTRIES; i++) {
		struct name *entry = &model->names[i];
		if (entry->name[0])
			continue;
		*entry = (struct name){.directory = directory, .object = object};
		snprintf(entry->name, sizeof(entry->name), "%s", name);
		return entry;
	}
	abort();
}

static unsigned model_make(struct model *model, uint32_t mode)
{
	for (unsigned i = 1; i < OBJECTS; i++)
		if (!model->objects[i].mode) {
			model->objects[i] =
			    (struct object){.mode = mode, .links = (mode & 0170000) == 0040000 ? 2 : 1};
			return i;
		}
	abort();
}

static bool model_is_empty(const struct model *model, unsigned directory)
{
	for (unsigned i = 0; i < ENTRIES; i++)
		if (model->names[i].name[0] && model->names[i].directory == directory)
			return false;
	return true;
}

/* One name of ENTRY's object less. */
static void model_drop(struct model *model, struct name *entry)
{
	struct object *object = &model->objects[entry->object];
	bool is_directory = is_kind(model, entry->object, 0040000);
	if (is_directory)
		model->objects[entry->directory].links--;
	if (is_directory || !--object->links)
		memset(object, 0, sizeof(*object));
	entry->name[0] = 0;
}

/* DIRECTORY is OBJECT or below it. */
static bool model_is_below(const struct model *model, unsigned directory, unsigned object)
{
	for (unsigned steps = 0; steps < OBJECTS && directory != object; steps++)
		for (unsigned i = 0; i < ENTRIES; i++)
			if (model->names[i].name[0] && model->names[i].object == directory &&
			    is_kind(model, directory, 0040000)) {
				directory = model->names[i].directory;
				break;
			}
	return directory == object;
}

static bool model_rename(struct model *model, unsigned from_directory, const char *from_name,
                         unsigned to_directory, const char *to_name, uint32_t flags)
{
	struct name *from = model_find(model, from_directory, from_name);
	struct name *to = model_find(model, to_directory, to_name);
	if (!from || (!to && flags & HOLONFS_RENAME_EXCHANGE) || (to && flags & HOLONFS_RENAME_EXCLUSIVE))
		return false;
	bool moves_directory = is_kind(model, from->object, 0040000);
	if (moves_directory && model_is_below(model, to_directory, from->object))
		return false;
	if (to && to->object == from->object)
		return true;
	if (flags & HOLONFS_RENAME_EXCHANGE) {
		bool other_directory = is_kind(model, to->object, 0040000);
		if (other_directory && model_is_below(model, from_directory, to->object))
			return false;
		unsigned object = from->object;
		from->object = to->object;
		to->object = object;
		model->objects[from_directory].links += (unsigned)other_directory - (unsigned)moves_directory;
		model->objects[to_directory].links += (unsigned)moves_directory - (unsigned)other_directory;
		return true;
	}
	if (to) {
		if (moves_directory != is_kind(model, to->object, 0040000) ||
		    (moves_directory && !model_is_empty(model, to->object)))
			return false;
		model_drop(model, to);
	}
	model_add(model, to_directory, to_name, from->object);
	from->name[0] = 0;
	model->objects[from_directory].links -= moves_directory;
	model->objects[to_directory].links += moves_directory;
	return true;
}

/* ---- Operations ---- */

enum what {
	CREATE,
	MAKE_DIRECTORY,
	SYMLINK,
	LINK,
	RENAME,
	UNLINK,
	UNLINK_OPEN, /* which is closed at the end, unless power goes */
	REMOVE_DIRECTORY,
	WRITE,
	APPEND,
	TRUNCATE,
	ALLOCATE,
	SHARE,
	SET_ATTRIBUTE,
	REMOVE_ATTRIBUTE,
	MODE,
};

struct operation {
	enum what what;
	uint32_t flags;
	const char *path, *other; /* NAME or DIRECTORY/NAME */
	uint32_t offset, size;
};

/* foo has three blocks, A/foo lies in its inode. What is not there is made by an operation before, in some sequence. */
static const struct operation setup[] = {{CREATE, 0, "foo", 0, 0, 0},       {WRITE, 0, "foo", 0, 0, 10000},
                                         {MAKE_DIRECTORY, 0, "A", 0, 0, 0}, {CREATE, 0, "A/foo", 0, 0, 0},
                                         {WRITE, 0, "A/foo", 0, 0, 500},    {MAKE_DIRECTORY, 0, "B", 0, 0, 0},
                                         {SET_ATTRIBUTE, 0, "foo", 0, 0, 9}};

static const struct operation operations[] = {
    {CREATE, 0, "bar", 0, 0, 0},
    {CREATE, 0, "A/bar", 0, 0, 0},
    {CREATE, 0, "B/foo", 0, 0, 0},
    {CREATE, 0, "foo", 0, 0, 0},
    {MAKE_DIRECTORY, 0, "bar", 0, 0, 0},
    {MAKE_DIRECTORY, 0, "A/bar", 0, 0, 0},
    {SYMLINK, 0, "bar", "A/foo", 0, 0},
    {SYMLINK, 0, "B/foo", "nowhere", 0, 0},
    {LINK, 0, "foo", "bar", 0, 0},
    {LINK, 0, "foo", "A/bar", 0, 0},
    {LINK, 0, "A/foo", "B/foo", 0, 0},
    {LINK, 0, "A/foo", "foo", 0, 0},
    {RENAME, 0, "foo", "bar", 0, 0},
    {RENAME, 0, "foo", "A/foo", 0, 0},
    {RENAME, 0, "foo", "A/bar", 0, 0},
    {RENAME, 0, "A/foo", "foo", 0, 0},
    {RENAME, 0, "A/foo", "B/foo", 0, 0},
    {RENAME, 0, "A/bar", "foo", 0, 0},
    {RENAME, 0, "bar", "foo", 0, 0},
    {RENAME, 0, "A", "B", 0, 0},
    {RENAME, 0, "B", "A", 0, 0},
    {RENAME, 0, "B", "A/bar", 0, 0},
    {RENAME, 0, "A", "A/bar", 0, 0},
    {RENAME, HOLONFS_RENAME_EXCLUSIVE, "foo", "bar", 0, 0},
    {RENAME, HOLONFS_RENAME_EXCLUSIVE, "foo", "A/foo", 0, 0},
    {RENAME, HOLONFS_RENAME_EXCHANGE, "foo", "A/foo", 0, 0},
    {RENAME, HOLONFS_RENAME_EXCHANGE, "foo", "B", 0, 0},
    {RENAME, HOLONFS_RENAME_EXCHANGE, "A", "B", 0, 0},
    {RENAME, HOLONFS_RENAME_EXCHANGE, "A/foo", "B", 0, 0},
    {RENAME, HOLONFS_RENAME_EXCHANGE, "A/bar", "B", 0, 0},
    {UNLINK, 0, "foo", 0, 0, 0},
    {UNLINK, 0, "bar", 0, 0, 0},
    {UNLINK, 0, "A/foo", 0, 0, 0},
    {UNLINK_OPEN, 0, "foo", 0, 0, 0},
    {UNLINK_OPEN, 0, "A/foo", 0, 0, 0},
    {REMOVE_DIRECTORY, 0, "A", 0, 0, 0},
    {REMOVE_DIRECTORY, 0, "B", 0, 0, 0},
    {WRITE, 0, "foo", 0, 0, 5000},
    {WRITE, 0, "foo", 0, 4096, 4096},
    {WRITE, 0, "foo", 0, 20000, 3000},
    {WRITE, 0, "bar", 0, 0, 4096},
    {WRITE, 0, "A/foo", 0, 100, 100},
    {WRITE, 0, "B/foo", 0, 0, 200},
    {APPEND, 0, "foo", 0, 0, 100},
    {APPEND, 0, "foo", 0, 0, 7000},
    {APPEND, 0, "A/foo", 0, 0, 2000},
    {TRUNCATE, 0, "foo", 0, 0, 0},
    {TRUNCATE, 0, "foo", 0, 0, 3000},
    {TRUNCATE, 0, "foo", 0, 0, 20000},
    {TRUNCATE, 0, "A/foo", 0, 0, 100},
    {TRUNCATE, 0, "A/foo", 0, 0, 5000},
    {ALLOCATE, 0, "foo", 0, 8192, 12288},
    {ALLOCATE, HOLONFS_ALLOCATE_KEEP_SIZE, "foo", 0, 8192, 12288},
    {ALLOCATE, HOLONFS_ALLOCATE_PUNCH | HOLONFS_ALLOCATE_KEEP_SIZE, "foo", 0, 1000, 7500},
    {ALLOCATE, HOLONFS_ALLOCATE_PUNCH | HOLONFS_ALLOCATE_KEEP_SIZE, "foo", 0, 4096, 8192},
    {ALLOCATE, HOLONFS_ALLOCATE_ZERO, "foo", 0, 2000, 12000},
    {ALLOCATE, HOLONFS_ALLOCATE_COLLAPSE, "foo", 0, 4096, 4096},
    {ALLOCATE, HOLONFS_ALLOCATE_INSERT, "foo", 0, 4096, 4096},
    {ALLOCATE, HOLONFS_ALLOCATE_PUNCH | HOLONFS_ALLOCATE_KEEP_SIZE, "A/foo", 0, 100, 200},
    {SHARE, 0, "foo", "bar", 0, 0},
    {SHARE, 0, "foo", "A/foo", 4096, 0},
    {SET_ATTRIBUTE, 0, "foo", 0, 0, 7},
    {SET_ATTRIBUTE, 0, "foo", 0, 0, 2500},
    {SET_ATTRIBUTE, 0, "A", 0, 0, 40},
    {SET_ATTRIBUTE, 0, "A/foo", 0, 0, 900},
    {REMOVE_ATTRIBUTE, 0, "foo", 0, 0, 0},
    {MODE, 0600, "foo", 0, 0, 0},
    {MODE, 0700, "A", 0, 0, 0},
};
#define OPERATIONS (sizeof(operations) / sizeof(operations[0]))

/* Where a path's last name is: in the model and in the file system. */
struct place {
	unsigned directory;
	uint64_t inode; /* of the directory */
	char name[8];
};

static bool find_place(const char *path, struct place *place)
{
	const char *slash = strchr(path, '/');
	struct holonfs_attributes found;
	char first[8] = "";
	*place = (struct place){.inode = HOLONFS_ROOT};
	if (!slash) {
		snprintf(place->name, sizeof(place->name), "%s", path);
		return true;
	}
	memcpy(first, path, (size_t)(slash - path));
	snprintf(place->name, sizeof(place->name), "%s", slash + 1);
	const struct name *entry = model_find(&living, 0, first);
	if (!entry || !is_kind(&living, entry->object, 0040000) ||
	    holonfs_lookup(fs, HOLONFS_ROOT, first, &found) < 0)
		return false;
	place->directory = entry->object;
	place->inode = found.inode;
	return true;
}

/* What is written at a place differs from operation to operation: NUMBER. */
static void fill(uint8_t *data, uint32_t offset, uint32_t size, unsigned number)
{
	for (uint32_t i = 0; i < size; i++)
		data[i] = (uint8_t)(1 + (offset + i + (offset + i) / 251 + number * 37) % 255);
}

static uint64_t kept_open[LENGTH_MAX];
static unsigned kept_count;
static uint8_t scratch[SIZE_MOST];

static bool names_operation(const struct operation *op, const struct place *at, struct name *entry)
{
	struct holonfs_attributes made;
	struct place to;
	bool right = false;
	int status = -EINVAL;
	bool is_directory = entry && is_kind(&living, entry->object, 0040000);
	switch (op->what) {
	case CREATE:
	case MAKE_DIRECTORY:
		right = !entry;
		status = holonfs_create(fs, at->inode, at->name, op->what == CREATE ? 0100644 : 0040755, 0, 0,
		                        0, 0, &made);
		if (right) {
			model_add(&living, at->directory, at->name,
			          model_make(&living, op->what == CREATE ? 0100644 : 0040755));
			living.objects[at->directory].links += op->what == MAKE_DIRECTORY;
		}
		break;
	case SYMLINK:
		right = !entry;
		status = holonfs_symlink(fs, at->inode, at->name, op->other, 0, 0, &made);
		if (right) {
			unsigned object = model_make(&living, 0120777);
			living.objects[object].size = (uint32_t)strlen(op->other);
			memcpy(living.objects[object].data, op->other, strlen(op->other));
			model_add(&living, at->directory, at->name, object);
		}
		break;
	case LINK:
		if (!entry || is_directory || !find_place(op->other, &to))
			return true;
		right = !model_find(&living, to.directory, to.name);
		status = holonfs_lookup(fs, at->inode, at->name, &made);
		status = status < 0 ? status : holonfs_link(fs, made.inode, to.inode, to.name, &made);
		if (right) {
			living.objects[entry->object].links++;
			model_add(&living, to.directory, to.name, entry->object);
		}
		break;
	case RENAME:
		if (!find_place(op->other, &to))
			return true;
		right = model_rename(&living, at->directory, at->name, to.directory, to.name, op->flags);
		status = holonfs_rename(fs, at->inode, at->name, to.inode, to.name, op->flags);
		break;
	case UNLINK:
	case UNLINK_OPEN:
		right = entry && !is_directory;
		if (right && op->what == UNLINK_OPEN && holonfs_lookup(fs, at->inode, at->name, &made) == 0 &&
		    holonfs_use(fs, made.inode) == 0)
			kept_open[kept_count++] = made.inode;
		status = holonfs_unlink(fs, at->inode, at->name);
		if (right)
			model_drop(&living, entry);
		break;
	default: /* REMOVE_DIRECTORY */
		right = entry && is_directory && model_is_empty(&living, entry->object);
		status = holonfs_rmdir(fs, at->inode, at->name);
		if (right)
			model_drop(&living, entry);
	}
	return (status >= 0) == right;
}

static bool write_both(struct object *object, uint64_t inode, uint32_t offset, uint32_t size, unsigned number)
{
	if (offset + size > SIZE_MOST)
		return true;
	fill(object->data + offset, offset, size, number);
	object->size = offset + size > object->size ? offset + size : object->size;
	return holonfs_write(fs, inode, offset, object->data + offset, size) == size;
}

static bool allocate_both(const struct operation *op, struct object *object, uint64_t inode)
{
	uint32_t end = op->offset + op->size;
	uint32_t size = object->size;
	bool right = true;
	if (op->flags == HOLONFS_ALLOCATE_COLLAPSE) {
		right = end < size;
		if (right) {
			memmove(object->data + op->offset, object->data + end, size - end);
			memset(object->data + size - op->size, 0, op->size);
			object->size -= op->size;
		}
	} else if (op->flags == HOLONFS_ALLOCATE_INSERT) {
		if (size + op->size > SIZE_MOST)
			return true;
		right = op->offset < size;
		if (right) {
			memmove(object->data + end, object->data + op->offset, size - op->offset);
			memset(object->data + op->offset, 0, op->size);
			object->size += op->size;
		}
	} else {
		if (op->flags & (HOLONFS_ALLOCATE_PUNCH | HOLONFS_ALLOCATE_ZERO))
			memset(object->data + op->offset, 0, op->size);
		if (!(op->flags & HOLONFS_ALLOCATE_KEEP_SIZE) && end > size)
			object->size = end;
	}
	return (holonfs_allocate(fs, inode, op->flags, op->offset, op->size) >= 0) == right;
}

/* All of a file, without a block's rest at its end where it goes into the middle of the other. */
static bool share_both(const struct operation *op, const struct object *object, uint64_t inode)
{
	struct holonfs_attributes found;
	struct place to;
	struct name *other = find_place(op->other, &to) ? model_find(&living, to.directory, to.name) : NULL;
	if (!other || !is_kind(&living, other->object, 0100000) ||
	    holonfs_lookup(fs, to.inode, to.name, &found) < 0 || &living.objects[other->object] == object)
		return true;
	struct object *target = &living.objects[other->object];
	uint32_t size = object->size;
	if (op->offset + size < target->size)
		size -= size % HOLONFS_BLOCK;
	if (!size || op->offset + size > SIZE_MOST)
		return true;
	memcpy(target->data + op->offset, object->data, size);
	target->size = op->offset + size > target->size ? op->offset + size : target->size;
	return holonfs_share(fs, inode, 0, found.inode, op->offset, size) == size;
}

/* Whether the file system did what the model did. What has no sense in either (no such file) is no step. */
static bool perform(const struct operation *op, unsigned number)
{
	struct place at;
	if (!find_place(op->path, &at))
		return true;
	struct name *entry = model_find(&living, at.directory, at.name);
	if (op->what <= REMOVE_DIRECTORY)
		return names_operation(op, &at, entry);
	struct holonfs_attributes found;
	if (!entry)
		return holonfs_lookup(fs, at.inode, at.name, &found) == -ENOENT;
	if (holonfs_lookup(fs, at.inode, at.name, &found) < 0)
		return false;
	struct object *object = &living.objects[entry->object];
	if (op->what == SET_ATTRIBUTE) {
		object->attribute = op->size;
		fill(scratch, 0, op->size, op->size);
		return holonfs_xattr_set(fs, found.inode, "user.a", scratch, op->size, 0) == 0;
	}
	if (op->what == REMOVE_ATTRIBUTE) {
		bool right = object->attribute;
		object->attribute = 0;
		return (holonfs_xattr_remove(fs, found.inode, "user.a") == 0) == right;
	}
	if (op->what == MODE) {
		struct holonfs_attributes wanted = {.mode = op->flags};
		object->mode = (object->mode & 0170000) | op->flags;
		return holonfs_set(fs, found.inode, HOLONFS_SET_MODE, &wanted, &found) == 0;
	}
	if (!is_kind(&living, entry->object, 0100000))
		return true;
	if (op->what == WRITE)
		return write_both(object, found.inode, op->offset, op->size, number);
	if (op->what == APPEND)
		return write_both(object, found.inode, object->size, op->size, number);
	if (op->what == ALLOCATE)
		return allocate_both(op, object, found.inode);
	if (op->what == SHARE)
		return share_both(op, object, found.inode);
	if (op->size < object->size)
		memset(object->data + op->size, 0, object->size - op->size);
	object->size = op->size;
	return holonfs_truncate(fs, found.inode, op->size) == 0;
}

/* ---- The oracle ---- */

static const char *wrong; /* what differs */

static bool object_is(const struct object *object, const struct holonfs_attributes *found)
{
	uint32_t kind = object->mode & 0170000;
	wrong = "a mode or a count of links";
	if (found->mode != object->mode || found->links != object->links)
		return false;
	wrong = "an attribute";
	int64_t got = holonfs_xattr_get(fs, found->inode, "user.a", scratch, sizeof(scratch));
	if (object->attribute ? got != object->attribute : got != -ENODATA)
		return false;
	for (uint32_t i = 0; i < object->attribute; i++) {
		uint8_t expected;
		fill(&expected, i, 1, object->attribute);
		if (scratch[i] != expected)
			return false;
	}
	wrong = "a target";
	if (kind == 0120000)
		return holonfs_read_link(fs, found->inode, (char *)scratch, sizeof(scratch)) ==
		           (int)object->size &&
		       memcmp(scratch, object->data, object->size) == 0;
	wrong = "contents";
	return kind == 0040000 ||
	       (found->size == object->size &&
	        holonfs_read(fs, found->inode, 0, scratch, sizeof(scratch)) == object->size &&
	        memcmp(scratch, object->data, object->size) == 0);
}

/* Everything below DIRECTORY. INODES: which inode an object is. */
static bool directory_is(struct model *model, unsigned directory, uint64_t inode, uint64_t inodes[OBJECTS])
{
	struct holonfs_entry found;
	unsigned count = 0;
	for (unsigned i = 0; i < ENTRIES; i++)
		count += model->names[i].name[0] && model->names[i].directory == directory;
	for (uint64_t cookie = 0; holonfs_list(fs, inode, cookie, &found) > 0; cookie = found.cookie) {
		struct name *entry = model_find(model, directory, found.name);
		struct holonfs_attributes attributes;
		wrong = "a name";
		if (!entry || !count-- || holonfs_get(fs, found.inode, &attributes) < 0)
			return false;
		wrong = "what a name means";
		uint64_t *known = &inodes[entry->object];
		if (*known && *known != found.inode)
			return false;
		*known = found.inode;
		if (!object_is(&model->objects[entry->object], &attributes))
			return false;
		if (is_kind(model, entry->object, 0040000) &&
		    !directory_is(model, entry->object, found.inode, inodes))
			return false;
	}
	wrong = "a name that is not there";
	return !count;
}

static bool is_model(struct model *model)
{
	uint64_t inodes[OBJECTS] = {HOLONFS_ROOT};
	struct holonfs_attributes root;
	if (holonfs_get(fs, HOLONFS_ROOT, &root) < 0 || !object_is(&model->objects[0], &root) ||
	    !directory_is(model, 0, HOLONFS_ROOT, inodes))
		return false;
	for (unsigned i = 0; i < OBJECTS; i++)
		for (unsigned k = 0; k < i; k++)
			if (inodes[i] && inodes[i] == inodes[k]) {
				wrong = "two objects are one inode";
				return false;
			}
	return true;
}

/* What is left can be changed: in every directory of the root's. */
static bool goes_on(void)
{
	static const char *const directories[] = {"A", "B"};
	struct holonfs_attributes made;
	for (unsigned i = 0; i < 2; i++) {
		struct holonfs_attributes found;
		if (holonfs_lookup(fs, HOLONFS_ROOT, directories[i], &found) < 0 ||
		    (found.mode & 0170000) != 0040000)
			continue;
		if (holonfs_create(fs, found.inode, "new", 0100600, 0, 0, 0, 0, &made) < 0 ||
		    holonfs_write(fs, made.inode, 0, "new", 3) != 3 || holonfs_sync(fs) < 0 ||
		    holonfs_unlink(fs, found.inode, "new") < 0 || holonfs_sync(fs) < 0)
			return false;
	}
	return true;
}

static bool judge(unsigned acknowledged, unsigned started, bool changes)
{
	bool right = false;
	wrong = "it does not mount";
	if (start(state, false, false)) {
		for (unsigned sync = acknowledged; sync <= started && !right; sync++)
			right = is_model(&synced[sync]);
		if (right) {
			wrong = "the check, or what is done afterwards";
			right = is_sound() && (!changes || (goes_on() && is_sound()));
		}
	}
	stop();
	return right;
}

/* ---- Sequences ---- */

static uint8_t base[DEVICE];
static size_t base_used;
static struct model base_model;

static bool make_base(bool compress)
{
	memset(image, 0, sizeof(image));
	memset(&living, 0, sizeof(living));
	living.objects[0] = (struct object){.mode = 0040755, .links = 2};
	bool good = start(image, true, compress);
	for (unsigned i = 0; i < sizeof(setup) / sizeof(setup[0]) && good; i++)
		good = perform(&setup[i], 0);
	good = good && holonfs_sync(fs) == 0 && is_model(&living);
	stop();
	memcpy(base, image, sizeof(base));
	base_used = used;
	base_model = living;
	return good;
}

/* Sequence NUMBER of LENGTH operations: its digits are the operations, from the last, and which are followed by a sync. */
struct sequence {
	unsigned length;
	unsigned operations[LENGTH_MAX];
	bool syncs[LENGTH_MAX];
};

static struct sequence sequence_of(uint64_t number, unsigned length)
{
	struct sequence sequence = {.length = length};
	for (unsigned i = length; i-- > 0; number /= OPERATIONS)
		sequence.operations[i] = (unsigned)(number % OPERATIONS);
	for (unsigned i = 0; i + 1 < length; i++, number /= 2)
		sequence.syncs[i] = number % 2;
	sequence.syncs[length - 1] = true;
	return sequence;
}

static uint64_t sequences_of(unsigned length)
{
	uint64_t count = 1;
	for (unsigned i = 0; i < length; i++)
		count *= i ? 2 * OPERATIONS : OPERATIONS; /* with a sync before it, or without */
	return count;
}

/* Bugs that the oracle must see. */
enum seeded_bug { NO_BUG, BUG_NO_FLUSH, BUG_NO_SUPERBLOCK, BUG_EARLY_WRITE, BUGS };
static const char *const bug_names[BUGS] = {"", "a sync without a flush", "a sync without the superblock",
                                            "a flush in the middle of a change"};
static enum seeded_bug seeded;

static int no_flush(void *context)
{
	(void)context;
	return 0;
}

static int sync_all(void)
{
	int (*flush)(void *) = fs->store.flush;
	if (seeded == BUG_NO_FLUSH)
		fs->store.flush = no_flush;
	if (seeded == BUG_NO_SUPERBLOCK)
		fs->super_dirty = false;
	if (seeded == BUG_EARLY_WRITE && (cache_write(fs) < 0 || flush(fs->store.context) < 0))
		return -EIO;
	int status = holonfs_sync(fs);
	fs->store.flush = flush;
	return status;
}

/* Runs it, beginning with the base, and logs. */
static bool run(const struct sequence *sequence)
{
	unsigned sync = 0;
	log_clear();
	size_t written = used > base_used ? used : base_used; /* by the sequence before */
	memcpy(image, base, written);
	memcpy(at_epoch, base, written);
	memcpy(state, base, written);
	used = base_used;
	living = synced[0] = base_model;
	kept_count = 0;
	bool good = start(image, false, false);
	device.logs = true;
	for (unsigned i = 0; i < sequence->length && good; i++) {
		good = perform(&operations[sequence->operations[i]], i + 1) && is_model(&living);
		if (!good || !sequence->syncs[i])
			continue;
		synced[++sync] = living;
		log_op(OP_BEGIN, sync);
		good = sync_all() == 0;
		log_op(OP_END, sync);
	}
	device.logs = false;
	for (unsigned i = 0; i < kept_count && good; i++)
		good = holonfs_forget(fs, kept_open[i], 1) == 0;
	good = good && is_model(&living) && is_sound();
	stop();
	return good;
}

static bool cut(const struct sequence *sequence)
{
	if (run(sequence))
		return cut_everywhere(UINT64_MAX, judge);
	printf("# without a cut\n");
	return false;
}

static void describe(const struct sequence *sequence, uint64_t number)
{
	printf("# %s: sequence %llu of length %u:", wrong, (unsigned long long)number, sequence->length);
	for (unsigned i = 0; i < sequence->length; i++) {
		const struct operation *op = &operations[sequence->operations[i]];
		printf(" [%u: kind %u %s %s flags %#x %u+%u]%s", sequence->operations[i], op->what, op->path,
		       op->other ? op->other : "", op->flags, op->offset, op->size,
		       sequence->syncs[i] ? " sync" : "");
	}
	printf("\n");
}

/* One of ONE_IN of the sequences of LENGTH, from FIRST on. The number of them, or 0: one is wrong. */
static uint64_t explore(unsigned length, uint64_t one_in, uint64_t first, bool tells)
{
	uint64_t count = 0;
	for (uint64_t number = first; number < sequences_of(length); number += one_in, count++) {
		const struct sequence sequence = sequence_of(number, length);
		random_state = number * 2 + 1;
		wrong = "an operation";
		if (cut(&sequence))
			continue;
		if (tells)
			describe(&sequence, number);
		return 0;
	}
	return count;
}

static bool report(unsigned length, uint64_t one_in, uint64_t first, const char *what)
{
	uint64_t before = states;
	uint64_t count = explore(length, one_in, first, true);
	if (count)
		printf(
		    "ok holonfs bounded: %llu of %llu sequences of %u operations%s, cut into %llu states\n",
		    (unsigned long long)count, (unsigned long long)sequences_of(length), length, what,
		    (unsigned long long)(states - before));
	else
		printf("not ok holonfs bounded: sequences of %u operations%s - see above\n", length, what);
	fflush(stdout);
	return count != 0;
}

int main(int argc, char **argv)
{
	bool soak = getenv("HOLON_SOAK") != NULL;
	if (!make_base(false)) {
		printf("not ok holonfs bounded - the first file system: %s\n", wrong);
		return 1;
	}
	if (argc > 1) {
		unsigned long length = strtoul(argv[1], NULL, 0);
		uint64_t one_in = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
		if (!length || length > LENGTH_MAX || !one_in)
			return 3;
		return !report((unsigned)length, one_in, argc > 3 ? strtoull(argv[3], NULL, 0) : 0, "");
	}
	bool right = true;
	for (seeded = NO_BUG + 1; seeded < BUGS; seeded++) {
		bool caught = !explore(1, 1, 0, false);
		printf("%s holonfs bounded: %s is caught%s\n", caught ? "ok" : "not ok", bug_names[seeded],
		       caught ? "" : " - it is not");
		right = right && caught;
	}
	seeded = NO_BUG;
	right = report(1, 1, 0, "") && right;
	right = report(2, soak ? 1 : 307, 0, "") && right;
	right = report(3, soak ? 997 : 60013, 0, "") && right;
	if (!make_base(true))
		right = false;
	right = report(1, soak ? 1 : 5, 0, ", compressed") && right;
	right = report(2, soak ? 5 : 911, 0, ", compressed") && right;
	log_clear();
	return !right;
}
