/* The rules of abi/holon/handoff.h as code. The loader checks what it built, and the loader's test kernel
 * what it got. */
#include "handoff_check.h"

#include "loader.h"
#include "string.h"

/*@ requires \valid_read(text + (0 .. size - 1));
    assigns \nothing;
    ensures \result ==> \exists integer n; 0 <= n < size && text[n] == 0;
*/
static bool text_ends(const char *text, uint32_t size)
{
	/*@ loop invariant i <= size;
	    loop assigns i;
	    loop variant size - i;
	*/
	for (uint32_t i = 0; i < size; i++)
		if (!text[i])
			return true;
	return false;
}

/*@ predicate range_in(struct handoff_memory *range, integer base, integer size, integer kind) =
      range->kind == kind && range->base <= base && base + size <= range->base + range->size;
*/
/* True when [base, base + size) lies in one range of that kind (neighbours of one kind are merged). */
/*@ requires \valid_read(handoff) && handoff->memory_count <= HANDOFF_MEMORY_MAX;
    assigns \nothing;
    ensures \result ==> \exists integer i; 0 <= i < handoff->memory_count &&
      range_in(&handoff->memory[i], base, size, kind);
*/
static bool lies_in(const struct handoff *handoff, uint64_t base, uint64_t size, uint32_t kind)
{
	/*@ loop invariant i <= handoff->memory_count;
	    loop assigns i;
	    loop variant handoff->memory_count - i;
	*/
	for (uint32_t i = 0; i < handoff->memory_count; i++) {
		const struct handoff_memory *range = &handoff->memory[i];
		if (range->kind == kind && base >= range->base && base - range->base < range->size)
			return size <= range->size - (base - range->base);
	}
	return false;
}

/*@ requires \valid_read(handoff);
    assigns \nothing;
    ensures \result == \null ==> 0 < handoff->memory_count <= HANDOFF_MEMORY_MAX && ranges_ordered(handoff, handoff->memory_count);
*/
static const char *check_memory(const struct handoff *handoff)
{
	uint64_t end = 0;
	bool free_found = false;
	if (handoff->memory_count == 0 || handoff->memory_count > HANDOFF_MEMORY_MAX)
		return "wrong number of memory ranges";
	/*@ loop invariant i <= handoff->memory_count;
	    loop invariant ranges_ordered(handoff, i);
	    loop invariant \forall integer k; 0 <= k < i ==> handoff->memory[k].base + handoff->memory[k].size <= end;
	    loop assigns i, end, free_found;
	    loop variant handoff->memory_count - i;
	*/
	for (uint32_t i = 0; i < handoff->memory_count; i++) {
		const struct handoff_memory *range = &handoff->memory[i];
		if (range->base % PAGE_SIZE || range->size % PAGE_SIZE || range->size == 0)
			return "a memory range is not whole pages";
		if (range->size > UINT64_MAX - range->base)
			return "a memory range wraps";
		if (range->base < end)
			return "memory ranges overlap or are not sorted";
		if (range->kind < HANDOFF_MEMORY_FREE || range->kind > HANDOFF_MEMORY_TABLES)
			return "a memory range is of no known kind";
		end = range->base + range->size;
		free_found = free_found || range->kind == HANDOFF_MEMORY_FREE;
	}
	return free_found ? NULL : "there is no free memory";
}

/*@ requires \valid_read(handoff) && handoff->memory_count <= HANDOFF_MEMORY_MAX;
    assigns \nothing;
    ensures \result == \null ==> modules_good(handoff);
*/
static const char *check_modules(const struct handoff *handoff)
{
	if (handoff->module_count > HANDOFF_MODULE_MAX)
		return "too many modules";
	/*@ loop invariant i <= handoff->module_count;
	    loop invariant modules_named(handoff, i);
	    loop assigns i;
	    loop variant handoff->module_count - i;
	*/
	for (uint32_t i = 0; i < handoff->module_count; i++) {
		const struct handoff_module *module = &handoff->modules[i];
		if (!module->name[0] || !text_ends(module->name, sizeof(module->name)))
			return "a module has no proper name";
		if (module->base % PAGE_SIZE)
			return "a module does not start on a page";
		if (module->size > UINT64_MAX - PAGE_SIZE)
			return "a module wraps";
		if (module->size &&
		    !lies_in(handoff, module->base, page_up(module->size), HANDOFF_MEMORY_MODULE))
			return "a module lies outside module memory";
		/*@ loop invariant j <= i;
		    loop assigns j;
		    loop variant i - j;
		*/
		for (uint32_t j = 0; j < i; j++) {
			const struct handoff_module *other = &handoff->modules[j];
			if (!strcmp(other->name, module->name))
				return "two modules have the same name";
			if (module->size && other->size &&
			    module->base < other->base + page_up(other->size) &&
			    other->base < module->base + page_up(module->size))
				return "two modules overlap";
		}
	}
	return NULL;
}

