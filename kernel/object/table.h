/* Slots of capability tables: between table.c, derive.c, unit destruction and the invariant checks. */
#pragma once

#include "object.h"

bool table_init(struct unit *unit); /* directory; false: quota */
void table_deinit(struct unit *unit);
/* Frees the last page, whose slots are all free; false when none is left. The unit is dead. */
bool table_drop_page(struct unit *unit);
struct cap *slot_at(struct unit *unit,
                    uint32_t index); /* 0: no such page; one that is too large is another's */
struct unit *slot_unit(const struct cap *cap);
struct cap *slot_take(struct unit *unit); /* one that cap_reserve has promised */
void slot_give_back(struct cap *cap);     /* unlinked; with its quota */
