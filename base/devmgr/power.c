/* The fixed power button: ACPI 6.5, 4.8.2.2.1 and 4.8.3.1. */
#include "devmgr.h"

#define STATUS_BUTTON (1u << 8) /* PWRBTN_STS, and PWRBTN_EN in the enable register */
#define CONTROL_ACPI  1u        /* SCI_EN */
#define PORTS_EVENT   16u
#define WAIT_US_MOST  300000u

static handle_t event_a, control;

static uint32_t status_read(void)
{
	return (uint32_t)ioport_in(event_a, devmgr.acpi.pm1a_event, 2);
}

/* Takes the registers over from the firmware, where it has them. */
static bool acpi_mode(void)
{
	uint64_t end = clock_ns() + WAIT_US_MOST * 1000ull;

	if (ioport_in(control, devmgr.acpi.pm1a_control, 2) & CONTROL_ACPI)
		return true;
	if (!devmgr.acpi.smi_command || !devmgr.acpi.acpi_enable)
		return false;
	int64_t command = ioport_create(devmgr.system, devmgr.acpi.smi_command, 1);
	if (command < 0)
		return false;
	ioport_out((handle_t)command, devmgr.acpi.smi_command, 1, devmgr.acpi.acpi_enable);
	cap_delete((handle_t)command);
	while (!(ioport_in(control, devmgr.acpi.pm1a_control, 2) & CONTROL_ACPI))
		if (clock_ns() > end)
			return false;
	return true;
}

void power_init(void)
{
	const struct acpi_info *acpi = &devmgr.acpi;

	if (!acpi->power_button)
		return;
	int64_t events = ioport_create(devmgr.system, acpi->pm1a_event, PORTS_EVENT / 4u);
	int64_t controls = ioport_create(devmgr.system, acpi->pm1a_control, 2);
	event_a = events < 0 ? 0 : (handle_t)events;
	control = controls < 0 ? 0 : (handle_t)controls;
	if (!event_a || !control || !acpi_mode() || acpi->sci > UINT8_MAX || !line_take((uint8_t)acpi->sci)) {
		event_a = 0;
		LOG("devmgr: no power button\n");
		return;
	}
	ioport_out(event_a, acpi->pm1a_event, 2, status_read()); /* ones take bits back */
	ioport_out(event_a, acpi->pm1a_event + (uint64_t)acpi->pm1_event_half, 2, STATUS_BUTTON);
}

bool power_pressed(void)
{
	uint32_t status = event_a ? status_read() : 0;

	if (status)
		ioport_out(event_a, devmgr.acpi.pm1a_event, 2, status);
	return status & STATUS_BUTTON;
}
