/* A device and its driver. The order at a driver's end: the unit is destroyed, the device is no bus master any
 * more, its interrupts are off, a new unit is started; what the old one had mapped is released when the new
 * one has reset the device (host.start), and only then the device is a bus master again. A driver that still
 * ran when its device reaches no memory would believe what the device says: an IDE controller moves nothing
 * then, or zeros, and calls it done. */
#include "devmgr.h"

#include "host.interface.h"
#include "steward.interface.h"
#include <text.h>

#define RESTARTS_MAX      100u
#define RESTARTS_AT_ONCE  3u
#define RESTART_WAIT_NS   100000000ull
#define COMPANION_WAIT_NS 5000000000ull
#define CALL_NS           10000000000ull
#define SABOTAGE_PAUSE_NS 3000000ull /* between the steps of a driver's end, for a test of their order */
#define MSIX_ENTRY        4u         /* words */
#define DRIVER_SLICE_NS   1000000ull /* as the steward gives services: tests/reserve/bound.py */

static const char *name_of(const struct claim *claim)
{
	const char *slash = strrchr(claim->driver->program, '/');

	return slash ? slash + 1 : claim->driver->program;
}

static void silence(const struct pci_function *function)
{
	if (function->header != 0)
		return;
	pci_command(&devmgr.access, function, PCI_NO_INTX, PCI_MASTER);
	if (function->msix)
		pci_msix_enable(&devmgr.access, function, false);
	if (function->msi)
		pci_msi_enable(&devmgr.access, function, false);
}

void claims_silence(void)
{
	for (unsigned i = 0; i < devmgr.claim_count; i++)
		silence(&devmgr.claims[i].function);
}

/* ---- What a driver is given ---- */

/* The longest run of whole pages of BAR that does not touch the MSI-X table or its pending bits. */
static void bar_part(const struct pci_function *function, unsigned index, uint64_t *skip, uint64_t *bytes)
{
	uint64_t pages = function->bars[index].bytes / PAGE_SIZE_BYTES, run = 0;

	*skip = *bytes = 0;
	for (uint64_t page = 0; page < pages; page++) {
		uint64_t at = page * PAGE_SIZE_BYTES, end = at + PAGE_SIZE_BYTES;
		bool closed = false;

		if (function->msix && function->msix_bar == index)
			closed |= at < function->msix_offset + function->msix_count * 16ull &&
			          end > function->msix_offset;
		if (function->msix && function->pending_bar == index)
			closed |= at < function->pending_offset + (function->msix_count + 63ull) / 64 * 8 &&
			          end > function->pending_offset;
		run = closed ? 0 : run + PAGE_SIZE_BYTES;
		if (run > *bytes) {
			*bytes = run;
			*skip = end - run;
		}
	}
}

static bool give_bar(struct spawn *spawn, const struct claim *claim, unsigned index, handle_t *made)
{
	const struct pci_bar *bar = &claim->function.bars[index];
	uint64_t skip, bytes;
	char name[8];
	int64_t object;

	if (!bar->bytes)
		return true;
	if (bar->ports) {
		object = ioport_create(devmgr.system, bar->base, bar->bytes);
		*made = object < 0 ? 0 : (handle_t)object;
		text_format(name, sizeof(name), "port%u", index);
		return spawn_give(spawn, name, *made, RIGHT_READ | RIGHT_WRITE, 0,
		                  bar->bytes << 16 | bar->base);
	}
	/* What shares a page with other devices' registers is nobody's. */
	bar_part(&claim->function, index, &skip, &bytes);
	if (!bytes || bar->base % PAGE_SIZE_BYTES)
		return true;
	object = memory_create(MEMORY_DEVICE, bytes, bar->base + skip, devmgr.system);
	*made = object < 0 ? 0 : (handle_t)object;
	text_format(name, sizeof(name), "bar%u", index);
	return spawn_give(spawn, name, *made, RIGHT_READ | RIGHT_WRITE, 0,
	                  skip / PAGE_SIZE_BYTES << 32 | bytes / PAGE_SIZE_BYTES);
}

