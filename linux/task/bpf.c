/* See bpf.h. Sources: S. McCanne and V. Jacobson, "The BSD Packet Filter" (1993); seccomp(2); for what packets have beside
 * their bytes, linux/filter.h. */
#include "bpf.h"

#define CELLS 16u

enum { LD = 0, LDX = 1, ST = 2, STX = 3, ALU = 4, JMP = 5, RET = 6, MISC = 7 };
enum { IMM = 0x00, ABS = 0x20, IND = 0x40, MEM = 0x60, LEN = 0x80, MSH = 0xa0 };
enum { WORD = 0x00, HALF = 0x08, BYTE = 0x10, SIZE = 0x18 };
enum {
	ADD = 0x00,
	SUB = 0x10,
	MUL = 0x20,
	DIV = 0x30,
	OR = 0x40,
	AND = 0x50,
	LSH = 0x60,
	RSH = 0x70,
	NEG = 0x80,
	MOD = 0x90,
	XOR = 0xa0
};
enum { JA = 0x00, JEQ = 0x10, JGT = 0x20, JGE = 0x30, JSET = 0x40 };
enum { K = 0, X = 8, A = 0x10 };
enum { TAX = 0x00, TXA = 0x80 };
/* Addresses of absolute loads that are no bytes of the packet. */
#define AT_EXTRA   0xfffff000u
#define AT_NETWORK 0xfff00000u
#define AT_LINK    0xffe00000u
enum extra {
	EXTRA_PROTOCOL = 0,
	EXTRA_KIND = 4,
	EXTRA_INTERFACE = 8,
	EXTRA_MARK = 20,
	EXTRA_QUEUE = 24,
	EXTRA_HARDWARE = 28,
	EXTRA_HASH = 32,
	EXTRA_PROCESSOR = 36,
	EXTRA_XOR_X = 40,
	EXTRA_VLAN_TAG = 44,
	EXTRA_VLAN_PRESENT = 48,
	EXTRA_RANDOM = BPF_EXTRA_RANDOM - AT_EXTRA,
	EXTRA_VLAN_PROTOCOL = 60
};

static bool alu_valid(const struct bpf_instruction *at, bool packet)
{
	switch (at->code & 0xf0) {
	case ADD:
	case SUB:
	case MUL:
	case OR:
	case AND:
	case XOR:
		return true;
	case DIV:
		return (at->code & X) || at->k;
	case MOD:
		return packet && ((at->code & X) || at->k);
	case LSH:
	case RSH:
		return (at->code & X) || at->k < 32;
	case NEG:
		return !(at->code & X);
	default:
		return false;
	}
}

/* Is AT one that loads from packets? */
static bool packet_load_valid(const struct bpf_instruction *at)
{
	static const uint8_t extras[] = {
	    EXTRA_PROTOCOL,     EXTRA_KIND,   EXTRA_INTERFACE,    EXTRA_MARK,  EXTRA_QUEUE,
	    EXTRA_HARDWARE,     EXTRA_HASH,   EXTRA_PROCESSOR,    EXTRA_XOR_X, EXTRA_VLAN_TAG,
	    EXTRA_VLAN_PRESENT, EXTRA_RANDOM, EXTRA_VLAN_PROTOCOL};
	uint16_t mode = at->code & (uint16_t) ~(SIZE | 7);
	if ((at->code & SIZE) == SIZE || (mode != ABS && mode != IND))
		return false;
	if (mode == IND || at->k < AT_EXTRA)
		return true;
	for (unsigned i = 0; i < sizeof(extras); i++)
		if (at->k - AT_EXTRA == extras[i])
			return true;
	return false;
}