/*@ requires \valid_read(framebuffer);
    assigns \nothing;
    ensures \result == \null && framebuffer->format != HANDOFF_PIXEL_NONE ==>
      0 < framebuffer->width && framebuffer->width * 4 <= framebuffer->stride;
    ensures \result == \null && framebuffer->format != HANDOFF_PIXEL_NONE ==>
      framebuffer->base + framebuffer->size <= UINT64_MAX;
*/
static const char *check_framebuffer(const struct handoff_framebuffer *framebuffer)
{
	if (framebuffer->format == HANDOFF_PIXEL_NONE)
		return NULL;
	if (framebuffer->format > HANDOFF_PIXEL_RGBX)
		return "the framebuffer's format is unknown";
	if (framebuffer->width == 0 || framebuffer->height == 0 || framebuffer->width > 1u << 15 ||
	    framebuffer->height > 1u << 15 || framebuffer->stride / 4 < framebuffer->width)
		return "the framebuffer's dimensions make no sense";
	if (framebuffer->size < (uint64_t)framebuffer->stride * framebuffer->height)
		return "the framebuffer is smaller than its dimensions";
	if (framebuffer->size > UINT64_MAX - framebuffer->base)
		return "the framebuffer wraps";
	return NULL;
}

/*@ requires \valid_read(machine);
    assigns \nothing;
    ensures \result == \null ==> 0 < machine->cpu_count <= HANDOFF_CPU_MAX;
    ensures \result == \null ==> machine->controller_count <= HANDOFF_CONTROLLER_MAX;
    ensures \result == \null ==> 1000000 <= machine->clock_hz <= 0x1000000000;
    ensures \result == \null ==> \forall integer i, j; 0 <= j < i < machine->cpu_count ==>
      machine->cpus[i].id != machine->cpus[j].id;
*/
static const char *check_machine(const struct handoff_machine *machine)
{
	if (machine->cpu_count == 0 || machine->cpu_count > HANDOFF_CPU_MAX)
		return "wrong number of processors";
	/*@ loop invariant i <= machine->cpu_count;
	    loop invariant \forall integer k, l; 0 <= l < k < i ==> machine->cpus[k].id != machine->cpus[l].id;
	    loop assigns i;
	    loop variant machine->cpu_count - i;
	*/
	for (uint32_t i = 0; i < machine->cpu_count; i++) {
		if (machine->cpus[i].entry)
			return "a processor does not wait";
		/*@ loop invariant j <= i;
		    loop invariant \forall integer l; 0 <= l < j ==> machine->cpus[i].id != machine->cpus[l].id;
		    loop assigns j;
		    loop variant i - j;
		*/
		for (uint32_t j = 0; j < i; j++)
			if (machine->cpus[i].id == machine->cpus[j].id)
				return "two processors have the same number";
	}
	if (machine->controller_count > HANDOFF_CONTROLLER_MAX)
		return "too many interrupt controllers";
	/*@ loop invariant i <= machine->controller_count;
	    loop assigns i;
	    loop variant machine->controller_count - i;
	*/
	for (uint32_t i = 0; i < machine->controller_count; i++)
		if (machine->controllers[i].kind < HANDOFF_CONTROLLER_LOCAL_APIC ||
		    machine->controllers[i].kind > HANDOFF_CONTROLLER_GIC_CPU)
			return "an interrupt controller is of no known kind";
	if (machine->clock_hz < 1000000 || machine->clock_hz > 1ull << 36 || machine->timer_ratio >> 39 ||
	    !machine->clock_period || !machine->clock_ratio || !machine->clock_multiplier ||
	    machine->clock_shift > 32)
		return "the clock's rate makes no sense";
	if (machine->log > HANDOFF_LOG_PL011)
		return "the log port is of no known kind";
	return NULL;
}

const char *handoff_check(const struct handoff *handoff)
{
	const char *why;
	if (handoff->magic != HANDOFF_MAGIC)
		return "wrong magic";
	if (handoff->version != HANDOFF_VERSION || handoff->size != sizeof(*handoff))
		return "unknown version or size";
	if (handoff->firmware != HANDOFF_FIRMWARE_UEFI && handoff->firmware != HANDOFF_FIRMWARE_BIOS)
		return "unknown firmware";
	if ((why = check_memory(handoff)) || (why = check_modules(handoff)) ||
	    (why = check_framebuffer(&handoff->framebuffer)))
		return why;
	if ((why = check_machine(&handoff->machine)))
		return why;
	if (handoff->kernel_base % PAGE_SIZE || handoff->kernel_size % PAGE_SIZE ||
	    handoff->kernel_virtual % PAGE_SIZE || handoff->kernel_size == 0 ||
	    !lies_in(handoff, handoff->kernel_base, handoff->kernel_size, HANDOFF_MEMORY_KERNEL))
		return "the kernel lies outside kernel memory";
	if (handoff->root % PAGE_SIZE || !lies_in(handoff, handoff->root, PAGE_SIZE, HANDOFF_MEMORY_TABLES))
		return "the kernel's tables lie outside their memory";
	if (!text_ends(handoff->command_line, sizeof(handoff->command_line)))
		return "the command line does not end";
	return NULL;
}
