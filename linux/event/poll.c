/* poll(2), ppoll(2), select(2), pselect6(2): asks every file once, queues on all, sleeps, asks again. */
#include "../internal.h"
#include "../include/file.h"

#define ENTRIES_INLINE 16u
#define FD_WORDS       16u /* 1,024 descriptors */

/* Queue entries of one call, in blocks. */
struct poll_block {
	struct poll_block *next;
	uint32_t count;
	struct wait_entry entries[ENTRIES_INLINE];
};

struct poller {
	struct poll_table table;
	struct poll_block first;
	struct poll_block *last;
	bool failed;
};

static void poller_add(struct poll_table *table, struct wait_queue *queue)
{
	struct poller *poller = container_of(table, struct poller, table);
	if (poller->last->count == ENTRIES_INLINE) {
		struct poll_block *block = heap_allocate(sizeof(*block));
		if (!block) {
			poller->failed = true;
			return;
		}
		poller->last->next = block;
		poller->last = block;
	}
	wait_begin(&poller->last->entries[poller->last->count++], queue);
}

static void poller_init(struct poller *poller)
{
	poller->table.add = poller_add;
	poller->first.next = 0;
	poller->first.count = 0;
	poller->last = &poller->first;
	poller->failed = false;
}

static void poller_end(struct poller *poller)
{
	struct poll_block *block = &poller->first;
	while (block) {
		struct poll_block *next = block->next;
		for (uint32_t i = 0; i < block->count; i++)
			wait_end(&block->entries[i]);
		if (block != &poller->first)
			heap_free(block);
		block = next;
	}
}

static uint32_t file_poll(struct file *file, struct poll_table *table)
{
	return file->ops->poll ? file->ops->poll(file, table) : POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
}

static uint32_t ask(struct file *file, uint32_t events, struct poll_table *table)
{
	if (!file || file->flags & O_PATH)
		return POLLNVAL;
	return file_poll(file, table) & (events | POLLERR | POLLHUP);
}

/* Asks all of FDS, whose open files are FILES; how many have something. Once one has, nothing more is queued.
 */
static int64_t ask_all(struct linux_pollfd *fds, struct file *const *files, uint32_t count,
                       struct poll_table *table)
{
	int64_t ready = 0;
	for (uint32_t i = 0; i < count; i++) {
		fds[i].revents = 0;
		if (fds[i].fd < 0)
			continue;
		fds[i].revents = (int16_t)ask(files[i], (uint16_t)fds[i].events, ready ? 0 : table);
		ready += fds[i].revents != 0;
	}
	return ready;
}

static int64_t poll_until(struct linux_pollfd *fds, uint32_t count, uint64_t deadline)
{
	struct poller poller;
	/* Files stay open for the whole call, whoever closes their descriptors meanwhile. */
	struct file *few[ENTRIES_INLINE];
	struct file **files = count <= ENTRIES_INLINE ? few : heap_allocate(count * sizeof(void *));
	if (!files)
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++)
		files[i] = fds[i].fd >= 0 ? file_get(fds[i].fd) : 0;
	poller_init(&poller);
	int64_t ready = ask_all(fds, files, count, 0);
	bool wait = !ready && deadline != DEADLINE_POLL;
	if (wait)
		ready = ask_all(fds, files, count, &poller.table);
	while (wait && !ready) {
		if (poller.failed) {
			ready = -ENOMEM;
			break;
		}
		int result = wait_sleep(deadline);
		ready = ask_all(fds, files, count, 0);
		if (!ready && result) {
			ready = result == -ETIMEDOUT ? 0 : -ERESTARTNOHAND;
			break;
		}
	}
	poller_end(&poller);
	for (uint32_t i = 0; i < count; i++)
		if (files[i])
			file_release(files[i]);
	if (files != few)
		heap_free(files);
	return ready;
}

static int64_t do_poll(uint64_t address, uint32_t count, uint64_t deadline)
{
	struct linux_pollfd few[32];
	if (count > current_task()->process->limits[RLIMIT_NOFILE].current)
		return -EINVAL;
	struct linux_pollfd *fds = count <= 32 ? few : heap_allocate(count * sizeof(*fds));
	if (!fds)
		return -ENOMEM;
	int64_t result = -EFAULT;
	if (!count || copy_from_user(fds, address, count * sizeof(*fds)) == 0) {
		result = poll_until(fds, count, deadline);
		for (uint32_t i = 0; i < count && result >= 0; i++)
			if (copy_to_user(address + i * sizeof(*fds) + offsetof(struct linux_pollfd, revents),
			                 &fds[i].revents, 2))
				result = -EFAULT;
	}
	if (fds != few)
		heap_free(fds);
	return result;
}

