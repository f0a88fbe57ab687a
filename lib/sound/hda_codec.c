/* See hda_codec.h. */
#include "hda_codec.h"

#include <text.h>

/* Verbs: HDA 7.3.3. Of four bits with 16 of payload, */
enum { SET_FORMAT = 0x2, SET_AMPLIFIER = 0x3 };
/* and of twelve with eight. */
enum {
	GET_PARAMETER = 0xf00,
	GET_CONNECTIONS = 0xf02,
	GET_CONFIG = 0xf1c,
	SET_SELECT = 0x701,
	SET_POWER = 0x705,
	SET_STREAM = 0x706,
	SET_PIN = 0x707,
	SET_EAPD = 0x70c,
};
/* Parameters: HDA 7.3.4. */
enum {
	NODES = 0x04,
	GROUP_TYPE = 0x05,
	WIDGET_CAPS = 0x09,
	PCM = 0x0a,
	PIN_CAPS = 0x0c,
	AMPLIFIER_IN = 0x0d,
	CONNECTIONS = 0x0e,
	AMPLIFIER_OUT = 0x12,
};
enum { GROUP_AUDIO = 1 };
enum widget_type { AUDIO_OUTPUT, AUDIO_INPUT, MIXER, SELECTOR, PIN };
#define WIDGET_TYPE(caps)     ((caps) >> 20 & 0xf)
#define WIDGET_AMP_IN         (1u << 1)
#define WIDGET_AMP_OUT        (1u << 2)
#define WIDGET_AMP_OWN        (1u << 3)
#define WIDGET_FORMAT_OWN     (1u << 4)
#define WIDGET_CONNECTIONS    (1u << 8)
#define WIDGET_DIGITAL        (1u << 9)
#define WIDGET_POWER          (1u << 10)
#define PIN_HEADPHONE         (1u << 3)
#define PIN_OUTPUT            (1u << 4)
#define PIN_INPUT             (1u << 5)
#define PIN_VREF_50           (1u << 9)
#define PIN_VREF_80           (1u << 12)
#define PIN_EAPD              (1u << 16)
#define CONFIG_PORT(config)   ((config) >> 30)
#define CONFIG_PORT_NONE      1u
#define CONFIG_DEVICE(config) ((config) >> 20 & 0xf)
enum {
	DEVICE_LINE_OUT = 0,
	DEVICE_SPEAKER = 1,
	DEVICE_HEADPHONE = 2,
	DEVICE_LINE_IN = 8,
	DEVICE_MICROPHONE = 10
};
#define PCM_48000_16           (1u << 6 | 1u << 17)
#define AMPLIFIER_STEPS(caps)  ((caps) >> 8 & 0x7f)
#define AMPLIFIER_OFFSET(caps) ((caps)&0x7f) /* the step of 0 dB */
#define SET_OUT                (1u << 15)
#define SET_IN                 (1u << 14)
#define SET_BOTH               (3u << 12)
#define CONTROL_HEADPHONE      0x80u
#define CONTROL_OUT            0x40u
#define CONTROL_IN             0x20u
#define CONTROL_VREF_50        1u
#define CONTROL_VREF_80        4u

static bool send(struct hda_codec *codec, uint8_t node, uint32_t verb, uint32_t *response)
{
	codec->silent =
	    codec->silent || codec->commands++ >= HDA_COMMANDS_MAX ||
	    !codec->command(codec->context, (uint32_t)codec->address << 28 | (uint32_t)node << 20 | verb,
	                    response);
	return !codec->silent;
}

static bool get(struct hda_codec *codec, uint8_t node, uint32_t verb, uint32_t payload, uint32_t *response)
{
	return send(codec, node, verb << 8 | payload, response);
}

static bool set(struct hda_codec *codec, uint8_t node, uint32_t verb, uint32_t payload)
{
	uint32_t ignored;

	return send(codec, node, verb << 8 | payload, &ignored);
}

static bool set_long(struct hda_codec *codec, uint8_t node, uint32_t verb, uint32_t payload)
{
	uint32_t ignored;

	return send(codec, node, verb << 16 | payload, &ignored);
}

