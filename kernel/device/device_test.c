/* Interrupts and ports as drivers have them: a line is open only between a driver's word and the next interrupt,
 * nothing is signalled beyond a badge, and no port outside a range is touched. */
#include <event.h>
#include <irq.h>
#include "test.h"

static struct actor root;
static handle_t self_unit, system_handle;

static struct irq *irq_at(handle_t handle)
{
	return (struct irq *)object_at(&root_unit, handle);
}

static uint64_t bits_of(handle_t event)
{
	return ((struct event *)object_at(&root_unit, event))->bits;
}

static int64_t irq_new(struct actor *actor, handle_t system, uint64_t number, uint64_t flags)
{
	return CALL3(actor, SYS_IRQ_CREATE, system, number, flags);
}

/* A second capability to what HANDLE names, with RIGHTS and BADGE. */
static handle_t with(handle_t handle, uint16_t rights, uint64_t badge)
{
	return NEED_HANDLE(cap_insert(&root_unit, object_at(&root_unit, handle), rights, badge, 0));
}

static unsigned lines_attached(void)
{
	unsigned count = 0;

	for (unsigned slot = 0; slot < HOST_LINES; slot++)
		count += host_lines[slot].attached;
	return count;
}

static void test_interrupt(void)
{
	handle_t irq = NEED_HANDLE(irq_new(&root, system_handle, 5, IRQ_LEVEL));
	handle_t event = NEED_HANDLE(CALL1(&root, SYS_EVENT_CREATE, 0));
	uint32_t slot = irq_at(irq)->slot;
	struct host_line *line = &host_lines[slot];

	TEST("a new interrupt is attached as it was asked for",
	     line->attached && line->number == 5 && line->flags == IRQ_LEVEL);
	TEST("and masked", !line->open);
	TEST_EQUAL("it has nothing to acknowledge before it is bound", CALL1(&root, SYS_IRQ_ACK, irq),
	           E_STATE);
	TEST_EQUAL("it is bound to at least one bit", CALL3(&root, SYS_IRQ_BIND, irq, event, 0), E_ARGUMENT);
	TEST_EQUAL("and to none beyond the event's badge",
	           CALL3(&root, SYS_IRQ_BIND, irq, with(event, RIGHT_ALL, 3), 4), E_ARGUMENT);
	TEST_EQUAL("whoever may not signal an event may not bind to it",
	           CALL3(&root, SYS_IRQ_BIND, irq, with(event, RIGHT_ALL & ~RIGHT_SIGNAL, 0), 4), E_RIGHTS);
	TEST("none of that opens it", !line->open);
	NEED(CALL3(&root, SYS_IRQ_BIND, irq, event, 4) == E_OK);
	TEST("binding opens the line", line->open);
	TEST_EQUAL("it is bound once", CALL3(&root, SYS_IRQ_BIND, irq, event, 8), E_STATE);
	kernel_interrupt_irq(slot);
	TEST("an interrupt masks its line", !line->open);
	TEST_EQUAL("and signals its bits", bits_of(event), 4);
	kernel_interrupt_irq(slot);
	TEST("a second one stays masked", !line->open);
	NEED(CALL1(&root, SYS_IRQ_ACK, irq) == E_OK);
	TEST("the driver's word opens it", line->open);
	line->open = false;
	NEED(CALL1(&root, SYS_IRQ_ACK, irq) == E_OK);
	TEST("a word without an interrupt does nothing", !line->open);
	NEED(CALL1(&root, SYS_CAP_DELETE, event) == E_OK);
	kernel_interrupt_irq(slot);
	TEST("an interrupt whose event has ended is masked", !line->open && irq_at(irq)->pending);
	line->open = true;
	NEED(CALL1(&root, SYS_CAP_DELETE, irq) == E_OK);
	TEST("its end detaches it, masked", !line->attached && !line->open);
	kernel_interrupt_irq(slot);
	TEST("a late one of nobody opens nothing", !line->attached && !line->open);
	machine_check();
}

