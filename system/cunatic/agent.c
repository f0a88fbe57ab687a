/*
 * The agent's process: agent.flux in a machine whose only capability is the gate's socket. Before the program starts, the
 * process gives up every other way out (sandbox.h).
 */
#include "gate.h"

#include "../flux/options.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

extern const char agent_text[], agent_text_end[];
__asm__(".section .rodata\n.global agent_text\nagent_text:\n.incbin \"system/cunatic/agent.flux\"\n"
        ".global agent_text_end\nagent_text_end:\n.byte 0\n.text\n");

static bool transfer(int fd, void *bytes, size_t size, bool writing)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = writing ? write(fd, (char *)bytes + done, size - done)
		                    : read(fd, (char *)bytes + done, size - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	return true;
}

static bool tell(int fd, char kind, const char *a, size_t a_length, const char *b, size_t b_length)
{
	uint32_t length = (uint32_t)(a_length + b_length);
	return transfer(fd, &kind, 1, true) && transfer(fd, &length, sizeof(length), true) &&
	       (!a_length || transfer(fd, (void *)a, a_length, true)) &&
	       (!b_length || transfer(fd, (void *)b, b_length, true));
}

static value host(struct vm *vm, const char *name, value *args, unsigned count)
{
	int fd = *(int *)vm->host_data;
	static bool changed;
	char answer[2];
	if (!strcmp(name, "current") && !count) {
		uint32_t length;
		if (!tell(fd, 'G', NULL, 0, NULL, 0) || !transfer(fd, &length, sizeof(length), false) ||
		    length > SOURCE_LIMIT)
			return vm_raise(vm, "gate", "the gate is gone");
		char *text = malloc(length + 1);
		if (!text || !transfer(fd, text, length, false)) {
			free(text);
			return vm_raise(vm, "gate", "the gate is gone");
		}
		value v = from_object(string_new(vm, text, length));
		free(text);
		changed = false;
		return v;
	}
	if (!strcmp(name, "more") && !count) {
		if (!tell(fd, 'M', NULL, 0, NULL, 0) || !transfer(fd, answer, 1, false))
			return V_FALSE;
		return from_bool(answer[0]);
	}
	if (!strcmp(name, "changed") && !count)
		return from_bool(changed);
	if (!strcmp(name, "vary") && count == 1) {
		ARG_STRING(0);
		char *text =
		    paradox_vary_source(vm, string_bytes(vm, as_string(args[0])), as_string(args[0])->length);
		if (!text)
			return args[0];
		value v = from_object(string_new(vm, text, strlen(text)));
		free(text);
		return v;
	}
	if (!strcmp(name, "propose") && count == 2) {
		ARG_STRING(0);
		ARG_STRING(1);
		struct string *source = as_string(args[0]), *reason = as_string(args[1]);
		if (source->length > SOURCE_LIMIT || reason->length >= REASON_MAX - 1)
			return from_object(string_of(vm, "parse"));
		if (!tell(fd, 'P', string_bytes(vm, reason), reason->length + 1, string_bytes(vm, source),
		          source->length) ||
		    !transfer(fd, answer, 2, false) || answer[0] < 0 || answer[0] > STAGE_ACCEPTED)
			return vm_raise(vm, "gate", "the gate is gone");
		changed = answer[1];
		return from_object(string_of(vm, stage_names[(int)answer[0]]));
	}
	return vm_raise(vm, "field", "the gate has current, more, changed, vary, propose");
}

_Noreturn void agent_main(int socket, uint64_t seed)
{
	struct run_options options = {.seed = seed, .memory = 256u << 20};
	struct source *source = source_new("agent.flux", agent_text, (size_t)(agent_text_end - agent_text));
	struct vm *vm = source ? run_prepare(source, &options, stderr) : NULL;
	if (!vm)
		_exit(2);
	vm->host = host;
	vm->host_data = &socket;
	map_set_text(vm, as_map(vm->args), "gate", capability_host(vm));
	for (int fd = 0; fd < 256; fd++)
		if (fd != socket && fd != 2)
			close(fd);
	confine(1u << 30);
	/* A collection at once: one that asked for more than is allowed would end the agent hours later. */
	vm->heap.wanted = true;
	_exit(run_program(vm));
}