/* ---- What it is made of ---- */

/* The nodes below NODE: from *FIRST on, *COUNT, all of them numbers that there are. */
static bool nodes_below(struct hda_codec *codec, uint8_t node, unsigned *first, unsigned *count)
{
	uint32_t value;

	if (!get(codec, node, GET_PARAMETER, NODES, &value))
		return false;
	*first = value >> 16 & 0xff;
	*count = value & 0xff;
	if (*first >= HDA_WIDGETS_MAX || !*first)
		*count = 0;
	else if (*count > HDA_WIDGETS_MAX - *first)
		*count = HDA_WIDGETS_MAX - *first;
	return true;
}

/* HDA 7.1.2, "Connection List": an entry with its highest bit set is the end of a range that the entry before began. */
static void connection_add(struct hda_widget *widget, uint32_t entry, bool range)
{
	uint8_t last = widget->connection_count ? widget->connections[widget->connection_count - 1] : 0;
	uint32_t from = range && widget->connection_count ? last + 1u : entry;

	for (uint32_t node = from; node <= entry && widget->connection_count < HDA_CONNECTIONS_MAX; node++)
		if (node && node < HDA_WIDGETS_MAX)
			widget->connections[widget->connection_count++] = (uint8_t)node;
}

static bool read_connections(struct hda_codec *codec, uint8_t node)
{
	struct hda_widget *widget = &codec->widgets[node];
	uint32_t length, entries;

	if (!get(codec, node, GET_PARAMETER, CONNECTIONS, &length))
		return false;
	bool wide = length & 0x80;
	unsigned bits = wide ? 16 : 8, each = 32 / bits;
	length &= 0x7f;
	for (uint32_t i = 0; i < length; i += each) {
		if (!get(codec, node, GET_CONNECTIONS, i, &entries))
			return false;
		for (uint32_t j = 0; j < each && i + j < length; j++) {
			uint32_t entry = entries >> j * bits & ((1u << bits) - 1), top = 1u << (bits - 1);
			connection_add(widget, entry & (top - 1), entry & top);
		}
	}
	return true;
}

static bool read_widget(struct hda_codec *codec, uint8_t node)
{
	struct hda_widget *widget = &codec->widgets[node];

	if (!get(codec, node, GET_PARAMETER, WIDGET_CAPS, &widget->caps))
		return false;
	if (WIDGET_TYPE(widget->caps) == PIN &&
	    (!get(codec, node, GET_PARAMETER, PIN_CAPS, &widget->pin_caps) ||
	     !get(codec, node, GET_CONFIG, 0, &widget->pin_config)))
		return false;
	if (WIDGET_TYPE(widget->caps) > PIN) { /* no samples go through it */
		widget->caps = 0;
		return true;
	}
	/* An output converter has 0 for its type: that it is there shows by its being read. */
	widget->caps |= 1u << 31;
	return !(widget->caps & WIDGET_CONNECTIONS) || read_connections(codec, node);
}

static bool read_group(struct hda_codec *codec)
{
	unsigned first, count;

	if (!get(codec, codec->group, GET_PARAMETER, AMPLIFIER_IN, &codec->group_in) ||
	    !get(codec, codec->group, GET_PARAMETER, AMPLIFIER_OUT, &codec->group_out) ||
	    !get(codec, codec->group, GET_PARAMETER, PCM, &codec->group_pcm) ||
	    !nodes_below(codec, codec->group, &first, &count))
		return false;
	for (unsigned node = first; node < first + count; node++)
		if (!read_widget(codec, (uint8_t)node))
			return false;
	return true;
}

/* ---- Ways ---- */

static bool is_there(const struct hda_codec *codec, uint8_t node, enum widget_type type)
{
	return codec->widgets[node].caps && WIDGET_TYPE(codec->widgets[node].caps) == type;
}

/* An analogue converter that takes 48 kHz of 16 bits. */
static bool converts(struct hda_codec *codec, uint8_t node, enum widget_type type)
{
	uint32_t pcm = codec->group_pcm;

	if (!is_there(codec, node, type) || codec->widgets[node].caps & WIDGET_DIGITAL)
		return false;
	if (codec->widgets[node].caps & WIDGET_FORMAT_OWN && !get(codec, node, GET_PARAMETER, PCM, &pcm))
		return false;
	return (pcm & PCM_48000_16) == PCM_48000_16;
}

