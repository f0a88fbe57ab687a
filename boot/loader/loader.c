/* The loader's one flow, the same under BIOS and UEFI.
 *
 * Where the bundle comes from: QEMU's fw_cfg, where it is there, else the medium. It is read once, into the
 * memory where its modules stay, and verified there (verify.h); only the kernel's segments are copied, to the
 * addresses its page tables want. What else fw_cfg brings has no signature, and counts for a development
 * image alone.
 */
#include "loader.h"

#include "arch.h"
#include "bundle.h"
#include "elf.h"
#include "entropy.h"
#include "fwcfg.h"
#include "handoff_check.h"
#include "installed.h"
#include "machine.h"
#include "memory.h"
#include "paging.h"
#include "relocate.h"
#include "string.h"
#include "tpm.h"
#include "verify.h"
#include "../menu/menu.h"

enum { STACK_SIZE = 64 << 10 };

#define LARGE_PAGE (2ull << 20)

static uint64_t allocate(uint64_t size, uint64_t align, enum handoff_memory_kind kind, const char *what)
{
	uint64_t base = platform_allocate(size, align, kind);
	if (!base)
		fail("not enough memory for %s (%m in one piece). Give the machine more memory.", what, size);
	return base;
}

/* Reads fw_cfg's file of that name into fresh pages and zeroes the rest of the last one. */
static uint64_t load_file(const struct fwcfg_file *file, enum handoff_memory_kind kind)
{
	uint64_t size = page_up(file->size ? file->size : 1);
	uint64_t base = allocate(size, PAGE_SIZE, kind, file->name);
	if (!fwcfg_read(file, 0, at(base), file->size))
		fail("QEMU's fw_cfg device could not read opt/holon/%s.", file->name);
	memset(at(base + file->size), 0, size - file->size);
	return base;
}

static void add_module(struct handoff *handoff, const char *name, uint64_t base, uint64_t size)
{
	struct handoff_module *module = NULL;
	for (uint32_t i = 0; i < handoff->module_count; i++)
		if (!strcmp(handoff->modules[i].name, name))
			module = &handoff->modules[i];
	if (!module) {
		if (handoff->module_count == HANDOFF_MODULE_MAX)
			fail("there are more than %u modules.", (unsigned)HANDOFF_MODULE_MAX);
		module = &handoff->modules[handoff->module_count++];
		if (!strcmp(name, "steward")) { /* comes first */
			*module = handoff->modules[0];
			module = &handoff->modules[0];
		}
	}
	size_t length = strlen(name);
	if (length == 0 || length >= sizeof(module->name))
		fail("the module name '%s' is empty or too long.", name);
	memcpy(module->name, name, length + 1);
	module->base = base;
	module->size = size;
}

/* What gives the bundle's bytes: a medium's file, or a slot of an installed disk. */
struct source {
	uint64_t size; /* the most that it can hold */
	bool (*read)(uint64_t offset, void *to, uint64_t size);
};

/* The bundle in memory, its pages accounted as modules, or NULL and *WHY. With a dot on the screen for each piece: old drives
 * take their time. */
static const struct bundle_header *bundle_read(const struct source *source, const char **why)
{
	enum { PIECE = 2 << 20 };
	static struct bundle_header first __attribute__((aligned(4096)));
	*why = "it cannot be read";
	if (source->size < sizeof(first) || !source->read(0, &first, sizeof(first)))
		return NULL;
	*why = bundle_check(&first, source->size);
	if (*why)
		return NULL;
	uint64_t base = allocate(first.size, PAGE_SIZE, HANDOFF_MEMORY_MODULE, "the system");
	say("Reading the system, %m", first.size);
	for (uint64_t done = 0; done < first.size; done += PIECE) {
		uint64_t part = first.size - done < PIECE ? first.size - done : PIECE;
		if (!source->read(done, at(base + done), part)) {
			*why = "it cannot be read to its end";
			platform_claim(base, first.size, HANDOFF_MEMORY_LOADER);
			return NULL;
		}
		say_progress(".");
	}
	say_progress("\n");
	/* What there is memory for, whatever the medium says the second time. */
	*why = bundle_check(at(base), first.size);
	if (*why)
		platform_claim(base, first.size, HANDOFF_MEMORY_LOADER);
	return *why ? NULL : at(base);
}

struct verification {
	const struct bundle_header *bundle;
	uint64_t available;
	struct verified verified;
};

static const char *verify(void *argument)
{
	struct verification *work = argument;
	return bundle_verify(work->bundle, work->available, &loader_policy, &work->verified);
}

