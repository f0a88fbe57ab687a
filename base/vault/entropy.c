/* Randomness for keys and nonces: the unit's generator, which the entropy service seeds. Waits for that, but not for ever: whoever
 * called the vault waits too. */
#include <generator.h>
#include "vault.h"

#define TRY_NS 20000000ull
#define TRIES  500u

int entropy_get(void *buffer, size_t bytes)
{
	static struct generator generator;
	static bool started;
	if (!started)
		generator_init(&generator, service.info);
	started = true;
	for (unsigned tries = 0; !generator_ready(&generator, service.page); tries++) {
		if (tries == TRIES)
			return -1;
		event_wait(service.pause, clock_ns() + TRY_NS, 0);
	}
	generator_draw(&generator, buffer, bytes);
	return 0;
}
