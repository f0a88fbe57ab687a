/* Arguments of the built-in functions on lists and maps. */
#ifndef FLUX_NATIVES_LIST_H
#define FLUX_NATIVES_LIST_H

#include "runtime.h"

#define FROZEN(n)                                                                                            \
	do {                                                                                                 \
		if (as_object(args[n])->flags & OBJECT_FROZEN)                                               \
			return vm_raise(vm, "index", "this %s is a constant", value_type_name(args[n]));     \
	} while (0)
#define ARG_LIST(n) ARG_TYPE(n, T_LIST, "a list")
#define ARG_MAP(n)  ARG_TYPE(n, T_MAP, "a map")

#endif
