/* The walk through codecs: QEMU's, one as laptops have them (mixers, selectors, ranges in connection lists, several pins) and broken ones. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "hda_codec.h"

static int failures;

static void check(const char *name, bool right)
{
	printf(right ? "ok hda: %s\n" : "not ok hda: %s - see the check of this name\n", name);
	failures += !right;
}

/* A codec as a table: answers to GET_PARAMETER, connections, the pins' configuration; and what was set. */
struct node {
	uint32_t nodes, type, caps, pcm, pin, in, out, config;
	uint32_t format, stream, select, power, control, eapd, amp_out, amp_in[16]; /* set */
	uint8_t number, length, connections[8];
	bool wide;
};

struct fake {
	struct node *nodes;
	unsigned count;
	unsigned dies_after; /* commands; 0: never */
	unsigned commands, unknown;
};

static uint32_t parameter(const struct node *node, uint32_t id)
{
	switch (id) {
	case 0x04:
		return node->nodes;
	case 0x05:
		return node->type;
	case 0x09:
		return node->caps;
	case 0x0a:
		return node->pcm;
	case 0x0c:
		return node->pin;
	case 0x0d:
		return node->in;
	case 0x0e:
		return node->length | (node->wide ? 0x80u : 0);
	case 0x12:
		return node->out;
	default:
		return 0;
	}
}

static uint32_t connections(const struct node *node, uint32_t from)
{
	uint32_t answer = 0, each = node->wide ? 2 : 4;

	for (uint32_t i = 0; i < each && from + i < node->length; i++) {
		uint32_t entry = node->connections[from + i];
		if (node->wide && entry & 0x80)
			entry = (entry & 0x7f) | 0x8000;
		answer |= entry << i * (32 / each);
	}
	return answer;
}

static bool answer(void *context, uint32_t verb, uint32_t *response)
{
	struct fake *fake = context;
	uint32_t number = verb >> 20 & 0x7f, long_verb = verb >> 8 & 0xfff, payload = verb & 0xff;
	struct node *node = 0;

	*response = 0;
	if (++fake->commands >= fake->dies_after && fake->dies_after)
		return false;
	for (unsigned i = 0; i < fake->count; i++)
		if (fake->nodes[i].number == number)
			node = &fake->nodes[i];
	if (!node) {
		fake->unknown++;
		return true;
	}
	switch (verb >> 16 & 0xf) {
	case 2:
		node->format = verb & 0xffff;
		return true;
	case 3:
		if (verb & 0x8000)
			node->amp_out = verb & 0xff;
		if (verb & 0x4000)
			node->amp_in[verb >> 8 & 0xf] = verb & 0xff;
		return true;
	default:
		break;
	}
	if (long_verb == 0xf00)
		*response = parameter(node, payload);
	else if (long_verb == 0xf02)
		*response = connections(node, payload);
	else if (long_verb == 0xf1c)
		*response = node->config;
	else if (long_verb == 0x701)
		node->select = payload;
	else if (long_verb == 0x705)
		node->power = 0x100 | payload;
	else if (long_verb == 0x706)
		node->stream = payload;
	else if (long_verb == 0x707)
		node->control = payload;
	else if (long_verb == 0x70c)
		node->eapd = payload;
	return true;
}

static struct hda_codec codec;

static bool read_fake(struct fake *fake)
{
	codec = (struct hda_codec){.command = answer, .context = fake, .address = 3};
	return hda_codec_read(&codec);
}

/* QEMU's hda-duplex. */
static void simple(void)
{
	struct node nodes[] = {
	    {.number = 0, .nodes = 1u << 16 | 1},
	    {.number = 1, .nodes = 2u << 16 | 4, .type = 1, .pcm = 0x1fc | 1u << 17},
	    {.number = 2,
	     .caps = 0u << 20 | 0x1d,
	     .pcm = 0x1fc | 1u << 17,
	     .out = 0x80000000u | 74u << 8 | 74},
	    {.number = 3,
	     .caps = 4u << 20 | 0x101,
	     .pin = 1u << 4,
	     .config = 0x00000010,
	     .length = 1,
	     .connections = {2}},
	    {.number = 4,
	     .caps = 1u << 20 | 0x11b,
	     .pcm = 0x1fc | 1u << 17,
	     .in = 0x80000000u | 74u << 8 | 74,
	     .length = 1,
	     .connections = {5}},
	    {.number = 5, .caps = 4u << 20 | 0x1, .pin = 1u << 5, .config = 0x00800020},
	};
	struct fake fake = {nodes, 6, 0, 0, 0};
	bool right = read_fake(&fake) && codec.play_count == 1 && codec.play[0].count == 2 &&
	             codec.play[0].widgets[1] == 2 && codec.capture.count == 2;

	check("a simple codec", right && hda_codec_connect(&codec, 1, 2));
	check("its output converter plays stream 1, at 0 dB and 48 kHz",
	      nodes[2].format == 0x11 && nodes[2].stream == 0x10 && nodes[2].amp_out == 74);
	check("its pins are on", nodes[3].control == 0x40 && nodes[5].control == 0x20);
	check("its input converter captures stream 2", nodes[4].stream == 0x20 && nodes[4].amp_in[0] == 74);
	check("no other node is asked", !fake.unknown);
	bool noticed = fake.commands > 1;
	for (unsigned after = 1; after < fake.commands; after++) {
		struct fake dying = {nodes, 6, after, 0, 0};
		noticed = noticed && !(read_fake(&dying) && hda_codec_connect(&codec, 1, 2));
	}
	check("one that dies is noticed", noticed);
}

