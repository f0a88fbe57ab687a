/* The machine as a whole: information, power, log, clock. */
#include <bytes.h>
#include <calls.h>
#include <log.h>
#include <memory.h>
#include <thread.h>
#include <unit.h>
#include "system.h"

int64_t sys_system_info(struct call *call)
{
	struct system_info info = {.memory_bytes = frame_total_bytes(),
	                           .memory_free = frame_free_bytes(),
	                           .cpu_count = cpu_count,
	                           .vector_bytes = arch_vector_bytes()};

	arch_clock_params(&info.clock);
	memcpy(call->self->page->bytes, &info, sizeof info);
	return E_OK;
}

int64_t sys_system_control(struct call *call, struct object *system, uint64_t what, uint64_t argument)
{
	if (!(call->caps[0].rights & (what == SYSTEM_CONFINED ? RIGHT_DEVICE : RIGHT_POWER)))
		return E_RIGHTS;
	switch (what) {
	case SYSTEM_CONFINED:
		unit_dma_confined = argument != 0;
		return E_OK;
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

int64_t sys_log_write(struct call *call, struct object *system, uint64_t bytes)
{
	uint64_t *progress = &call->self->progress, left = bytes - *progress;

	if (bytes > LOG_WRITE_MAX || *progress > bytes)
		return E_ARGUMENT;
	*progress += log_write(call->caps[0].badge, (const char *)call->self->page->bytes + *progress,
	                       left < LOG_SLICE ? left : LOG_SLICE);
	return *progress < bytes ? CALL_RESTART : E_OK;
}

int64_t sys_clock(struct call *call)
{
	return (int64_t)arch_clock_ns();
}
