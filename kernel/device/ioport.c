/* I/O ports: ranges of them as capabilities; each access is checked against its range. */
#include <calls.h>
#include <irq.h>
#include <thread.h>

#define PORT_COUNT 0x10000u

int64_t sys_ioport_create(struct thread *self, const uint64_t args[6], uint64_t *second)
{
	struct cap_view cap;
	struct ioport *ioport;
	int64_t result = cap_lookup(self->unit, args[0], OBJECT_SYSTEM, RIGHT_PORT, &cap);

	(void)second;
	if (result)
		return result;
	if (args[1] >= PORT_COUNT || !args[2] || args[2] > PORT_COUNT - args[1])
		return E_ARGUMENT;
	ioport = (struct ioport *)object_create(self->unit, OBJECT_IOPORT, sizeof *ioport, &result);
	if (!ioport)
		return result;
	ioport->base = (uint32_t)args[1];
	ioport->count = (uint32_t)args[2];
	result = cap_insert(self->unit, &ioport->object, RIGHT_ALL, 0, 0);
	object_release(&ioport->object);
	return result;
}

/* PORT is absolute. */
static int64_t check(struct thread *self, handle_t handle, uint64_t port, uint64_t width, uint16_t right)
{
	struct cap_view cap;
	const struct ioport *ioport;
	int64_t error = cap_lookup(self->unit, handle, OBJECT_IOPORT, right, &cap);

	if (error)
		return error;
	ioport = (const struct ioport *)cap.object;
	if ((width != 1 && width != 2 && width != 4) || port < ioport->base || port >= PORT_COUNT ||
	    port + width > ioport->base + ioport->count)
		return E_ARGUMENT;
	return E_OK;
}

int64_t sys_ioport_in(struct thread *self, const uint64_t args[6], uint64_t *second)
{
	int64_t error = check(self, args[0], args[1], args[2], RIGHT_READ);

	(void)second;
	return error ? error : (int64_t)arch_port_in((uint16_t)args[1], (unsigned)args[2]);
}

int64_t sys_ioport_out(struct thread *self, const uint64_t args[6], uint64_t *second)
{
	int64_t error = check(self, args[0], args[1], args[2], RIGHT_WRITE);

	(void)second;
	if (!error)
		arch_port_out((uint16_t)args[1], (unsigned)args[2], (uint32_t)args[3]);
	return error;
}

bool ioport_teardown(struct object *object)
{
	(void)object;
	return true;
}
