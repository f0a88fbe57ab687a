/* The steward of a native tree (`subkernel run --profile NAME`, docs/subkernels.md): starts the units of a blueprint,
 * etc/blueprints/NAME in the system image, out of what the sub-kernel manager gave to the tree, and watches over them as
 * the machine's steward does over its own.
 *
 * The blueprint's last unit is the main one: the tree ends with it, and its status is the tree's. A unit whose program is
 * "*" runs the first word of the tree's command: a name of native/ in the system image, or, where the caller gave the
 * bytes of one, that program. */
#include <holon.h>
#include <holon/command.h>
#include <sysimg/sysimg.h>
#include <text.h>
#include "supervise.h"
#include "sysimg/verify.h"

#define RESERVE_MEMORY (256ull << 10)
#define RESERVE_CAPS   32u
#define FAILED         (125 << 8)
#define NO_PROGRAM     (127 << 8)
#define SIGNAL_FAULT   11
#define FIRST_PROGRAM  "holdings" /* where no command is given */

static struct tree {
	const struct start_info *info;
	struct thread_page *page;
	handle_t log, vfs, image_memory;
	struct sysimg image;
	char profile[16], program[32]; /* PROGRAM: of native/, where own_bytes is 0 */
	handle_t own_memory;           /* a program of the caller's: a copy, which nobody else can change */
	void *own_map;
	uint64_t own_bytes;
	unsigned main;
} tree;

#define LOG(...) log_print(tree.log, tree.page, __VA_ARGS__)

/* A line for who started the tree. */
static void say(const char *format, const char *what)
{
	struct stream stream;
	char line[160];
	void *memory = window_map(start_find(tree.info, "stream", 0), 0, STREAM_BYTES, MAP_READ | MAP_WRITE);
	int length = text_format(line, sizeof(line), format, tree.profile, what);
	if (!memory || length <= 0)
		return;
	stream_init(&stream, memory, 1, start_find(tree.info, "stream-peer", 0), false);
	stream_write(&stream, line,
	             (uint32_t)((size_t)length < sizeof(line) ? (size_t)length : sizeof(line) - 1));
	window_unmap(memory, STREAM_BYTES);
}

/* The verified file PATH of the system image; 0: there is none. */
static const struct sysimg_node *file_find(const char *path)
{
	int64_t node = sysimg_path(&tree.image, path);
	return node >= 0 && vfs_verify_node(tree.vfs, tree.page, (uint32_t)node) >= 0
	           ? &tree.image.nodes[node]
	           : 0;
}

static bool program_find(const struct manifest_unit *unit, struct spawn *spawn, const char **why,
                         int64_t *error)
{
	char path[sizeof(unit->program)];
	bool callers = strcmp(unit->program, MANIFEST_CALLERS) == 0;
	if (callers && tree.own_bytes) {
		spawn->image = tree.own_memory;
		spawn->image_bytes = tree.own_bytes;
		spawn->image_map = tree.own_map;
		return true;
	}
	text_format(path, sizeof(path), callers ? "native/%s" : "%s", callers ? tree.program : unit->program);
	const struct sysimg_node *file = file_find(path);
	if (!file) {
		*why = "its program is not in the system image, or not as signed";
		*error = E_NOT_FOUND;
		return false;
	}
	spawn->image = tree.image_memory;
	spawn->image_offset = file->offset;
	spawn->image_bytes = file->size;
	spawn->image_map = tree.image.bytes + file->offset;
	return true;
}

