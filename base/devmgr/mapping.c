/* Memory that devices reach: each mapping is a pin that the steward keeps (base/steward/pins.h). A mapping of a
 * driver that has died stays until the device was reset, since it may be at work there still. */
#include "devmgr.h"

#include "steward.interface.h"
#include <text.h>

#define MAPPINGS_MAX 1024u
#define PAGES_MOST   256u
#define CALL_NS      10000000000ull

static struct mapping {
	struct claim *claim; /* 0: free */
	uint64_t pin;
	uint64_t number;
	uint64_t *pages; /* with an IOMMU: what is open to the device */
	unsigned count;
	bool old;
} mappings[MAPPINGS_MAX];
static uint64_t last_number;

/* The pages of a mapping, to be closed to the device at its end. */
static uint64_t page_lists[MAPPINGS_MAX][PAGES_MOST];

static bool open_pages(struct mapping *mapping, const uint64_t *list)
{
	mapping->pages = page_lists[mapping - mappings];
	memcpy(mapping->pages, list, mapping->count * sizeof(*list));
	for (unsigned i = 0; i < mapping->count; i++) {
		if (!iommu_map(mapping->claim, list[i])) {
			mapping->count = i;
			return false;
		}
	}
	iommu_flush(); /* also units that remember what was not there */
	return true;
}

static void end(struct mapping *mapping)
{
	for (unsigned i = 0; mapping->pages && i < mapping->count; i++)
		iommu_unmap(mapping->claim, mapping->pages[i]);
	if (mapping->pages)
		iommu_flush();
	mapping->pages = 0;
	if (steward_unpin(devmgr.steward, devmgr.page, mapping->pin, clock_ns() + CALL_NS) < 0)
		LOG("devmgr: a pin is left behind\n");
	mapping->claim = 0;
}

int64_t mapping_make(struct claim *claim, handle_t memory, uint64_t offset, uint64_t bytes, uint64_t *number,
                     const void **addresses, uint32_t *addresses_bytes)
{
	static uint64_t list[MESSAGE_BYTES_MAX / sizeof(uint64_t)];
	struct mapping *mapping = mappings;

	while (mapping < mappings + MAPPINGS_MAX && mapping->claim)
		mapping++;
	if (mapping == mappings + MAPPINGS_MAX)
		return E_BUSY;
	int64_t result = steward_pin(devmgr.steward, devmgr.page, memory, offset, bytes, &mapping->pin,
	                             addresses, addresses_bytes, clock_ns() + CALL_NS);
	if (result < 0)
		return result;
	if (*addresses_bytes > PAGES_MOST * sizeof(*list))
		return E_ARGUMENT;
	memcpy(list, *addresses, *addresses_bytes); /* the reply is made in the page */
	*addresses = list;
	mapping->claim = claim;
	mapping->old = false;
	mapping->count = *addresses_bytes / sizeof(uint64_t);
	if (iommu_present() && !open_pages(mapping, list)) {
		end(mapping);
		return E_QUOTA_MEMORY;
	}
	*number = mapping->number = ++last_number;
	return E_OK;
}

int64_t mapping_end(struct claim *claim, uint64_t number)
{
	for (unsigned i = 0; i < MAPPINGS_MAX; i++) {
		if (mappings[i].claim != claim || mappings[i].number != number || mappings[i].old)
			continue;
		end(&mappings[i]);
		return E_OK;
	}
	return E_NOT_FOUND;
}

void mappings_age(struct claim *claim)
{
	for (unsigned i = 0; i < MAPPINGS_MAX; i++)
		if (mappings[i].claim == claim)
			mappings[i].old = true;
}

void mappings_end_old(struct claim *claim)
{
	for (unsigned i = 0; i < MAPPINGS_MAX; i++)
		if (mappings[i].claim == claim && mappings[i].old)
			end(&mappings[i]);
}
