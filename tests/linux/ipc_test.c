/* System V IPC: shmget(2), shmat(2), semop(2), msgget(2) and their control calls: sysvipc(7). */
#define _GNU_SOURCE
#include <fcntl.h>
#include <mqueue.h>
#include <pthread.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include "check.h"

#define fails(call, number) ((long)(call) == -1 && errno == (number))

static void shared_memory(void)
{
	struct shmid_ds ds;
	int key = 0x51000 + getpid();
	int id = shmget(key, 10000, IPC_CREAT | 0600);
	check("shm-create", id >= 0);
	check("shm-exclusive", fails(shmget(key, 10000, IPC_CREAT | IPC_EXCL | 0600), EEXIST));
	check("shm-same", shmget(key, 0, 0) == id);
	check("shm-too-big", fails(shmget(key, 20000, 0), EINVAL));
	check("shm-no-size", fails(shmget(IPC_PRIVATE, 0, 0600), EINVAL));
	check("shm-no-key", fails(shmget(key + 1, 10, 0), ENOENT));
	char *one = shmat(id, 0, 0), *two = shmat(id, 0, SHM_RDONLY);
	check("shm-attach", one != (void *)-1 && two != (void *)-1 && one != two);
	one[9999] = 'x';
	check("shm-shared", two[9999] == 'x' && one[0] == 0);
	check("shm-read-only", fails(mprotect(two, 4096, PROT_READ | PROT_WRITE), EACCES));
	check("shm-crooked", fails(shmat(id, one + 5, 0), EINVAL));
	check("shm-taken", fails(shmat(id, one, 0), EINVAL));
	check("shm-rounded",
	      shmat(id, two + 5, SHM_RND | SHM_REMAP) == two && (two[1] = 'y') && one[1] == 'y');
	check("shm-stat", shmctl(id, IPC_STAT, &ds) == 0 && ds.shm_segsz == 10000 && ds.shm_nattch == 2 &&
	                      ds.shm_cpid == getpid() && (ds.shm_perm.mode & 0777) == 0600);
	int status = in_child(one[7] = 'c'; shmctl(id, IPC_STAT, &ds); _exit((int)ds.shm_nattch));
	check("shm-fork", exited(status, 4) && one[7] == 'c');
	ds.shm_perm.mode = 0640;
	check("shm-set", shmctl(id, IPC_SET, &ds) == 0 && shmctl(id, IPC_STAT, &ds) == 0 &&
	                     (ds.shm_perm.mode & 0777) == 0640);
	check("shm-others",
	      exited(in_child(_exit(setgid(1000) || setuid(1000) || !fails(shmat(id, 0, 0), EACCES))), 0));
	check("shm-remove", shmctl(id, IPC_RMID, 0) == 0);
	check("shm-removed", one[9999] == 'x' && fails(shmget(key, 0, 0), ENOENT));
	check("shm-detach", shmdt(one) == 0 && shmdt(two) == 0 && fails(shmdt(one), EINVAL));
	check("shm-gone", fails(shmctl(id, IPC_STAT, &ds), EINVAL) || errno == EIDRM);
}

static int semaphore_set(int id, int at, int value)
{
	return semctl(id, at, SETVAL, value);
}