static bool give_resolve(struct spawn *spawn, const struct manifest_give *give, uint64_t badge,
                         handle_t *made)
{
	const struct start_info *info = tree.info;
	uint64_t bytes;
	handle_t handle;
	(void)badge, (void)made;
	switch (give->kind) {
	case GIVE_USE: /* of the machine's services, what the tree was given */
		return spawn_give(spawn, give->name, start_find(info, give->name, 0), RIGHT_CALL, 0, 0);
	case GIVE_LOG:
		return spawn_give(spawn, "log", tree.log, RIGHT_LOG, 0, 0);
	case GIVE_IMAGE:
		handle = start_find(info, "image", &bytes);
		return spawn_give(spawn, "image", handle, RIGHT_READ | RIGHT_EXECUTE, 0, bytes);
	case GIVE_COMMAND:
		handle = start_find(info, "command", &bytes);
		return !handle || spawn_give(spawn, "command", handle, RIGHT_READ, 0, bytes);
	case GIVE_STREAM:
		return spawn_give(spawn, "stream", start_find(info, "stream", 0), RIGHT_READ | RIGHT_WRITE, 0,
		                  STREAM_BYTES) &&
		       spawn_give(spawn, "stream-event", start_find(info, "stream-event", 0),
		                  RIGHT_WAIT | RIGHT_SIGNAL | RIGHT_MANAGE, 0, 0) &&
		       spawn_give(spawn, "stream-peer", start_find(info, "stream-peer", 0), RIGHT_SIGNAL, 0,
		                  0);
	case GIVE_LINK:
		return spawn_give(spawn, "link", start_find(info, "link", 0), RIGHT_CALL, 0, 0);
	case GIVE_BLOCKS:
		return spawn_give(spawn, "blocks", start_find(info, "blocks", 0), RIGHT_CALL, 0, 0);
	case GIVE_FRAMEBUFFER:
		handle = start_find(info, "framebuffer", &bytes);
		return spawn_give(spawn, "framebuffer", handle, RIGHT_READ | RIGHT_WRITE, 0, bytes);
	case GIVE_SERVE:
	case GIVE_ADD:
	case GIVE_PORT:
	case GIVE_IRQ:
	case GIVE_REGISTERS:
	case GIVE_DEVICES:
	case GIVE_SIGNATURES:
	case GIVE_MEASURED:
		break; /* the machine's steward alone has them */
	}
	return false;
}

static uint64_t arguments_make(const struct manifest_unit *unit, char *buffer, size_t size)
{
	uint64_t length = unit->arguments_bytes < size ? unit->arguments_bytes : 0;
	memcpy(buffer, unit->arguments, length);
	const char *screen = start_word(tree.info, "framebuffer=");
	if (screen && manifest_gives(unit, GIVE_FRAMEBUFFER)) {
		int more = text_format(buffer + length, size - length, "framebuffer=%s", screen);
		if (more > 0 && (uint64_t)more < size - length)
			length += (uint64_t)more + 1;
	}
	return length;
}

/* The first word of the command: a name of native/, and no path. */
static const char *program_name(void)
{
	uint64_t bytes;
	handle_t memory = start_find(tree.info, "command", &bytes);
	const struct command_header *header = memory ? window_map(memory, 0, bytes, MAP_READ) : 0;
	const char *name = FIRST_PROGRAM;
	bool fits = true;
	if (header && bytes > sizeof(*header) && header->magic == COMMAND_MAGIC) {
		name = (const char *)(header + 1);
		fits = strnlen(name, bytes - sizeof(*header)) < sizeof(tree.program);
	}
	if (!fits || !text_copy(tree.program, sizeof(tree.program), name) || !tree.program[0] ||
	    strchr(tree.program, '/') || tree.program[0] == '.')
		return "the program's name is none";
	if (header)
		window_unmap((void *)(uintptr_t)header, bytes);
	return 0;
}

/* A copy of the caller's program: what it was given as may still be changed by whoever gave it. */
static const char *program_copy(void)
{
	handle_t memory = start_find(tree.info, "add", &tree.own_bytes);
	if (!memory)
		return program_name();
	const void *from = window_map(memory, 0, tree.own_bytes, MAP_READ);
	tree.own_map = from ? window_allocate(tree.own_bytes, &tree.own_memory) : 0;
	if (!tree.own_map)
		return "no memory for the program";
	memcpy(tree.own_map, from, tree.own_bytes);
	window_unmap((void *)(uintptr_t)from, tree.own_bytes);
	return 0;
}

/* The number of the argument NAME=N; 0: there is none. */
static uint64_t argument_number(const char *name)
{
	uint64_t number = 0;
	for (const char *at = start_word(tree.info, name); at && *at >= '0' && *at <= '9'; at++)
		number = number * 10 + (uint64_t)(*at - '0');
	return number;
}

/* A budget that takes the place of what the blueprint says. */
static void budget_take(struct manifest_unit *unit)
{
	uint64_t budget = argument_number("budget="), period = argument_number("period=");
	if (unit->budget_ns && budget && period) {
		unit->budget_ns = budget;
		unit->budget_period_ns = period;
	}
}

