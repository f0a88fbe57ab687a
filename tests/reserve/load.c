/* The test of the services' reserve (reserve_test.py): one program in two parts.
 *
 * As a service (argument "serves=") it works long for each request. As the unit "check" it gives the system's own file service a long
 * request, a file to verify: one alone, to see what that takes, then one as long while
 *   - two callers keep each of those other services busy. Their budgets are small: nearly all of it is the services' own time;
 *   - a loop uses up what is left of all that may be admitted of the CPU.
 * The second may last as long as docs/realtime.md derives ("others=": the slices of all other budgets that take turns, in us).
 */
#include <holon.h>
#include <sysimg/sysimg.h>
#include <text.h>
#include "vfs.interface.h"

#define MS          1000000ull
#define LOOPS       4000000u /* of a request of the other services: some 20 ms */
#define BUSY_NS     (4000 * MS)
#define BUSY_FROM   (200 * MS)
#define STACK_BYTES 16384u
#define THREADS_MAX 8u
#define SLICE_NS    MS        /* the file service's */
#define CALLERS_NS  (10 * MS) /* period of the callers' budgets: so long an answer may wait for its caller */
#define ADMITTED_NS (60 * MS) /* what admitted budgets may take at once beyond their part */
#define RESERVE     40u       /* percent */

struct thread_argument {
	handle_t channel;
	uint64_t calls;
};

static const struct start_info *start;
static struct thread_page *page;
static uint64_t busy_until;
static struct thread_argument callers[THREADS_MAX];

#define SAY(...) log_print(start_find(start, "log", 0), page, __VA_ARGS__)

static void compute(unsigned loops)
{
	for (volatile unsigned i = 0; i < loops; i++) {
	}
}

static int serve(const char *name)
{
	handle_t channel = start_find(start, name, 0);
	struct message message = {0};
	int64_t result = channel_receive(channel, &message, DEADLINE_NEVER);
	while (result >= 0) {
		compute(LOOPS);
		message.info = 0;
		result = channel_reply_receive(channel, &message, DEADLINE_NEVER);
	}
	return 1;
}

static void call_main(uint64_t argument, uint64_t unused, struct thread_page *own)
{
	struct thread_argument *caller = (struct thread_argument *)argument;
	(void)unused;
	(void)own;
	while (clock_ns() < busy_until) {
		struct message message = {0};
		if (channel_call(caller->channel, &message, DEADLINE_NEVER) < 0)
			break;
		caller->calls++;
	}
	thread_exit();
}

static void loop_main(uint64_t argument, uint64_t unused, struct thread_page *own)
{
	(void)argument;
	(void)unused;
	(void)own;
	while (clock_ns() < busy_until)
		compute(100);
	thread_exit();
}

/* A budget on the first CPU that is admitted; 0: it is not. */
static handle_t admitted(uint32_t priority, uint64_t quota_ns, uint64_t period_ns)
{
	struct budget_spec spec = {
	    .priority = priority, .quota_ns = quota_ns, .period_ns = period_ns, .refills_max = 8};
	int64_t budget = budget_create(page, start->unit, &spec);
	return budget < 0 ? 0 : (handle_t)budget;
}

static bool run(void (*entry)(uint64_t, uint64_t, struct thread_page *), void *argument, handle_t budget)
{
	handle_t memory;
	char *own = window_allocate(PAGE_SIZE_BYTES, &memory), *stack = window_allocate(STACK_BYTES, 0);
	struct thread_spec spec = {.entry = (uint64_t)entry,
	                           .stack = (uint64_t)stack + STACK_BYTES - 8,
	                           .argument = {(uint64_t)argument, 0},
	                           .budget = budget,
	                           .page_address = (uint64_t)own};
	int64_t thread = own && stack && budget
	                     ? thread_create(page, start->unit, start->space, memory, 0, &spec)
	                     : E_ARGUMENT;
	return thread >= 0 && thread_start((handle_t)thread) >= 0;
}

/* Callers of all the other services, and the loop. */
static bool load(void)
{
	unsigned count = 0;
	busy_until = clock_ns() + BUSY_NS;
	for (char name[] = "busy0"; count + 2 <= THREADS_MAX && start_find(start, name, 0); name[4]++)
		for (unsigned i = 0; i < 2; i++, count++) {
			callers[count].channel = start_find(start, name, 0);
			if (!run(call_main, &callers[count], admitted(160, 50000, CALLERS_NS)))
				return false;
		}
	return count >= 2 && run(loop_main, 0, admitted(150, 55 * MS, 100 * MS));
}

static uint64_t verify(const struct sysimg *image, const char *path)
{
	int64_t node = sysimg_path(image, path);
	uint64_t before = clock_ns();
	int64_t result =
	    node < 0 ? node : vfs_verify(start_find(start, "vfs", 0), page, (uint32_t)node, DEADLINE_NEVER);
	uint64_t after = clock_ns();
	return result < 0 ? 0 : after - before;
}

static uint64_t number(const char *name)
{
	uint64_t value = 0;
	for (const char *at = start_word(start, name); at && *at >= '0' && *at <= '9'; at++)
		value = value * 10 + (uint64_t)(*at - '0');
	return value;
}

static const char *check(void)
{
	static struct sysimg image;
	handle_t memory = 0, never = (handle_t)event_create();
	uint64_t bytes = 0, others = number("others=") * 1000;
	const void *map = vfs_image(start_find(start, "vfs", 0), page, &memory, &bytes, DEADLINE_NEVER) < 0
	                      ? 0
	                      : window_map(memory, 0, bytes, MAP_READ);
	if (!map || sysimg_open(&image, map, bytes, false))
		return "it cannot see the image";
	uint64_t work = verify(&image, "one");
	handle_t own = admitted(199, 200000, CALLERS_NS);
	if (!work || !own || thread_set(0, THREAD_SET_BUDGET, own) < 0)
		return "a file cannot be verified, or its budget is not admitted";
	if (admitted(150, 59 * MS, 100 * MS))
		return "more is admitted than the reserve leaves";
	if (!load())
		return "a thread cannot be started";
	(void)event_wait(never, clock_ns() + BUSY_FROM, 0);
	uint64_t before = 0, calls = 0,
	         most = (work + (work / SLICE_NS + 2) * others + ADMITTED_NS) * 100 / RESERVE + CALLERS_NS;
	for (unsigned i = 0; i < THREADS_MAX; i++)
		before += callers[i].calls;
	uint64_t under = verify(&image, "two");
	for (unsigned i = 0; i < THREADS_MAX; i++)
		calls += callers[i].calls;
	SAY("a request of %lu us took %lu us beside %lu others, and may take %lu us\n", work / 1000,
	    under / 1000, calls - before, most / 1000);
	if (calls == before)
		return "the other services did nothing meanwhile";
	return under && under <= most ? 0 : "it took longer";
}

int program_main(const struct start_info *info, struct thread_page *thread_page)
{
	start = info;
	page = thread_page;
	const char *serves = start_word(info, "serves=");
	if (serves)
		return serve(serves);
	const char *wrong = check();
	if (wrong)
		SAY("not ok reserve: a service ends its request in time beside others that are kept busy - "
		    "%s\n",
		    wrong);
	else
		SAY("ok reserve: a service ends its request in time beside others that are kept busy\n");
	SAY("done\n");
	return 0;
}
