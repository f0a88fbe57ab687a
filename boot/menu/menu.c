/* Holon's own menu, and which menu is shown. See menu.h. */
#include "menu.h"

#include <crypto/blake3.h>
#include <sysimg/sysimg.h>

#include "../loader/bundle.h"
#include "../loader/loader.h"
#include "../loader/string.h"
#include "../loader/tpm.h"
#include "decoy.h"
#include "memory_test.h"
#include "terminal.h"

enum { WAIT_SECONDS = 3, FIRST_ROW = 6, PIECES_MAX = 40 };

#define PIECE_LARGE (128ull << 20)
#define PIECE_SMALL (1ull << 20)

enum { TYPE_MASK = 0170000, TYPE_FILE = 0100000 }; /* of a node of the system image */

enum choice { STANDARD, SAFE, HARDENED, AIR_GAPPED, VERIFY, MEMORY, DETAILS, RESTART, CHOICES };

static const struct {
	const char *name, *what;
	const char *words; /* of the command line; NULL: it does not start Holon */
} choices[CHOICES] = {
    [STANDARD] = {"Standard", "Holon as it was signed", ""},
    [SAFE] = {"Safe", "one processor, no drivers, plain processor features", "safe"},
    [HARDENED] = {"Hardened", "memory is wiped first; none is writable and executable",
                  "hardened wipe=first"},
    [AIR_GAPPED] = {"Air-gapped", "no driver of a network card is started", "airgap"},
    [VERIFY] = {"Verify", "every page of the system image, now", NULL},
    [MEMORY] = {"Memory test", "then restart", NULL},
    [DETAILS] = {"Details", "what was verified", NULL},
    [RESTART] = {"Restart", "the machine", NULL},
};

static void head(const char *text)
{
	terminal_clear();
	terminal_move(3, 1);
	terminal_text("Holon");
	terminal_move(3, 3);
	terminal_text(text);
	terminal_move(0, FIRST_ROW - 1);
}

static void back(void)
{
	terminal_text("\n   Press any key to go back.");
	(void)terminal_wait_key();
}

static const void *entry_at(const struct bundle_header *bundle, const struct bundle_entry *entry)
{
	return (const uint8_t *)bundle + entry->offset;
}

/* ---- Details ---- */

static void hexadecimal(const uint8_t *bytes, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		terminal_put("0123456789abcdef"[bytes[i] >> 4]);
		terminal_put("0123456789abcdef"[bytes[i] & 15]);
	}
}

static void details(const struct handoff *handoff, const struct bundle_header *bundle)
{
	const struct handoff_trust *trust = &handoff->trust;
	head("What was verified before this menu was shown");
	terminal_print("   image      %s%s\n", trust->build,
	               trust->flags & HANDOFF_TRUST_DEVELOPMENT ? " (DEVELOPMENT)" : "");
	terminal_text("   signer     ");
	hexadecimal(trust->signer, 16);
	terminal_print("\n   rollback   %u, key list %u\n", (uint32_t)trust->rollback,
	               (uint32_t)trust->epoch);
	terminal_print("   TPM        %s\n", tpm_present() ? "measured" : "none");
	terminal_print("   loader     %s\n\n", platform_vouched());
	for (uint32_t i = 0; i < bundle->entry_count; i++) {
		const struct bundle_entry *entry = &bundle->entries[i];
		uint8_t digest[BLAKE3_SIZE];
		blake3_hash(digest, entry_at(bundle, entry), (size_t)entry->size);
		terminal_text("   ");
		terminal_field(entry->name, 11);
		hexadecimal(digest, 20);
		terminal_print("  %m\n", entry->size);
	}
	back();
}

/* ---- Verify ---- */

/* How many of the files are wrong; *FILES: how many there are. */
static uint32_t verify_files(const struct sysimg *image, uint32_t *files)
{
	uint32_t wrong = 0, step = image->header->node_count / 40 + 1;
	*files = 0;
	for (uint32_t node = 0; node < image->header->node_count; node++) {
		if (!(node % step))
			terminal_put('.');
		if ((image->nodes[node].mode & TYPE_MASK) != TYPE_FILE)
			continue;
		++*files;
		wrong += !sysimg_verify(image, node);
	}
	return wrong;
}

static void verify(const struct bundle_header *bundle)
{
	const struct bundle_entry *entry = bundle_find(bundle, "system");
	struct sysimg image;
	head("Verifying every page of the system image");
	terminal_text("   ");
	const char *why =
	    entry ? sysimg_open(&image, entry_at(bundle, entry), entry->size, true) : "there is none";
	uint32_t files = 0, wrong = why ? 0 : verify_files(&image, &files);
	if (why)
		terminal_print("\n\n   The system image is damaged: %s.\n", why);
	else if (wrong)
		terminal_print("\n\n   %u files are damaged. Write the medium anew, or use another.\n",
		               wrong);
	else
		terminal_print("\n\n   All %u files and the kernel are as they were signed.\n", files);
	back();
}

/* ---- Memory test ---- */

static void dot(unsigned pass)
{
	(void)pass;
	terminal_put('.');
}