static void test_limits(void)
{
	uint64_t used = root_unit.memory_used;
	handle_t made[IRQ_SLOTS];
	bool good = true;

	TEST_EQUAL("unknown flags are refused", irq_new(&root, system_handle, 5, 4), E_ARGUMENT);
	TEST_EQUAL("numbers the machine does not have, too", irq_new(&root, system_handle, 64, 0),
	           E_ARGUMENT);
	TEST_EQUAL("and who lacks the right",
	           irq_new(&root, with(system_handle, RIGHT_ALL & ~RIGHT_IRQ, 0), 5, 0), E_RIGHTS);
	TEST_EQUAL("refusals leave nothing behind", lines_attached(), 0);
	for (unsigned i = 0; i < IRQ_SLOTS; i++)
		made[i] = NEED_HANDLE(irq_new(&root, system_handle, IRQ_MSI, 0));
	TEST_EQUAL("as many as there are slots", lines_attached(), IRQ_SLOTS);
	TEST_EQUAL("one more has no room", irq_new(&root, system_handle, IRQ_MSI, 0), E_BUSY);
	NEED(CALL1(&root, SYS_CAP_DELETE, made[77]) == E_OK);
	made[77] = NEED_HANDLE(irq_new(&root, system_handle, IRQ_MSI, 0));
	TEST_EQUAL("a slot that is given back is taken again", irq_at(made[77])->slot, 77);
	TEST_EQUAL("and told in the message", root.second, 77ull << 32);
	for (unsigned i = 0; i < IRQ_SLOTS; i++)
		good = CALL1(&root, SYS_CAP_DELETE, made[i]) == E_OK && good;
	TEST("all end", good && !lines_attached());
	TEST("and return what they cost", root_unit.memory_used <= used + 4 * PAGE_SIZE_BYTES);
	machine_check();
}

static void test_unit_dies(void)
{
	struct unit_spec spec = {
	    .memory_bytes = 64 * PAGE_SIZE_BYTES, .caps = 100, .priority_max = 10, .name = "driver"};
	struct actor driver;

	memcpy(root.page->bytes, &spec, sizeof spec);
	handle_t handle = NEED_HANDLE(CALL1(&root, SYS_UNIT_CREATE, self_unit));
	struct unit *unit = (struct unit *)object_at(&root_unit, handle);

	actor_init(&driver, unit);
	handle_t system =
	    NEED_HANDLE(cap_insert(unit, object_at(&root_unit, system_handle), RIGHT_ALL, 0, 0));
	handle_t irq = NEED_HANDLE(irq_new(&driver, system, 9, 0));
	handle_t event = NEED_HANDLE(CALL1(&driver, SYS_EVENT_CREATE, 0));

	NEED(CALL3(&driver, SYS_IRQ_BIND, irq, event, 1) == E_OK);
	kernel_interrupt_irq(0);
	NEED(CALL1(&root, SYS_UNIT_DESTROY, handle) == E_OK);
	while (unit_has_doomed(&root_unit))
		CALL1(&root, SYS_CAP_INFO, 0);
	TEST("a driver that dies in the midst of an interrupt gives its line back, masked",
	     !lines_attached() && !host_lines[0].open);
	actor_deinit(&driver);
	machine_check();
}

