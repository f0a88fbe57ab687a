/* The driver of Intel High Definition Audio controllers. Source: High Definition Audio Specification 1.0a ("HDA"), chapters 3 and 4. What
 * codecs say is judged in lib/sound/hda_codec.c; clients are served by lib/sound/sound_port.c.
 *
 * One stream each way goes round its client's ring, whose pages the buffer descriptor list names, with an interrupt after each
 * period. Where the controller is, it writes into memory (the position buffer); one that does not is asked for its link position.
 */
#include "driver/driver.h"
#include "hda_codec.h"
#include "sound_port.h"

#include <text.h>

/* HDA 3.3 */
enum reg {
	GCAP = 0x00,
	GCTL = 0x08,
	STATESTS = 0x0e,
	INTCTL = 0x20,
	INTSTS = 0x24,
	CORBLBASE = 0x40,
	CORBUBASE = 0x44,
	CORBWP = 0x48,
	CORBRP = 0x4a,
	CORBCTL = 0x4c,
	CORBSIZE = 0x4e,
	RIRBLBASE = 0x50,
	RIRBUBASE = 0x54,
	RIRBWP = 0x58,
	RINTCNT = 0x5a,
	RIRBCTL = 0x5c,
	RIRBSTS = 0x5d,
	RIRBSIZE = 0x5e,
	DPLBASE = 0x70,
	DPUBASE = 0x74,
	STREAMS = 0x80,
	SD_BYTES = 0x20,
	REGISTERS = 0x1000,
};
/* Of a stream: HDA 3.3.35 and on. */
enum { CTL = 0x00, STS = 0x03, LPIB = 0x04, CBL = 0x08, LVI = 0x0c, FMT = 0x12, BDPL = 0x18, BDPU = 0x1c };

#define GCAP_64           1u
#define GCAP_OUT(gcap)    ((gcap) >> 12 & 0xf)
#define GCAP_IN(gcap)     ((gcap) >> 8 & 0xf)
#define GCAP_BOTH(gcap)   ((gcap) >> 3 & 0x1f)
#define CRST              1u
#define INTCTL_GLOBAL     (1u << 31)
#define RING_RUN          2u
#define RIRB_INTERRUPT    1u
#define RIRB_STATUS       5u /* an answer; an overrun */
#define POINTER_RESET     0x8000u
#define POSITIONS_ON      1u
#define SRST              1u
#define RUN               2u
#define STREAM_INTERRUPTS (4u | 8u | 16u) /* completion, FIFO, descriptor */
#define STS_DESCRIPTOR    16u
#define STS_ALL           (4u | 8u | 16u)

#define CODECS          15u
#define CODECS_KEPT     4u
#define UNSOLICITED     16u
#define CORB_AT         0u /* in the page of command rings: HDA 4.4.1, aligned to 128 bytes */
#define RIRB_AT         1024u
#define POSITIONS_AT    3072u
#define LIST_BYTES      512u
#define RESET_TRIES     200u
#define ANSWER_SPINS    2000u
#define ANSWER_TRIES    500u
#define ANSWER_PAUSE_US 100u
#define STREAMS_MAX     30u

struct descriptor { /* HDA 3.6.3 */
	uint64_t address;
	uint32_t bytes, interrupt;
};
_Static_assert(sizeof(struct descriptor) * SOUND_PERIODS == LIST_BYTES, "a list's bytes");

static struct hda {
	struct driver driver;
	struct sound_port port;
	volatile uint8_t *registers;
	uint8_t *rings, *lists;
	uint64_t addresses[2]; /* of the two */
	uint32_t corb_entries, rirb_entries;
	uint32_t corb_put, rirb_taken;
	uint32_t numbers[SOUND_DIRECTIONS]; /* of streams */
	bool positions[SOUND_DIRECTIONS];   /* it writes them */
	struct hda_codec codecs[CODECS_KEPT];
	unsigned codec_count;
} hda;

static uint32_t get(uint32_t at)
{
	return register_get(hda.registers, at);
}

static void put(uint32_t at, uint32_t value)
{
	register_put(hda.registers, at, value);
}

static uint16_t get16(uint32_t at)
{
	return *(volatile uint16_t *)(hda.registers + at);
}

static void put16(uint32_t at, uint16_t value)
{
	*(volatile uint16_t *)(hda.registers + at) = value;
}

