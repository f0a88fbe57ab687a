/* The words and capabilities that a unit is started with, among them its seed of randomness. Apart from program.c, so that the steward can use it. */
#include "holon.h"
#include "text.h"

static const char seed_prefix[] = "seed=";

const char *start_word(const struct start_info *info, const char *prefix)
{
	size_t length = strlen(prefix);
	for (const char *word = info->arguments; *word; word += strlen(word) + 1)
		if (strncmp(word, prefix, length) == 0)
			return word + length;
	return 0;
}

bool start_has(const struct start_info *info, const char *word)
{
	for (const char *each = info->arguments; *each; each += strlen(each) + 1)
		if (strcmp(each, word) == 0)
			return true;
	return false;
}

uint64_t seed_word(char *buffer, size_t size, const uint8_t seed[SEED_BYTES])
{
	size_t length = sizeof(seed_prefix) - 1;
	if (size < length + 2 * SEED_BYTES + 1)
		return 0;
	memcpy(buffer, seed_prefix, length);
	for (unsigned i = 0; i < 2 * SEED_BYTES; i++)
		buffer[length++] = "0123456789abcdef"[seed[i / 2] >> (i % 2 ? 0 : 4) & 15];
	buffer[length++] = 0;
	return length;
}

bool seed_read(const struct start_info *info, uint8_t seed[SEED_BYTES])
{
	const char *text = start_word(info, seed_prefix);
	memset(seed, 0, SEED_BYTES);
	for (unsigned i = 0; text && i < 2 * SEED_BYTES; i++) {
		unsigned digit = text[i] >= 'a' ? (unsigned)(text[i] - 'a' + 10) : (unsigned)(text[i] - '0');
		if (digit > 15)
			return false;
		seed[i / 2] = (uint8_t)(seed[i / 2] << 4 | digit);
	}
	return text != 0;
}

handle_t start_find(const struct start_info *info, const char *name, uint64_t *value)
{
	for (unsigned i = 0; i < START_CAPS_MAX && info->caps[i].name[0]; i++) {
		if (strncmp(info->caps[i].name, name, sizeof(info->caps[i].name)) == 0) {
			if (value)
				*value = info->caps[i].value;
			return info->caps[i].handle;
		}
	}
	return 0;
}
