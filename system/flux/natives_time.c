/* Time: the run's own clock, which is logical unless the run is live, and dates. */
#include "runtime.h"

#include <stdlib.h>

NATIVE(time_now)
{
	(void)args, (void)count;
	/* Never the same twice, as in 1.2. */
	return from_object(duration_new(vm, ++vm->clock_ns, NULL));
}

/* Days since 1970-01-01 of a date of the Gregorian calendar (Howard Hinnant's days_from_civil). */
static int64_t days_of(int64_t y, int64_t m, int64_t d)
{
	y -= m <= 2;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t yoe = y - era * 400, doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static void date_of(int64_t days, int64_t *y, int64_t *m, int64_t *d)
{
	days += 719468;
	int64_t era = (days >= 0 ? days : days - 146096) / 146097, doe = days - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
	*d = doy - (153 * mp + 2) / 5 + 1;
	*m = mp < 10 ? mp + 3 : mp - 9;
	*y = yoe + era * 400 + (*m <= 2);
}

NATIVE(time_format)
{
	(void)count;
	ARG_INT(0, seconds);
	int64_t days = seconds / 86400, rest = seconds % 86400, y, m, d;
	if (seconds > 253402300799 || seconds < -62135596800)
		return vm_raise(vm, "index", "dates go from year 1 to 9999");
	if (rest < 0) {
		rest += 86400;
		days--;
	}
	date_of(days, &y, &m, &d);
	return from_object(string_format(vm, "%04d-%02d-%02dT%02d:%02d:%02dZ", (int)y, (int)m, (int)d,
	                                 (int)(rest / 3600), (int)(rest / 60 % 60), (int)(rest % 60)));
}

static bool digits(const char **at, int n, int64_t *out)
{
	*out = 0;
	for (int i = 0; i < n; i++, (*at)++) {
		if (**at < '0' || **at > '9')
			return false;
		*out = *out * 10 + (**at - '0');
	}
	return true;
}

NATIVE(time_parse)
{
	(void)count;
	ARG_STRING(0);
	const char *at = string_bytes(vm, as_string(args[0]));
	int64_t y, m, d, hour = 0, minute = 0, second = 0;
	static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool ok =
	    digits(&at, 4, &y) && *at++ == '-' && digits(&at, 2, &m) && *at++ == '-' && digits(&at, 2, &d);
	if (ok && (*at == 'T' || *at == ' ')) {
		at++;
		ok = digits(&at, 2, &hour) && *at++ == ':' && digits(&at, 2, &minute);
		if (ok && *at == ':') {
			at++;
			ok = digits(&at, 2, &second);
		}
		if (ok && *at == 'Z')
			at++;
	}
	bool leap = ok && y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
	ok = ok && !*at && m >= 1 && m <= 12 && d >= 1 && d <= lengths[m - 1] + (m == 2 && leap) &&
	     hour < 24 && minute < 60 && second < 61;
	if (!ok)
		return from_object(
		    error_new(vm, "convert", string_of(vm, "not a date like 2026-01-31T12:00:00Z")));
	return from_int64(vm, days_of(y, m, d) * 86400 + hour * 3600 + minute * 60 + second);
}

NATIVE(time_weekday)
{
	(void)count;
	ARG_INT(0, seconds);
	int64_t days = seconds / 86400 - (seconds % 86400 < 0), day = (days + 3) % 7;
	return from_small_int(day < 0 ? day + 7 : day);
}

const struct native_entry time_natives[] = {
    {"now", time_now, 0, 0, 0, "now()", "The time since the start, as a duration; never the same twice."},
    {"format_date", time_format, 1, 1, 0, "format_date(seconds)",
     "Seconds since 1970 as 2026-01-31T12:00:00Z."},
    {"parse_date", time_parse, 1, 1, 0, "parse_date(text)",
     "The seconds since 1970; an error value if it is none."},
    {"weekday", time_weekday, 1, 1, 0, "weekday(seconds)", "0 for Monday to 6."},
    {0},
};