static uint64_t deadline_after(uint64_t ns)
{
	uint64_t deadline;
	if (ns == UINT64_MAX)
		return DEADLINE_NEVER;
	if (!ns)
		return DEADLINE_POLL;
	return __builtin_add_overflow(clock_monotonic(), ns, &deadline) ? DEADLINE_NEVER : deadline;
}

static int64_t poll_restart(struct task *task)
{
	return do_poll(task->restart_data[0], (uint32_t)task->restart_data[1], task->restart_data[2]);
}

SYSCALL_HANDLER(poll, uint64_t address, uint32_t count, int32_t milliseconds)
{
	struct task *task = current_task();
	uint64_t deadline = deadline_after(milliseconds < 0 ? UINT64_MAX : (uint64_t)milliseconds * 1000000);
	int64_t result = do_poll(address, count, deadline);
	if (result != -ERESTARTNOHAND)
		return result;
	task->restart = poll_restart;
	task->restart_data[0] = address;
	task->restart_data[1] = count;
	task->restart_data[2] = deadline;
	return -ERESTART_RESTARTBLOCK;
}

/* Writes what is left of a relative time-out, as Linux does. */
static void put_remaining(uint64_t address, uint64_t deadline, bool microseconds)
{
	uint64_t now = clock_monotonic();
	uint64_t left = deadline > now && deadline != DEADLINE_POLL ? deadline - now : 0;
	uint64_t parts[2] = {left / NS_PER_SECOND, left % NS_PER_SECOND / (microseconds ? 1000 : 1)};
	if (address && deadline != DEADLINE_NEVER && copy_to_user(address, parts, sizeof(parts)))
		return; /* the call's result counts */
}

SYSCALL_HANDLER(ppoll, uint64_t address, uint32_t count, uint64_t timeout, uint64_t mask, uint64_t mask_bytes)
{
	uint64_t ns;
	int error = get_user_timespec(timeout, &ns);
	if (!error)
		error = signal_temporary_mask(mask, mask_bytes);
	if (error)
		return error;
	uint64_t deadline = deadline_after(ns);
	int64_t result = do_poll(address, count, deadline);
	put_remaining(timeout, deadline, false);
	return result;
}

/* ---- select ---- */

static const uint32_t select_wants[3] = {POLLIN | POLLRDNORM | POLLRDBAND | POLLHUP | POLLERR,
                                         POLLOUT | POLLWRNORM | POLLWRBAND | POLLERR, POLLPRI};

struct select_sets {
	uint64_t in[3][FD_WORDS], out[3][FD_WORDS];
};

/* What SETS ask of descriptor BIT of word WORD. */
static uint32_t select_events(const struct select_sets *sets, uint32_t word, uint32_t bit)
{
	uint32_t events = 0;
	for (unsigned i = 0; i < 3; i++)
		if (sets->in[i][word] >> bit & 1)
			events |= select_wants[i];
	return events;
}

/* Enters what descriptor BIT of word WORD has; the number of bits set. */
static int64_t select_enter(struct select_sets *sets, uint32_t word, uint32_t bit, uint32_t has)
{
	int64_t set = 0;
	for (unsigned i = 0; i < 3; i++)
		if (has & select_wants[i] && sets->in[i][word] >> bit & 1) {
			sets->out[i][word] |= 1ull << bit;
			set++;
		}
	return set;
}

/* Asks every descriptor once; the number of bits set. USED: how many descriptors are asked. */
static int64_t select_ask(struct select_sets *sets, uint32_t words, uint32_t *used)
{
	int64_t ready = 0;
	for (uint32_t word = 0; word < words; word++) {
		uint64_t left = sets->in[0][word] | sets->in[1][word] | sets->in[2][word];
		for (; left; left &= left - 1) {
			uint32_t bit = (uint32_t)__builtin_ctzll(left);
			struct file *file = file_get((int)(word * 64 + bit));
			bool bad = !file || file->flags & O_PATH;
			uint32_t has = bad ? 0 : file_poll(file, 0);
			if (file)
				file_release(file);
			if (bad)
				return -EBADF;
			if (has)
				ready += select_enter(sets, word, bit, has);
			++*used;
		}
	}
	return ready;
}