/* The MSI-X table, mapped here once. */
static volatile uint32_t *msix_table(struct claim *claim)
{
	const struct pci_function *function = &claim->function;
	const struct pci_bar *bar = &function->bars[function->msix_bar];
	uint64_t bytes = function->msix_count * 16ull, first = function->msix_offset & ~(PAGE_SIZE_BYTES - 1);

	if (claim->msix || !function->msix || bar->ports || bar->base % PAGE_SIZE_BYTES ||
	    function->msix_offset + bytes > bar->bytes)
		return claim->msix;
	bytes = (function->msix_offset + bytes - first + PAGE_SIZE_BYTES - 1) & ~(PAGE_SIZE_BYTES - 1);
	int64_t memory = memory_create(MEMORY_DEVICE, bytes, bar->base + first, devmgr.system);
	if (memory < 0)
		return 0;
	uint8_t *at = window_map((handle_t)memory, 0, bytes, MAP_READ | MAP_WRITE);
	cap_delete((handle_t)memory);
	claim->msix_bytes = bytes;
	claim->msix = at ? (volatile uint32_t *)(at + (function->msix_offset - first)) : 0;
	return claim->msix;
}

static bool give_irq(struct spawn *spawn, unsigned index, int64_t irq, bool level, handle_t *made)
{
	char name[8];

	*made = irq < 0 ? 0 : (handle_t)irq;
	text_format(name, sizeof(name), "irq%u", index);
	return spawn_give(spawn, name, *made, RIGHT_MANAGE, 0, level);
}

/* An IDE controller at the PC's old ports (PCI IDE Controller Specification 1.0, 2.1): which its registers do not
 * tell. */
static bool is_old_ide(const struct pci_function *function)
{
	return function->class >> 8 == 0x0101 && !(function->class & 5);
}

void claim_fix(struct claim *claim)
{
	static const uint16_t ports[4] = {0x1f0, 0x3f4, 0x170, 0x374};

	for (unsigned i = 0; i < 4 && is_old_ide(&claim->function); i++)
		claim->function.bars[i] =
		    (struct pci_bar){.base = ports[i], .bytes = i % 2 ? 4 : 8, .ports = true};
}

/* Message interrupts where the device has them, else its line. */
static bool give_irqs(struct spawn *spawn, struct claim *claim, handle_t made[VECTORS_MAX])
{
	const struct pci_function *function = &claim->function;
	unsigned count = claim->driver->vectors, cpus = (unsigned)devmgr.info->cpu_count;
	uint64_t message;

	if (is_old_ide(function))
		return give_irq(spawn, 0, irq_create(devmgr.system, 14, 0, &message), false, &made[0]) &&
		       give_irq(spawn, 1, irq_create(devmgr.system, 15, 0, &message), false, &made[1]);
	if (msix_table(claim)) {
		for (unsigned i = 0; i < function->msix_count; i++)
			claim->msix[i * MSIX_ENTRY + 3] = 1; /* masked */
		for (unsigned i = 0; i < count && i < cpus && i < function->msix_count; i++) {
			int64_t irq = irq_create(devmgr.system, IRQ_MSI, 0, &message);
			if (irq < 0 && i) /* a driver does with fewer */
				break;
			if (!give_irq(spawn, i, irq, false, &made[i]))
				return false;
			claim->msix[i * MSIX_ENTRY] = (uint32_t)message;
			claim->msix[i * MSIX_ENTRY + 1] = 0;
			claim->msix[i * MSIX_ENTRY + 2] = (uint32_t)(message >> 32);
			claim->msix[i * MSIX_ENTRY + 3] = 0;
		}
		pci_msix_enable(&devmgr.access, function, true);
		return true;
	}
	if (function->msi) {
		int64_t irq = irq_create(devmgr.system, IRQ_MSI, 0, &message);
		if (!give_irq(spawn, 0, irq, false, &made[0]))
			return false;
		pci_msi_set(&devmgr.access, function, message);
		pci_msi_enable(&devmgr.access, function, true);
		return true;
	}
	if (!function->pin || function->line == 0xff)
		return true; /* it has none: a driver may do without */
	if (line_shared(claim))
		return line_join(claim);
	if (!give_irq(spawn, 0,
	              irq_create(devmgr.system, function->line, IRQ_LEVEL | IRQ_ACTIVE_LOW, &message), true,
	              &made[0]))
		return false;
	pci_command(&devmgr.access, function, 0, PCI_NO_INTX);
	return true;
}

