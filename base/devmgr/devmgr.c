/* See devmgr.h. */
#include "devmgr.h"

#include "device.interface.h"
#include "host.interface.h"
#include <text.h>

#define FAULTS_AT_ONCE    64
#define WATCHERS_MAX      8
#define VIEWS             2
#define SABOTAGE_START_NS 1000000000ull

struct devmgr devmgr;

static struct {
	handle_t event;
	uint64_t bits, power_bits, badge;
} watchers[WATCHERS_MAX];

/* ---- Clients ---- */

void devmgr_changed(void)
{
	devmgr.changes++;
	for (unsigned i = 0; i < WATCHERS_MAX; i++)
		if (watchers[i].event && watchers[i].bits)
			event_signal(watchers[i].event, watchers[i].bits);
}

bool power_tell(void)
{
	if (!power_pressed())
		return false;
	LOG("devmgr: the power button was pressed\n");
	for (unsigned i = 0; i < WATCHERS_MAX; i++)
		if (watchers[i].event && watchers[i].power_bits)
			event_signal(watchers[i].event, watchers[i].power_bits);
	return true;
}

static const char *kind_word(uint32_t kind)
{
	return kind == DEVICE_BLOCK    ? "block"
	       : kind == DEVICE_LINK   ? "link"
	       : kind == DEVICE_RANDOM ? "random"
	       : kind == DEVICE_INPUT  ? "input"
	       : kind == DEVICE_SOUND  ? "sound"
	       : kind == DEVICE_SCREEN ? "screen"
	       : kind == DEVICE_SERIAL ? "serial"
	                               : "device";
}

static void describe(const struct claim *claim, unsigned number, struct device_info *info)
{
	const struct pci_function *function = &claim->function;
	uint32_t kind = claim->numbers[number].kind;
	int length;

	*info = (struct device_info){.kind = kind,
	                             .vendor = function->vendor,
	                             .device = function->device,
	                             .class = function->class,
	                             .bus = PCI_BUS(function->address),
	                             .slot = function->address & 0xff,
	                             .restarts = claim->restarts,
	                             .dma_confined = iommu_present()};
	length = text_format(info->name, sizeof(info->name), "%s@" PCI_PLACE, kind_word(kind),
	                     PCI_PLACE_OF(function->address));
	if (number)
		text_format(info->name + length, sizeof(info->name) - (size_t)length, "/%u", number);
	text_copy(info->serial, sizeof(info->serial), claim->numbers[number].serial);
	if (claim->driver)
		text_copy(info->driver, sizeof(info->driver), strrchr(claim->driver->program, '/') + 1);
}

/* The INDEXth device: bridges are none, one without an announcement is one. */
static bool device_at(uint32_t index, const struct claim **claim, unsigned *number)
{
	for (unsigned i = 0; i < devmgr.claim_count; i++) {
		bool announced = false;

		*claim = &devmgr.claims[i];
		if ((*claim)->function.header != 0 || (*claim)->absent)
			continue;
		for (*number = 0; *number < NUMBERS_MAX; ++*number) {
			if (!(*claim)->numbers[*number].kind)
				continue;
			announced = true;
			if (!index--)
				return true;
		}
		*number = 0;
		if (!announced && !index--)
			return true;
	}
	return false;
}

static int64_t serve_list(void *context, uint64_t badge, uint32_t index, uint64_t *count, const void **data,
                          uint32_t *bytes)
{
	static struct device_info info;
	const struct claim *claim;
	unsigned number;

	(void)context;
	(void)badge;
	if (!device_at(index, &claim, &number))
		return E_NOT_FOUND;
	describe(claim, number, &info);
	*count = devmgr.changes;
	*data = &info;
	*bytes = sizeof(info);
	return E_OK;
}

