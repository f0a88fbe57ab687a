/* The device takes the address of a request block, big-endian, through two port writes, and has done the
 * transfer when the second one returns; the control word then says whether it failed. */
#include "fwcfg.h"

#include "../arch/x86_64/io.h"
#include "loader.h"
#include "string.h"

enum { PORT_SELECTOR = 0x510, PORT_DATA = 0x511, PORT_DMA_HIGH = 0x514, PORT_DMA_LOW = 0x518 };
enum { KEY_SIGNATURE = 0, KEY_FEATURES = 1, KEY_DIRECTORY = 0x19 };
enum { FEATURE_DMA = 2 };
enum { DMA_ERROR = 1, DMA_READ = 2, DMA_SKIP = 4, DMA_SELECT = 8 };
enum { FILE_MAX = 20, DIRECTORY_MAX = 4096 };

static const char prefix[] = "opt/holon/";

struct dma_request {
	uint32_t control, length; /* big-endian, as all fields */
	uint64_t address;
};

struct directory_entry {
	uint32_t size; /* big-endian */
	uint16_t selector;
	uint16_t reserved;
	char name[56];
};

static struct fwcfg_file files[FILE_MAX];
static uint32_t file_count;

static bool dma(uint32_t control, void *to, uint32_t length)
{
	static volatile struct dma_request request __attribute__((aligned(16)));
	request.control = __builtin_bswap32(control);
	request.length = __builtin_bswap32(length);
	request.address = __builtin_bswap64(physical_of(to));
	uint64_t address = (uintptr_t)&request;
	__asm__ volatile("" : : : "memory");
	out32(PORT_DMA_HIGH, __builtin_bswap32((uint32_t)(address >> 32)));
	out32(PORT_DMA_LOW, __builtin_bswap32((uint32_t)address));
	while (request.control & ~__builtin_bswap32(DMA_ERROR))
		;
	__asm__ volatile("" : : : "memory");
	return request.control == 0;
}

static bool device_present(void)
{
	/* Real machines have other things at these ports: ask only below a hypervisor (CPUID.1:ECX bit 31).
	 */
	if (!(cpuid(1, 0).ecx & 1u << 31))
		return false;
	char signature[4];
	out16(PORT_SELECTOR, KEY_SIGNATURE);
	for (int i = 0; i < 4; i++)
		signature[i] = (char)in8(PORT_DATA);
	if (memcmp(signature, "QEMU", 4) != 0)
		return false;
	out16(PORT_SELECTOR, KEY_FEATURES);
	return in8(PORT_DATA) & FEATURE_DMA;
}

bool fwcfg_init(void)
{
	uint32_t count = 0;
	if (!device_present() || !dma(KEY_DIRECTORY << 16 | DMA_SELECT | DMA_READ, &count, sizeof(count)))
		return false;
	count = __builtin_bswap32(count);
	for (uint32_t i = 0; i < count && i < DIRECTORY_MAX; i++) {
		static struct directory_entry entry;
		if (!dma(DMA_READ, &entry, sizeof(entry)))
			return false;
		entry.name[sizeof(entry.name) - 1] = 0;
		if (strncmp(entry.name, prefix, sizeof(prefix) - 1) != 0)
			continue;
		if (file_count == FILE_MAX)
			fail("too many fw_cfg files below opt/holon/ (at most %u)", (unsigned)FILE_MAX);
		struct fwcfg_file *file = &files[file_count++];
		memcpy(file->name, entry.name + sizeof(prefix) - 1, sizeof(entry.name) - sizeof(prefix) + 1);
		file->size = __builtin_bswap32(entry.size);
		file->selector = __builtin_bswap16(entry.selector);
	}
	return true;
}

uint32_t fwcfg_count(void)
{
	return file_count;
}

const struct fwcfg_file *fwcfg_get(uint32_t index)
{
	return &files[index];
}

const struct fwcfg_file *fwcfg_find(const char *name)
{
	for (uint32_t i = 0; i < file_count; i++)
		if (!strcmp(files[i].name, name))
			return &files[i];
	return NULL;
}

bool fwcfg_read(const struct fwcfg_file *file, uint32_t offset, void *to, uint32_t size)
{
	return dma((uint32_t)file->selector << 16 | DMA_SELECT | DMA_SKIP, NULL, offset) &&
	       dma(DMA_READ, to, size);
}
