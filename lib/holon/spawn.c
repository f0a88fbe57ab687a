/* Starting a native program in a unit of its own: creates the unit, loads the ELF file, grants capabilities,
 * runs it.
 *
 * Everything the program needs is owned by and charged to its unit; the creator keeps only the unit's handle.
 * Text and read-only data are mapped from the image in place; writable segments, and constants that hold addresses of a program that is
 * moved, are private copies, which are relocated.
 *
 * Where things lie, with SCATTER_PAGES places for each: the program, at the window's start; its start page, thread page and stack; and
 * what it maps itself. A program that may not be moved, or is very large, has all of it behind it.
 */
#include "elf.h"
#include "generator.h"
#include "holon.h"
#include "little_endian.h"
#include "text.h"

#define GUARD         PAGE_SIZE_BYTES
#define SCATTER_PAGES (1ull << 22) /* 16 GiB */
#define SCATTER_ROOM  (1ull << 30) /* for a program, and for a stack */
#define STACK_BASE    (NATIVE_BASE + SCATTER_PAGES * PAGE_SIZE_BYTES + 2 * SCATTER_ROOM)
#define FREE_BASE     (STACK_BASE + SCATTER_PAGES * PAGE_SIZE_BYTES + 2 * SCATTER_ROOM)

static struct generator places;
static bool scattered;

void spawn_places(const uint64_t numbers[4])
{
	memcpy(places.key, numbers, sizeof(places.key));
	scattered = numbers[0] | numbers[1] | numbers[2] | numbers[3];
}

/* A random multiple of the page's size, of SCATTER_PAGES. */
static uint64_t somewhere(void)
{
	uint64_t number;
	generator_draw(&places, &number, sizeof(number));
	return number % SCATTER_PAGES * PAGE_SIZE_BYTES;
}

static uint64_t page_up(uint64_t value)
{
	return (value + PAGE_SIZE_BYTES - 1) & ~(PAGE_SIZE_BYTES - 1);
}

/* What has been made so far, so that failure can undo it. */
struct loading {
	struct spawn *spawn;
	handle_t unit, space;
	uint64_t end; /* highest address used */
	uint64_t relocated;
	bool scattered;
	struct elf_file elf;
};

static bool lies_in(const struct elf_segment *segment, uint64_t place)
{
	return place >= segment->address && segment->file_bytes >= 8 &&
	       place - segment->address <= segment->file_bytes - 8;
}

/* Code is never copied: relocations in it are refused. */
static bool has_relocations(const struct loading *loading, const struct elf_segment *segment)
{
	struct elf_relocations walk;
	uint64_t place;
	elf_relocations_begin(&walk, &loading->elf, loading->spawn->image_map);
	while (loading->spawn->moved && !(segment->flags & ELF_EXECUTE) &&
	       (place = elf_relocations_next(&walk)))
		if (lies_in(segment, place))
			return true;
	return false;
}

/* Adds MOVED to each place that lies in what the file has of SEGMENT, whose bytes are at TO. */
static void relocate(struct loading *loading, const struct elf_segment *segment, uint8_t *to)
{
	struct elf_relocations walk;
	uint64_t place;
	elf_relocations_begin(&walk, &loading->elf, loading->spawn->image_map);
	while ((place = elf_relocations_next(&walk))) {
		if (!lies_in(segment, place))
			continue;
		uint8_t *at = to + (place - segment->address);
		uint64_t value = little_endian(at, 8) + loading->spawn->moved;
		memcpy(at, &value, sizeof(value));
		loading->relocated++;
	}
}

/* What a relocation is for must be the program's own copy, and in the file. */
static bool relocated_all(const struct loading *loading)
{
	struct elf_relocations walk;
	uint64_t count = 0;
	elf_relocations_begin(&walk, &loading->elf, loading->spawn->image_map);
	while (elf_relocations_next(&walk))
		count++;
	return count == loading->relocated;
}

/* A memory object of BYTES in the new unit with FROM_BYTES at FROM_AT copied from FROM, where SEGMENT says relocated. */
static int64_t fill_copy(struct loading *loading, uint64_t bytes, const void *from, uint64_t from_bytes,
                         uint64_t from_at, const struct elf_segment *segment, handle_t *memory)
{
	int64_t object = memory_create_in(loading->unit, bytes);
	if (object < 0)
		return object;
	*memory = (handle_t)object;
	if (!from_bytes)
		return E_OK;
	uint64_t map_bytes = page_up(from_at + from_bytes);
	uint8_t *window = window_map(*memory, 0, map_bytes, MAP_READ | MAP_WRITE);
	if (!window) {
		cap_delete(*memory);
		return E_QUOTA_MEMORY;
	}
	memcpy(window + from_at, from, from_bytes);
	if (segment && loading->spawn->moved)
		relocate(loading, segment, window + from_at);
	window_unmap(window, map_bytes);
	return E_OK;
}

