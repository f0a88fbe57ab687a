/* The oracle's line protocol: reads requests, finds the operation, prints the answer. See oracle.h. */
#include "oracle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/cpu.h"

#define MAX_SCRATCH 16

/* Mask of processor features. */
static enum crypto_status run_limit(const struct oracle_call *call)
{
	crypto_cpu_limit((unsigned)oracle_number(call, 0));
	return CRYPTO_OK;
}

static const struct oracle_operation general_operations[] = {{"limit", 1, run_limit}, {NULL, 0, NULL}};

#define TABLE_COUNT 6
static const struct oracle_operation *const tables[TABLE_COUNT] = {
    general_operations,       oracle_hash_operations,      oracle_mlkem_mldsa_operations,
    oracle_slhdsa_operations, oracle_classical_operations, oracle_combined_operations,
};

static struct {
	char *text;
	size_t length, room;
} answer;

static uint8_t *scratch[MAX_SCRATCH];
static size_t scratch_count;

static void *must_allocate(void *old, size_t length)
{
	void *memory = realloc(old, length ? length : 1);
	if (!memory) {
		fputs("crypto-oracle: out of memory\n", stderr);
		exit(2);
	}
	return memory;
}

void oracle_reply(const void *data, size_t length)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *bytes = data;
	size_t need = answer.length + 2 * length + 3;
	if (need > answer.room) {
		answer.room = 2 * need;
		answer.text = must_allocate(answer.text, answer.room);
	}
	char *out = answer.text + answer.length;
	*out++ = ' ';
	if (length == 0)
		*out++ = '-';
	for (size_t i = 0; i < length; i++) {
		*out++ = digits[bytes[i] >> 4];
		*out++ = digits[bytes[i] & 15];
	}
	answer.length = (size_t)(out - answer.text);
}

uint64_t oracle_number(const struct oracle_call *call, size_t index)
{
	uint64_t number = 0;
	for (size_t i = 0; i < call->argument[index].length && i < 8; i++)
		number |= (uint64_t)call->argument[index].data[i] << 8 * i;
	return number;
}

uint8_t *oracle_scratch(size_t length)
{
	if (scratch_count == MAX_SCRATCH) {
		fputs("crypto-oracle: an operation uses too many buffers\n", stderr);
		exit(2);
	}
	uint8_t *memory = must_allocate(NULL, length);
	memset(memory, 0, length);
	scratch[scratch_count++] = memory;
	return memory;
}

enum crypto_status oracle_expect(const struct oracle_call *call, size_t index, size_t length)
{
	return call->argument[index].length == length ? CRYPTO_OK : CRYPTO_BAD_LENGTH;
}

enum crypto_status oracle_optional(const struct oracle_call *call, size_t index, size_t length,
                                   const uint8_t **out)
{
	*out = call->argument[index].length ? call->argument[index].data : NULL;
	return *out ? oracle_expect(call, index, length) : CRYPTO_OK;
}

static const char *status_name(enum crypto_status status)
{
	switch (status) {
	case CRYPTO_OK:
		return "OK";
	case CRYPTO_BAD_ARGUMENT:
		return "BAD_ARGUMENT";
	case CRYPTO_BAD_LENGTH:
		return "BAD_LENGTH";
	case CRYPTO_BAD_ENCODING:
		return "BAD_ENCODING";
	case CRYPTO_BAD_SIGNATURE:
		return "BAD_SIGNATURE";
	case CRYPTO_BAD_KEY:
		return "BAD_KEY";
	case CRYPTO_BAD_CIPHERTEXT:
		return "BAD_CIPHERTEXT";
	case CRYPTO_BAD_PASSPHRASE:
		return "BAD_PASSPHRASE";
	case CRYPTO_UNSUPPORTED:
		return "UNSUPPORTED";
	case CRYPTO_NO_MEMORY:
		return "NO_MEMORY";
	case CRYPTO_INTERNAL:
		return "INTERNAL";
	}
	return "UNKNOWN";
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* False when `text` is not hexadecimal. */
static bool parse_bytes(const char *text, struct oracle_bytes *out)
{
	size_t length = strcmp(text, "-") ? strlen(text) : 0;
	if (length % 2)
		return false;
	out->length = length / 2;
	out->data = must_allocate(NULL, out->length);
	for (size_t i = 0; i < out->length; i++) {
		int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		out->data[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static const struct oracle_operation *find_operation(const char *name)
{
	for (size_t t = 0; t < TABLE_COUNT; t++)
		for (const struct oracle_operation *op = tables[t]; op->name; op++)
			if (!strcmp(op->name, name))
				return op;
	return NULL;
}

static void answer_line(char *line)
{
	struct oracle_call call = {.variant = ""};
	char *rest = NULL;
	char *name = strtok_r(line, " ", &rest);
	bool well_formed = true;
	for (char *word; name && (word = strtok_r(NULL, " ", &rest));) {
		if (call.count == ORACLE_MAX_ARGUMENTS) {
			well_formed = false;
			break;
		}
		call.argument[call.count].data = NULL;
		well_formed = parse_bytes(word, &call.argument[call.count++]) && well_formed;
	}
	char *colon = name ? strchr(name, ':') : NULL;
	if (colon) {
		*colon = 0;
		call.variant = colon + 1;
	}
	call.name = name;
	const struct oracle_operation *op = name ? find_operation(name) : NULL;
	answer.length = 0;
	if (!op) {
		printf("usage unknown operation %s\n", name ? name : "(none)");
	} else if (!well_formed || call.count != op->arguments) {
		printf("usage %s takes %zu hexadecimal arguments\n", name, op->arguments);
	} else {
		enum crypto_status status = op->run(&call);
		if (status == CRYPTO_OK)
			printf("ok%.*s\n", (int)answer.length, answer.length ? answer.text : "");
		else
			printf("error %s\n", status_name(status));
	}
	for (size_t i = 0; i < call.count; i++)
		free(call.argument[i].data);
	while (scratch_count)
		free(scratch[--scratch_count]);
}

int main(void)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t length;
	while ((length = getline(&line, &room, stdin)) > 0) {
		if (line[length - 1] == '\n')
			line[length - 1] = 0;
		answer_line(line);
		fflush(stdout);
	}
	free(line);
	free(answer.text);
	return 0;
}