/* Whether all of the bundle was signed by who the compiled-in root trusts: NULL, or why it was not. */
static const char *verify_bundle(struct verification *work, const struct bundle_header *bundle,
                                 uint64_t available)
{
	uint64_t begin = arch_counter();
	work->bundle = bundle;
	work->available = available;
	const char *why = platform_on_stack(verify, work);
	if (!why)
		say("Verified %s, %u million cycles", work->verified.build,
		    (uint32_t)((arch_counter() - begin) >> 6) / 15625);
	return why;
}

static bool too_old(const struct verified *verified)
{
	return verified->rollback < tpm_floor(verified->development);
}

/* Decides for the verified bundle. The floor rises to it only where it has shown that it WORKS. */
static void accept_bundle(struct handoff *handoff, const struct verification *work, bool works)
{
	const struct verified *verified = &work->verified;
	const struct bundle_header *bundle = work->bundle;
	tpm_floor_raise(verified->development, works ? verified->rollback : 0);
	const struct bundle_entry *manifest = bundle_find(bundle, BUNDLE_MANIFEST);
	const uint8_t *record = at(physical_of(bundle) + manifest->offset);
	tpm_measure(TPM_PCR_MANIFEST, "manifest", record, record_size(record, (size_t)manifest->size));
	struct handoff_trust *trust = &handoff->trust;
	trust->flags = verified->development ? HANDOFF_TRUST_DEVELOPMENT : 0;
	trust->rollback = verified->rollback;
	trust->epoch = verified->epoch;
	memcpy(trust->signer, verified->signer, sizeof(trust->signer));
	memcpy(trust->build, verified->build, sizeof(verified->build));
	if (verified->development)
		say("DEVELOPMENT IMAGE: whoever has this machine may change what it runs.");
}

static struct verification verification;

/* Tries one slot after the other: what is wrong with one is no reason to stop as long as there is the other. */
static const struct bundle_header *load_installed(struct handoff *handoff)
{
	while (installed_next()) {
		const struct source slot = {installed_size(), installed_read};
		struct verified *verified = &verification.verified;
		const char *why;
		memset(verified, 0, sizeof(*verified));
		const struct bundle_header *bundle = bundle_read(&slot, &why);
		if (bundle)
			why = verify_bundle(&verification, bundle, bundle->size);
		if (!why && too_old(verified))
			why = "it is older than one that was started on this machine before";
		if (!why) {
			say("Starting slot %s", installed_name());
			accept_bundle(handoff, &verification, !installed_on_trial());
			return bundle;
		}
		say("Slot %s is passed over: %s%s%s.", installed_name(), verified->part,
		    verified->part[0] ? ": " : "", why);
		if (bundle)
			platform_claim(physical_of(bundle), bundle->size, HANDOFF_MEMORY_LOADER);
	}
	fail("neither slot of this disk holds a system that is whole and to be trusted. Start Holon from its "
	     "medium and "
	     "install it again.");
}

/* The bundle of fw_cfg or of the medium. */
static const struct bundle_header *load_only(struct handoff *handoff, const struct fwcfg_file *file)
{
	const struct bundle_header *bundle;
	const char *why;
	if (file) {
		bundle = at(load_file(file, HANDOFF_MEMORY_MODULE));
		why = bundle_check(bundle, file->size);
		if (why)
			fail("the bundle is damaged: %s. Build or write it again.", why);
	} else {
		const struct source medium = {platform_bundle_size(), platform_read_bundle};
		if (medium.size < PAGE_SIZE)
			fail("this medium holds no system. Write the whole ISO image to it again.");
		bundle = bundle_read(&medium, &why);
		if (why)
			fail("the system on this medium is damaged: %s. Write the ISO image again.", why);
	}
	const struct verified *verified = &verification.verified;
	why = verify_bundle(&verification, bundle, file ? file->size : bundle->size);
	if (why)
		fail("this system is not to be trusted: %s%s%s. Start it from an image that you got from its "
		     "makers, written anew.",
		     verified->part, verified->part[0] ? ": " : "", why);
	if (too_old(verified))
		fail("this system is older than one that was started on this machine before (the TPM "
		     "remembers). "
		     "Start a newer image, or clear the TPM in the firmware's setup if you mean it.");
	accept_bundle(handoff, &verification, true);
	return bundle;
}

/* Where the bundle comes from. Its pages are accounted as modules until it is known which are not. */
static const struct bundle_header *load_bundle(struct handoff *handoff, bool installed)
{
	return installed ? load_installed(handoff) : load_only(handoff, fwcfg_find("bundle"));
}