static bool give_all(struct spawn *spawn, struct claim *claim, handle_t *made)
{
	uint64_t badge = BADGE_DRIVER + (uint64_t)(claim - devmgr.claims);
	char name[16];
	text_format(name, sizeof(name), PCI_PLACE, PCI_PLACE_OF(claim->function.address));
	bool good = give_irqs(spawn, claim, made + PCI_BARS) &&
	            spawn_give(spawn, "log", devmgr.log, RIGHT_LOG, log_mark(name), 0) &&
	            spawn_give(spawn, "driver", devmgr.devices, RIGHT_CALL, badge, claim->shares) &&
	            spawn_give(spawn, "service", claim->channel,
	                       RIGHT_RECEIVE | RIGHT_CALL | RIGHT_COPY | RIGHT_MOVE, 0, 0);

	for (unsigned i = 0; i < PCI_BARS; i++)
		good = good && give_bar(spawn, claim, i, &made[i]);
	return good;
}

static int64_t spawn_driver(struct claim *claim, const char **why)
{
	static struct spawn spawn;
	handle_t made[PCI_BARS + VECTORS_MAX] = {0};
	int64_t node = sysimg_path(&devmgr.image, claim->driver->program);

	*why = "its program is not in the system image, or broken";
	if (node < 0 || !sysimg_verify(&devmgr.image, (uint32_t)node))
		return E_NOT_FOUND;
	const struct sysimg_node *file = &devmgr.image.nodes[node];
	memset(&spawn, 0, sizeof(spawn));
	text_copy(spawn.unit.name, sizeof(spawn.unit.name), name_of(claim));
	spawn.unit.memory_bytes = claim->driver->memory;
	spawn.unit.caps = claim->driver->caps;
	spawn.unit.priority_max = spawn.priority = devmgr.priority;
	spawn.unit.event = devmgr.event;
	spawn.unit.event_bits = 1ull << (claim - devmgr.claims);
	spawn.parent = devmgr.info->unit;
	spawn.image = devmgr.image_memory;
	spawn.image_offset = file->offset;
	spawn.image_bytes = file->size;
	spawn.image_map = devmgr.image.bytes + file->offset;
	spawn.stack_bytes = 64 << 10;
	spawn.cpu_mask = (1u << devmgr.info->cpu_count) - 1;
	spawn.slice_ns = DRIVER_SLICE_NS;
	*why = "what it is to be given";
	int64_t result = give_all(&spawn, claim, made)
	                     ? spawn_unit(devmgr.page, &spawn, devmgr.info->cpu_count, why)
	                     : E_BUSY;
	claim->moved = spawn.moved;
	for (unsigned i = 0; i < sizeof(made) / sizeof(*made); i++)
		if (made[i])
			cap_delete(made[i]);
	return result;
}

/* The firmware, which may have used a UHCI controller for keyboards, lets it go: no system management interrupts, and its interrupts
 * reach the line (UHCI Design Guide 1.1, 5.2.1). */
static void take_over(const struct pci_function *function)
{
	enum { LEGACY = 0xc0, LEGACY_STATUS = 0x8f00, LEGACY_LINE = 0x2000 };

	if (function->class != CLASS_UHCI)
		return;
	devmgr.access.write(devmgr.access.context, function->address, LEGACY, LEGACY_STATUS);
	devmgr.access.write(devmgr.access.context, function->address, LEGACY, LEGACY_LINE);
}

