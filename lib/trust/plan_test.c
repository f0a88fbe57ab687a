/* Plans of capsules: what is granted is what was asked for and named, whatever the words; quotas, endpoints, commands, versions. */
#include "plan.h"
#include "endpoint.h"
#include <stdio.h>
#include <string.h>

static unsigned failures;

static void check(bool good, const char *name)
{
	printf(good ? "ok plan: %s\n" : "not ok plan: %s - it is not so\n", name);
	failures += !good;
}

/* A manifest's fields as record_read() leaves them: numbers of 8 bytes, lists of items with their length in front. */
static uint8_t numbers[3][8], lists[3][512], payload[2048];
static struct capsule capsule;

static void number_set(unsigned which, enum capsule_field field, uint64_t value)
{
	for (unsigned byte = 0; byte < 8; byte++)
		numbers[which][byte] = (uint8_t)(value >> (8 * byte));
	capsule.manifest[field] = (struct field){numbers[which], 8};
}

static void list_set(unsigned which, enum capsule_field field, const char *const *items)
{
	uint32_t count = 0;

	for (; *items; items++) {
		size_t length = strlen(*items);

		lists[which][count] = (uint8_t)length;
		lists[which][count + 1] = 0;
		memcpy(lists[which] + count + 2, *items, length);
		count += (uint32_t)length + 2;
	}
	capsule.manifest[field] = (struct field){lists[which], count};
}

static void text_set(enum capsule_field field, const char *text)
{
	capsule.manifest[field] = (struct field){(const uint8_t *)text, (uint32_t)strlen(text)};
}

static void payload_put(size_t at, const char *text)
{
	for (; *text; text++)
		payload[at++] = (uint8_t)*text;
}

static void reset(void)
{
	memset(&capsule, 0, sizeof(capsule));
	memset(payload, 0, sizeof(payload));
	payload_put(0, "\177ELF");
	capsule.payload = payload;
	capsule.payload_count = sizeof(payload);
	number_set(0, CAPSULE_MEMORY, 64 << 20);
	number_set(1, CAPSULE_CAPABILITIES, 1024);
	number_set(2, CAPSULE_CPU, 1500);
}

static enum plan_error make(struct plan *plan)
{
	struct field wrong;

	return plan_make(plan, &capsule, &wrong);
}

static void test_grants(void)
{
	static const char *const all[] = {"all", "files,network", "network,files", ",,files,,network,", 0};
	struct plan plan;
	struct field wrong;

	reset();
	list_set(0, CAPSULE_REQUIRED, (const char *const[]){"files", 0});
	list_set(1, CAPSULE_OPTIONAL, (const char *const[]){"future", "network", 0});
	check(make(&plan) == PLAN_OK && plan.required == CAPABILITY_FILES &&
	          plan.optional == CAPABILITY_NETWORK && !plan.granted,
	      "an unknown optional capability is left out, and nothing is granted by itself");
	for (unsigned index = 0; all[index]; index++)
		check(plan_grant(&plan, all[index], &wrong) == PLAN_OK &&
		          plan.granted == (CAPABILITY_FILES | CAPABILITY_NETWORK),
		      all[index]);
	check(plan_grant(&plan, "files", &wrong) == PLAN_OK && plan.granted == CAPABILITY_FILES,
	      "less is granted");
	check(plan_grant(&plan, "network", &wrong) == PLAN_DENIED && wrong.count == 5,
	      "a required one that is missing");
	check(plan_grant(&plan, "none", &wrong) == PLAN_DENIED &&
	          plan_grant(&plan, "", &wrong) == PLAN_DENIED,
	      "none at all");
	check(plan_grant(&plan, "files,wx", &wrong) == PLAN_WORD && wrong.count == 2,
	      "one that was not asked for");
	check(plan_grant(&plan, "files,future", &wrong) == PLAN_WORD, "one that is unknown");
	check(plan_grant(&plan, "file", &wrong) == PLAN_WORD &&
	          plan_grant(&plan, "filess", &wrong) == PLAN_WORD,
	      "a part of a name is none");
	list_set(0, CAPSULE_REQUIRED, (const char *const[]){"files", "future", 0});
	check(plan_make(&plan, &capsule, &wrong) == PLAN_CAPABILITY && wrong.count == 6,
	      "an unknown required one");
}

