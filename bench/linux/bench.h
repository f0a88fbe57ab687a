/* What the rows of the comparison with Linux share: one row is a function that does something n times. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct row {
	const char *name;      /* as the table prints it */
	void (*prepare)(void); /* untimed, before the row; may be NULL */
	void (*run)(long n);   /* timed: the operation n times */
	void (*finish)(void);  /* untimed, after the row; may be NULL */
	long n;                /* operations in one measurement */
	long per;              /* what one operation counts for, such as 256 pages */
	int repeats;           /* measurements, of which the median counts */
};

extern const struct row call_rows[], process_rows[], network_rows[],
    program_rows[];      /* ended by a row without a name */
extern const char *self; /* this program's path */
extern long megabytes;   /* input of the whole-program rows, MiB */

/* Ends the program with a message that names what failed. */
_Noreturn void fail(const char *what);
#define MUST(expression)                                                                                     \
	do {                                                                                                 \
		if (!(expression))                                                                           \
			fail(#expression);                                                                   \
	} while (0)