static uint8_t get8(uint32_t at)
{
	return hda.registers[at];
}

static void put8(uint32_t at, uint8_t value)
{
	hda.registers[at] = value;
}

/* Waits until the bits MASK of the 32-bit register AT are VALUE. */
static void wait_for(uint32_t at, uint32_t mask, uint32_t value, const char *why)
{
	for (unsigned tries = 0; (get(at) & mask) != value; tries++) {
		if (tries == RESET_TRIES)
			driver_fail(&hda.driver, why);
		driver_pause(&hda.driver, 1000);
	}
}

/* ---- Commands: HDA 4.4 ---- */

static bool answer_wait(void)
{
	for (unsigned spins = 0; spins < ANSWER_SPINS; spins++)
		if (get16(RIRBWP) % hda.rirb_entries != hda.rirb_taken)
			return true;
	for (unsigned tries = 0; tries < ANSWER_TRIES; tries++) {
		if (get16(RIRBWP) % hda.rirb_entries != hda.rirb_taken)
			return true;
		driver_pause(&hda.driver, ANSWER_PAUSE_US);
	}
	return false;
}

static bool command(void *context, uint32_t verb, uint32_t *response)
{
	volatile uint32_t *corb = (volatile uint32_t *)(void *)(hda.rings + CORB_AT);
	const volatile uint32_t *rirb = (const volatile uint32_t *)(const void *)(hda.rings + RIRB_AT);

	(void)context;
	hda.corb_put = (hda.corb_put + 1) % hda.corb_entries;
	corb[hda.corb_put] = verb;
	__atomic_thread_fence(__ATOMIC_RELEASE);
	put16(CORBWP, (uint16_t)hda.corb_put);
	for (unsigned others = 0; others < hda.rirb_entries; others++) {
		if (!answer_wait())
			return false;
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		hda.rirb_taken = (hda.rirb_taken + 1) % hda.rirb_entries;
		uint32_t answer = rirb[2 * hda.rirb_taken], from = rirb[2 * hda.rirb_taken + 1];
		put8(RIRBSTS, RIRB_STATUS);
		if (from & UNSOLICITED || (from & 0xf) != verb >> 28)
			continue;
		*response = answer;
		return true;
	}
	return false;
}

/* Sets the ring whose size register is AT to the largest that is there: its entries. The register of one that has a single size cannot be
 * written (HDA 3.3.24). */
static uint32_t ring_size(uint32_t at)
{
	uint8_t size = get8(at), choice = size & 0x40 ? 2 : size & 0x20 ? 1 : 0;

	if ((size & 3) != choice)
		put8(at, choice);
	return choice == 2 ? 256 : choice == 1 ? 16 : 2;
}

static void rings_start(void)
{
	uint64_t corb = hda.addresses[0] + CORB_AT, rirb = hda.addresses[0] + RIRB_AT,
	         positions = hda.addresses[0] + POSITIONS_AT;

	put8(CORBCTL, 0);
	put8(RIRBCTL, 0);
	hda.corb_entries = ring_size(CORBSIZE);
	hda.rirb_entries = ring_size(RIRBSIZE);
	put(CORBLBASE, (uint32_t)corb);
	put(CORBUBASE, (uint32_t)(corb >> 32));
	put(RIRBLBASE, (uint32_t)rirb);
	put(RIRBUBASE, (uint32_t)(rirb >> 32));
	/* The reset of the read pointer is a bit that some controllers show and others do not: 3.3.21. The
	 * controller's own reset has made it 0. */
	put16(CORBWP, 0);
	put16(RIRBWP, POINTER_RESET);
	put16(RINTCNT, 1);
	hda.corb_put = hda.rirb_taken = 0;
	put8(RIRBCTL, RING_RUN | RIRB_INTERRUPT); /* which does not interrupt without its bit in INTCTL */
	put8(CORBCTL, RING_RUN);
	put(DPLBASE, (uint32_t)positions | POSITIONS_ON);
	put(DPUBASE, (uint32_t)(positions >> 32));
}

/* ---- Streams: HDA 4.5 ---- */

static uint32_t stream_at(enum sound_direction direction)
{
	return STREAMS + hda.numbers[direction] * SD_BYTES;
}

