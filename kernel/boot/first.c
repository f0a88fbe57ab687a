/* The first unit: its space, program, stack, thread page, boot information, and the capabilities to all there
 * is.
 *
 * Runs once, before any user code, so nothing here can be attacked but by the module, which elf.c checks; a
 * lack of memory or a bad module ends the boot with the reason.
 */
#include <bytes.h>
#include <log.h>
#include <memory.h>
#include <space.h>
#include <system.h>
#include <thread.h>
#include <unit.h>
#include "elf.h"

/* The top of the native window. */
#define BOOT_INFO_ADDRESS   (NATIVE_END - 0x10000)
#define THREAD_PAGE_ADDRESS (NATIVE_END - 0x8000)
#define STACK_TOP           (NATIVE_END - 0x20000)
#define STACK_BYTES         0x40000ull
#define PROGRAM_END         (STACK_TOP - STACK_BYTES - 0x10000)

#define FIRST_PRIORITY 100
#define FIRST_SLICE_NS 4000000ull

static uint64_t pages_of(uint64_t bytes)
{
	return (bytes + PAGE_SIZE_BYTES - 1) / PAGE_SIZE_BYTES;
}

static void need(bool fine, const char *what, int64_t error)
{
	if (!fine)
		panic("first unit: no %s (error %ld)", what, (long)error);
}

static handle_t give(struct object *object, uint16_t rights)
{
	int64_t handle = cap_insert(&root_unit, object, rights, 0, 0);

	need(handle > 0, "capability", handle);
	return (handle_t)handle;
}

static struct memory *memory_new(uint32_t kind, uint64_t bytes, physical_t base)
{
	int64_t error;
	struct memory *memory = memory_create(&root_unit, kind, pages_of(bytes), &error);

	need(memory, "memory object", error);
	memory->device_base = base;
	return memory;
}

/* The capability keeps the object. */
static handle_t give_memory(uint32_t kind, uint64_t bytes, physical_t base, uint16_t rights)
{
	struct memory *memory = memory_new(kind, bytes, base);
	handle_t handle = give(&memory->object, rights | RIGHT_COPY | RIGHT_MOVE | RIGHT_REVOKE);

	object_release(&memory->object);
	return handle;
}

static void memory_write(struct memory *memory, uint64_t offset, const void *from, uint64_t bytes)
{
	while (bytes) {
		uint64_t within = offset % PAGE_SIZE_BYTES;
		uint64_t part = PAGE_SIZE_BYTES - within < bytes ? PAGE_SIZE_BYTES - within : bytes;
		struct unsettled unsettled = {.entry = 0};
		uint64_t *place;
		physical_t frame;
		int64_t error;

		lock_take(&memory->lock);
		error = memory_frame(memory, offset / PAGE_SIZE_BYTES, true, &frame, &place, &unsettled);
		lock_release(&memory->lock);
		need(!error, "memory", error);
		memory_settle(&unsettled);
		memcpy((char *)frame_map(frame) + within, from, part);
		offset += part;
		from = (const char *)from + part;
		bytes -= part;
	}
}

static void map(struct space *space, uint64_t address, struct memory *memory, uint32_t flags)
{
	uint16_t rights =
	    RIGHT_READ | (flags & MAP_WRITE ? RIGHT_WRITE : 0) | (flags & MAP_EXECUTE ? RIGHT_EXECUTE : 0);
	uint64_t progress = 0;
	int64_t error = space_map_slice(space, address, memory, 0, memory->pages, flags, rights, &progress);

	need(!error, "mapping", error);
	object_release(&memory->object); /* the mapping keeps it */
}

static void program_load(struct space *space, const void *file, const struct elf_program *program)
{
	for (uint32_t index = 0; index < program->count; index++) {
		const struct elf_segment *segment = &program->segments[index];
		uint64_t within = segment->address % PAGE_SIZE_BYTES;
		struct memory *memory = memory_new(MEMORY_ANONYMOUS, within + segment->memory_bytes, 0);

		memory_write(memory, within, (const char *)file + segment->offset, segment->file_bytes);
		map(space, segment->address - within, memory,
		    MAP_READ | (segment->write ? MAP_WRITE : 0) | (segment->execute ? MAP_EXECUTE : 0));
	}
}

