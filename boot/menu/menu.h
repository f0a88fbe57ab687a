/* The boot menus: Holon's own, and the decoy where the medium's signed configuration wants one.
 *
 * They run after everything was verified. What is chosen becomes words of the command line, all of which only take away from what
 * the system may do; nothing that is typed here reaches anything else.
 */
#pragma once

#include <holon/bundle.h>
#include <holon/handoff.h>

/* Shows the menu that belongs to this medium and returns when Holon is to start, with the choice's words at the command line's beginning. */
void menu_run(struct handoff *handoff, const struct bundle_header *bundle);

/* Holon's own menu: WAIT seconds, then standard; 0: it waits for a key. */
void menu_holon(struct handoff *handoff, const struct bundle_header *bundle, uint32_t wait);

struct decoy;
/* The decoy; returns when F12 asks for Holon's menu. */
void menu_decoy(struct decoy *decoy);
/* Puts WORDS before the others of the command line: where a unit's room for words ends, it is the last ones that are left out. */
void words_add(struct handoff *handoff, const char *words);