static int64_t load_segment(struct loading *loading, const struct elf_segment *segment)
{
	const struct spawn *spawn = loading->spawn;
	uint64_t start = segment->address & ~(PAGE_SIZE_BYTES - 1);
	uint64_t end = page_up(segment->address + segment->memory_bytes);
	uint64_t at = start + spawn->moved;
	int64_t result;
	if (segment->flags & ELF_WRITE || has_relocations(loading, segment)) {
		handle_t memory;
		result = fill_copy(loading, end - start, (const uint8_t *)spawn->image_map + segment->offset,
		                   segment->file_bytes, segment->address - start, segment, &memory);
		if (result < 0)
			return result;
		result = space_map(loading->space, at, memory, 0, end - start,
		                   MAP_READ | (segment->flags & ELF_WRITE ? MAP_WRITE : 0));
		cap_delete(memory);
	} else {
		uint64_t flags = MAP_READ | (segment->flags & ELF_EXECUTE ? MAP_EXECUTE : 0);
		result = space_map(loading->space, at, spawn->image,
		                   spawn->image_offset + segment->offset - (segment->address - start),
		                   end - start, flags);
	}
	if (end + spawn->moved > loading->end)
		loading->end = end + spawn->moved;
	return result;
}

/* Where the program lies. */
static void choose_place(struct loading *loading)
{
	const struct elf_file *elf = &loading->elf;
	const struct elf_segment *last = &elf->segments[elf->segment_count - 1];
	bool small = last->address + last->memory_bytes <= NATIVE_BASE + SCATTER_ROOM &&
	             loading->spawn->stack_bytes <= SCATTER_ROOM;
	loading->scattered = scattered && small;
	loading->spawn->moved = loading->scattered && elf->relocations_bytes ? somewhere() : 0;
}

static int64_t load_image(struct loading *loading, uint64_t *entry)
{
	struct elf_file *elf = &loading->elf;
	const struct spawn *spawn = loading->spawn;
	if (!elf_parse(elf, spawn->image_map, spawn->image_bytes, NATIVE_BASE, NATIVE_END - (1ull << 32)))
		return E_ARGUMENT;
	choose_place(loading);
	*entry = elf->entry + spawn->moved;
	for (unsigned i = 0; i < elf->segment_count; i++) {
		int64_t result = load_segment(loading, &elf->segments[i]);
		if (result < 0)
			return result;
	}
	return spawn->moved && !relocated_all(loading) ? E_ARGUMENT : E_OK;
}

/* Budgets of the new unit, granted to it as "budgetN"; *FIRST is the first one's handle in the creator's
 * table. */
static int64_t make_budgets(struct thread_page *page, const struct loading *loading, uint64_t cpu_count,
                            struct start_info *info, unsigned *cap, handle_t *first)
{
	const struct spawn *spawn = loading->spawn;
	*first = 0;
	for (uint32_t cpu = 0; cpu < cpu_count; cpu++) {
		if (!(spawn->cpu_mask >> cpu & 1) || *cap >= START_CAPS_MAX)
			continue;
		struct budget_spec spec = {.cpu = cpu,
		                           .priority = spawn->priority,
		                           .quota_ns = spawn->slice_ns,
		                           .period_ns = spawn->period_ns,
		                           .refills_max = 2};
		int64_t budget = budget_create(page, loading->unit, &spec);
		if (budget < 0)
			return budget;
		int64_t granted = unit_grant(loading->unit, (handle_t)budget, RIGHT_ALL, 0);
		if (granted < 0)
			return granted;
		struct start_capability *entry = &info->caps[(*cap)++];
		text_format(entry->name, sizeof(entry->name), "budget%u", cpu);
		entry->handle = (handle_t)granted;
		entry->value = cpu;
		if (*first)
			cap_delete((handle_t)budget);
		else
			*first = (handle_t)budget;
	}
	return *first ? E_OK : E_ARGUMENT;
}

static int64_t grant_all(const struct loading *loading, struct start_info *info, unsigned *cap,
                         const char **why)
{
	const struct spawn *spawn = loading->spawn;
	for (unsigned i = 0; i < spawn->cap_count; i++) {
		if (*cap >= START_CAPS_MAX)
			return E_ARGUMENT;
		const struct spawn_capability *give = &spawn->caps[i];
		int64_t granted = unit_grant(loading->unit, give->handle, give->rights, give->badge);
		if (granted < 0) {
			*why = give->name;
			return granted;
		}
		struct start_capability *entry = &info->caps[(*cap)++];
		memcpy(entry->name, give->name, sizeof(entry->name));
		entry->name[sizeof(entry->name) - 1] = 0;
		entry->handle = (handle_t)granted;
		entry->value = give->value;
	}
	return E_OK;
}