static void fill_machine(struct boot_info *info, const struct handoff *handoff)
{
	uint64_t low = UINT64_MAX, high = 0;

	for (uint32_t index = 0; index < handoff->memory_count; index++) {
		const struct handoff_memory *range = &handoff->memory[index];

		if (range->kind != HANDOFF_MEMORY_ACPI)
			continue;
		low = range->base < low ? range->base : low;
		high = range->base + range->size;
	}
	info->rsdp = handoff->rsdp;
	if (high) {
		info->acpi_base = low;
		info->acpi_bytes = high - low;
		info->acpi = give_memory(MEMORY_PHYSICAL, high - low, low, RIGHT_READ);
	}
	if (handoff->framebuffer.format != HANDOFF_PIXEL_NONE && handoff->framebuffer.size) {
		uint64_t within = handoff->framebuffer.base % PAGE_SIZE_BYTES;

		info->framebuffer = give_memory(MEMORY_DEVICE_WC, within + handoff->framebuffer.size,
		                                handoff->framebuffer.base - within, RIGHT_READ | RIGHT_WRITE);
		info->framebuffer_bytes = handoff->framebuffer.size;
		info->framebuffer_width = handoff->framebuffer.width;
		info->framebuffer_height = handoff->framebuffer.height;
		info->framebuffer_stride = handoff->framebuffer.stride;
		info->framebuffer_format = handoff->framebuffer.format;
	}
	info->module_count =
	    handoff->module_count < BOOT_MODULE_MAX ? handoff->module_count : BOOT_MODULE_MAX;
	for (uint32_t index = 0; index < info->module_count; index++) {
		const struct handoff_module *module = &handoff->modules[index];

		memcpy(info->modules[index].name, module->name, sizeof info->modules[index].name - 1);
		info->modules[index].bytes = module->size;
		if (module->size)
			info->modules[index].memory = give_memory(MEMORY_PHYSICAL, module->size, module->base,
			                                          RIGHT_READ | RIGHT_EXECUTE);
	}
	memcpy(info->command_line, handoff->command_line, sizeof info->command_line - 1);
}

static const struct handoff_module *module_find(const struct handoff *handoff, const char *name)
{
	for (uint32_t index = 0; index < handoff->module_count; index++)
		if (!strncmp(handoff->modules[index].name, name, sizeof handoff->modules[index].name))
			return &handoff->modules[index];
	return 0;
}

void first_unit_start(const struct handoff *handoff)
{
	static struct boot_info info;
	static struct elf_program program;
	const struct handoff_module *module = module_find(handoff, "steward");
	const char *why =
	    module ? elf_read(frame_map(module->base), module->size, NATIVE_BASE, PROGRAM_END, &program)
	           : "not among the boot modules";
	struct thread_spec spec = {.stack = STACK_TOP,
	                           .argument = {BOOT_INFO_ADDRESS},
	                           .page_address = THREAD_PAGE_ADDRESS,
	                           .name = "steward"};
	struct memory *page, *boot_page;
	struct object *system;
	struct space *space;
	struct thread *thread;
	struct budget *first = 0;
	int64_t error;

	if (why)
		panic("first unit: the module \"steward\" cannot be started: %s", why);
	space = space_create(&root_unit, SPACE_NATIVE, 0, &error);
	need(space, "space", error);
	program_load(space, frame_map(module->base), &program);
	map(space, STACK_TOP - STACK_BYTES, memory_new(MEMORY_ANONYMOUS, STACK_BYTES, 0),
	    MAP_READ | MAP_WRITE);

	info.magic = BOOT_INFO_MAGIC;
	info.cpu_count = cpu_count;
	info.unit = give(&root_unit.object, RIGHT_ALL);
	info.space = give(&space->object, RIGHT_ALL);
	system = object_create(&root_unit, OBJECT_SYSTEM, sizeof *system, &error);
	need(system, "system object", error);
	info.system = give(system, RIGHT_ALL);
	object_release(system);
	for (uint32_t cpu = 0; cpu < cpu_count; cpu++) {
		struct budget_spec best_effort = {
		    .cpu = cpu, .priority = FIRST_PRIORITY, .quota_ns = FIRST_SLICE_NS};
		struct budget *budget = budget_create(&root_unit, &best_effort, &error);

		need(budget, "budget", error);
		info.budget[cpu] = give(&budget->object, RIGHT_ALL);
		first = first ? first : budget;
		object_release(&budget->object);
	}
	fill_machine(&info, handoff);

	page = memory_new(MEMORY_ANONYMOUS, PAGE_SIZE_BYTES, 0);
	spec.entry = program.entry;
	thread = thread_new(&root_unit, space, first, page, 0, &spec, &error);
	need(thread, "thread", error);
	info.thread = give(&thread->object, RIGHT_ALL);
	map(space, THREAD_PAGE_ADDRESS, page, MAP_READ | MAP_WRITE);
	boot_page = memory_new(MEMORY_ANONYMOUS, PAGE_SIZE_BYTES, 0);
	memory_write(boot_page, 0, &info, sizeof info);
	map(space, BOOT_INFO_ADDRESS, boot_page, MAP_READ);
	object_release(&space->object);
	root_unit.state = UNIT_RUNNING;
	thread_start(thread);
}
