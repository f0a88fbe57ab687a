/* What exec needs of its neighbours. */
#pragma once

#include "internal.h"

/* The vDSO is there for vdso_map, if memory allows. The common lock is held alone. */
void vdso_ready(void);
/* Maps the vDSO into MM, which nobody else knows yet, and sets mm->vdso; a program runs without it when there is no room.
 * It reads the clocks of the first time namespace. */
void vdso_map(struct mm *mm);
/* MM's vDSO reads the clocks as the time namespace in SET has them. 0 or -ENOMEM. */
int vdso_follow(struct mm *mm, const struct namespaces *set);