static void semaphores(void)
{
	unsigned short values[3] = {1, 2, 3}, got[3] = {0};
	struct semid_ds ds;
	int id = semget(IPC_PRIVATE, 3, 0600);
	check("sem-create", id >= 0 && fails(semget(IPC_PRIVATE, 0, 0600), EINVAL));
	check("sem-all", semctl(id, 0, SETALL, values) == 0 && semctl(id, 0, GETALL, got) == 0 &&
	                     memcmp(values, got, sizeof(got)) == 0);
	struct sembuf both[] = {{0, -1, IPC_NOWAIT}, {1, -3, IPC_NOWAIT}};
	check("sem-together", fails(semop(id, both, 2), EAGAIN) && semctl(id, 0, GETVAL) == 1);
	both[1].sem_op = -2;
	check("sem-both",
	      semop(id, both, 2) == 0 && semctl(id, 0, GETVAL) == 0 && semctl(id, 1, GETVAL) == 0);
	check("sem-pid", semctl(id, 0, GETPID) == getpid());
	struct sembuf far = {3, 1, 0}, zero = {2, 0, IPC_NOWAIT}, up = {2, 32767, 0};
	check("sem-outside", fails(semop(id, &far, 1), EFBIG));
	check("sem-not-zero", fails(semop(id, &zero, 1), EAGAIN));
	check("sem-too-much", fails(semop(id, &up, 1), ERANGE) && semctl(id, 2, GETVAL) == 3);
	check("sem-value",
	      fails(semaphore_set(id, 0, 40000), ERANGE) && fails(semaphore_set(id, 9, 1), EINVAL));
	struct timespec soon = {0, 20000000};
	struct sembuf down = {0, -1, 0};
	check("sem-timeout", fails(semtimedop(id, &down, 1, &soon), EAGAIN));
	pid_t child = fork();
	if (!child)
		_exit(semop(id, &down, 1) ? 1 : 0);
	for (int i = 0; i < 500 && semctl(id, 0, GETNCNT) != 1; i++)
		pause_ms(10);
	check("sem-waiting", semctl(id, 0, GETNCNT) == 1);
	struct sembuf one_up = {0, 1, 0};
	int status = -1;
	semop(id, &one_up, 1);
	waitpid(child, &status, 0);
	check("sem-woken", exited(status, 0) && semctl(id, 0, GETVAL) == 0);
	struct sembuf undone = {0, 5, SEM_UNDO};
	check("sem-undo", exited(in_child(_exit(semop(id, &undone, 1) || semctl(id, 0, GETVAL) != 5)), 0) &&
	                      semctl(id, 0, GETVAL) == 0);
	check("sem-stat", semctl(id, 0, IPC_STAT, &ds) == 0 && ds.sem_nsems == 3 && ds.sem_otime);
	child = fork();
	if (!child)
		_exit(fails(semop(id, &down, 1), EIDRM) ? 0 : 1);
	for (int i = 0; i < 500 && semctl(id, 0, GETNCNT) != 1; i++)
		pause_ms(10);
	check("sem-remove", semctl(id, 0, IPC_RMID) == 0);
	waitpid(child, &status, 0);
	check("sem-removed-while-waiting", exited(status, 0));
}

struct text {
	long type;
	char bytes[32];
};

static void messages(void)
{
	struct text in = {0}, out = {1, "first"};
	struct msqid_ds ds;
	int id = msgget(IPC_PRIVATE, 0600);
	check("msg-create", id >= 0);
	check("msg-empty", fails(msgrcv(id, &in, 32, 0, IPC_NOWAIT), ENOMSG));
	out.type = 0;
	check("msg-type", fails(msgsnd(id, &out, 6, 0), EINVAL));
	for (long type = 1; type <= 4; type++) {
		out.type = 5 - type;
		sprintf(out.bytes, "m%ld", out.type);
		if (msgsnd(id, &out, 3, 0))
			_exit(1);
	}
	check("msg-stat", msgctl(id, IPC_STAT, &ds) == 0 && ds.msg_qnum == 4 && ds.msg_lspid == getpid());
	check("msg-lowest", msgrcv(id, &in, 32, -3, 0) == 3 && in.type == 1);
	check("msg-exact", msgrcv(id, &in, 32, 3, 0) == 3 && strcmp(in.bytes, "m3") == 0);
	check("msg-except", msgrcv(id, &in, 32, 4, MSG_EXCEPT) == 3 && in.type == 2);
	check("msg-short", fails(msgrcv(id, &in, 1, 0, 0), E2BIG));
	check("msg-cut", msgrcv(id, &in, 1, 0, MSG_NOERROR) == 1 && in.type == 4);
	static char big[9000];
	check("msg-too-big", fails(msgsnd(id, big, 8193, 0), EINVAL));
	*(long *)(void *)big = 1;
	int count = 0;
	while (count < 100 && msgsnd(id, big, 1000, IPC_NOWAIT) == 0)
		count++;
	check("msg-full", count == 16 && errno == EAGAIN);
	pid_t child = fork();
	if (!child)
		_exit(msgsnd(id, big, 1000, 0) ? 1 : 0);
	pause_ms(50);
	int status = -1;
	check("msg-take", msgrcv(id, big, 8192, 0, 0) == 1000);
	waitpid(child, &status, 0);
	check("msg-sender-woken", exited(status, 0));
	check("msg-remove",
	      msgctl(id, IPC_RMID, 0) == 0 && fails(msgsnd(id, &out, 3, 0), EINVAL) + (errno == EIDRM));
}