/* Is AT, with LEFT instructions behind it, one that seccomp, or a filter of packets, knows? */
static bool instruction_valid(const struct bpf_instruction *at, uint32_t left, bool packet)
{
	if (at->code > 0xff)
		return false;
	switch (at->code & 7) {
	case LD:
		if (packet && packet_load_valid(at))
			return true;
		return at->code == (LD | ABS)   ? !packet && at->k < BPF_DATA_BYTES && !(at->k & 3)
		       : at->code == (LD | MEM) ? at->k < CELLS
		                                : at->code == (LD | IMM) || at->code == (LD | LEN);
	case LDX:
		if (packet && at->code == (LDX | BYTE | MSH))
			return true;
		return at->code == (LDX | MEM) ? at->k < CELLS
		                               : at->code == (LDX | IMM) || at->code == (LDX | LEN);
	case ST:
	case STX:
		return at->code <= STX && at->k < CELLS;
	case ALU:
		return alu_valid(at, packet);
	case JMP:
		if ((at->code & 0xf0) == JA)
			return at->code == (JMP | JA) && at->k < left;
		return (at->code & 0xf0) <= JSET && at->jump_true < left && at->jump_false < left;
	case RET:
		return at->code == (RET | K) || at->code == (RET | A);
	default:
		return at->code == (MISC | TAX) || at->code == (MISC | TXA);
	}
}

/* Each cell must be stored on every way to a load of it: a set of cells per instruction, joined where ways meet. */
static bool cells_valid(const struct bpf_instruction *program, uint32_t length)
{
	uint16_t known[BPF_LENGTH_MAX]; /* what every way so far that jumps here has stored */
	uint16_t now = 0;
	for (uint32_t i = 0; i < length; i++)
		known[i] = 0xffff;
	for (uint32_t i = 0; i < length; i++) {
		const struct bpf_instruction *at = &program[i];
		now &= known[i];
		switch (at->code) {
		case ST:
		case STX:
			now |= (uint16_t)(1u << at->k);
			break;
		case LD | MEM:
		case LDX | MEM:
			if (!(now >> at->k & 1))
				return false;
			break;
		case JMP | JA:
			known[i + 1 + at->k] &= now;
			now = 0xffff;
			break;
		default:
			if ((at->code & 7) != JMP)
				break;
			known[i + 1 + at->jump_true] &= now;
			known[i + 1 + at->jump_false] &= now;
			now = 0xffff;
			break;
		}
	}
	return true;
}

static bool valid(const struct bpf_instruction *program, uint32_t length, bool packet)
{
	if (!length || length > BPF_LENGTH_MAX || (program[length - 1].code & 7) != RET)
		return false;
	for (uint32_t i = 0; i < length; i++)
		if (!instruction_valid(&program[i], length - 1 - i, packet))
			return false;
	return cells_valid(program, length);
}

bool bpf_valid(const struct bpf_instruction *program, uint32_t length)
{
	return valid(program, length, false);
}

bool bpf_packet_valid(const struct bpf_instruction *program, uint32_t length)
{
	return valid(program, length, true);
}

static uint32_t alu(uint16_t code, uint32_t a, uint32_t b)
{
	switch (code & 0xf0) {
	case ADD:
		return a + b;
	case SUB:
		return a - b;
	case MUL:
		return a * b;
	case DIV:
		return a / b; /* never by 0: see run */
	case MOD:
		return a % b;
	case OR:
		return a | b;
	case AND:
		return a & b;
	case XOR:
		return a ^ b;
	case LSH:
		return a << (b & 31);
	case RSH:
		return a >> (b & 31);
	default:
		return -a; /* NEG */
	}
}

static bool jumps(uint16_t code, uint32_t a, uint32_t b)
{
	switch (code & 0xf0) {
	case JEQ:
		return a == b;
	case JGT:
		return a > b;
	case JGE:
		return a >= b;
	default:
		return a & b; /* JSET */
	}
}

static uint32_t extra(const struct bpf_packet *packet, uint32_t which, uint32_t a, uint32_t x)
{
	switch (which) {
	case EXTRA_PROTOCOL:
		return packet->protocol;
	case EXTRA_KIND:
		return packet->kind;
	case EXTRA_INTERFACE:
		return packet->interface;
	case EXTRA_HARDWARE:
		return packet->hardware;
	case EXTRA_PROCESSOR:
		return packet->processor;
	case EXTRA_XOR_X:
		return a ^ x;
	case EXTRA_RANDOM:
		return packet->random;
	default:
		return 0; /* no marks, queues, hashes and VLANs here */
	}
}

