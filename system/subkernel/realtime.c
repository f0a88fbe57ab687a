/* Reading the MC146818: see realtime.h. A reading counts when two in a row agree and no update was under way.
 */
#include "realtime.h"

#include <holon.h>
#include <text.h>

#define PORT_INDEX 0x70
#define PORT_DATA  0x71
#define TRIES      10000

enum { SECONDS, MINUTES, HOURS, DAY, MONTH, YEAR, FIELDS };

static uint8_t read_register(handle_t ports, uint8_t index)
{
	ioport_out(ports, PORT_INDEX, 1, index);
	return (uint8_t)ioport_in(ports, PORT_DATA, 1);
}

static void read_fields(handle_t ports, uint8_t fields[FIELDS])
{
	static const uint8_t registers[FIELDS] = {0, 2, 4, 7, 8, 9};
	for (unsigned i = 0; i < FIELDS; i++)
		fields[i] = read_register(ports, registers[i]);
}

static unsigned decimal(uint8_t value, bool binary)
{
	return binary ? value : (value >> 4) * 10u + (value & 15u);
}

/* Days from 1970-01-01 to a date of the Gregorian calendar after it. */
static uint64_t days_before(unsigned year, unsigned month, unsigned day)
{
	static const uint16_t before_month[12] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
	unsigned leap_years =
	    (year - 1) / 4 - (year - 1) / 100 + (year - 1) / 400 - 477; /* 477: up to 1969 */
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
	return (year - 1970) * 365ull + leap_years + before_month[month - 1] + (leap && month > 2) + day - 1;
}

uint64_t realtime_at_boot(uint64_t ports)
{
	uint8_t fields[FIELDS], again[FIELDS];
	unsigned tries = 0;
	if (!ports)
		return 0;
	do {
		while ((read_register(ports, 10) & 0x80) && tries++ < TRIES)
			;
		read_fields(ports, fields);
		read_fields(ports, again);
	} while (memcmp(fields, again, sizeof(fields)) != 0 && tries++ < TRIES);
	uint8_t mode = read_register(ports, 11);
	bool binary = mode & 4, afternoon = !(mode & 2) && (fields[HOURS] & 0x80);
	unsigned hours = decimal(fields[HOURS] & 0x7f, binary);
	if (!(mode & 2))
		hours = hours % 12 + (afternoon ? 12 : 0);
	unsigned month = decimal(fields[MONTH], binary), day = decimal(fields[DAY], binary);
	unsigned seconds = decimal(fields[SECONDS], binary), minutes = decimal(fields[MINUTES], binary);
	if (tries >= TRIES || month < 1 || month > 12 || day < 1 || day > 31 || hours > 23 || minutes > 59 ||
	    seconds > 60)
		return 0;
	uint64_t now = days_before(2000 + decimal(fields[YEAR], binary), month, day) * 86400 + hours * 3600 +
	               minutes * 60 + seconds;
	uint64_t running = clock_ns() / 1000000000;
	return now > running ? now - running : 0;
}
