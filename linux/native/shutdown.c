/* The end of this sub-kernel: asked for by the manager, because the machine is to be switched off, or by a program with
 * reboot(2). Programs get SIGTERM, and shells SIGHUP; those that have not ended in time are killed, and with the first
 * process the sub-kernel ends, when its files are written. */
#include <holon/blueprint.h>
#include "../internal.h"
#include "native.h"
#include "subkernel.interface.h"

#define GRACE_NS (5 * NS_PER_SECOND)
#define LOOK_NS  (NS_PER_SECOND / 50)

/* reboot(2): linux/reboot.h of the Linux API. */
enum {
	REBOOT_MAGIC = 0xfee1dead,
	REBOOT_MAGIC2 = 672274793,
	REBOOT_MAGIC2A = 85072278,
	REBOOT_MAGIC2B = 369367448,
	REBOOT_MAGIC2C = 537993216,
};
#define REBOOT_RESTART  0x01234567u
#define REBOOT_RESTART2 0xa1b2c3d4u
#define REBOOT_HALT     0xcdef0123u
#define REBOOT_OFF      0x4321fedcu
#define REBOOT_CAD_ON   0x89abcdefu
#define REBOOT_CAD_OFF  0u

static bool begun;

static void ask_all(void)
{
	struct process *process, *next;
	for (process = process_next(0); process; process = next) {
		next = process_next(process);
		(void)signal_send_process(process, SIGTERM, 0);
		if (process->tty && process->sid == process->pid)
			(void)signal_send_process(process, SIGHUP, 0);
		(void)signal_send_process(process, SIGCONT, 0);
	}
}

/* Whether a program may still be at its end. The first process is waited for where it does something at SIGTERM. */
static bool someone_ends(void)
{
	const struct task *first = init_process->leader;
	uint64_t handler = first->handlers ? first->handlers->actions[SIGTERM - 1].handler : SIG_DFL;
	if (handler != SIG_DFL && handler != SIG_IGN)
		return true;
	for (struct process *process = process_next(0); process; process = process_next(process))
		if (process != init_process && !process->zombie)
			return true;
	return false;
}

static void kill_all(int signal)
{
	struct process *process, *next;
	for (process = process_next(0); process; process = next) {
		next = process_next(process);
		if (process != init_process)
			(void)signal_send_process(process, SIGKILL, 0);
	}
	signal_end_process(init_process, signal);
}

static void shutdown_worker(void *argument)
{
	uint64_t end = clock_monotonic() + GRACE_NS;
	(void)argument;
	ask_all();
	while (someone_ends() && clock_monotonic() < end)
		(void)worker_wait(clock_monotonic() + LOOK_NS);
	kill_all(SIGTERM);
	worker_end();
}

void shutdown_begin(void)
{
	if (!begun && !worker_create("shutdown", shutdown_worker, 0))
		kill_all(SIGTERM); /* no memory to wait with */
	begun = true;
}

/* The machine's end, where this sub-kernel may ask for it. */
static int64_t power(uint32_t what)
{
	handle_t control = start_find(linux_start_info(), "control", 0);
	personality_unlock();
	int64_t result = subkernel_power(control, current_page(), what, DEADLINE_NEVER);
	personality_lock();
	return result;
}

SYSCALL_HANDLER(reboot, uint32_t magic, uint32_t magic2, uint32_t command)
{
	bool again = command == REBOOT_RESTART || command == REBOOT_RESTART2;
	const struct pid_namespace *pids = pid_namespace_current();
	if (!capable_in(pids->common.owner, CAP_SYS_BOOT))
		return -EPERM;
	if (magic != REBOOT_MAGIC || (magic2 != REBOOT_MAGIC2 && magic2 != REBOOT_MAGIC2A &&
	                              magic2 != REBOOT_MAGIC2B && magic2 != REBOOT_MAGIC2C))
		return -EINVAL;
	if (command == REBOOT_CAD_ON || command == REBOOT_CAD_OFF)
		return 0; /* no keys end the machine */
	if (!again && command != REBOOT_HALT && command != REBOOT_OFF)
		return -EINVAL;
	/* As in a PID namespace of Linux: its first process ends as by these signals. In one inside this is all. */
	if (pids->level && !pids->init)
		return -EPERM; /* it has ended */
	if (pids->level)
		signal_end_process(pids->init, again ? SIGHUP : SIGINT);
	else if (power(again ? SUBKERNEL_REBOOT : SUBKERNEL_POWER_OFF) < 0)
		kill_all(again ? SIGHUP : SIGINT);
	while (!signal_pending())
		if (wait_sleep_signal())
			break;
	return -EINTR;
}
