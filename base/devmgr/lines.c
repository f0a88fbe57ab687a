/* Interrupt lines that several devices share (PCI Local Bus Specification 3.0, 2.2.6; "interrupt status" and "interrupt disable": 6.2.2,
 * 6.2.3). The line is devmgr's: which devices interrupt they say in their status registers; each of them is kept from interrupting until
 * its driver has answered, and the line goes on at once. So a driver that never answers stops its own device, and nobody else's. A
 * line on which nobody says to have interrupted rests between interrupts: it cannot use up a processor. A driver whose
 * device is alone on its line has the line itself (claim.c). */
#include "devmgr.h"

#define STATUS_INTERRUPT (1u << 19) /* of the word with the command register */
#define STRAYS_MAX       1000u
#define REST_NS          10000000ull

static struct line {
	uint64_t rest_until; /* ns; 0: it does not rest */
	handle_t irq;        /* 0: free */
	unsigned strays;
	uint8_t number;
} lines[LINES_MAX];

static uint32_t command_read(const struct claim *claim)
{
	return devmgr.access.read(devmgr.access.context, claim->function.address, PCI_COMMAND);
}

static bool uses_line(const struct claim *claim)
{
	const struct pci_function *function = &claim->function;

	return claim->driver && !function->msix && !function->msi && function->pin && function->line != 0xff;
}

bool line_shared(const struct claim *claim)
{
	unsigned users = devmgr.acpi.power_button && devmgr.acpi.sci == claim->function.line;

	for (unsigned i = 0; i < devmgr.claim_count; i++)
		users +=
		    uses_line(&devmgr.claims[i]) && devmgr.claims[i].function.line == claim->function.line;
	return users > 1;
}

bool line_take(uint8_t number)
{
	struct line *line = lines;
	uint64_t none;

	for (unsigned i = 0; i < LINES_MAX; i++)
		if (lines[i].irq && lines[i].number == number)
			return true;
	while (line < lines + LINES_MAX && line->irq)
		line++;
	if (line == lines + LINES_MAX)
		return false;
	int64_t irq = irq_create(devmgr.system, number, IRQ_LEVEL | IRQ_ACTIVE_LOW, &none);
	if (irq < 0)
		return false;
	*line = (struct line){.number = number, .irq = (handle_t)irq};
	if (irq_bind(line->irq, devmgr.event, LINE_BIT << (line - lines)) >= 0)
		return true;
	cap_delete(line->irq);
	line->irq = 0;
	return false;
}

bool line_join(struct claim *claim)
{
	const struct pci_function *function = &claim->function;

	/* One that cannot be kept from interrupting would stop the others. */
	pci_command(&devmgr.access, function, PCI_NO_INTX, 0);
	if (!(command_read(claim) & PCI_NO_INTX) || !line_take(function->line))
		return false;
	claim->shares = true;
	return true;
}

void line_leave(struct claim *claim)
{
	if (claim->line_event)
		cap_delete(claim->line_event);
	claim->line_event = 0;
	claim->shares = false;
}

int64_t line_listen(struct claim *claim, handle_t event, uint64_t bits)
{
	if (!claim->shares || !bits)
		return E_STATE;
	if (claim->line_event)
		cap_delete(claim->line_event);
	claim->line_event = event;
	claim->line_bits = bits;
	pci_command(&devmgr.access, &claim->function, 0, PCI_NO_INTX);
	return E_OK;
}

int64_t line_answered(struct claim *claim)
{
	if (!claim->line_event)
		return E_STATE;
	pci_command(&devmgr.access, &claim->function, 0, PCI_NO_INTX);
	return E_OK;
}

/* Tells the drivers of the devices that say to have interrupted. False: none does. */
static bool tell_drivers(const struct line *line)
{
	bool any = line->number == devmgr.acpi.sci && power_tell();

	for (unsigned i = 0; i < devmgr.claim_count; i++) {
		struct claim *claim = &devmgr.claims[i];
		uint32_t command;

		if (!claim->shares || claim->function.line != line->number)
			continue;
		command = command_read(claim);
		if (!(command & STATUS_INTERRUPT) || command & PCI_NO_INTX || command == UINT32_MAX)
			continue;
		any = true;
		pci_command(&devmgr.access, &claim->function, PCI_NO_INTX, 0);
		/* Where that fails its end is told soon. */
		(void)(claim->line_event && event_signal(claim->line_event, claim->line_bits) < 0);
	}
	return any;
}

void lines_interrupted(uint64_t bits)
{
	for (unsigned i = 0; i < LINES_MAX; i++) {
		struct line *line = &lines[i];

		if (!(bits & LINE_BIT << i) || !line->irq)
			continue;
		if (tell_drivers(line)) {
			line->strays = 0;
		} else if (++line->strays >= STRAYS_MAX) {
			if (line->strays == STRAYS_MAX)
				LOG("devmgr: no device says to have interrupted on line %u: it is slowed "
				    "down\n",
				    line->number);
			line->strays = STRAYS_MAX + 1;
			line->rest_until = clock_ns() + REST_NS;
			claims_due();
			continue;
		}
		irq_ack(line->irq);
	}
}

uint64_t lines_due(uint64_t now, uint64_t next)
{
	for (unsigned i = 0; i < LINES_MAX; i++) {
		if (!lines[i].rest_until)
			continue;
		if (lines[i].rest_until <= now) {
			lines[i].rest_until = 0;
			irq_ack(lines[i].irq);
		} else if (lines[i].rest_until < next) {
			next = lines[i].rest_until;
		}
	}
	return next;
}