/* Whether the bundle has a decoy, by its first page, before anything is verified: all that depends on it is what the screen shows. */
static bool hides(bool installed)
{
	static struct bundle_header first __attribute__((aligned(4096)));
	const struct fwcfg_file *file = fwcfg_find("bundle");
	uint64_t available = file ? file->size : installed ? installed_size() : platform_bundle_size();
	if (available < sizeof(first) || !(file        ? fwcfg_read(file, 0, &first, sizeof(first))
	                                   : installed ? installed_read(0, &first, sizeof(first))
	                                               : platform_read_bundle(0, &first, sizeof(first))))
		return false;
	return !bundle_check(&first, available) && bundle_find(&first, BUNDLE_DECOY);
}

static void copy_command_line(struct handoff *handoff, const void *text, uint64_t size)
{
	if (size >= sizeof(handoff->command_line))
		fail("the command line is longer than %u bytes.",
		     (unsigned)sizeof(handoff->command_line) - 1);
	memcpy(handoff->command_line, text, size);
	while (size && (uint8_t)handoff->command_line[size - 1] <= ' ')
		size--;
	memset(handoff->command_line + size, 0, sizeof(handoff->command_line) - size);
}

bool has_option(const char *line, const char *word)
{
	size_t length = strlen(word);
	for (; *line; line++) {
		if (!strncmp(line, word, length) && (!line[length] || line[length] == ' '))
			return true;
		while (*line && *line != ' ')
			line++;
		if (!*line)
			break;
	}
	return false;
}

/* fw_cfg's command line, without a signature: nothing but "quiet" is looked at before the bundle is verified. */
static const char *fwcfg_command_line(void)
{
	static char text[HANDOFF_COMMAND_MAX];
	const struct fwcfg_file *line = fwcfg_find("cmdline");
	if (!line)
		return NULL;
	if (line->size >= sizeof(text))
		fail("the command line is longer than %u bytes.", (unsigned)sizeof(text) - 1);
	if (!fwcfg_read(line, 0, text, line->size))
		fail("QEMU's fw_cfg device could not read opt/holon/cmdline.");
	return text;
}

static void load_bundle_entries(struct handoff *handoff, const struct bundle_header *bundle)
{
	uint64_t base = physical_of(bundle);
	platform_claim(base, PAGE_SIZE, HANDOFF_MEMORY_LOADER);
	for (uint32_t i = 0; i < bundle->entry_count; i++) {
		const struct bundle_entry *entry = &bundle->entries[i];
		uint64_t start = base + entry->offset;
		if (!strcmp(entry->name, "kernel") || !strcmp(entry->name, "cmdline") ||
		    !strcmp(entry->name, BUNDLE_DECOY)) {
			platform_claim(start, page_up(entry->size), HANDOFF_MEMORY_LOADER);
			if (!strcmp(entry->name, "cmdline") && !handoff->command_line[0])
				copy_command_line(handoff, at(start), entry->size);
			continue;
		}
		memset(at(start + entry->size), 0, page_up(entry->size) - entry->size);
		add_module(handoff, entry->name, start, entry->size);
	}
}

/* fw_cfg's files other than the bundle and the command line are modules and replace the bundle's of the same
 * name. */
static void load_fwcfg_modules(struct handoff *handoff)
{
	static const char prefix[] = "module/";
	for (uint32_t i = 0; i < fwcfg_count(); i++) {
		const struct fwcfg_file *file = fwcfg_get(i);
		const char *name = file->name;
		if (!strcmp(name, "bundle") || !strcmp(name, "nonce") || !strcmp(name, "seed"))
			continue;
		if (!(handoff->trust.flags & HANDOFF_TRUST_DEVELOPMENT)) {
			say("Ignored: fw_cfg's opt/holon/%s. This is not a development image.", name);
			continue;
		}
		if (!strcmp(name, "cmdline"))
			continue;
		if (!strncmp(name, prefix, sizeof(prefix) - 1))
			name += sizeof(prefix) - 1;
		if (!strcmp(name, BUNDLE_KEYS) || !strcmp(name, BUNDLE_MANIFEST)) {
			say("Ignored: fw_cfg's opt/holon/%s. What was verified stays.", file->name);
			continue;
		}
		uint64_t base = load_file(file, HANDOFF_MEMORY_MODULE);
		tpm_measure(TPM_PCR_INPUT, name, at(base), file->size);
		add_module(handoff, name, base, file->size);
	}
}

