/* Message queues of System V: msgget(2), msgsnd(2), msgrcv(2), msgctl(2). */
#include "ipc.h"
#include "../proc/machine.h"

#define MESSAGE_MAX     8192u
#define QUEUE_BYTES_MAX 16384u /* without CAP_SYS_RESOURCE */

enum { MSG_NOERROR = 010000, MSG_EXCEPT = 020000, MSG_COPY = 040000, MSG_STAT = 11, MSG_INFO, MSG_STAT_ANY };

struct queued {
	struct list link;
	int64_t type;
	uint32_t bytes;
	uint8_t text[];
};

struct queue {
	struct ipc_object ipc;
	struct list messages;
	uint64_t count, bytes, bytes_max;
	uint32_t users; /* the table, and who sleeps */
	bool removed;
	int64_t sent, received, changed;
	int32_t last_sender, last_receiver;
	struct wait_queue wait;
};

static struct ipc_table *queues(void)
{
	return &ipc_current()->tables[IPC_QUEUES];
}

static void queue_put(struct queue *queue)
{
	if (--queue->users)
		return;
	while (!list_empty(&queue->messages)) {
		struct queued *message = list_first(&queue->messages, struct queued, link);
		list_remove(&message->link);
		heap_free(message);
	}
	heap_free(queue);
}

void queue_remove(struct ipc_object *object)
{
	struct queue *queue = (struct queue *)object;
	ipc_remove(object);
	queue->removed = true;
	wake_all(&queue->wait, 0);
	queue_put(queue);
}

SYSCALL_HANDLER(msgget, int32_t key, uint32_t flags)
{
	const struct ipc_object *old = key == IPC_PRIVATE ? 0 : ipc_by_key(queues(), key);
	if (old)
		return ipc_get_old(old, flags);
	if (key != IPC_PRIVATE && !(flags & IPC_CREAT))
		return -ENOENT;
	struct queue *queue = heap_allocate(sizeof(*queue));
	if (!queue)
		return -ENOMEM;
	list_init(&queue->messages);
	wait_queue_init(&queue->wait);
	queue->bytes_max = QUEUE_BYTES_MAX;
	queue->users = 1;
	queue->changed = clock_realtime_timespec().tv_sec;
	int64_t number = ipc_enter(queues(), &queue->ipc, key, flags);
	if (number < 0)
		heap_free(queue);
	return number;
}

/* Sleeps until QUEUE changes. 0, -EIDRM, or why not. The queue stays while it sleeps. */
static int queue_wait(struct queue *queue)
{
	struct wait_entry entry;
	queue->users++;
	wait_begin(&entry, &queue->wait);
	int result = wait_sleep(DEADLINE_NEVER);
	wait_end(&entry);
	if (queue->removed)
		result = -EIDRM;
	queue_put(queue);
	return result;
}

SYSCALL_HANDLER(msgsnd, int32_t number, uint64_t address, uint64_t bytes, uint32_t flags)
{
	uint64_t type;
	int error;
	if (bytes > MESSAGE_MAX || number < 0)
		return -EINVAL;
	if (get_user_u64(&type, address))
		return -EFAULT;
	if ((int64_t)type < 1)
		return -EINVAL;
	struct queued *message = heap_allocate(sizeof(*message) + bytes);
	if (!message)
		return -ENOMEM;
	message->type = (int64_t)type;
	message->bytes = (uint32_t)bytes;
	if (bytes && copy_from_user(message->text, address + 8, bytes)) {
		heap_free(message);
		return -EFAULT;
	}
	struct queue *queue = (struct queue *)ipc_find(queues(), number, &error);
	for (;;) {
		if (queue && !ipc_permitted(&queue->ipc, 0200))
			error = -EACCES;
		else if (queue && queue->bytes + bytes <= queue->bytes_max && queue->count < queue->bytes_max)
			break;
		else if (queue)
			error = flags & IPC_NOWAIT ? -EAGAIN : queue_wait(queue);
		if (error) {
			heap_free(message);
			return error == -ERESTARTSYS ? -EINTR : error;
		}
	}
	list_append(&queue->messages, &message->link);
	queue->count++;
	queue->bytes += bytes;
	queue->sent = clock_realtime_timespec().tv_sec;
	queue->last_sender = current_task()->process->pid;
	wake_all(&queue->wait, 0);
	return 0;
}

/* The message that msgrcv(2) means by TYPE and FLAGS, or 0. */
static struct queued *choose(struct queue *queue, int64_t type, uint32_t flags)
{
	struct queued *message, *found = 0;
	int64_t place = 0;
	list_for_each(message, &queue->messages, link)
	{
		if (flags & MSG_COPY) {
			if (place++ == type)
				return message;
		} else if (type < 0) {
			bool low = message->type <= -type;
			if (low && (!found || message->type < found->type))
				found = message;
		} else if (!type || (flags & MSG_EXCEPT ? message->type != type : message->type == type)) {
			return message;
		}
	}
	return found;
}