static void test_quotas(void)
{
	static const struct {
		uint64_t cpu;
		uint32_t processors, share;
	} shares[] = {{1, 1, 1},     {10, 1, 1},    {500, 1, 50},    {1000, 1, 100},
	              {1001, 2, 50}, {1500, 2, 75}, {64000, 64, 100}};
	struct plan plan;
	bool good = true;

	reset();
	for (unsigned index = 0; index < sizeof(shares) / sizeof(*shares); index++) {
		number_set(2, CAPSULE_CPU, shares[index].cpu);
		good &= make(&plan) == PLAN_OK && plan.processors == shares[index].processors &&
		        plan.share == shares[index].share;
	}
	check(good, "processors and shares");
	number_set(2, CAPSULE_CPU, 0);
	good = make(&plan) == PLAN_QUOTA;
	number_set(2, CAPSULE_CPU, UINT64_MAX);
	good &= make(&plan) == PLAN_QUOTA;
	number_set(2, CAPSULE_CPU, 1000);
	number_set(0, CAPSULE_MEMORY, UINT64_MAX);
	good &= make(&plan) == PLAN_QUOTA;
	number_set(0, CAPSULE_MEMORY, 1);
	good &= make(&plan) == PLAN_QUOTA;
	number_set(0, CAPSULE_MEMORY, 64 << 20);
	number_set(1, CAPSULE_CAPABILITIES, UINT64_MAX);
	good &= make(&plan) == PLAN_QUOTA;
	check(good, "quotas out of bounds");
}

static void test_payloads(void)
{
	struct plan plan;

	reset();
	check(make(&plan) == PLAN_OK && plan.word_count == 1 &&
	          strcmp(plan.words[0], "/capsule/program") == 0,
	      "a program without a command has a place");
	text_set(CAPSULE_COMMAND, "  /bin/editor  --now ");
	check(make(&plan) == PLAN_OK && plan.word_count == 2 && strcmp(plan.words[1], "--now") == 0 &&
	          !plan.words[2],
	      "a command's words");
	text_set(CAPSULE_COMMAND, "editor");
	check(make(&plan) == PLAN_COMMAND, "a program with no place");
	text_set(CAPSULE_COMMAND, "/bin/");
	check(make(&plan) == PLAN_COMMAND, "a place that is a directory");
	text_set(CAPSULE_COMMAND, "/a/../b");
	check(make(&plan) == PLAN_COMMAND, "a place that goes back");
	payload_put(0, "#!/bin/sh\n");
	text_set(CAPSULE_COMMAND, "/bin/x");
	check(make(&plan) == PLAN_OK && plan.payload == PAYLOAD_PROGRAM, "a script is a program");
	payload_put(0, "data");
	check(make(&plan) == PLAN_PAYLOAD, "a payload of no kind");
	payload_put(257, "ustar");
	text_set(CAPSULE_COMMAND, "editor");
	check(make(&plan) == PLAN_OK && plan.payload == PAYLOAD_TREE, "an archive");
	capsule.payload_count = 1025;
	check(make(&plan) == PLAN_PAYLOAD, "an archive that is cut");
	capsule.payload_count = 0;
	check(make(&plan) == PLAN_PAYLOAD, "no payload");
	reset();
	payload_put(257, "ustar");
	memset(payload, 'x', 4);
	check(make(&plan) == PLAN_COMMAND, "an archive without a command");
	{
		static char many[4 * PLAN_WORDS_MAX];

		for (unsigned index = 0; index < sizeof(many) - 1; index++)
			many[index] = index % 2 ? ' ' : 'x';
		text_set(CAPSULE_COMMAND, many);
		check(make(&plan) == PLAN_COMMAND, "a command of too many words");
	}
}