static bool is_input(const struct hda_codec *codec, uint8_t node)
{
	const struct hda_widget *widget = &codec->widgets[node];

	return is_there(codec, node, PIN) && widget->pin_caps & PIN_INPUT &&
	       CONFIG_PORT(widget->pin_config) != CONFIG_PORT_NONE &&
	       (CONFIG_DEVICE(widget->pin_config) == DEVICE_LINE_IN ||
	        CONFIG_DEVICE(widget->pin_config) == DEVICE_MICROPHONE);
}

/* Whether PATH's way ends at NODE. */
static bool is_end(struct hda_codec *codec, uint8_t node, bool play)
{
	return play ? converts(codec, node, AUDIO_OUTPUT) : is_input(codec, node);
}

/* The shortest way from START against the samples to where they come from: breadth first, each node once. */
static bool find_path(struct hda_codec *codec, uint8_t start, bool play, struct hda_path *path)
{
	uint8_t queue[HDA_WIDGETS_MAX], from[HDA_WIDGETS_MAX] = {0}, by[HDA_WIDGETS_MAX] = {0},
	                                depth[HDA_WIDGETS_MAX] = {0};
	bool seen[HDA_WIDGETS_MAX] = {false};
	unsigned head = 0, tail = 0;

	queue[tail++] = start;
	seen[start] = true;
	while (head < tail) {
		uint8_t node = queue[head++];
		const struct hda_widget *widget = &codec->widgets[node];
		if (node != start && is_end(codec, node, play)) {
			path->count = depth[node] + 1u;
			for (unsigned i = path->count; i-- > 0; node = from[node]) {
				path->widgets[i] = node;
				if (i)
					path->index[i - 1] = by[node];
			}
			return true;
		}
		/* Samples pass mixers and selectors alone. */
		if (depth[node] + 1u == HDA_PATH_MAX ||
		    (node != start && !is_there(codec, node, MIXER) && !is_there(codec, node, SELECTOR)))
			continue;
		for (unsigned i = 0; i < widget->connection_count; i++) {
			uint8_t next = widget->connections[i];
			if (seen[next] || !codec->widgets[next].caps)
				continue;
			seen[next] = true;
			from[next] = node;
			by[next] = (uint8_t)i;
			depth[next] = (uint8_t)(depth[node] + 1);
			queue[tail++] = next;
		}
	}
	return false;
}

static bool plays(const struct hda_widget *widget)
{
	return widget->pin_caps & PIN_OUTPUT && CONFIG_PORT(widget->pin_config) != CONFIG_PORT_NONE &&
	       CONFIG_DEVICE(widget->pin_config) <= DEVICE_HEADPHONE && !(widget->caps & WIDGET_DIGITAL);
}

static void find_paths(struct hda_codec *codec)
{
	for (unsigned node = 1; node < HDA_WIDGETS_MAX; node++) {
		if (codec->play_count < HDA_PATHS_MAX && is_there(codec, (uint8_t)node, PIN) &&
		    plays(&codec->widgets[node]))
			codec->play_count +=
			    find_path(codec, (uint8_t)node, true, &codec->play[codec->play_count]);
		if (!codec->capture.count && converts(codec, (uint8_t)node, AUDIO_INPUT) &&
		    !find_path(codec, (uint8_t)node, false, &codec->capture))
			codec->capture.count = 0;
	}
}

bool hda_codec_read(struct hda_codec *codec)
{
	unsigned first, count;
	uint32_t type;

	memset(codec->widgets, 0, sizeof(codec->widgets));
	codec->commands = codec->play_count = codec->capture.count = 0;
	codec->group = 0;
	codec->silent = false;
	if (!nodes_below(codec, 0, &first, &count))
		return false;
	for (unsigned node = first; node < first + count && !codec->group; node++) {
		if (!get(codec, (uint8_t)node, GET_PARAMETER, GROUP_TYPE, &type))
			return false;
		if ((type & 0xff) == GROUP_AUDIO)
			codec->group = (uint8_t)node;
	}
	if (!codec->group || !set(codec, codec->group, SET_POWER, 0) || !read_group(codec))
		return false;
	find_paths(codec);
	return !codec->silent;
}