static volatile int told_signal, told_value;
static void on_message(int signal, siginfo_t *info, void *context)
{
	(void)context;
	told_signal = signal;
	told_value = info->si_value.sival_int;
}

static void posix_queues(void)
{
	struct mq_attr attr = {.mq_maxmsg = 3, .mq_msgsize = 16}, got;
	struct sigaction action = {.sa_sigaction = on_message, .sa_flags = SA_SIGINFO};
	struct sigevent event = {
	    .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 77};
	char buffer[32];
	unsigned priority;
	mq_unlink("/holon-test");
	check("mq-missing", fails(mq_open("/holon-test", O_RDWR), ENOENT));
	mqd_t queue = mq_open("/holon-test", O_RDWR | O_CREAT | O_EXCL | O_NONBLOCK, 0600, &attr);
	check("mq-open", queue >= 0);
	check("mq-exclusive", fails(mq_open("/holon-test", O_RDWR | O_CREAT | O_EXCL, 0600, &attr), EEXIST));
	check("mq-attributes", mq_getattr(queue, &got) == 0 && got.mq_maxmsg == 3 && got.mq_msgsize == 16 &&
	                           got.mq_flags == O_NONBLOCK);
	check("mq-empty", fails(mq_receive(queue, buffer, 16, &priority), EAGAIN));
	sigaction(SIGUSR1, &action, 0);
	check("mq-notify", mq_notify(queue, &event) == 0 && fails(mq_notify(queue, &event), EBUSY));
	check("mq-send", mq_send(queue, "low", 4, 1) == 0 && told_signal == SIGUSR1 && told_value == 77);
	check("mq-fill", mq_send(queue, "high", 5, 9) == 0 && mq_send(queue, "low2", 5, 1) == 0 &&
	                     fails(mq_send(queue, "x", 1, 0), EAGAIN));
	check("mq-too-long", fails(mq_send(queue, buffer, 17, 0), EMSGSIZE));
	check("mq-short-buffer", fails(mq_receive(queue, buffer, 15, 0), EMSGSIZE));
	check("mq-by-priority",
	      mq_receive(queue, buffer, 16, &priority) == 5 && priority == 9 && !strcmp(buffer, "high"));
	check("mq-in-order", mq_receive(queue, buffer, 16, 0) == 4 && mq_receive(queue, buffer, 16, 0) == 5 &&
	                         !strcmp(buffer, "low2"));
	mqd_t patient = mq_open("/holon-test", O_RDWR);
	struct timespec soon;
	clock_gettime(CLOCK_REALTIME, &soon);
	soon.tv_nsec += 20000000;
	soon.tv_sec += soon.tv_nsec / 1000000000;
	soon.tv_nsec %= 1000000000;
	check("mq-timeout", fails(mq_timedreceive(patient, buffer, 16, 0, &soon), ETIMEDOUT));
	pid_t child = fork();
	if (!child)
		_exit(mq_receive(patient, buffer, 16, 0) == 3 ? 0 : 1);
	pause_ms(50);
	mq_send(queue, "go", 3, 0);
	int status = -1;
	waitpid(child, &status, 0);
	check("mq-receiver-woken", exited(status, 0));
	check("mq-unlink", mq_unlink("/holon-test") == 0 && fails(mq_unlink("/holon-test"), ENOENT) &&
	                       mq_send(queue, "still", 6, 0) == 0);
	check("mq-wrong-file", fails(mq_send(1, "x", 1, 0), EBADF));
}

int main(void)
{
	posix_queues();
	shared_memory();
	semaphores();
	messages();
	return check_failures != 0;
}
