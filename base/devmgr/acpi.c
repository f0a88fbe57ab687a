/* See acpi.h. Free of the system, so that it is tested and fuzzed on a host. */
#include "acpi.h"

#include <text.h>
#include "little_endian.h"

#define HEADER_BYTES   36u
#define POINTER_BYTES  36u
#define ENTRY_BYTES    16u
#define FLAG_NO_BUTTON (1u << 4) /* PWR_BUTTON: a control method instead */
#define FLAG_REDUCED   (1u << 20)

struct table {
	const uint8_t *bytes;
	uint32_t length;
};

/* A field of COUNT bytes; 0 beyond the end: older versions of a table are shorter. */
static uint64_t field(const struct table *table, uint32_t offset, unsigned count)
{
	return offset + count <= table->length ? little_endian(table->bytes + offset, count) : 0;
}

static bool sum_is_zero(const uint8_t *bytes, uint32_t length)
{
	uint8_t sum = 0;

	while (length--)
		sum = (uint8_t)(sum + *bytes++);
	return !sum;
}

static bool table_open(struct table *table, unsigned slot, uint64_t physical, acpi_view *view, void *context)
{
	const uint8_t *header = physical ? view(context, slot, physical, HEADER_BYTES) : 0;

	if (!header)
		return false;
	table->length = (uint32_t)little_endian(header + 4, 4);
	if (table->length < HEADER_BYTES || table->length > ACPI_TABLE_MAX)
		return false;
	table->bytes = view(context, slot, physical, table->length);
	/* Read again: what is mapped now is what counts. */
	return table->bytes && little_endian(table->bytes + 4, 4) == table->length &&
	       sum_is_zero(table->bytes, table->length);
}

static bool root_open(struct table *root, unsigned *width, uint64_t rsdp, acpi_view *view, void *context)
{
	const uint8_t *pointer = rsdp ? view(context, 0, rsdp, POINTER_BYTES) : 0;

	if (!pointer || memcmp(pointer, "RSD PTR ", 8) != 0 || !sum_is_zero(pointer, 20))
		return false;
	uint64_t rsdt = little_endian(pointer + 16, 4);
	uint64_t xsdt =
	    pointer[15] >= 2 && sum_is_zero(pointer, POINTER_BYTES) ? little_endian(pointer + 24, 8) : 0;

	*width = 8;
	if (xsdt && table_open(root, 0, xsdt, view, context) && memcmp(root->bytes, "XSDT", 4) == 0)
		return true;
	*width = 4;
	return table_open(root, 0, rsdt, view, context) && memcmp(root->bytes, "RSDT", 4) == 0;
}

static void read_mcfg(struct acpi_info *info, const struct table *table)
{
	for (uint32_t at = 44; at + ENTRY_BYTES <= table->length; at += ENTRY_BYTES) {
		uint64_t base = field(table, at, 8);
		uint8_t first = table->bytes[at + 10], last = table->bytes[at + 11];

		if (field(table, at + 8, 2) != 0 || !base || base & 0xfffff || base > 1ull << 51 ||
		    first > last)
			continue;
		info->ecam = base;
		info->first_bus = first;
		info->last_bus = last;
		return;
	}
}

static uint16_t port_field(const struct table *table, uint32_t offset)
{
	uint64_t port = field(table, offset, 4);

	return port < 0xfff0 ? (uint16_t)port : 0;
}

static void read_fadt(struct acpi_info *info, const struct table *table)
{
	uint32_t flags = (uint32_t)field(table, 112, 4);
	uint64_t length = field(table, 88, 1);

	if (flags & FLAG_REDUCED || length < 4 || length > 16)
		return;
	info->pm1a_event = port_field(table, 56);
	info->pm1b_event = port_field(table, 60);
	info->pm1_event_half = (uint16_t)(length / 2);
	info->pm1a_control = port_field(table, 64);
	info->sci = (uint16_t)field(table, 46, 2);
	info->smi_command = port_field(table, 48);
	info->acpi_enable = (uint8_t)field(table, 52, 1);
	info->fixed_power = info->pm1a_event && info->pm1a_control;
	info->power_button = info->fixed_power && !(flags & FLAG_NO_BUTTON);
}

static void read_dmar(struct acpi_info *info, const struct table *table)
{
	for (uint32_t at = 48; at + 4 <= table->length;) {
		uint32_t type = (uint32_t)field(table, at, 2), length = (uint32_t)field(table, at + 2, 2);

		if (length < 4 || length > table->length - at) {
			info->units_more = true;
			return;
		}
		uint64_t base = type == 0 && length >= 16 ? field(table, at + 8, 8) : 0;
		if (base && !(base & 0xfff) && base < 1ull << 51 && info->unit_count < ACPI_UNITS)
			info->units[info->unit_count++] = base;
		else if (type == 0)
			info->units_more = true;
		at += length;
	}
}

bool acpi_read(struct acpi_info *info, uint64_t rsdp, acpi_view *view, void *context)
{
	struct table root, table;
	unsigned width;

	*info = (struct acpi_info){0};
	if (!root_open(&root, &width, rsdp, view, context))
		return false;
	uint32_t count = (root.length - HEADER_BYTES) / width;

	for (uint32_t i = 0; i < count && i < ACPI_TABLES; i++) {
		uint64_t physical = little_endian(root.bytes + HEADER_BYTES + i * width, width);

		if (!table_open(&table, 1, physical, view, context))
			continue;
		if (memcmp(table.bytes, "MCFG", 4) == 0 && !info->ecam)
			read_mcfg(info, &table);
		else if (memcmp(table.bytes, "FACP", 4) == 0)
			read_fadt(info, &table);
		else if (memcmp(table.bytes, "DMAR", 4) == 0)
			read_dmar(info, &table);
	}
	return true;
}
