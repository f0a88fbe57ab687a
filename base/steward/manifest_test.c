/* Tests of the manifest's parser: the system's own manifest, every kind of line, and the number of the line
 * that is wrong. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "manifest.h"

static struct manifest manifest;
static int failures;

static void check(const char *name, bool right)
{
	printf(right ? "ok manifest: %s\n" : "not ok manifest: %s - see the check of this name\n", name);
	failures += !right;
}

/* Parses an exact copy, so that a read behind the text's end is found. */
static const char *parse(const char *text, unsigned *line)
{
	size_t size = 0;
	while (text[size])
		size++;
	char *copy = malloc(size + !size);
	for (size_t i = 0; i < size; i++)
		copy[i] = text[i];
	const char *wrong = manifest_parse(&manifest, copy, size, line);
	free(copy);
	return wrong;
}

static bool refused(const char *text, unsigned at)
{
	unsigned line;
	return parse(text, &line) && line == at;
}

static void test_own(const char *path)
{
	static char text[16384];
	FILE *file = fopen(path, "r");
	size_t size = file ? fread(text, 1, sizeof(text), file) : 0;
	unsigned line = 0;
	const char *wrong = manifest_parse(&manifest, text, size, &line);
	if (file)
		fclose(file);
	if (wrong)
		printf("# line %u: %s\n", line, wrong);
	check("the system's own", size && !wrong && manifest.unit_count >= 3);
}

int main(int count, char **arguments)
{
	unsigned line;
	test_own(count > 1 ? arguments[1] : "image/manifest");
	const char *wrong = parse(
	    "# comment\n\nunit a # more\n\tprogram x/y\n memory 4M\n caps 0x20\n stack 64K\n priority 7\n"
	    " serve s\n use t\n give port p 0x3f8 8\n give irq i 4\n give wx\n give framebuffer\n"
	    " argument one\n argument options\n restart always\nunit b\r\nprogram z\nmemory rest",
	    &line);
	const struct manifest_unit *a = &manifest.units[0];
	check("a whole entry", !wrong && manifest.unit_count == 2 && strcmp(a->name, "a") == 0 &&
	                           strcmp(a->program, "x/y") == 0 && a->memory == 4 << 20 && a->caps == 32 &&
	                           a->stack == 64 << 10 && a->priority == 7 && a->restart && a->wx &&
	                           a->options);
	check("what it is given", a->give_count == 5 && a->gives[0].kind == GIVE_SERVE &&
	                              a->gives[1].kind == GIVE_USE && a->gives[2].kind == GIVE_PORT &&
	                              a->gives[2].base == 0x3f8 && a->gives[2].count == 8 &&
	                              a->gives[3].kind == GIVE_IRQ && a->gives[4].kind == GIVE_FRAMEBUFFER);
	check("defaults and rest", manifest.units[1].memory == MANIFEST_REST && !manifest.units[1].restart);
	check("nothing is refused", parse("", &line) && parse("# only\n", &line));
	check("a line before the first unit", refused("\nmemory 4M\n", 2));
	check("a unit without a program", parse("unit a\nmemory 4M\n", &line));
	check("unknown words",
	      refused("unit a\nprogram x\nwhat 1\n", 3) && refused("unit a\ngive soul\n", 2));
	check("bad numbers", refused("unit a\nmemory 4X\n", 2) && refused("unit a\nmemory K\n", 2) &&
	                         refused("unit a\nmemory 99999999999999999999\n", 2) &&
	                         refused("unit a\nmemory 17179869185G\n", 2) && /* 1G beyond 2 to the 64th */
	                         refused("unit a\nstack 65M\n", 2) && refused("unit a\nstack rest\n", 2) &&
	                         refused("unit a\npriority 0\n", 2) && refused("unit a\npriority 128\n", 2));
	check("bad ports",
	      refused("unit a\ngive port p 0x10000 1\n", 2) && refused("unit a\ngive port p 0xffff 2\n", 2) &&
	          refused("unit a\ngive port p 1 0\n", 2) && refused("unit a\ngive irq i 1024\n", 2));
	check("too many words", refused("unit a\ngive port p 1 1 1\n", 2));
	char text[4096];
	int length = snprintf(text, sizeof(text), "unit a\nprogram x\n");
	for (unsigned i = 0; i <= MANIFEST_GIVES_MAX; i++)
		length += snprintf(text + length, sizeof(text) - (size_t)length, "give log\n");
	check("too many capabilities", refused(text, 3 + MANIFEST_GIVES_MAX));
	length = 0;
	for (unsigned i = 0; i <= MANIFEST_UNITS_MAX; i++)
		length += snprintf(text + length, sizeof(text) - (size_t)length, "unit a\nprogram x\n");
	check("too many units", refused(text, 2 * MANIFEST_UNITS_MAX + 1));
	snprintf(text, sizeof(text), "unit %0200d\n", 0);
	check("a name too long", refused(text, 1));
	return failures != 0;
}
