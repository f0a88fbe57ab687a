/* A simulated machine for tests of the generic kernel: RAM in this process, page tables and TLBs modelled,
 * CPUs driven in turn. One machine a process. Tests act through struct actor: a caller of system calls in
 * some unit. */
#pragma once

#include <holon/syscall.h>
#include "calls.h"
#include "cpu.h"
#include "memory.h"
#include "object.h"
#include "space.h"
#include "thread.h"
#include "unit.h"

#define HOST_MODULE_PAGES 40u

/* Boots: RAM of MEGABYTES, COUNT CPUs, the root unit, one boot module of HOST_MODULE_PAGES pages, page i
 * filled with the word i + 1. */
void host_boot(unsigned megabytes, unsigned count);
extern physical_t host_module_base;
/* The CPU that acts from now on. */
void host_cpu(unsigned index);
/* Lets CPU INDEX do ENTRY(INDEX), or go on with it where it stopped; true when it has stopped in the midst of
 * it: waiting for another CPU, or one time in host_stop_every (0: never) at a marked point. */
bool host_inside(unsigned index); /* it has stopped */
bool host_run(unsigned index, void (*entry)(unsigned index));
/* Every CPU ends the ENTRY it is in. */
void host_finish(void (*entry)(unsigned index));
extern unsigned host_stop_every;
extern bool host_stop_at_locks; /* the taking of a lock is a marked point, too */
/* And before and behind its release: for tests that know who wants it, as one that is not in host_run would wait for ever. */
extern bool host_stop_at_unlocks;
/* Preemption is pending at every Nth look (0: never): cuts long calls into slices. */
extern unsigned host_preempt_every;
/* System calls that were cut and run again, since boot. */
extern uint64_t host_restarts;
uint64_t host_time_ns(void);
void host_advance(uint64_t ns);

/* A caller of system calls that is no scheduled thread: for everything that neither waits nor switches. */
struct actor {
	struct thread *thread;
	struct thread_page *page;
	uint64_t second; /* the last call's second result */
};
void actor_init(struct actor *actor, struct unit *unit);
void actor_deinit(struct actor *actor);
/* Runs a system call to its end (restarts included), then what the kernel does on its way out. */
int64_t call(struct actor *actor, enum syscall_number number, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
             uint64_t e, uint64_t f);
#define CALL1(actor, n, a)       call(actor, n, (uint64_t)(a), 0, 0, 0, 0, 0)
#define CALL2(actor, n, a, b)    call(actor, n, (uint64_t)(a), (uint64_t)(b), 0, 0, 0, 0)
#define CALL3(actor, n, a, b, c) call(actor, n, (uint64_t)(a), (uint64_t)(b), (uint64_t)(c), 0, 0, 0)
#define CALL4(actor, n, a, b, c, d)                                                                          \
	call(actor, n, (uint64_t)(a), (uint64_t)(b), (uint64_t)(c), (uint64_t)(d), 0, 0)
#define CALL5(actor, n, a, b, c, d, e)                                                                       \
	call(actor, n, (uint64_t)(a), (uint64_t)(b), (uint64_t)(c), (uint64_t)(d), (uint64_t)(e), 0)
#define CALL6(actor, n, a, b, c, d, e, f)                                                                    \
	call(actor, n, (uint64_t)(a), (uint64_t)(b), (uint64_t)(c), (uint64_t)(d), (uint64_t)(e),            \
	     (uint64_t)(f))
/* One run of a system call without restarting: CALL_RESTART is passed on. */
int64_t call_once(struct actor *actor, enum syscall_number number, const uint64_t args[6]);

/* Interrupt lines, by slot: OPEN is not masked. And the last write to a port. */
#define HOST_LINES 128u
extern struct host_line {
	bool attached, open;
	uint64_t number;
	uint32_t flags;
} host_lines[HOST_LINES];
extern struct host_write {
	uint16_t port;
	unsigned width;
	uint32_t value, count;
} host_written;

/* What a handle names, past all checks of death. 0: nothing. */
struct object *object_at(struct unit *unit, handle_t handle);

/* A program's access to its memory on the acting CPU, through TLB, tables and the fault path. False: the
 * fault stays unresolved (*FAULT says how). */
bool user_read(struct space *space, uint64_t address, uint64_t *value, enum space_fault *fault);
bool user_write(struct space *space, uint64_t address, uint64_t value, enum space_fault *fault);
bool user_execute(struct space *space, uint64_t address, enum space_fault *fault);

/* Checks of every object of every unit, and of the frames; abort with a message when one fails. */
void machine_check(void);
