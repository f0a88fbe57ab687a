/* What the first unit's program may be: a sound file is read, every kind of damage is refused with a reason,
 * and no damage whatever makes the reader look outside the file (it lies at the end of an allocation; run
 * under ASan).
 */
#include <test.h>
#include "../boot/elf.h"

#define LOW  0x400000000000ull
#define HIGH 0x407fff000000ull

struct image {
	struct {
		uint8_t ident[16];
		uint16_t type, machine;
		uint32_t version;
		uint64_t entry, phoff, shoff;
		uint32_t flags;
		uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
	} header;
	struct {
		uint32_t type, flags;
		uint64_t offset, vaddr, paddr, filesz, memsz, align;
	} segments[3];
	uint8_t content[300];
};

static struct image sound(void)
{
	struct image image = {.header = {.ident = {0x7f, 'E', 'L', 'F', 2, 1, 1},
	                                 .type = 2,
	                                 .machine = 62,
	                                 .version = 1,
	                                 .entry = LOW + 0x10010,
	                                 .phoff = 64,
	                                 .ehsize = 64,
	                                 .phentsize = 56,
	                                 .phnum = 3},
	                      .segments = {{1, 5, 232, LOW + 0x10000, 0, 100, 100, 4096},
	                                   {1, 4, 332, LOW + 0x11000, 0, 100, 100, 4096},
	                                   {1, 6, 432, LOW + 0x12000, 0, 100, 9000, 4096}}};

	return image;
}

/* Why the first BYTES of IMAGE are refused; "" when they are not. */
static const char *reading(const struct image *image, size_t bytes, struct elf_program *program)
{
	uint8_t *copy = malloc(bytes + 1);
	const char *why;

	memcpy(copy + 1, image, bytes); /* unaligned too */
	why = elf_read(copy + 1, bytes, LOW, HIGH, program);
	free(copy);
	return why ? why : "";
}

#define REFUSED(name, change, reason)                                                                        \
	do {                                                                                                 \
		struct image image = sound();                                                                \
		change;                                                                                      \
		TEST("refused: " name, strstr(reading(&image, sizeof(image), &program), reason));            \
	} while (0)

int main(void)
{
	struct elf_program program;
	struct image good = sound();
	bool inside = true;

	TEST("a sound program is read", !*reading(&good, sizeof(good), &program) && program.count == 3 &&
	                                    program.segments[2].memory_bytes == 9000 &&
	                                    program.segments[0].execute);
	REFUSED("no ELF file", image.header.ident[0] = 'E', "ELF");
	REFUSED("32 bits", image.header.ident[4] = 1, "64-bit");
	REFUSED("a dynamic program", image.header.type = 3, "static");
	REFUSED("another machine", image.header.machine = 183, "x86_64");
	REFUSED("program headers outside the file", image.header.phoff = sizeof(image) - 10, "headers");
	REFUSED("program headers that wrap", image.header.phoff = UINT64_MAX - 10, "headers");
	REFUSED("program headers of another size", image.header.phentsize = 57, "headers");
	REFUSED("too many program headers", image.header.phnum = 33, "headers");
	REFUSED("a segment outside the file", image.segments[0].offset = sizeof(image) - 50,
	        "outside the file");
	REFUSED("a segment whose end wraps", image.segments[0].offset = UINT64_MAX - 50, "outside the file");
	REFUSED("more file than memory", image.segments[0].memsz = 99, "outside the file");
	REFUSED("a segment below the window", image.segments[0].vaddr = LOW - 4096, "window");
	REFUSED("a segment in the kernel", image.segments[0].vaddr = 0xffffffff80000000ull, "window");
	REFUSED("a segment that wraps", image.segments[2].memsz = UINT64_MAX - LOW, "window");
	REFUSED("too much memory", image.segments[2].memsz = ELF_BYTES_MAX, "too large");
	REFUSED("segments that share a page", image.segments[1].vaddr = LOW + 0x10800, "share");
	REFUSED("segments out of order", image.segments[1].vaddr = LOW + 0xf000, "order");
	REFUSED("writable and executable", image.segments[2].flags = 7, "writable and executable");
	REFUSED("an entry outside", image.header.entry = LOW, "entry");
	REFUSED("an entry in data", image.header.entry = LOW + 0x11010, "entry");
	REFUSED("a program for a dynamic loader", image.segments[1].type = 3, "loader");
	srand(5);
	for (unsigned round = 0; round < 300000; round++) {
		struct image image = sound();
		size_t bytes = rand() % 3 ? sizeof(image) : (size_t)rand() % sizeof(image);

		for (unsigned i = 0; i <= (unsigned)rand() % 6; i++)
			((uint8_t *)&image)[rand() % 232] = (uint8_t)(rand() % 4 ? rand() : -(rand() % 2));
		if (*reading(&image, bytes, &program))
			continue;
		for (uint32_t i = 0; i < program.count; i++) {
			const struct elf_segment *segment = &program.segments[i];

			inside &= segment->offset <= bytes &&
			          segment->file_bytes <= bytes - segment->offset &&
			          segment->file_bytes <= segment->memory_bytes && segment->address >= LOW &&
			          segment->address + segment->memory_bytes <= HIGH &&
			          !(segment->write && segment->execute);
		}
	}
	TEST("what damaged files still give lies inside", inside);
	return test_failures != 0;
}