SYSCALL_HANDLER(msgrcv, int32_t number, uint64_t address, uint64_t bytes, int64_t type, uint32_t flags)
{
	int error;
	struct queued *message;
	if (number < 0 || (int64_t)bytes < 0)
		return -EINVAL;
	if ((flags & MSG_COPY) && ((flags & MSG_EXCEPT) || !(flags & IPC_NOWAIT)))
		return -EINVAL;
	if (type == INT64_MIN)
		type = -INT64_MAX;
	struct queue *queue = (struct queue *)ipc_find(queues(), number, &error);
	if (!queue)
		return error;
	for (;;) {
		if (!ipc_permitted(&queue->ipc, 0400))
			return -EACCES;
		message = choose(queue, type, flags);
		if (message)
			break;
		error = flags & IPC_NOWAIT ? -ENOMSG : queue_wait(queue);
		if (error)
			return error == -ERESTARTSYS ? -EINTR : error;
	}
	if (message->bytes > bytes && !(flags & MSG_NOERROR))
		return -E2BIG;
	uint64_t part = message->bytes < bytes ? message->bytes : bytes;
	if (put_user_u64(address, (uint64_t)message->type) || copy_to_user(address + 8, message->text, part))
		return -EFAULT;
	if (flags & MSG_COPY)
		return (int64_t)part;
	list_remove(&message->link);
	queue->count--;
	queue->bytes -= message->bytes;
	queue->received = clock_realtime_timespec().tv_sec;
	queue->last_receiver = current_task()->process->pid;
	heap_free(message);
	wake_all(&queue->wait, 0);
	return (int64_t)part;
}

/* ---- msgctl ---- */

struct msqid64_ds {
	struct ipc_permissions permissions;
	int64_t sent, received, changed;
	uint64_t bytes, count, bytes_max;
	int32_t last_sender, last_receiver;
	uint64_t unused[2];
};
_Static_assert(sizeof(struct msqid64_ds) == 120, "struct msqid64_ds");

static int64_t describe(const struct queue *queue, uint64_t address)
{
	struct msqid64_ds out = {.sent = queue->sent,
	                         .received = queue->received,
	                         .changed = queue->changed,
	                         .bytes = queue->bytes,
	                         .count = queue->count,
	                         .bytes_max = queue->bytes_max,
	                         .last_sender = pid_seen(queue->last_sender),
	                         .last_receiver = pid_seen(queue->last_receiver)};
	ipc_describe(&queue->ipc, &out.permissions);
	return copy_to_user(address, &out, sizeof(out));
}

static int64_t limits(uint64_t address, bool usage)
{
	/* struct msginfo: msgpool msgmap msgmax msgmnb msgmni msgssz msgtql, and a 16-bit msgseg */
	int32_t out[8] = {512000, 16384, MESSAGE_MAX, QUEUE_BYTES_MAX, IPC_OBJECTS_MAX, 16, 16384, 0xffff};
	if (usage) {
		out[0] = (int32_t)queues()->used;
		out[1] = out[6] = 0;
		for (uint32_t i = 0; i < queues()->highest; i++) {
			const struct queue *queue = (const struct queue *)queues()->slots[i];
			out[1] += queue ? (int32_t)queue->count : 0;
			out[6] += queue ? (int32_t)queue->bytes : 0;
		}
	}
	return copy_to_user(address, out, sizeof(out)) ? -EFAULT
	       : queues()->highest                     ? (int64_t)queues()->highest - 1
	                                               : 0;
}

static int64_t set_owner(struct queue *queue, int command, uint64_t address)
{
	struct msqid64_ds in;
	if (command == IPC_RMID) {
		if (!ipc_owned(&queue->ipc))
			return -EPERM;
		queue_remove(&queue->ipc);
		return 0;
	}
	if (copy_from_user(&in, address, sizeof(in)))
		return -EFAULT;
	if (in.bytes_max > QUEUE_BYTES_MAX && !ipc_capable(CAP_SYS_RESOURCE))
		return -EPERM;
	int error = ipc_set(&queue->ipc, &in.permissions);
	if (error)
		return error;
	queue->bytes_max = in.bytes_max;
	queue->changed = clock_realtime_timespec().tv_sec;
	wake_all(&queue->wait, 0);
	return 0;
}

SYSCALL_HANDLER(msgctl, int32_t number, int command, uint64_t address)
{
	int error;
	command &= ~IPC_64;
	if (number < 0 || command < 0 || command > MSG_STAT_ANY)
		return -EINVAL;
	if (command == IPC_INFO || command == MSG_INFO)
		return limits(address, command == MSG_INFO);
	bool by_place = command == MSG_STAT || command == MSG_STAT_ANY;
	struct queue *queue =
	    (struct queue *)(by_place ? ipc_at(queues(), number) : ipc_find(queues(), number, &error));
	if (!queue)
		return by_place ? -EINVAL : error;
	if (command == IPC_RMID || command == IPC_SET)
		return set_owner(queue, command, address);
	if (command != IPC_STAT && !by_place)
		return -EINVAL;
	if (command != MSG_STAT_ANY && !ipc_permitted(&queue->ipc, 0400))
		return -EACCES;
	int64_t result = describe(queue, address);
	return result || !by_place ? result : queue->ipc.number;
}

void text_sysvipc_msg(struct proc_text *text, const struct proc_subject *subject)
{
	(void)subject;
	proc_print(text, "       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  "
	                 "cgid      stime  "
	                 "    rtime      ctime\n");
	for (uint32_t i = 0; i < queues()->highest; i++) {
		const struct queue *queue = (const struct queue *)queues()->slots[i];
		if (!queue)
			continue;
		const struct ipc_object *ipc = &queue->ipc;
		proc_print(text, "%10d %10d  %4o  %10lu %10lu %5d %5d %5u %5u %5u %5u %10ld %10ld %10ld\n",
		           ipc->key, ipc->number, ipc->mode, queue->bytes, queue->count, queue->last_sender,
		           queue->last_receiver, ipc->uid, ipc->gid, ipc->creator_uid, ipc->creator_gid,
		           queue->sent, queue->received, queue->changed);
	}
}