/* Sleeps until one of the USED descriptors of SETS has something; the number of bits set. */
static int64_t select_sleep(struct select_sets *sets, uint32_t words, uint32_t used, uint64_t deadline)
{
	struct linux_pollfd few[32];
	struct linux_pollfd *fds = used <= 32 ? few : heap_allocate(used * sizeof(*fds));
	if (!fds)
		return -ENOMEM;
	uint32_t at = 0;
	for (uint32_t word = 0; word < words; word++) {
		uint64_t left = sets->in[0][word] | sets->in[1][word] | sets->in[2][word];
		for (; left; left &= left - 1) {
			uint32_t bit = (uint32_t)__builtin_ctzll(left);
			int16_t events = (int16_t)select_events(sets, word, bit);
			fds[at++] = (struct linux_pollfd){(int)(word * 64 + bit), events, 0};
		}
	}
	int64_t result = poll_until(fds, used, deadline);
	if (result > 0) {
		result = 0;
		for (uint32_t i = 0; i < used; i++) {
			uint32_t fd = (uint32_t)fds[i].fd;
			result += select_enter(sets, fd / 64, fd % 64, (uint16_t)fds[i].revents);
		}
	}
	if (fds != few)
		heap_free(fds);
	return result;
}

static int64_t do_select(int count, const uint64_t addresses[3], uint64_t deadline)
{
	struct select_sets sets;
	uint32_t used = 0;
	if (count < 0)
		return -EINVAL;
	if (count > (int)FD_WORDS * 64)
		count = FD_WORDS * 64;
	uint32_t words = ((uint32_t)count + 63) / 64;
	for (unsigned i = 0; i < 3; i++) {
		for (uint32_t word = 0; word < words; word++)
			sets.in[i][word] = sets.out[i][word] = 0;
		if (addresses[i] && copy_from_user(sets.in[i], addresses[i], words * 8))
			return -EFAULT;
		if (words && count % 64)
			sets.in[i][words - 1] &= (1ull << count % 64) - 1;
	}
	int64_t result = select_ask(&sets, words, &used);
	if (!result && deadline != DEADLINE_POLL)
		result = select_sleep(&sets, words, used, deadline);
	for (unsigned i = 0; i < 3 && result >= 0; i++)
		if (addresses[i] && copy_to_user(addresses[i], sets.out[i], words * 8))
			result = -EFAULT;
	return result;
}

SYSCALL_HANDLER(select, int count, uint64_t reads, uint64_t writes, uint64_t exceptions, uint64_t timeout)
{
	struct linux_timeval time;
	uint64_t ns = UINT64_MAX;
	uint64_t sets[3] = {reads, writes, exceptions};
	if (timeout) {
		if (copy_from_user(&time, timeout, sizeof(time)))
			return -EFAULT;
		if (time.tv_sec < 0 || time.tv_usec < 0)
			return -EINVAL;
		ns = (uint64_t)time.tv_sec > 1ull << 33
		         ? UINT64_MAX
		         : (uint64_t)time.tv_sec * NS_PER_SECOND + (uint64_t)time.tv_usec * 1000;
	}
	uint64_t deadline = deadline_after(ns);
	int64_t result = do_select(count, sets, deadline);
	put_remaining(timeout, deadline, true);
	return result;
}

SYSCALL_HANDLER(pselect6, int count, uint64_t reads, uint64_t writes, uint64_t exceptions, uint64_t timeout,
                uint64_t mask_pointer)
{
	uint64_t mask[2] = {0, 0};
	uint64_t sets[3] = {reads, writes, exceptions};
	uint64_t ns;
	int error = get_user_timespec(timeout, &ns);
	if (!error && mask_pointer && copy_from_user(mask, mask_pointer, sizeof(mask)))
		error = -EFAULT;
	if (!error)
		error = signal_temporary_mask(mask[0], mask[1]);
	if (error)
		return error;
	uint64_t deadline = deadline_after(ns);
	int64_t result = do_select(count, sets, deadline);
	put_remaining(timeout, deadline, false);
	return result;
}
