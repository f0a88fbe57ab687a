/* See screen.h. */
#include "screen.h"
#include <text.h>
#include "console.interface.h"
#include "manager.h"

#define CALL_NS 3000000000ull

static uint64_t holder; /* 0: the console draws */

static int64_t tell_console(uint32_t lent)
{
	return console_screen(start_find(manager.info, "console", 0), manager.page, lent,
	                      clock_ns() + CALL_NS);
}

int64_t screen_lend(uint64_t number, handle_t *framebuffer, uint64_t *bytes, const char **word)
{
	*framebuffer = start_find(manager.info, "framebuffer", bytes);
	*word = start_word(manager.info, "framebuffer=");
	if (holder || !*framebuffer || !*word || tell_console(1) < 0)
		return E_STATE;
	holder = number;
	return E_OK;
}

void screen_return(uint64_t number)
{
	if (!holder || holder != number)
		return;
	holder = 0;
	/* A console that was restarted meanwhile draws already. */
	(void)(tell_console(0) < 0);
}
