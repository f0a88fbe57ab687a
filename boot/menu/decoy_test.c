/* Tests of the decoy's configuration and of the memory test: each rule of decoy.h has a text that keeps it and one that breaks it, and
 * a memory with a fault is found out by every kind of fault.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decoy.h"
#include "memory_test.h"

static int failures;

static void report(bool passed, const char *name)
{
	printf(passed ? "ok decoy: %s\n" : "not ok decoy: %s - wrong\n", name);
	failures += !passed;
}

static struct decoy decoy;

/* Parses an exact copy, so that AddressSanitizer sees every byte too far. */
static const char *parse(const char *text, uint32_t *line)
{
	static char *copy;
	size_t size = strlen(text);
	free(copy);
	copy = malloc(size ? size : 1);
	memcpy(copy, text, size);
	return decoy_parse(&decoy, copy, size, line);
}

static void refused(const char *name, const char *text, uint32_t wanted, const char *words)
{
	uint32_t line = 0;
	const char *why = parse(text, &line);
	report(why && strstr(why, words) && line == wanted, name);
}

static bool is(struct decoy_text text, const char *wanted)
{
	return text.length == strlen(wanted) && !memcmp(text.at, wanted, text.length);
}

static void test_whole(void)
{
	uint32_t line;
	const char *why = parse("# a comment\n\ntitle A  title\ntimeout 600\ndevice (hd0) (hd1)\n"
	                        "entry First\n\tcommand \tlinux /x y\n  command\n start 7 \\EFI\\a b.efi\n"
	                        " fails one\n fails two\nmenu More\n entry Inner\n  restart\nend\nentry Last",
	                        &line);
	report(!why, "every word is understood");
	if (why)
		return;
	const struct decoy_entry *first = &decoy.entries[0];
	report(is(decoy.title, "A  title") && decoy.has_timeout && decoy.timeout == 600 &&
	           is(decoy.devices, "(hd0) (hd1)") && decoy.entry_count == 4,
	       "title, timeout, devices");
	report(is(first->name, "First") && first->action == DECOY_START && first->disk == 7 &&
	           is(first->path, "\\EFI\\a b.efi") && first->command_count == 2 &&
	           is(first->commands[0], "\tlinux /x y") && is(first->commands[1], "") &&
	           first->fail_count == 2 && is(first->fails[1], "two"),
	       "an entry's lines");
	report(decoy.entries[1].action == DECOY_MENU && decoy.entries[2].parent == 1 &&
	           decoy.entries[2].action == DECOY_RESTART && decoy.entries[3].parent == -1 &&
	           decoy.entries[3].action == DECOY_FAIL,
	       "a menu holds what stands before its end");
	report(!parse("entry x", &line) && !decoy.has_timeout, "without a timeout the menu waits");
}

static void test_refusals(void)
{
	refused("nothing at all", "", 0, "no entry");
	refused("an unknown word", "title x\nentries y\n", 2, "unknown");
	refused("an entry without a name", "entry\n", 1, "no name");
	refused("a menu without a name", "menu \n", 1, "no name");
	refused("a line of an entry before any", "command x\nentry y\n", 1, "there is none");
	refused("a line of an entry behind a menu's end", "menu m\nentry x\nend\nfails y\n", 4,
	        "there is none");
	refused("a menu within a menu", "menu a\nentry b\nmenu c\nend\n", 3, "within");
	refused("an end without a menu", "entry a\nend\n", 2, "end");
	refused("a menu without an end", "menu a\nentry b\n", 2, "no end");
	refused("an empty menu", "menu a\nend\nentry b\n", 3, "empty");
	refused("no time for F12", "timeout 0\nentry x\n", 1, "1 to 600");
	refused("a timeout too long", "timeout 601\nentry x\n", 1, "1 to 600");
	refused("a timeout that is none", "timeout 1x\nentry x\n", 1, "1 to 600");
	refused("a timeout that would overflow", "timeout 4294967297\nentry x\n", 1, "1 to 600");
	refused("a disk too far", "entry x\nstart 8\n", 2, "0 to 7");
	refused("two things to do", "entry x\nrestart\nstart 1\n", 3, "two things");
	refused("restart with more", "entry x\nrestart now\n", 2, "alone");
	refused("a character that moves the cursor", "title \033[H\n", 1, "ASCII");
	refused("a character of eight bits", "title \xc3\xa4\n", 1, "ASCII");
}

