/* Tests of the generator against a fake entropy service: when it asks, when it is ready, and that no two draws are equal. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "generator.h"

static int failures;
static uint64_t now = 1, page_word, calls, next_seed;
static int64_t answer;

static void check(const char *name, bool right)
{
	printf(right ? "ok generator: %s\n" : "not ok generator: %s - see the check of this name\n", name);
	failures += !right;
}

int64_t syscall6(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f,
                 uint64_t *second)
{
	(void)a, (void)b, (void)c, (void)d, (void)e, (void)f, (void)second;
	return number == SYS_CLOCK ? (int64_t)now : E_CALL;
}

int64_t channel_call(handle_t channel, struct message *message, uint64_t deadline)
{
	(void)deadline;
	calls++;
	if (channel != 7)
		return E_HANDLE;
	if (answer < 0 && answer != E_BUSY)
		return answer;
	memset(message->words, 0, sizeof(message->words));
	message->words[0] = (uint64_t)answer;
	for (unsigned i = 1; i <= 4; i++)
		message->words[i] = ++next_seed;
	message->info = 0;
	return E_OK;
}

handle_t start_find(const struct start_info *info, const char *name, uint64_t *value)
{
	(void)info, (void)value;
	return !strcmp(name, "entropy") ? 7 : !strcmp(name, "generation") ? 8 : 0;
}

void *window_map(handle_t memory, uint64_t offset, uint64_t bytes, uint64_t flags)
{
	(void)offset, (void)bytes;
	return memory == 8 && flags == MAP_READ ? &page_word : 0;
}

static void start(struct generator *generator)
{
	static struct start_info info;
	generator_init(generator, &info);
}

static bool differ(struct generator *a, struct generator *b)
{
	uint8_t of_a[100], of_b[100];
	generator_draw(a, of_a, sizeof(of_a));
	generator_draw(b, of_b, sizeof(of_b));
	return memcmp(of_a, of_b, sizeof(of_a)) != 0;
}

static void test_ready(void)
{
	static struct thread_page page;
	struct generator generator, clone, other;
	start(&generator);
	answer = E_BUSY;
	check("without a seed it is not ready", !generator_ready(&generator, &page));
	answer = E_PEER;
	check("nor where the service is away", !generator_ready(&generator, &page));
	answer = E_OK;
	check("with one it is", generator_ready(&generator, &page));
	uint64_t before = calls;
	check("and asks for no other for a minute", generator_ready(&generator, &page) && calls == before);
	now += GENERATOR_RESEED_NS;
	check("then it does", generator_ready(&generator, &page) && calls == before + 1);
	now += GENERATOR_RESEED_NS;
	answer = E_PEER;
	check("a service that is away does not unseed it", generator_ready(&generator, &page));
	before = calls;
	check("and is not asked again at once", generator_ready(&generator, &page) && calls == before);
	answer = E_OK;
	now += GENERATOR_RESEED_NS;
	(void)generator_ready(&generator, &page);
	clone = other = generator;
	check("control: a copy draws the same", !differ(&clone, &other));
	page_word++;
	answer = E_BUSY;
	check("after a change of generation it is not ready before it has a new seed",
	      !generator_ready(&clone, &page));
	answer = E_OK;
	check("each clone gets its own",
	      generator_ready(&clone, &page) && generator_ready(&other, &page) && differ(&clone, &other));
}

static void test_draws(void)
{
	struct generator generator;
	static uint8_t drawn[2000][16];
	bool repeats = false;
	uint8_t large[200] = {0}, key[32];
	start(&generator);
	for (unsigned i = 0; i < 2000; i++) {
		generator_draw(&generator, drawn[i], sizeof(drawn[i]));
		for (unsigned j = 0; j < i; j++)
			repeats = repeats || !memcmp(drawn[i], drawn[j], sizeof(drawn[i]));
	}
	check("2,000 draws differ", !repeats);
	memcpy(key, generator.key, sizeof(key));
	generator_draw(&generator, large, sizeof(large));
	check("the key changes with every draw", memcmp(key, generator.key, sizeof(key)) != 0);
	bool inside = false;
	for (unsigned i = 0; i + sizeof(key) <= sizeof(large); i++)
		inside = inside || !memcmp(large + i, generator.key, sizeof(key));
	check("and is not in what was drawn", !inside);
	large[199] = 0x5a;
	generator_draw(&generator, large, 199);
	check("nothing behind what was asked for is touched", large[199] == 0x5a);
}

/* RFC 8439, A.1, test vector 2: the key and nonce zero, block 1 is what is drawn first. */
static void test_vector(void)
{
	static const uint8_t expected[] = {0x9f, 0x07, 0xe7, 0xbe, 0x55, 0x51, 0x38, 0x7a,
	                                   0x98, 0xba, 0x97, 0x7c, 0x73, 0x2d, 0x08, 0x0d};
	struct generator generator = {.service = 0};
	uint8_t drawn[sizeof(expected)];
	generator_draw(&generator, drawn, sizeof(drawn));
	check("RFC 8439's second vector", !memcmp(drawn, expected, sizeof(drawn)));
}

int main(void)
{
	test_ready();
	test_draws();
	test_vector();
	return failures != 0;
}