void claim_start(struct claim *claim)
{
	const char *why;
	uint16_t decode = 0;

	for (unsigned i = 0; i < PCI_BARS; i++)
		if (claim->function.bars[i].bytes)
			decode |= claim->function.bars[i].ports ? PCI_IO : PCI_MEMORY;
	pci_command(&devmgr.access, &claim->function, decode, PCI_MASTER);
	claim->started = claim->up = false;
	take_over(&claim->function);
	int64_t unit = spawn_driver(claim, &why);
	if (unit > 0) {
		claim->unit = (handle_t)unit;
		return;
	}
	silence(&claim->function);
	LOG("devmgr: cannot start %s: %s: %s\n", name_of(claim), why, error_text(unit));
}

/* The unit is destroyed, where there is one. */
static void unit_end(struct claim *claim)
{
	if (claim->unit)
		unit_destroy(claim->unit);
	if (devmgr.sabotaged)
		event_wait(devmgr.sabotage_pause, clock_ns() + SABOTAGE_PAUSE_NS, 0);
	silence(&claim->function);
	if (claim->unit)
		cap_delete(claim->unit);
	claim->unit = 0;
	line_leave(claim);
	mappings_age(claim);
}

/* And a new one is started, at once or later. */
static void restart(struct claim *claim)
{
	unit_end(claim);
	if (claim->restarts++ == RESTARTS_MAX) {
		LOG("devmgr: %s is not started again\n", name_of(claim));
		cap_revoke(claim->channel);
		memset(claim->numbers, 0, sizeof(claim->numbers));
		devmgr_changed();
		return;
	}
	if (claim->restarts <= RESTARTS_AT_ONCE) {
		LOG("devmgr: starting %s again\n", name_of(claim));
		claim_start(claim);
		return;
	}
	claim->restart_at = clock_ns() + RESTART_WAIT_NS;
	claims_due();
}

void claim_ended(struct claim *claim)
{
	struct unit_info info;

	if (!claim->unit || unit_info(devmgr.page, claim->unit, &info) < 0 ||
	    (info.state != UNIT_STOPPED && info.state != UNIT_FAILED))
		return;
	if (info.state == UNIT_FAILED)
		LOG("devmgr: %s failed: exception %lu at %lx, address %lx\n", name_of(claim),
		    info.fault.vector, info.fault.pc - claim->moved, info.fault.address);
	else
		LOG("devmgr: %s ended with status %ld\n", name_of(claim), info.exit_status);
	restart(claim);
}

void claim_stop(struct claim *claim)
{
	if (!claim->unit) {
		silence(&claim->function);
		return;
	}
	LOG("devmgr: %s is stopped\n", name_of(claim));
	restart(claim);
}

static void sabotage(void)
{
	for (unsigned i = 0; i < devmgr.claim_count; i++) {
		struct claim *claim = &devmgr.claims[i];
		size_t length = claim->unit ? strlen(name_of(claim)) : 0;
		if (!length || strncmp(devmgr.sabotaged, name_of(claim), length) != 0 ||
		    devmgr.sabotaged[length] != ',')
			continue;
		/* However slow the machine is, there is a driver once in a while. */
		if (!claim->up && claim->killed_early)
			continue;
		claim->killed_early = !claim->up;
		LOG("devmgr: %s is killed, as the boot option says\n", name_of(claim));
		claim->restarts = 0; /* not what the limit is for */
		restart(claim);
	}
}

/* By the boot menu's words: "safe", no device has a driver; "airgap", no network card has. */
static bool may_drive(const struct pci_function *function)
{
	enum { CLASS_NETWORK = 2 };

	return !start_has(devmgr.info, "safe") &&
	       !(function->class >> 16 == CLASS_NETWORK && start_has(devmgr.info, "airgap"));
}

