/* Sub-kernels below the one the program runs in, through Holon's reserved calls. On any other system they are errors. */
#include "capability.h"

#include "../subkernel/libholon.h"

#include <stdlib.h>

#define SUBKERNELS_MOST 256 /* the manager has no more */

static const char *state_name(uint32_t state)
{
	return state == SUBKERNEL_FROZEN ? "frozen" : state == SUBKERNEL_ENDED ? "ended" : "running";
}

void subkernel_state(const char *name, char *text, size_t size)
{
	struct subkernel_info info;
	snprintf(text, size, "absent");
	for (unsigned i = 0; i < SUBKERNELS_MOST && holon_subkernel_list(i, &info) == 0; i++) {
		info.name[sizeof(info.name) - 1] = 0;
		if (!strcmp(info.name, name))
			snprintf(text, size, "%s", state_name(info.state));
	}
}

static const char *why(int error)
{
	return error == ENOSYS  ? "this is not Holon"
	       : error == EPERM ? "this sub-kernel may not do that"
	       : error == ESRCH ? "no sub-kernel of this number is below this one"
	                        : strerror(error);
}

static value list(struct vm *vm)
{
	value v;
	if (!answer_recorded(vm, "subkernels", &v)) {
		struct text text = {0};
		struct subkernel_info info;
		unsigned i = 0;
		text_put(&text, "=", 1);
		for (; i < SUBKERNELS_MOST && holon_subkernel_list(i, &info) == 0; i++) {
			info.name[sizeof(info.name) - 1] = 0;
			text_print(&text, "%llu %s %llu %llu %llu %s\n", (unsigned long long)info.number,
			           state_name(info.state), (unsigned long long)info.memory_used,
			           (unsigned long long)info.memory_quota, (unsigned long long)info.cpu_time,
			           info.name);
		}
		if (!i && errno != ENOENT) {
			free(text.bytes);
			return answer_refuse(vm, "subkernels", "cannot list sub-kernels: %s", why(errno));
		}
		v = answer_give(vm, "subkernels", &text);
	}
	if (!is_string(v))
		return v;
	struct list *all = list_new(vm, 0);
	const char *at = string_bytes(vm, as_string(v));
	unsigned long long number, used, quota, time;
	char state[16], name[32];
	int length;
	while (sscanf(at, "%llu %15s %llu %llu %llu %31[^\n]%n", &number, state, &used, &quota, &time, name,
	              &length) == 6) {
		struct map *map = map_new(vm, 6);
		map_set_text(vm, map, "number", from_int64(vm, (int64_t)number));
		map_set_text(vm, map, "name", from_object(string_new(vm, name, strlen(name))));
		map_set_text(vm, map, "state", from_object(string_of(vm, state)));
		map_set_text(vm, map, "memory_used", from_int64(vm, (int64_t)used));
		map_set_text(vm, map, "memory_quota", from_int64(vm, (int64_t)quota));
		map_set_text(vm, map, "cpu_ns", from_int64(vm, (int64_t)time));
		list_push(vm, all, from_object(map));
		at += length;
		at += *at == '\n';
	}
	return from_object(all);
}

value subkernels_method(struct vm *vm, const char *name, value *args, unsigned count)
{
	value v;
	int64_t number;
	if (!strcmp(name, "list") && !count)
		return list(vm);
	bool kill = !strcmp(name, "kill"), freeze = !strcmp(name, "freeze");
	if ((!kill && !freeze && strcmp(name, "thaw") != 0) || count != 1)
		return vm_raise(vm, "field", "subkernels has list, kill, freeze, thaw; not '%s'", name);
	if (!to_whole(args[0], &number) || number < 1)
		return vm_raise(vm, "type", "%s(number)", name);
	if (timeline_is_branch(vm))
		return vm_raise(vm, "timeline", "a sub-kernel cannot wait for a merge");
	if (answer_recorded(vm, "subkernel", &v))
		return is_type(v, T_ERROR) ? v : V_TRUE;
	int done =
	    kill ? holon_subkernel_kill((uint64_t)number) : holon_subkernel_freeze((uint64_t)number, freeze);
	if (done != 0)
		return answer_refuse(vm, "subkernel", "cannot %s sub-kernel %lld: %s", name,
		                     (long long)number, why(errno));
	trace_note(vm, "subkernel", "=", 1);
	return V_TRUE;
}
