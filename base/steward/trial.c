/* See trial.h. */
#include "trial.h"

#include <text.h>
#include "supervise.h"

#define LOG(...) log_print(supervisor.log, supervisor.page, __VA_ARGS__)

#define LIMIT_SECONDS 300u
#define SECOND_NS     1000000000ull

static const struct handoff *boot;
static unsigned limit = LIMIT_SECONDS;
static bool begun, passed;

/* What follows PREFIX in the first word of the command line that begins with it; 0: none does. */
static const char *word(const char *prefix)
{
	size_t length = strlen(prefix);
	for (const char *at = boot->command_line; *at; at++) {
		if (!strncmp(at, prefix, length))
			return at + length;
		while (*at && *at != ' ')
			at++;
		if (!*at)
			break;
	}
	return 0;
}

void trial_begin(const struct handoff *handoff, handle_t event)
{
	boot = handoff;
	const char *fallback = word("fallback"), *said = word("trial-limit=");
	if (!fallback || (*fallback && *fallback != ' '))
		return;
	if (said && boot->trust.flags & HANDOFF_TRUST_DEVELOPMENT)
		for (limit = 0; *said >= '0' && *said <= '9' && limit < LIMIT_SECONDS; said++)
			limit = limit * 10 + (unsigned)(*said - '0');
	begun = event_timer(event, clock_ns() + limit * SECOND_NS, TRIAL_BIT) >= 0;
}

void trial_passed(void)
{
	passed = true;
}

void trial_look(void)
{
	if (!begun || passed)
		return;
	begun = false;
	LOG("steward: on trial, this system has not shown in %u seconds that it works: the machine "
	    "restarts\n",
	    limit);
	(void)system_control(boot->system, SYSTEM_REBOOT, 0);
}
