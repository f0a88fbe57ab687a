/* The codecs of Intel High Definition Audio: what they are made of, and how samples get from a stream to a pin and back. Source: High
 * Definition Audio Specification 1.0a ("HDA"), chapter 7. A codec is hostile: numbers are held to the limits below, its graph is
 * walked a bounded number of steps whatever it says, and what is not understood is left alone. No I/O but by COMMAND.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define HDA_WIDGETS_MAX     128u /* node numbers have seven bits: HDA 7.1.2 */
#define HDA_CONNECTIONS_MAX 32u  /* of a widget; others are left out */
#define HDA_PATH_MAX        8u   /* widgets from a pin to a converter */
#define HDA_PATHS_MAX       8u   /* pins that play */
#define HDA_COMMANDS_MAX    8192u

/* A way of samples: WIDGETS[i] takes them from WIDGETS[i + 1], its connection INDEX[i]. */
struct hda_path {
	uint8_t widgets[HDA_PATH_MAX], index[HDA_PATH_MAX];
	unsigned count;
};

struct hda_widget {
	uint32_t caps; /* HDA 7.3.4.6; 0: not there */
	uint32_t pin_caps, pin_config;
	uint8_t connection_count, connections[HDA_CONNECTIONS_MAX];
};

struct hda_codec {
	/* Sends a verb (HDA 7.1.2) and waits for its answer. False: there is none. */
	bool (*command)(void *context, uint32_t verb, uint32_t *response);
	void *context;
	uint8_t address;              /* 0 to 14 */
	uint8_t group;                /* node of the audio function group; 0: none */
	unsigned commands;            /* how many were sent */
	bool silent;                  /* one of them had no answer */
	uint32_t group_in, group_out; /* its amplifiers' defaults */
	uint32_t group_pcm;
	struct hda_widget widgets[HDA_WIDGETS_MAX];
	struct hda_path play[HDA_PATHS_MAX]; /* from a pin to a converter */
	unsigned play_count;
	struct hda_path capture; /* from a converter to a pin; count 0: none */
};

/* Reads what the codec is made of and finds its ways, where COMMAND, CONTEXT and ADDRESS are set. False: it has no audio function or
 * answers no more. */
bool hda_codec_read(struct hda_codec *codec);
/* Lets the ways carry samples: 48 kHz, 16 bits, two channels, of the streams with these tags (1 to 15). False: it answers no more. */
bool hda_codec_connect(struct hda_codec *codec, uint8_t play_tag, uint8_t capture_tag);

#define HDA_FORMAT_48_16_2 0x0011u /* of converters and stream descriptors: HDA 3.7.1 */
