/* Fuzzes what codecs answer: every answer is of the input. The walk ends, keeps to its numbers and asks for no more than its limit. */
#include <stdbool.h>
#include <stdlib.h>
#include "fuzz_input.h"
#include "hda_codec.h"

static bool answer(void *context, uint32_t verb, uint32_t *response)
{
	uint8_t kind;

	(void)context;
	if ((verb >> 28) != 5 || verb >> 27 & 1)
		abort();
	take(&kind, 1);
	if (kind == 0xff)
		return false;
	if (kind & 1) { /* what makes graphs of some size likely */
		uint8_t small[4];
		take(small, 4);
		*response = (uint32_t)(small[0] & 0x1f) | (uint32_t)(small[1] & 0x1f) << 8 |
		            (uint32_t)(small[2] & 0x5f) << 16 | (uint32_t)(small[3] & 0x1f) << 24;
		return true;
	}
	take(response, 4);
	return true;
}

static void judge(const struct hda_path *path)
{
	if (path->count > HDA_PATH_MAX)
		abort();
	for (unsigned i = 0; i < path->count; i++)
		if (path->widgets[i] >= HDA_WIDGETS_MAX || path->index[i] >= HDA_CONNECTIONS_MAX)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static struct hda_codec codec;

	input = data;
	left = bytes;
	codec = (struct hda_codec){.command = answer, .address = 5};
	bool read = hda_codec_read(&codec);
	if (codec.commands > HDA_COMMANDS_MAX + 1 || codec.play_count > HDA_PATHS_MAX)
		abort();
	if (!read)
		return 0;
	for (unsigned i = 0; i < codec.play_count; i++)
		judge(&codec.play[i]);
	judge(&codec.capture);
	(void)hda_codec_connect(&codec, 1, 2);
	return 0;
}