/* The EHCI controller that CLAIM is a companion of: another function of the same device (EHCI 1.0, 4.2); 0: it is none. */
static struct claim *controller_of(const struct claim *claim)
{
	if (claim->function.class != CLASS_UHCI)
		return 0;
	for (unsigned i = 0; i < devmgr.claim_count; i++) {
		struct claim *other = &devmgr.claims[i];
		if (other->driver && other->function.class == CLASS_EHCI &&
		    other->function.address >> 3 == claim->function.address >> 3)
			return other;
	}
	return 0;
}

bool claim_waits(struct claim *claim)
{
	if (!controller_of(claim))
		return false;
	claim->restart_at = clock_ns() + COMPANION_WAIT_NS;
	return true;
}

void claim_begin(struct claim *claim)
{
	claim->driver = 0;
	if (claim->function.header == 0 && may_drive(&claim->function))
		claim->driver = driver_find(&claim->function);
	if (!claim->driver)
		return;
	int64_t channel = channel_create(CHANNEL_DONATING);
	if (channel < 0) {
		claim->driver = 0;
		return;
	}
	claim->channel = (handle_t)channel;
}

void claim_add(const struct pci_function *function)
{
	struct claim *claim = devmgr.claims;

	for (unsigned i = 0; i < devmgr.claim_count; i++)
		if (!devmgr.claims[i].absent && devmgr.claims[i].function.address == function->address)
			return; /* a port that says to lead where others do */
	while (claim < devmgr.claims + devmgr.claim_count &&
	       !(claim->absent && claim->function.address == function->address))
		claim++;
	if (claim == devmgr.claims + CLAIMS_MAX) {
		LOG("devmgr: too many devices for one more at " PCI_PLACE "\n",
		    PCI_PLACE_OF(function->address));
		return;
	}
	if (claim == devmgr.claims + devmgr.claim_count)
		devmgr.claim_count++;
	/* Its domain and what is pinned for it are the place's. */
	claim->absent = false;
	claim->function = *function;
	claim->function.hot_slot = false; /* ports of the start alone are looked at */
	silence(&claim->function);
	if (!function->msi && !function->msix) {
		LOG("devmgr: " PCI_PLACE
		    " has no message interrupts, and the firmware gave it no line: no driver\n",
		    PCI_PLACE_OF(function->address));
		return;
	}
	claim_begin(claim);
	if (claim->driver)
		claim_start(claim);
}

void claim_remove(struct claim *claim)
{
	if (claim->absent)
		return;
	unit_end(claim);
	if (claim->channel) {
		cap_revoke(claim->channel); /* clients' calls and capabilities end */
		cap_delete(claim->channel);
	}
	if (claim->msix)
		window_unmap((void *)((uint64_t)claim->msix & ~(PAGE_SIZE_BYTES - 1)), claim->msix_bytes);
	*claim = (struct claim){.function = claim->function, .domain = claim->domain, .absent = true};
	devmgr_changed();
}

/* CONTROLLER has taken the ports whose devices are its own: its companions find the others. */
static void companions_start(const struct claim *controller)
{
	bool any = false;

	for (unsigned i = 0; i < devmgr.claim_count; i++) {
		struct claim *claim = &devmgr.claims[i];
		if (!claim->restart_at || claim->restarts || controller_of(claim) != controller)
			continue;
		claim->restart_at = 1;
		any = true;
	}
	if (any)
		claims_due();
}

void claims_due(void)
{
	uint64_t now = clock_ns(), next = devmgr.sabotaged ? devmgr.sabotage_at : DEADLINE_NEVER;

	if (now >= next) {
		next = devmgr.sabotage_at = now + devmgr.sabotage_ns;
		sabotage();
	}
	for (unsigned i = 0; i < devmgr.claim_count; i++) {
		struct claim *claim = &devmgr.claims[i];
		if (!claim->restart_at)
			continue;
		if (claim->restart_at <= now) {
			claim->restart_at = 0;
			if (claim->restarts)
				LOG("devmgr: starting %s again\n", name_of(claim));
			claim_start(claim);
		} else if (claim->restart_at < next) {
			next = claim->restart_at;
		}
	}
	event_timer(devmgr.event, hotplug_due(now, lines_due(now, next)), CHANGES_BIT);
}

