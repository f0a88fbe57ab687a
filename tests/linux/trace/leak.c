/* A leak, for LeakSanitizer, which stops all threads by ptrace(2) to look for pointers. */
#include <stdlib.h>
#include <string.h>

int main(int count, char **arguments)
{
	(void)arguments;
	char *lost = malloc(4321);
	memset(lost, count, 4321);
	*(char *volatile *)&lost = 0;
	return 0;
}