/* ---- Samples through them ---- */

/* Both channels of an amplifier, not muted, at 0 dB or what comes next to it. */
static bool amplify(struct hda_codec *codec, uint8_t node, bool out, unsigned index)
{
	uint32_t caps = out ? codec->group_out : codec->group_in;

	if (codec->widgets[node].caps & WIDGET_AMP_OWN &&
	    !get(codec, node, GET_PARAMETER, out ? AMPLIFIER_OUT : AMPLIFIER_IN, &caps))
		return false;
	uint32_t gain =
	    AMPLIFIER_OFFSET(caps) < AMPLIFIER_STEPS(caps) ? AMPLIFIER_OFFSET(caps) : AMPLIFIER_STEPS(caps);
	return set_long(codec, node, SET_AMPLIFIER,
	                (out ? SET_OUT : SET_IN) | SET_BOTH | (index & 0xf) << 8 | gain);
}

static bool pin_connect(struct hda_codec *codec, uint8_t node, bool play)
{
	const struct hda_widget *widget = &codec->widgets[node];
	uint32_t control = CONTROL_OUT;

	if (play && widget->pin_caps & PIN_HEADPHONE)
		control |= CONTROL_HEADPHONE;
	if (!play) {
		control = CONTROL_IN;
		if (CONFIG_DEVICE(widget->pin_config) == DEVICE_MICROPHONE)
			control |= widget->pin_caps & PIN_VREF_80   ? CONTROL_VREF_80
			           : widget->pin_caps & PIN_VREF_50 ? CONTROL_VREF_50
			                                            : 0;
	}
	return set(codec, node, SET_PIN, control) &&
	       (!play || !(widget->pin_caps & PIN_EAPD) || set(codec, node, SET_EAPD, 2));
}

static bool path_connect(struct hda_codec *codec, const struct hda_path *path, bool play)
{
	for (unsigned i = 0; i < path->count; i++) {
		uint8_t node = path->widgets[i];
		const struct hda_widget *widget = &codec->widgets[node];
		bool takes = i + 1 < path->count; /* from another widget */
		if (widget->caps & WIDGET_POWER && !set(codec, node, SET_POWER, 0))
			return false;
		if (takes && widget->connection_count > 1 && WIDGET_TYPE(widget->caps) != MIXER &&
		    !set(codec, node, SET_SELECT, path->index[i]))
			return false;
		/* The amplifiers of inputs are numbered as connections; those of a pin that captures, and of a
		 * converter with one connection, by 0. */
		if (widget->caps & WIDGET_AMP_IN && (takes || !play) &&
		    !amplify(codec, node, false, takes ? path->index[i] : 0))
			return false;
		if (widget->caps & WIDGET_AMP_OUT && (takes || play) && !amplify(codec, node, true, 0))
			return false;
		if (WIDGET_TYPE(widget->caps) == PIN && !pin_connect(codec, node, play))
			return false;
	}
	return true;
}

static bool stream_connect(struct hda_codec *codec, uint8_t converter, uint8_t tag)
{
	return set_long(codec, converter, SET_FORMAT, HDA_FORMAT_48_16_2) &&
	       set(codec, converter, SET_STREAM, (uint32_t)tag << 4);
}

bool hda_codec_connect(struct hda_codec *codec, uint8_t play_tag, uint8_t capture_tag)
{
	codec->commands = 0;
	for (unsigned i = 0; i < codec->play_count; i++) {
		const struct hda_path *path = &codec->play[i];
		if (!stream_connect(codec, path->widgets[path->count - 1], play_tag) ||
		    !path_connect(codec, path, true))
			return false;
	}
	return !codec->capture.count || (stream_connect(codec, codec->capture.widgets[0], capture_tag) &&
	                                 path_connect(codec, &codec->capture, false));
}
