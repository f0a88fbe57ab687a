/* See rseq.h.
 *
 * The word of a place names a thread by the address of its area, and carries a version that every change raises. Who takes the
 * place from another marks it first, kicks that one, and only then writes its own name: whoever comes in between, also the one that
 * was kicked, changes the marked word and so makes it begin again. The field `inside` is set before the place is looked at and
 * cleared after the guest was left; both sides run on one processor, so that no barrier is needed between them.
 */
#include "task/rseq.h"
#include <processor.h>
#include "internal.h"

#define RSEQ_ALIGN  32u
#define UNREGISTER  1
#define CPU_UNKNOWN 0xffffffffu /* as RSEQ_CPU_ID_UNINITIALIZED */
#define AT_CS       8u          /* in struct rseq */
#define AT_FLAGS    16u
#define LEAVING     0x80000000ull /* in a place's word: the mark */
#define VERSION_ONE 0x100000000ull
#define SPINS       200u

/* struct rseq_cs of linux/rseq.h. */
struct sequence {
	uint32_t version, flags;
	uint64_t start, bytes, abort;
};

struct place {
	uint64_t word;
	uint64_t padding[7];
};
static struct place places[CPU_MAX];
static struct place nowhere; /* names nobody: who looks there goes to rseq_enter */

static uint64_t name_of(const struct thread_area *area)
{
	return (uint64_t)area / TASK_AREA_BYTES;
}

static struct thread_area *area_named(uint64_t word)
{
	return (struct thread_area *)((uint32_t)(word & ~LEAVING) * TASK_AREA_BYTES);
}

