/* getrandom(2), and randomness for the personality itself: lib/holon/generator.h, seeded by the entropy service.
 *
 * What programs get waits until 256 bits are in it. What the personality draws for itself (addresses, AT_RANDOM, ports) does not wait, as on
 * Linux: before that, it may be guessed.
 */
#include "internal.h"
#include <generator.h>
#include "wait.h"

#define RETRY_NS 20000000ull

enum { GRND_NONBLOCK = 1, GRND_RANDOM = 2, GRND_INSECURE = 4 };

static struct lock lock = LOCK_INIT(LOCK_RANDOM);
static struct generator generator;

void random_init(struct thread_page *page)
{
	generator_init(&generator, linux_start_info());
	(void)generator_ready(&generator, page);
}

bool random_ready(void)
{
	struct generator_seed seed;
	lock_acquire(&lock);
	bool ready = generator_fresh(&generator);
	lock_release(&lock);
	if (ready)
		return true;
	int64_t result = generator_fetch(&generator, current_page(), &seed);
	lock_acquire(&lock);
	ready = generator_put(&generator, &seed, result);
	lock_release(&lock);
	return ready;
}

int random_wait(bool block)
{
	while (!random_ready()) {
		if (!block)
			return -EAGAIN;
		wait_prepare();
		int result = wait_sleep_prepared(clock_monotonic() + RETRY_NS);
		if (result && result != -ETIMEDOUT)
			return result;
	}
	return 0;
}

void random_bytes(void *to, size_t bytes)
{
	lock_acquire(&lock);
	generator_draw(&generator, to, bytes);
	lock_release(&lock);
}

SYSCALL_HANDLER(getrandom, uint64_t address, uint64_t bytes, uint32_t flags)
{
	uint8_t buffer[512];
	if (flags & ~7u || (flags & (GRND_RANDOM | GRND_INSECURE)) == (GRND_RANDOM | GRND_INSECURE))
		return -EINVAL;
	int64_t result = flags & GRND_INSECURE ? 0 : random_wait(!(flags & GRND_NONBLOCK));
	if (result)
		return result;
	if (bytes > INT32_MAX)
		bytes = INT32_MAX;
	for (uint64_t done = 0; done < bytes;) {
		uint64_t chunk = bytes - done < sizeof(buffer) ? bytes - done : sizeof(buffer);
		random_bytes(buffer, chunk);
		if (copy_to_user(address + done, buffer, chunk))
			return done ? (int64_t)done : -EFAULT;
		done += chunk;
		if (signal_pending() && done >= 256 && done < bytes)
			return (int64_t)done;
	}
	return (int64_t)bytes;
}
