/* The walk through the ACPI tables; see acpi.h. Free of architecture, so that its test runs anywhere. */
#include "acpi.h"

#include "little_endian.h"
#include "string.h"

#define HEADER_BYTES 36u

/* A table: its bytes and how many there are. */
struct table {
	const uint8_t *bytes;
	uint32_t length;
};

/*@ predicate table_good(struct table *table) =
      \valid_read(table) && HEADER_BYTES <= table->length <= ACPI_TABLE_MAX && \valid_read(table->bytes + (0 .. table->length - 1));
*/

/*@ requires \valid_read(bytes + (0 .. length - 1));
    assigns \nothing;
*/
static bool sum_is_zero(const uint8_t *bytes, uint32_t length)
{
	uint8_t sum = 0;

	/*@ loop invariant i <= length;
	    loop assigns i, sum;
	    loop variant length - i;
	*/
	for (uint32_t i = 0; i < length; i++)
		sum = (uint8_t)(sum + bytes[i]);
	return !sum;
}

/*@ requires \valid(table);
    assigns *table;
    ensures \result ==> table_good(table);
*/
static bool table_view(struct table *table, unsigned slot, uint64_t physical, acpi_view *view)
{
	const uint8_t *header = physical ? view(slot, physical, HEADER_BYTES) : 0;

	if (!header)
		return false;
	table->length = (uint32_t)little_endian(header + 4, 4);
	if (table->length < HEADER_BYTES || table->length > ACPI_TABLE_MAX)
		return false;
	table->bytes = view(slot, physical, table->length);
	return table->bytes && sum_is_zero(table->bytes, table->length);
}

/* Field of COUNT bytes at OFFSET; 0 beyond the table's end, as older versions of a table are shorter. */
/*@ requires table_good(table) && offset <= ACPI_TABLE_MAX && count <= 8;
    assigns \nothing;
*/
static uint64_t field(const struct table *table, uint32_t offset, unsigned count)
{
	return offset + count <= table->length ? little_endian(table->bytes + offset, count) : 0;
}

/*@ requires \valid(info) && info_good(info);
    assigns *info;
    ensures info_good(info);
*/
static void add_cpu(struct acpi_info *info, uint32_t id, uint32_t flags)
{
	if (!(flags & 1) || info->cpu_count >= ACPI_CPUS)
		return;
	/*@ loop invariant i <= info->cpu_count;
	    loop invariant \forall integer k; 0 <= k < i ==> info->apic_ids[k] != id;
	    loop assigns i;
	    loop variant info->cpu_count - i;
	*/
	for (uint32_t i = 0; i < info->cpu_count; i++)
		if (info->apic_ids[i] == id)
			return;
	info->apic_ids[info->cpu_count++] = id;
}

/*@ requires \valid(info) && info_good(info) && 2 <= length && \valid_read(entry + (0 .. length - 1));
    assigns *info;
    ensures info_good(info);
*/
static void parse_madt_entry(struct acpi_info *info, const uint8_t *entry, uint8_t length)
{
	switch (entry[0]) {
	case 0: /* local APIC */
		if (length >= 8)
			add_cpu(info, entry[3], (uint32_t)little_endian(entry + 4, 4));
		break;
	case 1: /* I/O APIC */
		if (length >= 12 && info->ioapic_count < ACPI_IOAPICS) {
			info->ioapics[info->ioapic_count].address = little_endian(entry + 4, 4);
			info->ioapics[info->ioapic_count++].base = (uint32_t)little_endian(entry + 8, 4);
		}
		break;
	case 2: /* interrupt source override */
		if (length >= 10 && entry[2] == 0 && entry[3] < ACPI_OVERRIDES) {
			info->overrides[entry[3]].present = true;
			info->overrides[entry[3]].global = (uint32_t)little_endian(entry + 4, 4);
			info->overrides[entry[3]].flags = (uint16_t)little_endian(entry + 8, 2);
		}
		break;
	case 5: /* local APIC address override */
		if (length >= 12)
			info->local_apic = little_endian(entry + 4, 8);
		break;
	case 9: /* local x2APIC */
		if (length >= 16)
			add_cpu(info, (uint32_t)little_endian(entry + 4, 4),
			        (uint32_t)little_endian(entry + 8, 4));
		break;
	default:
		break;
	}
}

/*@ requires \valid(info) && info_good(info) && table_good(table) && \separated(info, table);
    assigns *info;
    ensures info_good(info);
*/
static void parse_madt(struct acpi_info *info, const struct table *table)
{
	info->local_apic = field(table, 36, 4);
	/*@ loop invariant 44 <= at <= table->length || at == 44;
	    loop invariant info_good(info) && table_good(table);
	    loop assigns at, *info;
	    loop variant table->length - at;
	*/
	for (uint32_t at = 44; at + 2 <= table->length;) {
		uint8_t length = table->bytes[at + 1];

		if (length < 2 || length > table->length - at)
			return;
		parse_madt_entry(info, table->bytes + at, length);
		at += length;
	}
}

