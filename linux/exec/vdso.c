/* The vDSO's place in an address space, and the data page it reads. */
#include "exec/exec.h"

void vdso_map(struct mm *mm)
{
	mm->vdso = 0;
}

void vdso_update(void)
{
}