/* Three pins, two of which reach a converter: by a mixer, and by a selector with a range; a digital one and one that is not connected. */
static void laptop(void)
{
	struct node nodes[] = {
	    {.number = 0, .nodes = 1u << 16 | 2},
	    {.number = 1, .type = 2}, /* a modem */
	    {.number = 2,
	     .nodes = 0x10u << 16 | 10,
	     .type = 1,
	     .pcm = 0x60 | 1u << 17,
	     .in = 0x80000000u | 31u << 8 | 23,
	     .out = 0x80000000u | 127u << 8 | 87},
	    {.number = 0x10, .caps = 0u << 20 | 1},
	    {.number = 0x11, .caps = 0u << 20 | 0x201}, /* digital */
	    {.number = 0x12, .caps = 2u << 20 | 0x103, .length = 2, .connections = {0x18, 0x10}},
	    {.number = 0x13,
	     .caps = 3u << 20 | 0x105,
	     .length = 2,
	     .connections = {0x10, 0x92},
	     .wide = true}, /* 0x10 to 0x12 */
	    {.number = 0x14,
	     .caps = 4u << 20 | 0x505,
	     .pin = 1u << 4 | 1u << 3 | 1u << 16,
	     .config = 0x90100000,
	     .length = 1,
	     .connections = {0x12}},
	    {.number = 0x15,
	     .caps = 4u << 20 | 0x101,
	     .pin = 1u << 4 | 1u << 3,
	     .config = 0x00200000,
	     .length = 2,
	     .connections = {0x11, 0x13}},
	    {.number = 0x16,
	     .caps = 4u << 20 | 0x101,
	     .pin = 1u << 4,
	     .config = 0x40000000,
	     .length = 1,
	     .connections = {0x12}},
	    {.number = 0x17, .caps = 1u << 20 | 0x103, .length = 1, .connections = {0x19}},
	    {.number = 0x18, .caps = 4u << 20 | 0x3, .pin = 1u << 5 | 1u << 12, .config = 0x00a00000},
	    {.number = 0x19, .caps = 3u << 20 | 0x101, .length = 2, .connections = {0x10, 0x18}},
	};
	struct fake fake = {nodes, 13, 0, 0, 0};

	check("a codec with mixers, selectors and pins for several uses",
	      read_fake(&fake) && codec.group == 2 && codec.play_count == 2);
	check("is connected", hda_codec_connect(&codec, 1, 2) && !fake.unknown);
	check("through the mixer's input, which is not muted",
	      nodes[5].amp_in[1] == 23 && codec.play[0].count == 3 && codec.play[0].widgets[2] == 0x10);
	check("by the selector's choice",
	      nodes[6].amp_out == 87 && nodes[6].select == 0 && codec.play[1].count == 3);
	check("and by the pin's", nodes[8].select == 1 && nodes[8].control == 0xc0);
	check("the speaker has power and its amplifier",
	      nodes[7].eapd == 2 && nodes[7].power == 0x100 && nodes[7].control == 0xc0);
	check("a pin without a plug is left alone", !nodes[9].control);
	check("the microphone has its voltage, and is chosen",
	      nodes[11].control == 0x24 && nodes[12].select == 1 && nodes[10].stream == 0x20);
}

static void broken(void)
{
	struct node ring[] = {
	    {.number = 0, .nodes = 1u << 16 | 1},
	    {.number = 1, .nodes = 2u << 16 | 3, .type = 1, .pcm = 0x60 | 1u << 17},
	    {.number = 2, .caps = 4u << 20 | 0x101, .pin = 1u << 4, .length = 1, .connections = {3}},
	    {.number = 3, .caps = 2u << 20 | 0x101, .length = 4, .connections = {4, 3, 2, 99}},
	    {.number = 4,
	     .caps = 3u << 20 | 0x101,
	     .length = 8,
	     .connections = {3, 0xff, 4, 0x82, 0, 0x80, 2, 127}},
	};
	struct fake fake = {ring, 5, 0, 0, 0};
	check("a graph that is a ring leads nowhere",
	      read_fake(&fake) && !codec.play_count && hda_codec_connect(&codec, 1, 2));
	ring[1].nodes = 0xffu << 16 | 0xff;
	check("nodes that cannot be are left out", read_fake(&fake) && !codec.play_count);
	ring[0].nodes = 0;
	check("no group, no codec", !read_fake(&fake));
}

int main(void)
{
	simple();
	laptop();
	broken();
	return failures ? 1 : 0;
}