/* Takes memory piece by piece, so that none is tested twice; the machine restarts afterwards. */
static void test_memory(void)
{
	uint64_t size = PIECE_LARGE, tested = 0;
	head("Testing memory that is free, below 4 GiB");
	terminal_text("   ");
	for (unsigned pieces = 0; pieces < PIECES_MAX && size >= PIECE_SMALL;) {
		uint64_t base = platform_allocate(size, PAGE_SIZE, HANDOFF_MEMORY_LOADER);
		if (!base) {
			size /= 2;
			continue;
		}
		size_t words = (size_t)(size / sizeof(uint64_t)), wrong = memory_test(at(base), words, dot);
		pieces++;
		if (wrong < words) {
			terminal_print(
			    "\n\n   A word of memory at %x does not keep what is written there.\n"
			    "   Do not trust this machine with anything before its memory was replaced.\n",
			    (uint32_t)(base + wrong * sizeof(uint64_t)));
			break;
		}
		tested += size;
	}
	terminal_print("\n\n   %m were tested. Press any key to restart.\n", tested);
	(void)terminal_wait_key();
	platform_restart();
}

/* ---- The menu ---- */

static void line(unsigned i, unsigned chosen)
{
	terminal_move(3, FIRST_ROW + i);
	terminal_inverse(i == chosen);
	terminal_put(' ');
	terminal_field(choices[i].name, 14);
	terminal_inverse(false);
	terminal_put(' ');
	terminal_text(choices[i].what);
}

static void draw(const struct handoff *handoff, unsigned chosen)
{
	head(handoff->trust.build);
	if (handoff->trust.flags & HANDOFF_TRUST_DEVELOPMENT)
		terminal_text("   DEVELOPMENT IMAGE: whoever has this machine may change what it runs.");
	for (unsigned i = 0; i < CHOICES; i++)
		line(i, chosen);
	terminal_move(0, FIRST_ROW + CHOICES + 2);
	terminal_text("   Arrows choose, Enter starts.");
}

static void count_show(uint32_t seconds)
{
	terminal_move(3, FIRST_ROW + CHOICES + 4);
	if (seconds)
		terminal_print("Starting in %u s; any other key stops that.", seconds);
	else
		terminal_field("", 60);
}

static unsigned choose(const struct handoff *handoff, uint32_t *wait)
{
	unsigned chosen = STANDARD;
	draw(handoff, chosen);
	if (*wait)
		count_show(*wait);
	for (;;) {
		uint32_t key = terminal_key();
		if (!key && *wait && terminal_second()) {
			if (!--*wait)
				return chosen;
			count_show(*wait);
		}
		if (!key)
			continue;
		if (key == '\n')
			return chosen;
		if (*wait)
			count_show(*wait = 0);
		unsigned before = chosen;
		if (key == KEY_UP && chosen)
			chosen--;
		else if (key == KEY_DOWN && chosen + 1 < CHOICES)
			chosen++;
		if (chosen == before)
			continue;
		line(before, chosen);
		line(chosen, chosen);
	}
}

void words_add(struct handoff *handoff, const char *words)
{
	char *line = handoff->command_line;
	size_t length = strlen(line), more = strlen(words);
	if (!more)
		return;
	if (more + 1 + length >= sizeof(handoff->command_line))
		fail("the command line has no room for the words '%s'.", words);
	memmove(line + more + 1, line, length + 1);
	memcpy(line, words, more + 1);
	if (length)
		line[more] = ' ';
}

void menu_holon(struct handoff *handoff, const struct bundle_header *bundle, uint32_t wait)
{
	for (;;) {
		unsigned chosen = choose(handoff, &wait);
		wait = 0;
		if (choices[chosen].words) {
			terminal_clear();
			say("Chosen: %s", choices[chosen].name);
			words_add(handoff, choices[chosen].words);
			return;
		}
		if (chosen == VERIFY)
			verify(bundle);
		else if (chosen == MEMORY)
			test_memory();
		else if (chosen == DETAILS)
			details(handoff, bundle);
		else
			platform_restart();
	}
}

/* Whether the menu is shown, and for how many seconds (0: until a key). Words of the command line: "menu", "menu=SECONDS". */
static bool wanted(const struct handoff *handoff, uint32_t *wait)
{
	enum { SECONDS_MAX = 9999 };
	static const char option[] = "menu=";
	const char *line = handoff->command_line;
	*wait = WAIT_SECONDS;
	while (*line && strncmp(line, option, sizeof(option) - 1) != 0) {
		while (*line && *line != ' ')
			line++;
		while (*line == ' ')
			line++;
	}
	if (!*line)
		return !(handoff->trust.flags & HANDOFF_TRUST_DEVELOPMENT) ||
		       has_option(handoff->command_line, "menu");
	*wait = 0;
	for (line += sizeof(option) - 1; *line >= '0' && *line <= '9' && *wait < SECONDS_MAX / 10; line++)
		*wait = *wait * 10 + (uint32_t)(*line - '0');
	return true;
}

void menu_run(struct handoff *handoff, const struct bundle_header *bundle)
{
	static struct decoy decoy;
	const struct bundle_entry *entry = bundle_find(bundle, BUNDLE_DECOY);
	uint32_t wrong, wait;
	if (entry) {
		const char *why = decoy_parse(&decoy, entry_at(bundle, entry), entry->size, &wrong);
		if (why)
			fail("the decoy's configuration is wrong in line %u: %s. Build the medium anew.",
			     wrong, why);
		menu_decoy(&decoy);
		say_quiet(false);
		menu_holon(handoff, bundle, 0);
	} else if (wanted(handoff, &wait)) {
		menu_holon(handoff, bundle, wait);
	}
}