static int64_t start_program(struct thread_page *page, struct loading *loading, uint64_t entry,
                             uint64_t cpu_count, const char **why)
{
	const struct spawn *spawn = loading->spawn;
	static struct start_info info; /* one spawn at a time: not on small stacks */
	memset(&info, 0, sizeof(info));
	info.magic = START_MAGIC;
	info.version = START_VERSION;
	info.size = sizeof(info);
	info.cpu_count = cpu_count;
	if (spawn->arguments_bytes > sizeof(info.arguments) - 2)
		return E_ARGUMENT;
	memcpy(info.arguments, spawn->arguments, spawn->arguments_bytes);

	uint64_t start_page = loading->scattered ? STACK_BASE + somewhere() : loading->end + GUARD;
	uint64_t thread_page = start_page + PAGE_SIZE_BYTES;
	uint64_t stack = thread_page + PAGE_SIZE_BYTES + GUARD;
	uint64_t stack_bytes = page_up(spawn->stack_bytes);
	info.free_base = loading->scattered ? FREE_BASE + somewhere() : stack + stack_bytes + GUARD;
	if (scattered)
		generator_draw(&places, info.places, sizeof(info.places));

	unsigned cap = 0;
	handle_t budget;
	*why = "budgets";
	int64_t result = make_budgets(page, loading, cpu_count, &info, &cap, &budget);
	if (result < 0)
		return result;
	*why = "granting capabilities";
	result = grant_all(loading, &info, &cap, why);
	if (result < 0)
		return result;

	*why = "stack and thread page";
	int64_t memory = memory_create_in(loading->unit, PAGE_SIZE_BYTES + stack_bytes);
	if (memory < 0)
		return memory;
	result = space_map(loading->space, thread_page, (handle_t)memory, 0, PAGE_SIZE_BYTES,
	                   MAP_READ | MAP_WRITE);
	if (result >= 0)
		result = space_map(loading->space, stack, (handle_t)memory, PAGE_SIZE_BYTES, stack_bytes,
		                   MAP_READ | MAP_WRITE);
	if (result < 0)
		return result;
	*why = "creating the thread";
	struct thread_spec thread_spec = {
	    .entry = entry,
	    .stack = stack + stack_bytes,
	    .argument = {start_page, 0},
	    .budget = budget,
	    .page_address = thread_page,
	};
	text_copy(thread_spec.name, sizeof(thread_spec.name), spawn->unit.name);
	int64_t thread =
	    thread_create(page, loading->unit, loading->space, (handle_t)memory, 0, &thread_spec);
	cap_delete((handle_t)memory);
	cap_delete(budget);
	if (thread < 0)
		return thread;

	*why = "granting its own unit, space and thread";
	int64_t own_unit = unit_grant(loading->unit, loading->unit, RIGHT_ALL & ~RIGHT_MOVE, 0);
	int64_t own_space = unit_grant(loading->unit, loading->space, RIGHT_ALL & ~RIGHT_MOVE, 0);
	int64_t own_thread = unit_grant(loading->unit, (handle_t)thread, RIGHT_ALL & ~RIGHT_MOVE, 0);
	if (own_unit < 0 || own_space < 0 || own_thread < 0)
		return own_unit < 0 ? own_unit : own_space < 0 ? own_space : own_thread;
	info.unit = (handle_t)own_unit;
	info.space = (handle_t)own_space;
	info.thread = (handle_t)own_thread;

	*why = "the start page";
	handle_t start_memory;
	result = fill_copy(loading, PAGE_SIZE_BYTES, &info, sizeof(info), 0, 0, &start_memory);
	if (result < 0)
		return result;
	result = space_map(loading->space, start_page, start_memory, 0, PAGE_SIZE_BYTES, MAP_READ);
	cap_delete(start_memory);
	if (result < 0)
		return result;
	*why = "starting the thread";
	result = thread_start((handle_t)thread);
	cap_delete((handle_t)thread);
	return result;
}

bool spawn_give(struct spawn *spawn, const char *name, handle_t handle, uint32_t rights, uint64_t badge,
                uint64_t value)
{
	if (!handle || spawn->cap_count == SPAWN_CAPS_MAX)
		return false;
	struct spawn_capability *cap = &spawn->caps[spawn->cap_count++];
	*cap = (struct spawn_capability){.handle = handle, .rights = rights, .badge = badge, .value = value};
	text_copy(cap->name, sizeof(cap->name), name);
	return true;
}

int64_t spawn_unit(struct thread_page *page, struct spawn *spawn, uint64_t cpu_count, const char **why)
{
	struct loading loading = {.spawn = spawn, .end = NATIVE_BASE};
	*why = "creating the unit";
	int64_t unit = unit_create(page, spawn->parent, &spawn->unit);
	if (unit < 0)
		return unit;
	loading.unit = (handle_t)unit;
	*why = "creating its space";
	int64_t space = space_create(SPACE_NATIVE, loading.unit);
	int64_t result = space;
	if (space >= 0) {
		loading.space = (handle_t)space;
		uint64_t entry;
		*why = "loading the program";
		result = load_image(&loading, &entry);
		if (result >= 0)
			result = start_program(page, &loading, entry, cpu_count, why);
		cap_delete(loading.space);
	}
	if (result >= 0)
		return unit;
	unit_destroy(loading.unit); /* takes all that was made in it */
	cap_delete(loading.unit);
	return result;
}
