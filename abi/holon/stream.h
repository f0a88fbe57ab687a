/* A stream: two byte rings in one memory object, and an event for each side. Console to personality, parent
 * sub-kernel to child, and everything else that carries terminal bytes uses it.
 *
 * Side 0 made the stream (the terminal), side 1 was given it (the program side). Ring r is written by side r.
 * Each side trusts nothing it reads: positions are taken modulo the ring's size and lengths clamped. After
 * writing, a side signals STREAM_READABLE to its peer's event if the peer said it waits (peer_waits), and
 * after reading likewise STREAM_WRITABLE.
 */
#pragma once

#include <stdint.h>

#define STREAM_MAGIC      0x4d525453u
#define STREAM_RING_BYTES 32768u /* power of two; each ring */
#define STREAM_BYTES      (4096u + 2 * STREAM_RING_BYTES)

enum stream_bits {
	STREAM_READABLE = 1,
	STREAM_WRITABLE = 2,
	STREAM_RESIZED = 4, /* columns and rows changed */
	STREAM_CLOSED = 8,
	STREAM_SUSPENDED = 16, /* the header says so */
};

struct stream_ring {
	volatile uint32_t head;         /* bytes ever written, modulo 2^32 */
	volatile uint32_t tail;         /* bytes ever read */
	volatile uint32_t reader_waits; /* wants STREAM_READABLE */
	volatile uint32_t writer_waits; /* wants STREAM_WRITABLE */
	volatile uint32_t closed;       /* the writer is gone */
	uint32_t reserved[11];
};

struct stream_header {
	uint32_t magic;
	uint32_t ring_bytes;
	volatile uint32_t columns, rows; /* window size, written by side 0; 0 = unknown */
	volatile uint32_t flags;         /* STREAM_FLAG_* written by side 0 before side 1 starts */
	volatile uint32_t suspended;     /* side 1 asks to be stopped (Ctrl-Z); side 0 takes it back */
	uint32_t reserved[10];
	struct stream_ring ring[2];
	/* ring r's bytes are at 4096 + r * ring_bytes */
};

/* Side 0 is no terminal but a pipe: the personality must not echo, edit or translate bytes. */
#define STREAM_FLAG_RAW 1u
/* Side 0 can stop all of side 1, and have it go on. */
#define STREAM_FLAG_JOBS 2u