/* ---- What a driver asks ---- */

static int64_t serve_config(void *context, uint64_t badge, uint32_t offset, uint32_t *value)
{
	struct claim *claim = context;

	(void)badge;
	if (offset % 4 || offset >= 4096)
		return E_ARGUMENT;
	*value = devmgr.access.read(devmgr.access.context, claim->function.address, offset);
	return E_OK;
}

/* All devices that have drivers were reset since this devmgr began: what the one before it left pinned is free. */
static void old_pins_end(void)
{
	for (unsigned i = 0; i < devmgr.claim_count; i++)
		if (devmgr.claims[i].driver && !devmgr.claims[i].ever)
			return;
	devmgr.old_pins = steward_unpin(devmgr.steward, devmgr.page, 0, clock_ns() + CALL_NS) < 0;
}

static int64_t serve_start(void *context, uint64_t badge)
{
	struct claim *claim = context;

	(void)badge;
	mappings_end_old(claim);
	claim->started = claim->ever = true;
	if (devmgr.old_pins)
		old_pins_end();
	pci_command(&devmgr.access, &claim->function, PCI_MASTER, 0);
	return E_OK;
}

static int64_t serve_map(void *context, uint64_t badge, handle_t memory, uint64_t offset, uint64_t bytes,
                         uint64_t *number, const void **addresses, uint32_t *addresses_bytes)
{
	(void)badge;
	return mapping_make(context, memory, offset, bytes, number, addresses, addresses_bytes);
}

static int64_t serve_unmap(void *context, uint64_t badge, uint64_t number)
{
	(void)badge;
	return mapping_end(context, number);
}

static int64_t serve_line(void *context, uint64_t badge, handle_t event, uint64_t bits)
{
	(void)badge;
	return line_listen(context, event, bits);
}

static int64_t serve_line_answered(void *context, uint64_t badge)
{
	(void)badge;
	return line_answered(context);
}

static int64_t serve_announce(void *context, uint64_t badge, uint32_t kind, uint32_t number,
                              const char *serial)
{
	struct claim *claim = context;

	(void)badge;
	if (number >= NUMBERS_MAX || kind == DEVICE_NONE || kind > DEVICE_SERIAL)
		return E_ARGUMENT;
	claim->numbers[number].kind = kind;
	text_copy(claim->numbers[number].serial, sizeof(claim->numbers[number].serial), serial);
	devmgr_changed();
	return E_OK;
}

static int64_t serve_ready(void *context, uint64_t badge)
{
	(void)badge;
	((struct claim *)context)->ready = ((struct claim *)context)->up = true;
	companions_start(context);
	return E_OK;
}

static int64_t serve_keep(void *context, uint64_t badge, uint32_t index, uint64_t first, uint64_t second,
                          uint64_t third)
{
	struct claim *claim = context;

	(void)badge;
	if (index >= KEPT_MAX)
		return E_ARGUMENT;
	claim->kept[index][0] = first;
	claim->kept[index][1] = second;
	claim->kept[index][2] = third;
	return E_OK;
}

static int64_t serve_kept(void *context, uint64_t badge, uint32_t index, uint64_t *first, uint64_t *second,
                          uint64_t *third)
{
	const struct claim *claim = context;

	(void)badge;
	if (index >= KEPT_MAX)
		return E_ARGUMENT;
	*first = claim->kept[index][0];
	*second = claim->kept[index][1];
	*third = claim->kept[index][2];
	return E_OK;
}

const struct host_operations claim_operations = {.config = serve_config,
                                                 .start = serve_start,
                                                 .map = serve_map,
                                                 .unmap = serve_unmap,
                                                 .line = serve_line,
                                                 .line_answered = serve_line_answered,
                                                 .announce = serve_announce,
                                                 .ready = serve_ready,
                                                 .keep = serve_keep,
                                                 .kept = serve_kept};
