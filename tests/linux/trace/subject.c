/* What debuggers are tried on: nested calls, a watched word, threads, a child, a crash. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int watched;
static pthread_barrier_t barrier;

static int inner(int value)
{
	watched = value * 2;
	return watched + 1;
}

static int outer(int value)
{
	int more = inner(value + 1);
	return more * 10;
}

static void *work(void *argument)
{
	pthread_barrier_wait(&barrier);
	int *result = argument;
	*result += 1;
	pthread_barrier_wait(&barrier);
	return argument;
}

static int threads(void)
{
	pthread_t thread[3];
	int results[3] = {0};
	pthread_barrier_init(&barrier, 0, 4);
	for (int i = 0; i < 3; i++)
		if (pthread_create(&thread[i], 0, work, &results[i]))
			return 1;
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < 3; i++)
		pthread_join(thread[i], 0);
	return results[0] + results[1] + results[2] == 3 ? 0 : 1;
}

int main(int count, char **arguments)
{
	const char *what = count > 1 ? arguments[1] : "call";
	if (!strcmp(what, "threads"))
		return threads();
	if (!strcmp(what, "fork")) {
		pid_t pid = fork();
		if (!pid) {
			execl("/bin/true", "true", (char *)0);
			_exit(1);
		}
		int status = 1;
		waitpid(pid, &status, 0);
		return status != 0;
	}
	if (!strcmp(what, "crash"))
		*(volatile int *)8 = outer(3);
	printf("outer %d\n", outer(20));
	return 0;
}