static void stream_stop(enum sound_direction direction)
{
	uint32_t at = stream_at(direction);

	put(INTCTL, get(INTCTL) & ~(1u << hda.numbers[direction]));
	put(at + CTL, get(at + CTL) & 0x00ffffff & ~(RUN | STREAM_INTERRUPTS));
	wait_for(at + CTL, RUN, 0, "a stream does not stop");
	put8(at + STS, STS_ALL);
}

static void stream_start(enum sound_direction direction)
{
	const struct sound_port_direction *from = &hda.port.directions[direction];
	uint32_t at = stream_at(direction), tag = (uint32_t)direction + 1;
	uint64_t list = hda.addresses[1] + (uint64_t)direction * LIST_BYTES;
	volatile struct descriptor *entries =
	    (volatile struct descriptor *)(void *)(hda.lists + (uint64_t)direction * LIST_BYTES);
	volatile uint32_t *position =
	    (volatile uint32_t *)(void *)(hda.rings + POSITIONS_AT + 8 * hda.numbers[direction]);

	for (uint32_t i = 0; i < SOUND_PERIODS; i++) {
		uint32_t byte = i * SOUND_PERIOD_BYTES;
		entries[i].address = from->addresses[byte / DRIVER_PAGE] + byte % DRIVER_PAGE;
		entries[i].bytes = SOUND_PERIOD_BYTES;
		entries[i].interrupt = 1;
	}
	*position = 0;
	hda.positions[direction] = false;
	put(at + CTL, SRST);
	wait_for(at + CTL, SRST, SRST, "a stream does not reset");
	put(at + CTL, 0);
	wait_for(at + CTL, SRST, 0, "a stream does not leave its reset");
	put(at + CBL, SOUND_RING_BYTES);
	put16(at + LVI, SOUND_PERIODS - 1);
	put16(at + FMT, HDA_FORMAT_48_16_2);
	put(at + BDPL, (uint32_t)list);
	put(at + BDPU, (uint32_t)(list >> 32));
	__atomic_thread_fence(__ATOMIC_RELEASE);
	put8(at + STS, STS_ALL);
	put(INTCTL, get(INTCTL) | INTCTL_GLOBAL | 1u << hda.numbers[direction]);
	put(at + CTL, tag << 20 | STREAM_INTERRUPTS);
	put(at + CTL, tag << 20 | STREAM_INTERRUPTS | RUN);
}

static uint32_t stream_place(enum sound_direction direction)
{
	uint32_t position =
	    *(volatile uint32_t *)(void *)(hda.rings + POSITIONS_AT + 8 * hda.numbers[direction]);

	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (position)
		hda.positions[direction] = true;
	return hda.positions[direction] ? position : get(stream_at(direction) + LPIB);
}

/* ---- The controller ---- */

/* HDA 4.2.2 and 4.3. */
static void controller_reset(void)
{
	uint16_t caps = get16(GCAP);
	uint32_t streams = GCAP_IN(caps) + GCAP_OUT(caps) + GCAP_BOTH(caps);

	if (streams > STREAMS_MAX)
		streams = STREAMS_MAX;
	put(INTCTL, 0);
	if (get(GCTL) & CRST) {
		for (uint32_t i = 0; i < streams; i++)
			put(STREAMS + i * SD_BYTES + CTL, 0);
		put8(CORBCTL, 0);
		put8(RIRBCTL, 0);
		driver_pause(&hda.driver, 1000);
	}
	put(GCTL, get(GCTL) & ~CRST);
	wait_for(GCTL, CRST, 0, "the controller does not reset");
	driver_pause(&hda.driver, 1000);
	put(GCTL, CRST);
	wait_for(GCTL, CRST, CRST, "the controller does not leave its reset");
	driver_pause(&hda.driver, 2000); /* codecs tell of themselves within 521 microseconds */
	if (!driver_started(&hda.driver))
		driver_fail(&hda.driver, "devmgr does not let it start");
}