static int64_t serve_open(void *context, uint64_t badge, const char *name, handle_t *server)
{
	const struct claim *claim;
	struct device_info info;
	unsigned number;

	(void)context;
	(void)badge;
	for (uint32_t index = 0; name[0] && device_at(index, &claim, &number); index++) {
		describe(claim, number, &info);
		if (!info.kind || (strcmp(name, info.name) != 0 && strcmp(name, info.serial) != 0))
			continue;
		int64_t copy = cap_copy(claim->channel, RIGHT_CALL | RIGHT_COPY | RIGHT_MOVE, number + 1);
		if (copy < 0)
			return copy;
		*server = (handle_t)copy;
		return E_OK;
	}
	return E_NOT_FOUND;
}

static int64_t serve_settled(void *context, uint64_t badge)
{
	(void)context;
	(void)badge;
	for (unsigned i = 0; i < devmgr.claim_count; i++)
		if ((devmgr.claims[i].unit || (devmgr.claims[i].restart_at && !devmgr.claims[i].restarts)) &&
		    !devmgr.claims[i].ready)
			return E_BUSY;
	return E_OK;
}

static int64_t serve_watch(void *context, uint64_t badge, handle_t event, uint64_t bits, uint64_t power_bits)
{
	(void)context;
	for (unsigned i = 0; i < WATCHERS_MAX; i++) {
		if (watchers[i].event && watchers[i].badge != badge && cap_info(watchers[i].event, 0) >= 0)
			continue;
		if (watchers[i].event)
			cap_delete(watchers[i].event);
		watchers[i].event = event;
		watchers[i].badge = badge;
		watchers[i].bits = bits;
		watchers[i].power_bits = power_bits;
		return E_OK;
	}
	return E_BUSY;
}

/* ---- Start ---- */

static const void *view(void *context, unsigned slot, uint64_t physical, uint64_t bytes)
{
	static struct {
		uint8_t *at;
		uint64_t bytes;
	} views[VIEWS];
	uint64_t first = physical & ~(PAGE_SIZE_BYTES - 1);

	(void)context;
	if (physical + bytes < physical)
		return 0;
	bytes = (physical + bytes - first + PAGE_SIZE_BYTES - 1) & ~(PAGE_SIZE_BYTES - 1);
	if (views[slot].at)
		window_unmap(views[slot].at, views[slot].bytes);
	views[slot].at = 0;
	int64_t memory = memory_create(MEMORY_DEVICE, bytes, first, devmgr.system);
	if (memory < 0)
		return 0;
	views[slot].at = window_map((handle_t)memory, 0, bytes, MAP_READ);
	views[slot].bytes = bytes;
	cap_delete((handle_t)memory);
	return views[slot].at ? views[slot].at + (physical - first) : 0;
}

static void sabotage_argument(const struct start_info *info)
{
	for (const char *word = info->arguments; *word; word += strlen(word) + 1) {
		const char *at = strchr(word, ',');
		if (strncmp(word, "kill-driver=", 12) != 0 || !at)
			continue;
		devmgr.sabotaged = word + 12;
		for (at++; *at >= '0' && *at <= '9' && devmgr.sabotage_ns < 100000; at++)
			devmgr.sabotage_ns = devmgr.sabotage_ns * 10 + (uint64_t)(*at - '0');
		devmgr.sabotage_ns = devmgr.sabotage_ns * 1000000 + 1;
		devmgr.sabotage_at = clock_ns() + SABOTAGE_START_NS;
		int64_t pause = event_create();
		devmgr.sabotage_pause = pause < 0 ? 0 : (handle_t)pause;
	}
}

static uint64_t rsdp_argument(const struct start_info *info)
{
	uint64_t value = 0;

	for (const char *word = info->arguments; *word; word += strlen(word) + 1)
		if (strncmp(word, "rsdp=", 5) == 0)
			for (const char *at = word + 5; *at; at++)
				value = value << 4 | (uint64_t)(*at <= '9' ? *at - '0' : *at - 'a' + 10);
	return value;
}

