/* The device takes the address of a request block, big-endian, and clears the control word but for an error's bit when it has
 * done the transfer. */
#include "fwcfg.h"

#include "arch.h"
#include "loader.h"
#include "string.h"

enum { KEY_DIRECTORY = 0x19 };
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
	__asm__ volatile("" : : : "memory");
	arch_fwcfg_start((uintptr_t)&request);
	while (request.control & ~__builtin_bswap32(DMA_ERROR))
		;
	__asm__ volatile("" : : : "memory");
	return request.control == 0;
}

bool fwcfg_init(void)
{
	uint32_t count = 0;
	if (!arch_fwcfg_present() || !dma(KEY_DIRECTORY << 16 | DMA_SELECT | DMA_READ, &count, sizeof(count)))
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