/* Every width at every port around a range's ends: what is let through is just what lies in it. */
static void test_ports(void)
{
	static const struct {
		uint64_t base, count;
	} ranges[] = {{0, 1}, {0, 0x10000}, {0x3f8, 8}, {0xffff, 1}, {0xfff0, 16}, {7, 3}};
	unsigned wrong = 0, allowed = 0;

	for (unsigned i = 0; i < sizeof ranges / sizeof *ranges; i++) {
		uint64_t base = ranges[i].base, end = base + ranges[i].count;
		handle_t handle =
		    NEED_HANDLE(CALL3(&root, SYS_IOPORT_CREATE, system_handle, base, ranges[i].count));

		for (unsigned edge = 0; edge < 24; edge++)
			for (uint64_t width = 0; width < 9; width++) {
				uint64_t port = (edge < 12 ? base : end) + edge % 12 - 6;
				bool fits = (width == 1 || width == 2 || width == 4) && port >= base &&
				            port <= 0xffff && port + width <= end;
				uint32_t before = host_written.count;
				int64_t in = CALL3(&root, SYS_IOPORT_IN, handle, port, width);
				int64_t out = CALL4(&root, SYS_IOPORT_OUT, handle, port, width, port ^ 0x5a);
				bool written = host_written.count != before;

				allowed += fits;
				wrong += in != (fits ? (int64_t)(port * width) : E_ARGUMENT);
				wrong += out != (fits ? E_OK : E_ARGUMENT) || written != fits;
				wrong += fits && (host_written.port != port || host_written.width != width ||
				                  host_written.value != (port ^ 0x5a));
			}
		NEED(CALL1(&root, SYS_CAP_DELETE, handle) == E_OK);
	}
	TEST("ports of a range can be used", allowed > 100);
	TEST_EQUAL("no others, and in no other widths", wrong, 0);
	TEST_EQUAL("no range is empty", CALL3(&root, SYS_IOPORT_CREATE, system_handle, 5, 0), E_ARGUMENT);
	TEST_EQUAL("or beyond the last port", CALL3(&root, SYS_IOPORT_CREATE, system_handle, 0xffff, 2),
	           E_ARGUMENT);
	TEST_EQUAL("or wraps", CALL3(&root, SYS_IOPORT_CREATE, system_handle, 1, UINT64_MAX), E_ARGUMENT);
	TEST_EQUAL("or begins beyond it", CALL3(&root, SYS_IOPORT_CREATE, system_handle, 0x10000, 1),
	           E_ARGUMENT);
	TEST_EQUAL("who lacks the right makes none",
	           CALL3(&root, SYS_IOPORT_CREATE, with(system_handle, RIGHT_ALL & ~RIGHT_PORT, 0), 5, 1),
	           E_RIGHTS);
	handle_t port = NEED_HANDLE(CALL3(&root, SYS_IOPORT_CREATE, system_handle, 5, 1));
	TEST_EQUAL("who may read may not write",
	           CALL4(&root, SYS_IOPORT_OUT, with(port, RIGHT_READ, 0), 5, 1, 1), E_RIGHTS);
	TEST_EQUAL("who may write may not read",
	           CALL3(&root, SYS_IOPORT_IN, with(port, RIGHT_WRITE, 0), 5, 1), E_RIGHTS);
	machine_check();
}

static uint32_t told_confined(void)
{
	struct unit_info info;

	NEED(CALL1(&root, SYS_UNIT_INFO, self_unit) == E_OK);
	memcpy(&info, root.page->bytes, sizeof(info));
	return info.dma_confined;
}

static void test_confined(void)
{
	handle_t power = with(system_handle, RIGHT_POWER, 0), device = with(system_handle, RIGHT_DEVICE, 0);

	TEST_EQUAL("who may end the machine does not tell whether devices are confined",
	           CALL3(&root, SYS_SYSTEM_CONTROL, power, SYSTEM_CONFINED, 1), E_RIGHTS);
	TEST_EQUAL("nothing changed", told_confined(), 0);
	TEST_EQUAL("who gives devices their memory does",
	           CALL3(&root, SYS_SYSTEM_CONTROL, device, SYSTEM_CONFINED, 1), E_OK);
	TEST_EQUAL("units are told so", told_confined(), 1);
	TEST_EQUAL("and that it is so no more", CALL3(&root, SYS_SYSTEM_CONTROL, device, SYSTEM_CONFINED, 0),
	           E_OK);
	TEST_EQUAL("units are told that, too", told_confined(), 0);
	TEST_EQUAL("but does not end the machine",
	           CALL3(&root, SYS_SYSTEM_CONTROL, device, SYSTEM_POWER_OFF, 0), E_RIGHTS);
}

int main(void)
{
	int64_t error;

	host_boot(32, 1);
	actor_init(&root, &root_unit);
	self_unit = NEED_HANDLE(cap_insert(&root_unit, &root_unit.object, RIGHT_ALL, 0, 0));
	struct object *system = object_create(&root_unit, OBJECT_SYSTEM, sizeof(*system), &error);
	NEED(system);
	system_handle = NEED_HANDLE(cap_insert(&root_unit, system, RIGHT_ALL, 0, 0));
	test_interrupt();
	test_limits();
	test_unit_dies();
	test_ports();
	test_confined();
	return test_failures != 0;
}
