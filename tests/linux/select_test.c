/* select(2): sets on entry and return, closed descriptors, bits past the count, time-outs, sleeping. */
#include "check.h"
#include <fcntl.h>
#include <sys/select.h>

enum { PIPES = 70 };

int main(void)
{
	int ends[PIPES][2];
	fd_set reads, writes;
	struct timeval none = {0, 0}, soon = {0, 20000}, late = {20, 0};
	for (int i = 0; i < PIPES; i++)
		if (pipe(ends[i]))
			return 2;
	int last = ends[PIPES - 1][1];

	FD_ZERO(&reads);
	FD_ZERO(&writes);
	for (int i = 0; i < PIPES; i++)
		FD_SET(ends[i][0], &reads);
	FD_SET(last, &writes);
	check("write-end-ready", select(last + 1, &reads, &writes, 0, &none) == 1 && FD_ISSET(last, &writes));
	int clear = 1;
	for (int i = 0; i < PIPES; i++)
		clear &= !FD_ISSET(ends[i][0], &reads);
	check("others-cleared", clear);

	check("write", write(ends[3][1], "x", 1) == 1 && write(ends[60][1], "x", 1) == 1);
	FD_SET(ends[3][0], &reads);
	FD_SET(ends[5][0], &reads);
	FD_SET(ends[60][0], &reads);
	FD_ZERO(&writes);
	FD_SET(ends[60][1], &writes);
	check("bits-counted-in-every-set", select(last + 1, &reads, &writes, 0, &late) == 3);
	check("right-bits", FD_ISSET(ends[3][0], &reads) && FD_ISSET(ends[60][0], &reads) &&
	                        !FD_ISSET(ends[5][0], &reads) && FD_ISSET(ends[60][1], &writes));

	FD_ZERO(&reads);
	FD_SET(ends[60][0], &reads);
	check("past-the-count", select(ends[60][0], &reads, 0, 0, &none) == 0);

	FD_ZERO(&reads);
	FD_SET(ends[5][0], &reads);
	check("time-out", select(last + 1, &reads, 0, 0, &soon) == 0 && !FD_ISSET(ends[5][0], &reads));

	int status = in_child({
		pause_ms(20);
		_exit(write(ends[69][1], "x", 1) != 1);
	});
	FD_ZERO(&reads);
	for (int i = 10; i < 60; i++)
		FD_SET(ends[i][0], &reads);
	FD_SET(ends[69][0], &reads);
	check("another-process-wrote", exited(status, 0) && select(last + 1, &reads, 0, 0, &late) == 1);

	pid_t writer = fork();
	if (!writer) {
		pause_ms(30);
		_exit(write(ends[20][1], "y", 1) != 1);
	}
	FD_ZERO(&reads);
	for (int i = 10; i < 60; i++)
		FD_SET(ends[i][0], &reads);
	check("sleeps-until-written",
	      select(last + 1, &reads, 0, 0, &late) == 1 && FD_ISSET(ends[20][0], &reads));
	waitpid(writer, &status, 0);

	close(ends[20][1]);
	FD_ZERO(&reads);
	FD_SET(ends[20][1], &reads);
	FD_SET(ends[3][0], &reads);
	check("closed-descriptor", select(last + 1, &reads, 0, 0, &late) == -1 && errno == EBADF);
	check("negative-count", select(-1, 0, 0, 0, &none) == -1 && errno == EINVAL);
	check("no-sets", select(0, 0, 0, 0, &soon) == 0);
	return check_failures != 0;
}