static const char *prepare(const struct start_info *info)
{
	static struct pci_function functions[CLAIMS_MAX];
	struct unit_info unit;
	uint64_t image_bytes;

	devmgr.log = start_find(info, "log", 0);
	devmgr.system = start_find(info, "devices", 0);
	devmgr.steward = start_find(info, "steward", 0);
	devmgr.devices = start_find(info, "device", 0);
	devmgr.image_memory = start_find(info, "image", &image_bytes);
	devmgr.old_pins = true;
	const void *image = window_map(devmgr.image_memory, 0, image_bytes, MAP_READ);
	const char *wrong =
	    image ? sysimg_open(&devmgr.image, image, image_bytes, true) : "cannot map the system image";
	if (wrong)
		return wrong;
	int64_t event = event_create();
	if (event < 0 || event_bind((handle_t)event, info->thread) < 0 ||
	    unit_info(devmgr.page, info->unit, &unit) < 0)
		return "cannot make its event";
	devmgr.event = (handle_t)event;
	devmgr.priority = unit.priority_max;
	if (!acpi_read(&devmgr.acpi, rsdp_argument(info), view, 0))
		LOG("devmgr: no ACPI tables: configuration space by ports, no power button\n");
	if (!config_init())
		return "no way to PCI configuration space";
	devmgr.claim_count = pci_scan(&devmgr.access, functions, CLAIMS_MAX);
	for (unsigned i = 0; i < devmgr.claim_count; i++)
		devmgr.claims[i].function = functions[i];
	claims_silence();
	if (!iommu_init())
		LOG("devmgr: no IOMMU: devices can reach all memory\n");
	else if (!iommu_confines())
		LOG("devmgr: some devices are behind no IOMMU in use: they can reach all memory\n");
	/* For unit_info, whoever asks. */
	if (system_control(devmgr.system, SYSTEM_CONFINED, iommu_confines()) < 0)
		return "cannot tell whether devices are confined";
	return 0;
}

static void start_drivers(void)
{
	for (unsigned i = 0; i < devmgr.claim_count; i++)
		claim_begin(&devmgr.claims[i]);
	for (unsigned i = 0; i < devmgr.claim_count; i++) {
		struct claim *claim = &devmgr.claims[i];

		if (!claim->driver)
			continue;
		pci_size_bars(&devmgr.access, &claim->function);
		claim_fix(claim);
		if (!claim_waits(claim))
			claim_start(claim);
	}
}

int program_main(const struct start_info *info, struct thread_page *page)
{
	static const struct device_operations operations = {
	    .list = serve_list, .settled = serve_settled, .open = serve_open, .watch = serve_watch};
	struct message message = {0};

	devmgr.info = info;
	spawn_places(info->places);
	devmgr.page = page;
	const char *wrong = prepare(info);
	if (wrong) {
		LOG("devmgr: %s\n", wrong);
		return 1;
	}
	power_init();
	start_drivers();
	hotplug_init();
	sabotage_argument(info);
	claims_due();
	int64_t result = channel_receive(devmgr.devices, &message, DEADLINE_NEVER);
	while (result >= 0) {
		if (!(message.info & INFO_EVENT)) {
			if (message.badge >= BADGE_DRIVER &&
			    message.badge < BADGE_DRIVER + devmgr.claim_count)
				host_serve(&claim_operations, &devmgr.claims[message.badge - BADGE_DRIVER],
				           &message, page);
			else
				device_serve(&operations, 0, &message, page);
			result = channel_reply_receive(devmgr.devices, &message, DEADLINE_NEVER);
			continue;
		}
		uint64_t bits = message.words[0];
		for (unsigned i = 0; i < devmgr.claim_count; i++)
			if (bits >> i & 1)
				claim_ended(&devmgr.claims[i]);
		struct claim *faulting;
		for (unsigned i = 0; bits & FAULT_BIT && i < FAULTS_AT_ONCE && iommu_fault(&faulting); i++)
			if (faulting)
				claim_stop(faulting);
		if (bits & CHANGES_BIT)
			claims_due();
		lines_interrupted(bits);
		result = channel_receive(devmgr.devices, &message, DEADLINE_NEVER);
	}
	LOG("devmgr: %s\n", error_text(result));
	return 1;
}
