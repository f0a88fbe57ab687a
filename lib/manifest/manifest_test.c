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

static void test_own(const char *name, const char *path)
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
	check(name, size && !wrong && manifest.unit_count);
}

/* Sub-kernels that the manager starts. */
static void test_residents(void)
{
	unsigned line;
	const char *wrong =
	    parse("unit a\nprogram x\nsubkernel ledger\n when ledger\n command run it --now 5\n memory 8M\n"
	          " caps 300\n image debian\n net nat\n serve 8545\n give add\n restart always\n"
	          "unit b\nprogram y\nsubkernel plain\ncommand sh\nnet none\nrestart never\n",
	          &line);
	const struct manifest_resident *ledger = &manifest.residents[0], *plain = &manifest.residents[1];
	check("a sub-kernel", !wrong && manifest.unit_count == 2 && manifest.resident_count == 2 &&
	                          strcmp(ledger->name, "ledger") == 0 &&
	                          strcmp(ledger->when, "ledger") == 0 && ledger->memory == 8 << 20 &&
	                          ledger->caps == 300 && strcmp(ledger->image, "debian") == 0 &&
	                          ledger->nat && ledger->port == 8545 && ledger->add && ledger->restart);
	check("its command", !wrong && ledger->command_words == 4 && ledger->command_bytes == 15 &&
	                         memcmp(ledger->command, "run\0it\0--now\0005", 15) == 0);
	check("what it is without more lines", !wrong && !plain->when[0] && !plain->image[0] && !plain->nat &&
	                                           !plain->port && !plain->add && !plain->restart &&
	                                           plain->memory);
	check("a sub-kernel without a command", parse("unit a\nprogram x\nsubkernel b\n", &line));
	check("a sub-kernel's wrong lines",
	      refused("subkernel a\nprogram x\n", 2) && refused("subkernel a\nserve x\n", 2) &&
	          refused("subkernel a\nserve 0\n", 2) && refused("subkernel a\nserve 65536\n", 2) &&
	          refused("subkernel a\nnet bridge\n", 2) && refused("subkernel a\ngive log\n", 2) &&
	          refused("subkernel a\nmemory rest\n", 2) && refused("subkernel a\ncommand\n", 2) &&
	          refused("subkernel a\ncommand b\ncommand c\n", 3) && refused("subkernel\n", 1));
	check("no sub-kernels alone", parse("subkernel a\ncommand b\n", &line));
	char text[4096];
	int length = snprintf(text, sizeof(text), "unit a\nprogram x\n");
	for (unsigned i = 0; i <= MANIFEST_RESIDENTS_MAX; i++)
		length += snprintf(text + length, sizeof(text) - (size_t)length, "subkernel a\ncommand x\n");
	check("too many sub-kernels", refused(text, 3 + 2 * MANIFEST_RESIDENTS_MAX));
	snprintf(text, sizeof(text), "subkernel a\ncommand %0300d\n", 0);
	check("a command too long", refused(text, 2));
	snprintf(text, sizeof(text),
	         "subkernel a\ncommand 1 2 3 4 5 6 7 8 9 1 2 3 4 5 6 7 8 9 1 2 3 4 5 6\n");
	check("a command of too many words", refused(text, 2));
}