static void place_take(struct thread_area *area, struct place *place)
{
	uint64_t own = name_of(area), seen = __atomic_load_n(&place->word, __ATOMIC_SEQ_CST);
	for (;;) {
		const struct thread_area *other = area_named(seen);
		uint64_t next = (seen & ~0xffffffffull) + VERSION_ONE;
		if (other && other != area) {
			if (!(seen & LEAVING)) {
				uint64_t marked = next | name_of(other) | LEAVING;
				if (!__atomic_compare_exchange_n(&place->word, &seen, marked, false,
				                                 __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
					continue;
				seen = marked;
				next += VERSION_ONE;
			}
			if (__atomic_load_n(&other->inside, __ATOMIC_SEQ_CST))
				guest_kick(other->thread);
		}
		if (__atomic_compare_exchange_n(&place->word, &seen, next | own, false, __ATOMIC_SEQ_CST,
		                                __ATOMIC_SEQ_CST))
			return;
	}
}

void rseq_look(struct thread_area *area)
{
	__atomic_store_n(&area->place, &nowhere.word, __ATOMIC_SEQ_CST);
}

/* ---- The sequence that a guest is in ---- */

/* Where TASK's guest is in its sequence, it goes on where that says. What is wrong about a sequence is an error, as on Linux. */
static int restart(const struct task *task)
{
	struct guest_state *state = task->state;
	struct sequence sequence;
	uint64_t at;
	uint32_t word;
	if (get_user_u64(&at, task->rseq + AT_CS))
		return -EFAULT;
	if (!at)
		return 0;
	if (copy_from_user(&sequence, at, sizeof(sequence)))
		return -EFAULT;
	if (sequence.version || sequence.start >= USER_END || sequence.bytes >= USER_END - sequence.start ||
	    sequence.abort >= USER_END || sequence.abort - sequence.start < sequence.bytes)
		return -EINVAL;
	if (get_user_u32(&word, sequence.abort - 4))
		return -EFAULT;
	if (word != task->rseq_signature)
		return -EINVAL;
	if (state->rip - sequence.start < sequence.bytes) {
		if (get_user_u32(&word, task->rseq + AT_FLAGS))
			return -EFAULT;
		if (sequence.flags || word)
			return -EINVAL;
		if (put_user_u64(task->rseq + AT_CS, 0))
			return -EFAULT;
		state->rip = sequence.abort;
		return 0;
	}
	return put_user_u64(task->rseq + AT_CS, 0);
}

static int tell_cpu(struct task *task, uint32_t cpu)
{
	if (task->rseq_cpu == cpu)
		return 0;
	int error = put_user_u64(task->rseq, (uint64_t)cpu << 32 | cpu);
	if (!error)
		task->rseq_cpu = cpu;
	return error;
}

static bool update(struct task *task, bool in_call)
{
	return (in_call || !restart(task)) && !tell_cpu(task, task->area->bound);
}

bool rseq_enter(int64_t number)
{
	struct thread_area *area = current_area();
	struct task *task = area->task;
	/* It may have to wait here, and in the work that is found. */
	__atomic_store_n(&area->inside, 0, __ATOMIC_SEQ_CST);
	do {
		thread_rebind();
		__atomic_store_n(&area->place, &places[area->bound].word, __ATOMIC_SEQ_CST);
	} while (__atomic_load_n(&area->rebind, __ATOMIC_SEQ_CST));
	place_take(area, &places[area->bound]);
	bool in_call = number >= 0;
	if (!task->rseq || (in_call && task->rseq_cpu == area->bound))
		return false;
	common_shared();
	bool done = update(task, in_call);
	common_shared_end();
	if (done)
		return false;
	/* A page of a file comes only to who holds the lock alone; one that another program brings is waited for. */
	personality_lock();
	bool told = task->work & TASK_WORK_TOLD;
	done = !told && update(task, in_call);
	told = task->work & TASK_WORK_TOLD;
	if (told)
		rseq_look(area);
	else if (!done)
		signal_fault(SIGSEGV, SI_KERNEL, 0);
	personality_unlock();
	return !done;
}

int rseq_signal(void)
{
	const struct task *task = current_task();
	return task->rseq ? restart(task) : 0;
}

SYSCALL_HANDLER(rseq, uint64_t address, uint32_t bytes, uint32_t flags, uint32_t signature)
{
	struct task *task = current_task();
	if (flags & ~UNREGISTER)
		return -EINVAL;
	if (task->rseq || flags == UNREGISTER) {
		if (task->rseq != address || !task->rseq || bytes != RSEQ_BYTES)
			return -EINVAL;
		if (task->rseq_signature != signature)
			return -EPERM;
		if (flags != UNREGISTER)
			return -EBUSY;
		int error = put_user_u64(address, (uint64_t)CPU_UNKNOWN << 32);
		if (!error)
			task->rseq = 0;
		return error;
	}
	if (address % RSEQ_ALIGN || bytes != RSEQ_BYTES)
		return -EINVAL;
	/* What an earlier program of the thread's left there is no sequence. */
	uint64_t left;
	if (get_user_u64(&left, address + AT_CS) || (left && put_user_u64(address + AT_CS, 0)))
		return -EFAULT;
	task->rseq = address;
	task->rseq_signature = signature;
	task->rseq_cpu = CPU_UNKNOWN;
	rseq_look(task->area);
	return 0;
}

/* ---- membarrier(2) ---- */

/* The word of CPU's place where a thread of MM's, which was kicked, may be in its guest still; 0: nobody is to be waited for. */
static uint64_t expel(const struct mm *mm, uint32_t cpu)
{
	uint64_t word = __atomic_load_n(&places[cpu].word, __ATOMIC_SEQ_CST);
	struct thread_area *other = area_named(word);
	if (!other || other == current_area() || !other->task || other->task->mm != mm)
		return 0;
	rseq_look(other);
	guest_kick(other->thread);
	return cpu == current_area()->bound ? 0 : word;
}

/* All others than those who are named in the places have been kicked, or are on their way through rseq_enter. By the time guest_kick
 * has come back, a store to `inside` from before is to be seen. */
void rseq_barrier(const struct mm *mm, int cpu)
{
	uint64_t words[CPU_MAX] = {0};
	const struct task *self = current_task();
	for (uint32_t i = 0; i < machine.cpu_count; i++)
		words[i] = cpu < 0 || (uint32_t)cpu == i ? expel(mm, i) : 0;
	enum common_mode mode = common_give();
	for (uint32_t i = 0; i < machine.cpu_count; i++) {
		for (uint32_t spins = 0; words[i] && !(self->work & TASK_WORK_EXIT); spins++) {
			if (__atomic_load_n(&places[i].word, __ATOMIC_SEQ_CST) != words[i] ||
			    !__atomic_load_n(&area_named(words[i])->inside, __ATOMIC_SEQ_CST))
				break;
			if (spins % SPINS == SPINS - 1)
				thread_yield();
			else
				processor_pause();
		}
	}
	common_take(mode);
}
