/* What exec needs of its neighbours. */
#pragma once

#include "internal.h"

/* Maps the vDSO into MM and sets mm->vdso; a program runs without it when there is no room. */
void vdso_map(struct mm *mm);