static void gather_entropy(struct handoff *handoff, uint32_t places[2])
{
	static uint8_t seed[64];
	const struct fwcfg_file *file =
	    handoff->trust.flags & HANDOFF_TRUST_DEVELOPMENT ? fwcfg_find("seed") : NULL;
	if (file && (file->size > sizeof(seed) || !fwcfg_read(file, 0, seed, file->size)))
		fail("the seed is longer than %u bytes, or cannot be read.", (unsigned)sizeof(seed));
	entropy_gather(handoff, seed, file ? file->size : 0, places);
}

/* Who wants to know what was started gives a nonce; it changes nothing of what is started. */
static void quote(void)
{
	static uint8_t nonce[TPM_NONCE_MAX];
	const struct fwcfg_file *file = fwcfg_find("nonce");
	if (!file)
		return;
	if (file->size > sizeof(nonce) || !fwcfg_read(file, 0, nonce, file->size))
		fail("the nonce of a quote is longer than %u bytes, or cannot be read.",
		     (unsigned)sizeof(nonce));
	tpm_quote(nonce, file->size);
}

/* A development image leaves memory that was never used alone, unless it is asked: many test machines share a host. */
static void choose_wipe(struct handoff *handoff)
{
	struct handoff_trust *trust = &handoff->trust;
	if (!(trust->flags & HANDOFF_TRUST_DEVELOPMENT) || has_option(handoff->command_line, "wipe=idle"))
		trust->flags |= HANDOFF_TRUST_WIPE;
	if (has_option(handoff->command_line, "wipe=first"))
		trust->flags |= HANDOFF_TRUST_WIPE_FIRST;
}

/* Where the kernel will lie: at random, unless a debugger wants it where it was linked. */
static void choose_addresses(const struct handoff *handoff, const struct elf_layout *layout,
                             const uint32_t places[2], struct relocation *relocation)
{
	bool development = handoff->trust.flags & HANDOFF_TRUST_DEVELOPMENT;
	if (development && has_option(handoff->command_line, "addresses=fixed")) {
		*relocation = (struct relocation){.image_places = 1, .direct_map_places = 1};
		say("Addresses: fixed, as the command line asks.");
		return;
	}
	relocation_choose(relocation, layout, platform_memory_end(), places);
	say("Addresses: %u bits choose the kernel's, %u those of memory; randomness is credited with %u "
	    "bits%s.",
	    relocation_bits(relocation->image_places), relocation_bits(relocation->direct_map_places),
	    handoff->seed_bits, handoff->seed_bits ? "" : ": they can be foretold");
	if (development)
		say("Addresses: the kernel is at ffffffff%x, moved by %x, memory by %x GiB.",
		    (uint32_t)(layout->virtual_base + relocation->image), (uint32_t)relocation->image,
		    (uint32_t)(relocation->direct_map >> 30));
}

/* Places the kernel and returns its entry point. *FILE: its ELF file. */
static uint64_t load_kernel(struct handoff *handoff, const struct bundle_header *bundle,
                            const uint32_t places[2], const void **file, struct relocation *relocation)
{
	const struct bundle_entry *entry = bundle_find(bundle, "kernel");
	if (!entry)
		fail("the bundle holds no kernel.");
	const void *image = *file = at(physical_of(bundle) + entry->offset);
	struct elf_layout layout;
	const char *why = elf_check(image, entry->size, &layout);
	if (why)
		fail("the kernel is damaged: %s.", why);
	uint64_t relocations_size;
	const void *relocations = elf_segment(image, entry->size, RELOCATE_SEGMENT, &relocations_size);
	if (relocations) {
		choose_addresses(handoff, &layout, places, relocation);
	} else {
		*relocation = (struct relocation){0};
		say("Addresses: fixed. This kernel cannot be moved.");
	}
	/* The same offset within a 2 MiB page as its virtual address, so that large pages map it. */
	uint64_t head = (layout.virtual_base + relocation->image) & (LARGE_PAGE - 1);
	uint64_t base = allocate(head + layout.span, LARGE_PAGE, HANDOFF_MEMORY_LOADER, "the kernel") + head;
	platform_claim(base, layout.span, HANDOFF_MEMORY_KERNEL);
	elf_place(image, &layout, at(base));
	if (relocations)
		why = relocation_apply(relocation, &layout, relocations, relocations_size, at(base));
	if (why)
		fail("the kernel is damaged: %s.", why);
	handoff->kernel_base = base;
	handoff->kernel_size = layout.span;
	handoff->kernel_virtual = layout.virtual_base + relocation->image;
	return layout.entry + relocation->image;
}