/* FIRST, then LINE as often as COUNT says, into a text of SIZE bytes. */
static void repeat(char *to, size_t size, const char *first, const char *line, unsigned count)
{
	size_t length = (size_t)snprintf(to, size, "%s", first);
	for (unsigned i = 0; i < count && length < size; i++)
		length += (size_t)snprintf(to + length, size - length, "%s", line);
}

static void test_limits(void)
{
	static char text[DECOY_BYTES_MAX + 2];
	uint32_t line;
	repeat(text, sizeof(text), "", "entry x\n", DECOY_ENTRIES_MAX);
	report(!parse(text, &line), "as many entries as there may be");
	repeat(text, sizeof(text), "", "entry x\n", DECOY_ENTRIES_MAX + 1);
	refused("one entry more", text, DECOY_ENTRIES_MAX + 1, "too many entries");
	repeat(text, sizeof(text), "entry x\n", "command y\n", DECOY_COMMANDS_MAX + 1);
	refused("one command more", text, DECOY_COMMANDS_MAX + 2, "too many commands");
	repeat(text, sizeof(text), "entry x\n", "fails y\n", DECOY_FAILS_MAX + 1);
	refused("one line of failure more", text, DECOY_FAILS_MAX + 2, "too many lines");
	repeat(text, sizeof(text), "entry x\n", "\n", DECOY_LINES_MAX - 1);
	report(!parse(text, &line), "as many lines as there may be");
	repeat(text, sizeof(text), "entry x\n", "\n", DECOY_LINES_MAX);
	refused("one line more", text, DECOY_LINES_MAX + 1, "too many lines");
	repeat(text, sizeof(text), "entry ", "y", DECOY_TEXT_MAX);
	report(!parse(text, &line), "as long a text as there may be");
	repeat(text, sizeof(text), "entry ", "y", DECOY_TEXT_MAX + 1);
	refused("one character more", text, 1, "too long");
	memset(text, '#', DECOY_BYTES_MAX + 1);
	refused("one byte more", text, 0, "too long");
}

/* ---- The memory test ---- */

enum { WORDS = 4096, WRONG = 1234, ALIAS = 77 };
static uint64_t memory[WORDS];
static uint64_t stuck_bit;
static bool stuck_high;
static unsigned breaks_in;

static void fault(unsigned pass)
{
	if (pass == breaks_in && stuck_bit)
		memory[WRONG] = stuck_high ? memory[WRONG] | stuck_bit : memory[WRONG] & ~stuck_bit;
}

/* A line of the address that is dead: what is written to one place also arrives at another. */
static void alias(unsigned pass)
{
	(void)pass;
	memory[ALIAS] = memory[WRONG];
}

static void test_memory(void)
{
	bool found = true;
	report(memory_test(memory, WORDS, fault) == WORDS, "memory that keeps what is written passes");
	for (unsigned bit = 0; bit < 64; bit++)
		for (unsigned high = 0; high < 2; high++) {
			size_t first = WORDS;
			stuck_bit = 1ull << bit;
			stuck_high = high;
			for (breaks_in = 0; breaks_in < 4 && first == WORDS; breaks_in++)
				first = memory_test(memory, WORDS, fault);
			found = found && first == WRONG;
		}
	stuck_bit = 0;
	report(found, "each bit that sticks, at 0 or at 1, is found");
	report(memory_test(memory, WORDS, alias) == ALIAS, "a place that two addresses share is found");
}

int main(void)
{
	test_whole();
	test_refusals();
	test_limits();
	test_memory();
	return failures != 0;
}
