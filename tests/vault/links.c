/* `links ONE TWO COUNT`: the files 0, 1, ... of ONE and of TWO are the same, of which nothing is known yet. Of each pair one is
 * written to and removed, and leaves memory while the other is looked at for the first time, which must not show it as it was. */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/stat.h>
#include "../linux/check.h"

#define WORDS "more words"

static char other[64];
static volatile int turn, seen;

/* Each spins on a processor of its own. */
static void stay_on(int processor)
{
	cpu_set_t one;
	CPU_ZERO(&one);
	CPU_SET(processor, &one);
	(void)sched_setaffinity(0, sizeof(one), &one);
}

static void *look(void *argument)
{
	struct stat status;
	stay_on(1);
	for (int last = 0; last >= 0; seen = last) {
		while (turn == last)
			;
		last = turn;
		if (last > 0)
			(void)stat(other, &status);
	}
	return argument;
}

int main(int count, char **words)
{
	char name[64];
	struct stat status;
	struct stat before;
	pthread_t thread;
	int wrong = 0;
	if (count != 4)
		return 2;
	DIR *directory = opendir(words[2]);
	while (directory && readdir(directory))
		;
	pthread_create(&thread, 0, look, 0);
	stay_on(0);
	for (int i = 0; i < atoi(words[3]); i++) {
		snprintf(name, sizeof(name), "%s/%d", words[1], i);
		snprintf(other, sizeof(other), "%s/%d", words[2], i);
		int file = open(name, O_WRONLY | O_APPEND);
		if (file < 0 || fstat(file, &before) || write(file, WORDS, sizeof(WORDS)) != sizeof(WORDS) ||
		    unlink(name))
			return 3;
		turn = i + 1;
		for (volatile int wait = i % 50 * 1000; wait; wait--)
			;
		close(file);
		while (seen != i + 1)
			;
		if (stat(other, &status) || status.st_size != before.st_size + (off_t)sizeof(WORDS) ||
		    status.st_nlink != 1)
			wrong++;
	}
	turn = -1;
	pthread_join(thread, 0);
	printf("# %d of %s were shown as they had been\n", wrong, words[3]);
	check("a file that is looked at while its other name goes is shown as it is", !wrong);
	return check_failures != 0;
}
