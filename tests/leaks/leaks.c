/* Does something many times and says what memory and how many capabilities the sub-kernel used before and
 * after.
 *
 *   leaks exec N        fork, exec of this program, exit
 *   leaks end N         subkernel run -- true
 *   leaks kill N        a child sub-kernel, started detached, killed while it runs
 *
 * Prints "leaks: used KIB before, KIB after; capabilities COUNT before, COUNT after". Some rounds before the
 * first look fill the caches that are meant to stay.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct use {
	double kib;
	long caps;
};

static _Noreturn void fail(const char *what)
{
	printf("leaks: failed: %s\n", what);
	exit(1);
}

/* What "subkernel ls" says of this sub-kernel, its first line below the head. */
static struct use look(void)
{
	struct use use;
	char unit, line[256];
	FILE *list = popen("subkernel ls", "r");
	if (!list || !fgets(line, sizeof line, list) || !fgets(line, sizeof line, list) ||
	    sscanf(line, "%*d %*s %*s %lf%c %*s %ld/", &use.kib, &unit, &use.caps) != 3)
		fail("reading subkernel ls");
	while (fgets(line, sizeof line, list))
		if (strstr(line, "running"))
			fail("a child still runs");
	pclose(list);
	if (unit == 'M')
		use.kib *= 1024;
	return use;
}

static void exec_round(void)
{
	int status;
	pid_t child = fork();
	if (child < 0)
		fail("fork");
	if (!child) {
		execl("/proc/self/exe", "leaks", "--exit", NULL);
		_exit(127);
	}
	if (waitpid(child, &status, 0) != child || status)
		fail("the child's status");
}

static void end_round(void)
{
	if (system("subkernel run -m 16M -- true"))
		fail("subkernel run");
}

static void kill_round(void)
{
	if (system("n=$(subkernel run -m 16M --detach -- sleep 1000) && subkernel kill $n"))
		fail("subkernel kill");
}

int main(int count, char **arguments)
{
	static const struct {
		const char *name;
		void (*round)(void);
	} kinds[] = {{"exec", exec_round}, {"end", end_round}, {"kill", kill_round}};
	if (count == 2 && !strcmp(arguments[1], "--exit"))
		return 0;
	for (size_t i = 0; count == 3 && i < sizeof kinds / sizeof kinds[0]; i++) {
		if (strcmp(arguments[1], kinds[i].name) != 0)
			continue;
		for (int warm = 0; warm < 60; warm++)
			kinds[i].round();
		for (int warm = 0; warm < 5; warm++)
			look();
		struct use before = look();
		for (long n = atol(arguments[2]); n > 0; n--)
			kinds[i].round();
		struct use after = look();
		for (int wait = 0; wait < 30 && after.kib > before.kib; wait++) {
			usleep(100000); /* what was killed last may still be going */
			after = look();
		}
		printf("leaks: used %.0f before, %.0f after; capabilities %ld before, %ld after\n",
		       before.kib, after.kib, before.caps, after.caps);
		return 0;
	}
	fail("usage: leaks exec|end|kill COUNT");
}