static const char *blueprint_read(void)
{
	char path[48];
	unsigned line;
	const char *profile = start_word(tree.info, "profile=");
	if (!profile || !text_copy(tree.profile, sizeof(tree.profile), profile))
		return "it was not told of its profile";
	text_format(path, sizeof(path), "etc/blueprints/%s", tree.profile);
	const struct sysimg_node *file = file_find(path);
	if (!file)
		return "its blueprint is not in the system image, or not as signed";
	const char *wrong = manifest_parse(&supervisor.manifest,
	                                   (const char *)tree.image.bytes + file->offset, file->size, &line);
	if (wrong)
		return wrong;
	tree.main = supervisor.manifest.unit_count - 1;
	budget_take(&supervisor.manifest.units[tree.main]);
	return 0;
}

static const char *prepare(void)
{
	uint64_t bytes;
	tree.image_memory = start_find(tree.info, "image", &bytes);
	tree.vfs = start_find(tree.info, "vfs", 0);
	const void *image = tree.image_memory ? window_map(tree.image_memory, 0, bytes, MAP_READ) : 0;
	/* The file service has verified the metadata; here only its form is checked. */
	const char *wrong = image ? sysimg_open(&tree.image, image, bytes, false) : "it has no system image";
	if (!wrong)
		wrong = blueprint_read();
	if (!wrong)
		wrong = program_copy();
	int64_t event = event_create();
	if (!wrong)
		wrong = event < 0 ? "it has no memory for its events" : supervise_prepare();
	supervisor.event = event < 0 ? 0 : (handle_t)event;
	return wrong;
}

/* The wait status that the tree ends with. */
static int status_of(const struct unit_info *info)
{
	if (info->state == UNIT_FAILED) {
		LOG("%s: the program failed: exception %lu at %lx, address %lx\n", tree.profile,
		    info->fault.vector, info->fault.pc - supervisor.units[tree.main].moved,
		    info->fault.address);
		return SIGNAL_FAULT;
	}
	return (int)(info->exit_status & 0xff) << 8;
}

static int watch(void)
{
	for (;;) {
		uint64_t bits = 0;
		struct unit_info info;
		if (event_wait(supervisor.event, DEADLINE_NEVER, &bits) < 0)
			return FAILED;
		for (unsigned i = 0; i < tree.main; i++)
			if (bits >> i & 1 && supervise_ended(i, &info))
				supervise_again(i);
		if (!(bits >> tree.main & 1) ||
		    unit_info(tree.page, supervisor.units[tree.main].unit, &info) < 0 ||
		    info.state == UNIT_RUNNING)
			continue;
		if (!supervisor.manifest.units[tree.main].restart)
			return status_of(&info);
		supervise_again(tree.main);
		if (!supervisor.units[tree.main].unit)
			return status_of(&info);
	}
}

static uint32_t own_cpus(void)
{
	uint32_t mask = 0;
	for (unsigned cpu = 0; cpu < tree.info->cpu_count; cpu++) {
		char name[24];
		text_format(name, sizeof(name), "budget%u", cpu);
		mask |= start_find(tree.info, name, 0) ? 1u << cpu : 0;
	}
	return mask;
}

int program_main(const struct start_info *info, struct thread_page *page)
{
	tree.info = info;
	tree.page = page;
	spawn_places(info->places);
	tree.log = start_find(info, "log", 0);
	supervisor.name = tree.profile;
	supervisor.page = page;
	supervisor.log = tree.log;
	supervisor.unit = info->unit;
	supervisor.cpu_count = info->cpu_count;
	supervisor.cpu_mask = own_cpus();
	supervisor.slice_ns = argument_number("slice=");
	supervisor.reserve_memory = RESERVE_MEMORY;
	supervisor.reserve_caps = RESERVE_CAPS;
	supervisor.program = program_find;
	supervisor.give = give_resolve;
	supervisor.arguments = arguments_make;
	const char *wrong = prepare();
	if (wrong) {
		say("subkernel: profile %s: %s\n", wrong);
		return FAILED;
	}
	const struct manifest_unit *main = &supervisor.manifest.units[tree.main];
	char path[64];
	text_format(path, sizeof(path), "native/%s", tree.program);
	if (strcmp(main->program, MANIFEST_CALLERS) == 0 && !tree.own_bytes && !file_find(path)) {
		say("subkernel: profile %s: there is no native program '%s' in the system image\n",
		    tree.program);
		return NO_PROGRAM;
	}
	for (unsigned i = 0; i <= tree.main; i++)
		if (!supervise_start(i)) {
			say("subkernel: profile %s: %s cannot be started: its program is no native one, or "
			    "the "
			    "quotas do not suffice\n",
			    supervisor.manifest.units[i].name);
			return FAILED;
		}
	return watch();
}
