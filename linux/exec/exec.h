/* What exec needs of its neighbours. */
#pragma once

#include "internal.h"

/* Maps the vDSO into MM and sets mm->vdso; a program runs without it when there is no room. */
void vdso_map(struct mm *mm);
/* MM's vDSO reads the clocks as the time namespace in SET has them. 0 or -ENOMEM. */
int vdso_follow(struct mm *mm, const struct namespaces *set);