int main(int count, char **arguments)
{
	unsigned line;
	test_own("the system's own", count > 1 ? arguments[1] : "image/manifest");
	static const char *const blueprints[] = {"native",  "realtime", "network",
	                                         "storage", "graphics", "enclave"};
	for (unsigned i = 0; i < sizeof(blueprints) / sizeof(*blueprints); i++) {
		char path[64];
		snprintf(path, sizeof(path), "image/blueprints/%s", blueprints[i]);
		test_own(blueprints[i], path);
	}
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
	test_residents();
	check("nothing is refused", parse("", &line) && parse("# only\n", &line));
	check("a line before the first unit", refused("\nmemory 4M\n", 2));
	check("a unit without a program", parse("unit a\nmemory 4M\n", &line));
	check("unknown words",
	      refused("unit a\nprogram x\nwhat 1\n", 3) && refused("unit a\ngive soul\n", 2));
	check("bad numbers", refused("unit a\nmemory 4X\n", 2) && refused("unit a\nmemory K\n", 2) &&
	                         refused("unit a\nmemory 99999999999999999999\n", 2) &&
	                         refused("unit a\nmemory 17179869185G\n", 2) && /* 1G beyond 2 to the 64th */
	                         refused("unit a\nstack 65M\n", 2) && refused("unit a\nstack rest\n", 2) &&
	                         refused("unit a\npriority 0\n", 2) && refused("unit a\npriority 200\n", 2));
	wrong = parse("unit a\nprogram *\npriority 160\nbudget 1500us 10ms\nsealed\ngive link\ngive blocks\n"
	              "unit b\nprogram x\npriority 9\nceiling 199\ncpu-share 60\n",
	              &line);
	check("an admitted budget", !wrong && a->budget_ns == 1500000 && a->budget_period_ns == 10000000 &&
	                                manifest_budget_share(a) == 150000 && a->ceiling == 160 &&
	                                a->sealed && manifest_gives(a, GIVE_LINK) &&
	                                manifest_gives(a, GIVE_BLOCKS) && !manifest_gives(a, GIVE_LOG));
	check("what is handed on",
	      !wrong && manifest.units[1].priority == 9 && manifest.units[1].ceiling == 199 &&
	          manifest.units[1].cpu_share == 600000 && !manifest_budget_share(&manifest.units[1]));
	static const char *const bad_times[] = {"1ms",   "1 10ms",  "1ms 10",          "0ms 1ms",  "2ms 1ms",
	                                        "1m 1h", "1ms 61s", "9999999999us 1s", "-1ms 1ms", "ms ms"};
	for (unsigned i = 0; i < sizeof(bad_times) / sizeof(*bad_times); i++) {
		char text[80];
		snprintf(text, sizeof(text), "unit a\nbudget %s\n", bad_times[i]);
		check("bad budgets", refused(text, 2));
	}
	check("a budget and its priority go together",
	      parse("unit a\nprogram x\npriority 128\n", &line) &&
	          parse("unit a\nprogram x\npriority 127\nbudget 1ms 10ms\n", &line) &&
	          !parse("unit a\nprogram x\npriority 128\nbudget 1ms 10ms\n", &line));
	check("no more than a CPU",
	      refused("unit a\ncpu-share 101\n", 2) &&
	          parse("unit a\nprogram x\npriority 128\nbudget 1ms 2ms\ncpu-share 51\n", &line));
	wrong = parse("reserve 40\nunit a\nprogram x\ncpu-share 60\n", &line);
	check("a reserve", !wrong && manifest.reserve == 400000);
	check("nothing is admitted in its place",
	      parse("reserve 40\nunit a\nprogram x\ncpu-share 61\n", &line) &&
	          parse("reserve 40\nunit a\nprogram x\ncpu-share 30\nunit b\nprogram x\npriority "
	                "128\nbudget 1ms 3ms\n",
	                &line) &&
	          parse("unit a\nprogram x\ncpu-share 60\nunit b\nprogram x\ncpu-share 41\n", &line));
	check("none without the word",
	      !parse("unit a\nprogram x\ncpu-share 100\n", &line) && !manifest.reserve);
	check("bad reserves", refused("reserve 101\n", 1) && refused("reserve\n", 1) &&
	                          refused("reserve rest\n", 1) && refused("unit a\nreserve 40\n", 2));
	check("no ceiling below the priority", parse("unit a\nprogram x\npriority 9\nceiling 8\n", &line));
	check("bad ports",
	      refused("unit a\ngive port p 0x10000 1\n", 2) && refused("unit a\ngive port p 0xffff 2\n", 2) &&
	          refused("unit a\ngive port p 1 0\n", 2) && refused("unit a\ngive irq i 1024\n", 2));
	wrong = parse("unit a\nprogram x\ngive registers r 0xfed40000 4K\n", &line);
	check("registers", !wrong && a->gives[0].kind == GIVE_REGISTERS && a->gives[0].base == 0xfed40000 &&
	                       a->gives[0].count == 4096);
	check("bad registers", refused("unit a\ngive registers r 0xfed40800 4K\n", 2) &&
	                           refused("unit a\ngive registers r 0xfed40000 100\n", 2) &&
	                           refused("unit a\ngive registers r 0xfed40000 0\n", 2) &&
	                           refused("unit a\ngive registers r 0xfffff000 8K\n", 2) &&
	                           refused("unit a\ngive registers r 0x100000000 4K\n", 2));
	static const char zero[] = "unit a\nprogram x\0y\n";
	unsigned at = 0;
	check("a zero byte in a word",
	      manifest_parse(&manifest, zero, sizeof(zero) - 1, &at) != NULL && at == 2);
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
