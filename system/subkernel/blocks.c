/* See blocks.h. */
#include "blocks.h"
#include <holon/device.h>
#include <text.h>
#include "device.interface.h"

#define CALL_NS   10000000000ull
#define SETTLE_NS 1000000000ull

int64_t blocks_name(handle_t devices, struct thread_page *page, uint32_t index, const char **name)
{
	static char text[sizeof(((struct device_info *)0)->name)];
	for (uint32_t i = 0; devices; i++) {
		struct device_info info;
		const void *data;
		uint64_t count;
		uint32_t bytes;
		int64_t result = device_list(devices, page, i, &count, &data, &bytes, clock_ns() + CALL_NS);
		if (result < 0 || bytes != sizeof(info))
			return result < 0 ? result : E_SUPPORT;
		memcpy(&info, data, sizeof(info));
		if (info.kind != DEVICE_BLOCK || index--)
			continue;
		text_copy(text, sizeof(text), info.serial[0] ? info.serial : info.name);
		*name = text;
		return E_OK;
	}
	return E_NOT_FOUND;
}

int64_t blocks_open(handle_t devices, struct thread_page *page, const char *name, handle_t *device)
{
	char wanted[sizeof(((struct device_info *)0)->name)];
	const char *known = "";
	if (!text_copy(wanted, sizeof(wanted), name) || !wanted[0])
		return E_NOT_FOUND;
	/* devmgr opens whatever has the name; here it is one of the block devices. */
	for (uint32_t i = 0; strcmp(known, wanted) != 0; i++) {
		int64_t result = blocks_name(devices, page, i, &known);
		if (result < 0)
			return result;
	}
	return device_open(devices, page, wanted, device, clock_ns() + CALL_NS);
}

void blocks_settle(handle_t devices, struct thread_page *page)
{
	uint64_t end = clock_ns() + SETTLE_NS;
	int64_t pause = event_create();
	while (devices && pause > 0 && clock_ns() < end && device_settled(devices, page, end) == E_BUSY)
		event_wait((handle_t)pause, clock_ns() + SETTLE_NS / 500, 0);
	if (pause > 0)
		cap_delete((handle_t)pause);
}