/* One integer of AML in a package: ZeroOp, OneOp or BytePrefix. */
/*@ requires table_good(table) && \valid(at) && \valid(value) && \separated(at, value, table);
    requires *at <= table->length;
    assigns *at, *value;
    ensures *at <= table->length;
*/
static bool parse_byte(const struct table *table, uint32_t *at, uint8_t *value)
{
	const uint8_t *bytes = table->bytes;

	if (*at < table->length && bytes[*at] <= 1) {
		*value = bytes[(*at)++];
		return true;
	}
	if (table->length - *at >= 2 && bytes[*at] == 0x0a) {
		*value = bytes[*at + 1];
		*at += 2;
		return true;
	}
	return false;
}

/* Finds Name (_S5_, Package { a, b, ... }) by its bytes: NameOp, the name, PackageOp, length, count, values.
 */
/*@ requires \valid(info) && info_good(info) && table_good(table) && \separated(info, table);
    assigns *info;
    ensures info_good(info);
*/
static void parse_sleep(struct acpi_info *info, const struct table *table)
{
	/*@ loop invariant HEADER_BYTES <= at <= table->length;
	    loop invariant info_good(info) && table_good(table);
	    loop assigns at, *info;
	    loop variant table->length - at;
	*/
	for (uint32_t at = HEADER_BYTES; table->length - at >= 8; at++) {
		const uint8_t *name = table->bytes + at;

		if (memcmp(name, "_S5_", 4) != 0 || name[4] != 0x12)
			continue;
		uint32_t value = at + 6 + name[5] / 64; /* the length's first byte says how many follow */

		if (value >= table->length || table->bytes[value++] < 1)
			continue;
		if (parse_byte(table, &value, &info->sleep_a)) {
			if (!parse_byte(table, &value, &info->sleep_b))
				info->sleep_b = 0;
			info->sleep_known = true;
			return;
		}
	}
}

/*@ requires \valid(info) && info_good(info) && table_good(table) && \separated(info, table);
    assigns *info;
    ensures info_good(info);
*/
static void parse_fadt(struct acpi_info *info, const struct table *table, acpi_view *view)
{
	uint32_t flags = (uint32_t)field(table, 112, 4);
	uint64_t dsdt = field(table, 140, 8);
	struct table definition;

	info->pm1a_control = (uint16_t)field(table, 64, 4);
	info->pm1b_control = (uint16_t)field(table, 68, 4);
	info->pm_timer_port = field(table, 91, 1) == 4 ? (uint16_t)field(table, 76, 4) : 0;
	info->pm_timer_32 = flags & 1 << 8;
	if (flags & 1 << 10 && field(table, 116, 1) == 1) { /* RESET_REG_SUP, in I/O space */
		info->reset_port = (uint16_t)field(table, 120, 8);
		info->reset_value = (uint8_t)field(table, 128, 1);
	}
	if (!dsdt)
		dsdt = field(table, 40, 4);
	if (table_view(&definition, 2, dsdt, view))
		parse_sleep(info, &definition);
}

/*@ requires \valid(root) && \valid(width) && \separated(root, width);
    assigns *root, *width;
    ensures \result ==> table_good(root) && (*width == 4 || *width == 8);
*/
static bool find_root(struct table *root, unsigned *width, uint64_t rsdp, acpi_view *view)
{
	const uint8_t *pointer = rsdp ? view(0, rsdp, HEADER_BYTES) : 0;

	if (!pointer || memcmp(pointer, "RSD PTR ", 8) != 0 || !sum_is_zero(pointer, 20))
		return false;
	uint64_t rsdt = little_endian(pointer + 16, 4);
	uint64_t xsdt =
	    pointer[15] >= 2 && sum_is_zero(pointer, HEADER_BYTES) ? little_endian(pointer + 24, 8) : 0;

	*width = 8;
	if (xsdt && table_view(root, 0, xsdt, view) && memcmp(root->bytes, "XSDT", 4) == 0)
		return true;
	*width = 4;
	return table_view(root, 0, rsdt, view) && memcmp(root->bytes, "RSDT", 4) == 0;
}

bool acpi_parse(struct acpi_info *info, uint64_t rsdp, acpi_view *view)
{
	struct table root, table;
	unsigned width;

	*info = (struct acpi_info){0};
	if (!find_root(&root, &width, rsdp, view))
		return false;
	uint32_t count = (root.length - HEADER_BYTES) / width;

	/*@ loop invariant i <= ACPI_TABLES && info_good(info) && table_good(&root);
	    loop assigns i, table, *info;
	    loop variant ACPI_TABLES - i;
	*/
	for (uint32_t i = 0; i < count && i < ACPI_TABLES; i++) {
		uint64_t physical = little_endian(root.bytes + HEADER_BYTES + i * width, width);

		if (!table_view(&table, 1, physical, view))
			continue;
		if (memcmp(table.bytes, "APIC", 4) == 0)
			parse_madt(info, &table);
		else if (memcmp(table.bytes, "FACP", 4) == 0)
			parse_fadt(info, &table, view);
	}
	return true;
}