static void test_endpoints(void)
{
	static const char *const bad[] = {
	    "",      ":",      "a",           "a:",    ":1",     "a:0",    "a:65536",
	    "a:1x",  "a:-1",   "a:1:2",       "tcp:",  "tcp:a",  "a: 1",   "a:99999999999",
	    "[",     "[]:1",   "[::1",        "[::1]", "[::1]:", "[::1]1", "[a.b]:",
	    "[x]:1", "::1:80", "tcp:[::1]80", 0};
	struct switch_allowed allowed;
	struct plan plan;
	bool good = true;

	for (unsigned index = 0; bad[index]; index++)
		good &= !endpoint_parse(&allowed, bad[index], strlen(bad[index]));
	check(good, "endpoints that are none");
	check(endpoint_parse(&allowed, "udp:a.b:65535", 13) && allowed.port == 65535 &&
	          allowed.protocol == 17 && strcmp(allowed.host, "a.b") == 0,
	      "one that is");
	check(endpoint_parse(&allowed, "tcp:[2001:db8::7]:443", 21) && allowed.port == 443 &&
	          allowed.protocol == 6 && strcmp(allowed.host, "2001:db8::7") == 0,
	      "one with an IPv6 address");
	reset();
	check(make(&plan) == PLAN_OK && plan.net.mode == SWITCH_NAT,
	      "without endpoints the network is all of it");
	list_set(2, CAPSULE_ENDPOINTS, (const char *const[]){"a:1", "b:2", 0});
	check(make(&plan) == PLAN_OK && plan.net.mode == SWITCH_ONLY && plan.net.allowed_count == 2,
	      "with endpoints it is these");
	list_set(2, CAPSULE_ENDPOINTS, (const char *const[]){"a:1", "b", 0});
	check(make(&plan) == PLAN_ENDPOINT, "one bad endpoint is the end of all");
	list_set(2, CAPSULE_ENDPOINTS,
	         (const char *const[]){"a:1", "b:1", "c:1", "d:1", "e:1", "f:1", "g:1", "h:1", "i:1", "j:1",
	                               "k:1", "l:1", "m:1", "n:1", "o:1", "p:1", "q:1", 0});
	check(make(&plan) == PLAN_ENDPOINT, "too many endpoints");
}

static int compare(const char *a, const char *b)
{
	struct field left = {(const uint8_t *)a, (uint32_t)strlen(a)},
	             right = {(const uint8_t *)b, (uint32_t)strlen(b)};

	return plan_version_compare(&left, &right);
}

static void test_versions(void)
{
	static const char *const rising[] = {"0.9",
	                                     "1",
	                                     "1.0",
	                                     "1.1",
	                                     "1.9",
	                                     "1.10",
	                                     "1.10.1",
	                                     "2-rc1",
	                                     "2-rc2",
	                                     "10",
	                                     "99999999999999999999999",
	                                     "100000000000000000000000",
	                                     0};
	bool good = true;

	for (unsigned a = 0; rising[a]; a++)
		for (unsigned b = 0; rising[b]; b++)
			good &= compare(rising[a], rising[b]) == (a < b ? -1 : a > b);
	check(good, "versions in their order");
	check(compare("1.02", "1.2") == 0 && compare("007", "7") == 0, "leading zeros count nothing");
}

static bool kept(const char *text, const char *list, uint64_t until)
{
	char found[PLAN_GRANT_MAX];
	uint64_t time;
	bool good = plan_grant_read(found, &time, (const uint8_t *)text, strlen(text));

	return list ? good && strcmp(found, list) == 0 && time == until : !good;
}

static void test_kept(void)
{
	static const char *const bad[] = {
	    "files\n", "files\nx", "files\n1x", "files\n-1", "files\n18446744073709551616", "files\n1\n", 0};
	char text[PLAN_GRANT_MAX];
	bool good = true;

	check(kept("files,network", "files,network", UINT64_MAX) && kept("", "", UINT64_MAX) &&
	          kept("none\n1800000000", "none", 1800000000) &&
	          kept("a\n18446744073709551615", "a", UINT64_MAX),
	      "a kept grant, with and without an end");
	for (unsigned index = 0; bad[index]; index++)
		good &= kept(bad[index], 0, 0);
	check(good, "what is no grant");
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	check(kept(text, text, UINT64_MAX), "one of just the length that there may be");
	check(plan_grant_write(text, CAPABILITY_WX | CAPABILITY_FILES, 7) == 10 &&
	          strcmp(text, "files,wx\n7") == 0 && plan_grant_write(text, 0, UINT64_MAX) == 4 &&
	          strcmp(text, "none") == 0 && plan_grant_write(text, ~0u, UINT64_MAX - 1) < PLAN_GRANT_MAX,
	      "how one is written");
}

int main(void)
{
	test_kept();
	test_grants();
	test_quotas();
	test_payloads();
	test_endpoints();
	test_versions();
	return failures != 0;
}
