/* See entered.h. */
#include "entered.h"
#include <holon/blueprint.h>

#define PROGRAMS_MAX 256
#define OWN_MAX      32u
#define KILLED       9u

static struct entered_program programs[PROGRAMS_MAX];

static struct entered_program *find(uint64_t number)
{
	for (unsigned i = 0; number && i < PROGRAMS_MAX; i++)
		if (programs[i].number == number)
			return &programs[i];
	return 0;
}

static void drop(handle_t *handle)
{
	if (*handle)
		cap_delete(*handle);
	*handle = 0;
}

/* What was to be handed over and will not be any more. */
static void drop_parts(struct entered_program *program)
{
	drop(&program->memory);
	drop(&program->event);
	drop(&program->command);
}

static void end(struct entered_program *program, uint64_t status)
{
	if (program->ended)
		return;
	program->ended = true;
	program->status = status;
	drop_parts(program);
	event_signal(program->peer, SUBKERNEL_EVENT_ENDED);
}

static void forget(struct entered_program *program)
{
	drop_parts(program);
	drop(&program->peer);
	*program = (struct entered_program){0};
}

int64_t entered_add(const struct entered_program *program)
{
	struct entered_program *place = 0;
	unsigned own = 0;
	for (unsigned i = 0; i < PROGRAMS_MAX; i++) {
		own += programs[i].number && programs[i].owner == program->owner;
		if (!programs[i].number && !place)
			place = &programs[i];
	}
	if (!place || own >= OWN_MAX)
		return E_QUOTA_CAPS;
	*place = *program;
	return E_OK;
}

int64_t entered_task(uint64_t subkernel, uint32_t *task, uint64_t *number)
{
	for (unsigned i = 0; i < PROGRAMS_MAX; i++) {
		struct entered_program *program = &programs[i];
		if (!program->number || program->subkernel != subkernel || program->ended)
			continue;
		/* Each is started before it is killed. */
		if (!program->told) {
			program->told = true;
			*task = SUBKERNEL_TASK_ENTER;
		} else if (program->to_kill) {
			program->to_kill = false;
			*task = SUBKERNEL_TASK_KILL;
		} else {
			continue;
		}
		*number = program->number;
		return E_OK;
	}
	return E_NOT_FOUND;
}

int64_t entered_take(uint64_t subkernel, uint64_t number, uint64_t *command_bytes, handle_t *memory,
                     handle_t *event, handle_t *peer, handle_t *command)
{
	struct entered_program *program = find(number);
	if (!program || program->subkernel != subkernel || program->taken || program->ended)
		return E_NOT_FOUND;
	/* Its owner's event is told here too, when it has ended. */
	int64_t copy = cap_copy(program->peer, RIGHT_SIGNAL | RIGHT_COPY | RIGHT_MOVE, 0);
	if (copy < 0)
		return copy;
	program->taken = true;
	*command_bytes = program->command_bytes;
	*memory = program->memory;
	*event = program->event;
	*peer = (handle_t)copy;
	*command = program->command;
	program->memory = program->event = program->command = 0;
	return E_OK;
}

int64_t entered_left(uint64_t subkernel, uint64_t number, uint64_t status)
{
	struct entered_program *program = find(number);
	if (!program || program->subkernel != subkernel || program->ended)
		return E_NOT_FOUND;
	end(program, status);
	return E_OK;
}

uint64_t entered_kill(uint64_t owner, uint64_t number)
{
	struct entered_program *program = find(number);
	if (!program || program->owner != owner || program->ended)
		return 0;
	program->to_kill = true;
	return program->subkernel;
}

int64_t entered_status(uint64_t owner, uint64_t number, uint64_t *status)
{
	struct entered_program *program = find(number);
	if (!program || program->owner != owner)
		return E_NOT_FOUND;
	if (!program->ended)
		return E_STATE;
	*status = program->status;
	forget(program);
	return E_OK;
}

void entered_end(uint64_t subkernel)
{
	for (unsigned i = 0; i < PROGRAMS_MAX; i++)
		if (programs[i].number && programs[i].subkernel == subkernel)
			end(&programs[i], KILLED);
}

void entered_forget(uint64_t subkernel)
{
	for (unsigned i = 0; i < PROGRAMS_MAX; i++)
		if (programs[i].number && programs[i].owner == subkernel)
			forget(&programs[i]);
}
