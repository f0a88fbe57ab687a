/* The machine as a whole: information, power, log, clock. */
#include <bytes.h>
#include <calls.h>
#include <log.h>
#include <memory.h>
#include <thread.h>
#include <unit.h>
#include "system.h"

static uint64_t loader_tsc;

void system_init(const struct handoff *handoff)
{
	loader_tsc = handoff->loader_tsc;
}

int64_t sys_system_info(struct thread *self, const uint64_t args[6], uint64_t *second)
{
	struct system_info info = {.memory_bytes = frame_total_bytes(),
	                           .memory_free = frame_free_bytes(),
	                           .cpu_count = cpu_count,
	                           .loader_tsc = loader_tsc};

	(void)args;
	(void)second;
	arch_system_info(&info);
	arch_clock_params(&info.clock);
	memcpy(self->page->bytes, &info, sizeof info);
	return E_OK;
}

int64_t sys_system_control(struct thread *self, const uint64_t args[6], uint64_t *second)
{
	struct cap_view cap;
	int64_t error = cap_lookup(self->unit, args[0], OBJECT_SYSTEM, RIGHT_POWER, &cap);

	(void)second;
	if (error)
		return error;
	switch (args[1]) {
	case SYSTEM_POWER_OFF:
		arch_power_off();
	case SYSTEM_REBOOT:
		arch_reboot();
	case SYSTEM_LATENCY:
		return E_SUPPORT;
	default:
		return E_ARGUMENT;
	}
}

int64_t sys_log_write(struct thread *self, const uint64_t args[6], uint64_t *second)
{
	struct cap_view cap;
	int64_t error = cap_lookup(self->unit, args[0], OBJECT_SYSTEM, RIGHT_LOG, &cap);

	(void)second;
	if (error)
		return error;
	if (args[1] > LOG_WRITE_MAX)
		return E_ARGUMENT;
	log_write((const char *)self->page->bytes, args[1]);
	return E_OK;
}

int64_t sys_clock(struct thread *self, const uint64_t args[6], uint64_t *second)
{
	(void)self;
	(void)args;
	(void)second;
	return (int64_t)arch_clock_ns();
}
