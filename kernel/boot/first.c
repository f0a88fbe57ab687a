/* The first unit: its space, program, stack, thread page, and the capabilities to all there is, whose handles
 * go into the handoff, which it sees.
 *
 * Runs once, before any user code; a lack of memory or a bad program ends the boot with the reason.
 */
#include <holon/first.h>
#include <log.h>
#include <memory.h>
#include <space.h>
#include <system.h>
#include <thread.h>
#include <unit.h>

/* The top of the native window. */
#define HANDOFF_ADDRESS     (NATIVE_END - 0x10000)
#define THREAD_PAGE_ADDRESS (NATIVE_END - 0x8000)
#define STACK_TOP           (NATIVE_END - 0x20000)
#define STACK_BYTES         0x40000ull

#define FIRST_PRIORITY 100
#define FIRST_SLICE_NS 4000000ull

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
	uint64_t pages = (bytes + PAGE_SIZE_BYTES - 1) / PAGE_SIZE_BYTES;
	int64_t error;
	struct memory *memory = memory_create(&root_unit, kind, pages, &error);

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

static void map(struct space *space, uint64_t address, struct memory *memory, uint32_t flags)
{
	struct cap_view view = {.object = &memory->object, .rights = (uint16_t)flags};
	uint64_t progress = 0;
	int64_t error = space_map_slice(space, address, &view, 0, memory->pages, flags, &progress);

	need(!error, "mapping", error);
	object_release(&memory->object); /* the mapping keeps it */
}

/* The program's three parts, in place; returns its entry. */
static uint64_t program_map(struct space *space, const struct handoff_module *module)
{
	const struct first_image *image = frame_map(module->base);
	const uint64_t parts[4] = {0, image->rodata, image->data, image->end};
	static const uint32_t flags[3] = {MAP_READ | MAP_EXECUTE, MAP_READ, MAP_READ | MAP_WRITE};

	need(module->size >= sizeof *image && image->magic == FIRST_MAGIC && image->end <= module->size,
	     "program in the module \"steward\"", E_ARGUMENT);
	for (unsigned part = 0; part < 3; part++) {
		need(parts[part] <= parts[part + 1], "order in the program's parts", E_ARGUMENT);
		if (parts[part] < parts[part + 1])
			map(space, FIRST_BASE + parts[part],
			    memory_new(MEMORY_PHYSICAL, parts[part + 1] - parts[part],
			               module->base + parts[part]),
			    flags[part]);
	}
	return image->entry;
}

static void give_machine(struct handoff *handoff)
{
	struct handoff_framebuffer *screen = &handoff->framebuffer;
	uint64_t within = screen->base % PAGE_SIZE_BYTES;

	for (uint32_t index = 0; index < handoff->memory_count; index++) {
		struct handoff_memory *range = &handoff->memory[index];

		if (range->kind == HANDOFF_MEMORY_ACPI)
			range->handle = give_memory(MEMORY_PHYSICAL, range->size, range->base, RIGHT_READ);
	}
	if (screen->format != HANDOFF_PIXEL_NONE && screen->size)
		screen->handle = give_memory(MEMORY_DEVICE_WC, within + screen->size, screen->base - within,
		                             RIGHT_READ | RIGHT_WRITE);
	for (uint32_t index = 0; index < handoff->module_count; index++) {
		struct handoff_module *module = &handoff->modules[index];

		if (module->size)
			module->handle = give_memory(MEMORY_PHYSICAL, module->size, module->base,
			                             RIGHT_READ | RIGHT_EXECUTE);
	}
}

void first_unit_start(struct handoff *handoff)
{
	struct thread_spec spec = {.stack = STACK_TOP,
	                           .argument = {HANDOFF_ADDRESS},
	                           .page_address = THREAD_PAGE_ADDRESS,
	                           .name = "steward"};
	struct memory *page;
	struct object *system;
	struct space *space;
	struct thread *thread;
	struct budget *first = 0;
	int64_t error;

	space = space_create(&root_unit, SPACE_NATIVE, 0, &error);
	need(space, "space", error);
	spec.entry = program_map(space, &handoff->modules[0]);
	map(space, STACK_TOP - STACK_BYTES, memory_new(MEMORY_ANONYMOUS, STACK_BYTES, 0),
	    MAP_READ | MAP_WRITE);
	handoff->kernel_virtual = 0;
	map(space, HANDOFF_ADDRESS, memory_new(MEMORY_PHYSICAL, sizeof *handoff, handoff->base), MAP_READ);

	handoff->unit = give(&root_unit.object, RIGHT_ALL);
	handoff->space = give(&space->object, RIGHT_ALL);
	system = object_create(&root_unit, OBJECT_SYSTEM, sizeof *system, &error);
	need(system, "system object", error);
	handoff->system = give(system, RIGHT_ALL);
	object_release(system);
	for (uint32_t cpu = 0; cpu < cpu_count; cpu++) {
		struct budget_spec best_effort = {
		    .cpu = cpu, .priority = FIRST_PRIORITY, .quota_ns = FIRST_SLICE_NS};
		struct budget *budget = budget_create(&root_unit, &best_effort, &error);

		need(budget, "budget", error);
		handoff->machine.cpus[cpu].budget = give(&budget->object, RIGHT_ALL);
		first = first ? first : budget;
		object_release(&budget->object);
	}
	give_machine(handoff);

	page = memory_new(MEMORY_ANONYMOUS, PAGE_SIZE_BYTES, 0);
	thread = thread_new(&root_unit, space, first, page, 0, &spec, &error);
	need(thread, "thread", error);
	handoff->thread = give(&thread->object, RIGHT_ALL);
	map(space, THREAD_PAGE_ADDRESS, page, MAP_READ | MAP_WRITE);
	object_release(&space->object);
	thread_start(thread);
}