/* The kernel's own tables, by the final map of memory; of SIZE bytes at BASE, what is not used goes back. */
static void make_kernel_tables(struct handoff *handoff, const void *image,
                               const struct relocation *relocation, uint64_t base, uint64_t size)
{
	static struct memory_map map;
	uint64_t used = paging_kernel_build(handoff, image, relocation, base, size) - base;
	map.count = handoff->memory_count;
	memcpy(map.ranges, handoff->memory, map.count * sizeof(map.ranges[0]));
	memory_claim(&map, base, used, HANDOFF_MEMORY_TABLES);
	if (map.overflow)
		fail("the memory map has more than %u ranges.", (unsigned)HANDOFF_MEMORY_MAX);
	handoff->memory_count = map.count;
	memcpy(handoff->memory, map.ranges, map.count * sizeof(map.ranges[0]));
}

_Noreturn void loader_run(enum handoff_firmware firmware, uint64_t loader_tsc)
{
	serial_init();
	bool hosted = fwcfg_init();
	struct handoff *handoff =
	    at(allocate(sizeof(*handoff), PAGE_SIZE, HANDOFF_MEMORY_MODULE, "the handoff"));
	memset(handoff, 0, page_up(sizeof(*handoff)));
	const char *line = hosted ? fwcfg_command_line() : NULL;
	bool installed = !fwcfg_find("bundle") && !platform_bundle_size() && installed_open();
	say_quiet((line && has_option(line, "quiet")) || hides(installed));
	say("Holon loader (%s)",
	    firmware == HANDOFF_FIRMWARE_UEFI ? "UEFI" : "BIOS: nothing vouches for this loader");

	if (tpm_init())
		tpm_measure(TPM_PCR_POLICY, "policy", &loader_policy, sizeof(loader_policy));
	const struct bundle_header *bundle = load_bundle(handoff, installed);
	if (line && handoff->trust.flags & HANDOFF_TRUST_DEVELOPMENT)
		copy_command_line(handoff, line, strlen(line));
	load_bundle_entries(handoff, bundle);
	menu_run(handoff, bundle);
	if (installed && installed_on_trial())
		/* image/manifest: what shows that the system works. base/steward/trial.h: what happens where nothing does. */
		words_add(handoff, installed_has_other() ? "trial fallback" : "trial");
	choose_wipe(handoff);
	tpm_measure(TPM_PCR_INPUT, "cmdline", handoff->command_line, strlen(handoff->command_line));
	load_fwcfg_modules(handoff);
	tpm_report();
	quote();
	uint32_t places[2];
	gather_entropy(handoff, places);
	const void *image;
	struct relocation relocation;
	uint64_t entry = load_kernel(handoff, bundle, places, &image, &relocation);
	uint64_t stack = allocate(STACK_SIZE, PAGE_SIZE, HANDOFF_MEMORY_LOADER, "a stack");

	struct paging_plan plan = {platform_memory_end(), handoff->kernel_base, handoff->kernel_virtual,
	                           handoff->kernel_size, HANDOFF_DIRECT_MAP + relocation.direct_map};
	uint64_t tables = allocate(paging_size(&plan), PAGE_SIZE, HANDOFF_MEMORY_LOADER, "page tables");
	tables = paging_build(&plan, tables);
	uint64_t own_size = paging_kernel_size(plan.memory_end);
	uint64_t own = allocate(own_size, PAGE_SIZE, HANDOFF_MEMORY_LOADER, "the kernel's page tables");

	handoff->magic = HANDOFF_MAGIC;
	handoff->version = HANDOFF_VERSION;
	handoff->size = sizeof(*handoff);
	handoff->firmware = firmware;
	handoff->base = physical_of(handoff);
	handoff->rsdp = platform_rsdp();
	handoff->machine.clock_start = loader_tsc;
	platform_framebuffer(&handoff->framebuffer);
	machine_describe(handoff);
	say("Starting the kernel, %m, with %u modules", handoff->kernel_size, handoff->module_count);
	platform_finish(handoff);
	machine_start(handoff, tables);
	make_kernel_tables(handoff, image, &relocation, own, own_size);
	const char *why = handoff_check(handoff);
	if (why)
		fail("the handoff is wrong: %s. This is an error in the loader.", why);
	platform_enter(tables, entry, physical_of(handoff), stack + STACK_SIZE);
}
