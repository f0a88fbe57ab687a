/* The vDSO: clock reading for guests without a system call (vdso(7)). Position independent, no relocations,
 * no data of its own; the data page lies just below it.
 */
#include "vdso/data.h"

#define NS_PER_SECOND 1000000000ull

struct time_pair {
	int64_t seconds, fraction;
};

extern const struct vdso_data vdso_data __attribute__((visibility("hidden")));

int __vdso_clock_gettime(int clock, struct time_pair *time);
int __vdso_clock_getres(int clock, struct time_pair *time);
int __vdso_gettimeofday(struct time_pair *time, int *zone);
int64_t __vdso_time(int64_t *time);
int __vdso_getcpu(unsigned *cpu, unsigned *node, void *unused);

static inline int64_t system_call(int64_t number, const void *a, const void *b)
{
	int64_t result;
	__asm__ volatile("syscall"
	                 : "=a"(result)
	                 : "a"(number), "D"(a), "S"(b), "d"(0)
	                 : "rcx", "r11", "memory");
	return result;
}

/* Monotonic ns, and realtime where asked; 0 when the system call must answer. */
static inline int read_clock(int realtime, uint64_t *ns)
{
	const struct vdso_data *data = &vdso_data;
	uint32_t sequence;
	do {
		uint32_t low, high;
		sequence = __atomic_load_n(&data->sequence, __ATOMIC_ACQUIRE);
		if (!data->usable)
			return 0;
		__asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high));
		uint64_t tsc = (low | (uint64_t)high << 32) - data->tsc_base;
		unsigned __int128 product = (unsigned __int128)tsc * data->multiplier;
		*ns = (uint64_t)(product >> data->shift) + data->ns_base +
		      (realtime ? data->realtime_offset : 0);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
	} while ((sequence & 1) || sequence != data->sequence);
	return 1;
}

int __vdso_clock_gettime(int clock, struct time_pair *time)
{
	uint64_t ns;
	/* Realtime: 0, its coarse form 5, TAI 11. Monotonic: 1, raw 4, coarse 6, boot 7. */
	int realtime = clock == 0 || clock == 5 || clock == 11;
	int monotonic = clock == 1 || clock == 4 || clock == 6 || clock == 7;
	if (!(realtime || monotonic) || !read_clock(realtime, &ns))
		return (int)system_call(228, (void *)(int64_t)clock, time);
	time->seconds = (int64_t)(ns / NS_PER_SECOND);
	time->fraction = (int64_t)(ns % NS_PER_SECOND);
	return 0;
}

int __vdso_clock_getres(int clock, struct time_pair *time)
{
	return (int)system_call(229, (void *)(int64_t)clock, time);
}

int __vdso_gettimeofday(struct time_pair *time, int *zone)
{
	uint64_t ns;
	if (!read_clock(1, &ns))
		return (int)system_call(96, time, zone);
	if (time) {
		time->seconds = (int64_t)(ns / NS_PER_SECOND);
		time->fraction = (int64_t)(ns % NS_PER_SECOND / 1000);
	}
	if (zone)
		zone[0] = zone[1] = 0;
	return 0;
}

int64_t __vdso_time(int64_t *time)
{
	uint64_t ns;
	if (!read_clock(1, &ns))
		return system_call(201, time, 0);
	if (time)
		*time = (int64_t)(ns / NS_PER_SECOND);
	return (int64_t)(ns / NS_PER_SECOND);
}

int __vdso_getcpu(unsigned *cpu, unsigned *node, void *unused)
{
	(void)unused;
	return (int)system_call(309, cpu, node);
}