/* SIZE's bytes at ADDRESS of PACKET, most significant first; false: they are not in it. */
static bool packet_load(const struct bpf_packet *packet, uint16_t size, uint32_t address, uint32_t *value)
{
	const uint8_t *bytes = packet->bytes;
	uint32_t count = packet->count, at = address, need = size == WORD ? 4 : size == HALF ? 2 : 1;
	if (address >= AT_NETWORK) {
		bytes = packet->network;
		count = packet->network_count;
		at -= AT_NETWORK;
	} else if (address >= AT_LINK) {
		bytes = packet->link;
		count = packet->link_count;
		at -= AT_LINK;
	}
	if (count < need || at > count - need)
		return false;
	*value = 0;
	for (uint32_t i = 0; i < need; i++)
		*value = *value << 8 | bytes[at + i];
	return true;
}

/* A load into the accumulator; false: outside of the packet. */
static inline __attribute__((always_inline)) bool load(const struct bpf_instruction *at, const uint32_t *data,
                                                       const struct bpf_packet *packet, uint32_t cells[CELLS],
                                                       uint32_t x, uint32_t *a)
{
	switch (at->code) {
	case LD | MEM:
		*a = cells[at->k];
		return true;
	case LD | LEN:
		*a = packet ? packet->count : BPF_DATA_BYTES;
		return true;
	case LD | IMM:
		*a = at->k;
		return true;
	}
	if (!packet) {
		*a = data[at->k / 4];
		return true;
	}
	bool indirect = (at->code & (uint16_t) ~(SIZE | 7)) == IND;
	if (!indirect && at->k >= AT_EXTRA) {
		*a = extra(packet, at->k - AT_EXTRA, *a, x);
		return true;
	}
	return packet_load(packet, at->code & SIZE, indirect ? at->k + x : at->k, a);
}

/* Looks at DATA, or (PACKET not 0) at a packet: one of the two is 0 wherever this is expanded. */
static inline __attribute__((always_inline)) uint32_t
run(const struct bpf_instruction *at, const uint32_t *data, const struct bpf_packet *packet)
{
	uint32_t a = 0, x = 0, cells[CELLS] = {0};
	for (;; at++) {
		uint32_t operand = at->code & X ? x : at->k;
		switch (at->code & 7) {
		case LD:
			if (!load(at, data, packet, cells, x, &a))
				return 0;
			break;
		case LDX:
			if (at->code == (LDX | BYTE | MSH)) {
				if (!packet_load(packet, BYTE, at->k, &x))
					return 0;
				x = (x & 15) * 4;
				break;
			}
			x = at->code == (LDX | MEM)   ? cells[at->k]
			    : at->code == (LDX | LEN) ? packet ? packet->count : BPF_DATA_BYTES
			                              : at->k;
			break;
		case ST:
			cells[at->k] = a;
			break;
		case STX:
			cells[at->k] = x;
			break;
		case ALU:
			if (((at->code & 0xf0) == DIV || (at->code & 0xf0) == MOD) && !operand)
				return 0;
			a = alu(at->code, a, operand);
			break;
		case JMP:
			at += (at->code & 0xf0) == JA       ? at->k
			      : jumps(at->code, a, operand) ? at->jump_true
			                                    : at->jump_false;
			break;
		case RET:
			return at->code & A ? a : at->k;
		default:
			if (at->code == (MISC | TAX))
				x = a;
			else
				a = x;
			break;
		}
	}
}

uint32_t bpf_run(const struct bpf_instruction *program, const uint32_t data[BPF_DATA_BYTES / 4])
{
	return run(program, data, 0);
}

uint32_t bpf_packet_run(const struct bpf_instruction *program, const struct bpf_packet *packet)
{
	return run(program, 0, packet);
}
