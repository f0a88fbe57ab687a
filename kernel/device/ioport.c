/* I/O ports: ranges of them as capabilities; each access is checked against its range. */
#include <calls.h>
#include <irq.h>
#include <thread.h>

#define PORT_COUNT 0x10000u

int64_t sys_ioport_create(struct call *call, struct object *system, uint64_t base, uint64_t count)
{
	struct ioport *ioport;
	int64_t error;

	if (base >= PORT_COUNT || !count || count > PORT_COUNT - base)
		return E_ARGUMENT;
	ioport = (struct ioport *)object_create(call->self->unit, OBJECT_IOPORT, sizeof *ioport, &error);
	if (!ioport)
		return error;
	ioport->base = (uint32_t)base;
	ioport->count = (uint32_t)count;
	return call_result_object(call, &ioport->object, RIGHT_ALL);
}

/* PORT is absolute. */
static bool allowed(const struct ioport *ioport, uint64_t port, uint64_t width)
{
	return (width == 1 || width == 2 || width == 4) && port >= ioport->base && port < PORT_COUNT &&
	       port + width <= ioport->base + ioport->count;
}

int64_t sys_ioport_in(struct call *call, struct ioport *ioport, uint64_t port, uint64_t width)
{
	return allowed(ioport, port, width) ? (int64_t)arch_port_in((uint16_t)port, (unsigned)width)
	                                    : E_ARGUMENT;
}

int64_t sys_ioport_out(struct call *call, struct ioport *ioport, uint64_t port, uint64_t width,
                       uint64_t value)
{
	if (!allowed(ioport, port, width))
		return E_ARGUMENT;
	arch_port_out((uint16_t)port, (unsigned)width, (uint32_t)value);
	return E_OK;
}