static void codec_begin(uint8_t address)
{
	struct hda_codec *codec = &hda.codecs[hda.codec_count];

	*codec = (struct hda_codec){.command = command, .address = address};
	if (!hda_codec_read(codec)) {
		DRIVER_LOG(&hda.driver, "hda: codec %u has no audio function, or does not answer\n", address);
		return;
	}
	/* One codec captures. */
	if (hda.port.description.directions >> SOUND_CAPTURE & 1)
		codec->capture.count = 0;
	if (!hda_codec_connect(codec, 1 + SOUND_PLAY, 1 + SOUND_CAPTURE)) {
		DRIVER_LOG(&hda.driver, "hda: codec %u does not answer\n", address);
		return;
	}
	hda.port.description.directions |=
	    (codec->play_count ? 1u << SOUND_PLAY : 0) | (codec->capture.count ? 1u << SOUND_CAPTURE : 0);
	DRIVER_LOG(&hda.driver, "hda: codec %u plays by %u pins%s\n", address, codec->play_count,
	           codec->capture.count ? ", and captures" : "");
	hda.codec_count++;
}

static void controller_init(void)
{
	controller_reset();
	uint16_t caps = get16(GCAP), codecs = get16(STATESTS);
	if (!(caps & GCAP_64) && (hda.addresses[0] | hda.addresses[1]) >> 32)
		driver_fail(&hda.driver, "its memory is where the controller cannot reach");
	rings_start();
	for (uint8_t address = 0; address < CODECS && hda.codec_count < CODECS_KEPT; address++)
		if (codecs >> address & 1)
			codec_begin(address);
	uint32_t *directions = &hda.port.description.directions;
	hda.numbers[SOUND_CAPTURE] = 0;
	hda.numbers[SOUND_PLAY] = GCAP_IN(caps);
	if (!GCAP_IN(caps))
		*directions &= ~(1u << SOUND_CAPTURE);
	if (!GCAP_OUT(caps))
		*directions &= ~(1u << SOUND_PLAY);
	text_copy(hda.port.description.name, sizeof(hda.port.description.name), "HDA Intel");
}

/* A card that reaches the lower 4 GiB alone is not told of other memory. */
static void start(enum sound_direction direction)
{
	for (unsigned i = 0; i < SOUND_PAGES; i++)
		if (!(get16(GCAP) & GCAP_64) && hda.port.directions[direction].addresses[i] >> 32)
			driver_fail(&hda.driver, "the client's memory is where the controller cannot reach");
	stream_start(direction);
}

static void interrupted(void)
{
	for (unsigned rounds = 0; rounds < 4;
	     rounds++) { /* what comes meanwhile interrupts again only when all was taken back */
		uint32_t status = get(INTSTS);
		if (status == UINT32_MAX && get(GCTL) == UINT32_MAX)
			driver_fail(&hda.driver, "the controller is gone");
		bool any = false;
		for (unsigned i = 0; i < SOUND_DIRECTIONS; i++) {
			uint32_t at = stream_at(i);
			if (!hda.port.directions[i].running || !(status >> hda.numbers[i] & 1))
				continue;
			uint8_t stream = get8(at + STS);
			put8(at + STS, stream & STS_ALL);
			if (stream & STS_DESCRIPTOR)
				driver_fail(&hda.driver, "the controller could not read its descriptors");
			any = true;
		}
		if (!any)
			break;
	}
}

static void message(void *context, struct message *message)
{
	(void)context;
	sound_port_message(&hda.port, message);
}

static void work(void *context, uint64_t bits)
{
	(void)context;
	if (bits & 1)
		interrupted();
	sound_port_look(&hda.port);
}

int program_main(const struct start_info *info, struct thread_page *page)
{
	if (!driver_init(&hda.driver, info, page))
		return 1;
	if (!driver_bar_holds(&hda.driver.bars[0], 0, REGISTERS))
		driver_fail(&hda.driver, "its registers are not there");
	hda.registers = driver_register(&hda.driver.bars[0], 0);
	hda.rings = driver_pages(&hda.driver, 2, hda.addresses);
	if (!hda.rings)
		driver_fail(&hda.driver, "no memory");
	hda.lists = hda.rings + DRIVER_PAGE;
	hda.port.driver = &hda.driver;
	hda.port.start = start;
	hda.port.stop = stream_stop;
	hda.port.place = stream_place;
	controller_init();
	if (hda.port.description.directions)
		sound_port_announce(&hda.port);
	else
		DRIVER_LOG(&hda.driver, "hda: there is nothing that plays or captures\n");
	driver_run(&hda.driver, 0, message, work);
}
