/* The machine's screen, lent to one native tree at a time (its blueprint says `give framebuffer`): meanwhile the console draws
 * nothing. It comes back when the tree ends. */
#pragma once

#include <holon.h>

/* Lends the screen to the sub-kernel NUMBER: *FRAMEBUFFER and *BYTES, and *WORD, which describes it as the tree's argument.
 * E_STATE: there is none, or another has it. */
int64_t screen_lend(uint64_t number, handle_t *framebuffer, uint64_t *bytes, const char **word);
/* NUMBER has ended. */
void screen_return(uint64_t number);
