/* Programs that sub-kernels started in their descendants (enter() of abi/subkernel.interface): the manager's table of
 * them. One has a number like a sub-kernel's; its capabilities wait here until the personality that is to run it takes
 * them. What a sub-kernel may have at a time is limited, so that none takes the others' room. */
#pragma once

#include <holon.h>

struct entered_program {
	uint64_t number, owner, subkernel; /* number 0: a free entry */
	handle_t memory, event, peer, command;
	uint64_t command_bytes;
	bool told, taken, to_kill, ended;
	uint64_t status;
};

/* Keeps PROGRAM, whose capabilities go over on success. E_QUOTA_CAPS: its owner, or all together, have too many. */
int64_t entered_add(const struct entered_program *program);
/* The next task of SUBKERNEL, and what it takes to start NUMBER (task() and take()). */
int64_t entered_task(uint64_t subkernel, uint32_t *task, uint64_t *number);
int64_t entered_take(uint64_t subkernel, uint64_t number, uint64_t *command_bytes, handle_t *memory,
                     handle_t *event, handle_t *peer, handle_t *command);
/* NUMBER in SUBKERNEL has ended: its owner is told. */
int64_t entered_left(uint64_t subkernel, uint64_t number, uint64_t status);
/* Asks for NUMBER's end, which OWNER started. Its sub-kernel, or 0. */
uint64_t entered_kill(uint64_t owner, uint64_t number);
/* NUMBER's status, once, to OWNER. */
int64_t entered_status(uint64_t owner, uint64_t number, uint64_t *status);
/* SUBKERNEL has ended: all that was started in it is killed. */
void entered_end(uint64_t subkernel);
/* SUBKERNEL is forgotten, and with it what it started. */
void entered_forget(uint64_t subkernel);
