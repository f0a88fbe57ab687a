/* Fuzzes the service's side of abi/vault.interface: whoever holds the control says anything at all, in any order, about devices in memory; most of it is
 * well formed, with names, devices, credentials and sizes that are there. One device holds a vault with a snapshot and three ways to open it, one is a leg
 * of it, one is empty, one holds something else. vdisk and holonfs are real; stood in for are the kernel, devices, the TPM and what turns.c does.
 * Devices, memory and kernel may fail once. At the end each open vault is sound, unless something failed; all are closed, and no device, window or key is
 * left. */
#include <stdio.h>
#include "block/block_device.h"
#include "fuzz_faults.h"
#include "fuzz_input.h"
#include "vault.h"
#include "fuzz_windows.h"

#define DEVICES     5u
#define DEVICE_SIZE (3u << 20)
#define FIRST       100u /* the handle of the first device's channel */
#define CALLS_MAX   200u
#define SECRET_SIZE 32u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct service service;

struct medium {
	uint8_t bytes[DEVICE_SIZE];
	size_t used; /* beyond are zeroes */
};

static struct medium media[DEVICES], base[DEVICES];
static struct thread_page *page;
static unsigned opened;
static unsigned kernel_fault, device_fault;
static bool has_tpm, has_fault, is_open[DEVICES];
static uint64_t drawn; /* randomness */

/* ---- The kernel, and what else the service stands on ---- */

int64_t syscall6(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f,
                 uint64_t *second)
{
	(void)b, (void)c, (void)d, (void)e, (void)f;
	if (second)
		*second = 0;
	if (number == SYS_CLOCK)
		return 1000;
	if (fails(&kernel_fault))
		return E_ARGUMENT;
	return number == SYS_CAP_COPY ? (int64_t)a : E_OK;
}

void log_print(handle_t system, struct thread_page *to, const char *format, ...)
{
	(void)system, (void)format;
	memset(to->bytes, 0xa5, sizeof(to->bytes)); /* it is the thread's page that the text goes through */
}

int64_t service_now_ns(void)
{
	return 1000 + service.clock_offset;
}

void service_touch(struct served *served)
{
	served->changed = true;
}

static bool has_failed(const struct served *served)
{
	return vault_has_failed((const void *)((const char *)served - offsetof(struct vault, served)));
}

int entropy_get(void *buffer, size_t bytes)
{
	uint8_t *to = buffer;
	for (size_t i = 0; i < bytes; i++) {
		drawn = drawn * 6364136223846793005ull + 1442695040888963407ull;
		to[i] = (uint8_t)(drawn >> 56);
	}
	return 0;
}

/* ---- turns.c ---- */

handle_t turn_keep(void)
{
	return 5;
}

static int run_here(void *context, int (*work)(void *argument), void *argument)
{
	(void)context;
	return work(argument);
}

const struct vdisk_helper turn_helper = {.run = run_here};

void deletion_begin(struct vault *vault)
{
	vault->deletes = !vault->read_only;
}

void deletion_end(struct vault *vault, int64_t result)
{
	(void)result;
	vault->deletes = false;
	vault->waiting = 0;
}

/* ---- Devices ---- */

int64_t block_device_open(struct block_device *device, handle_t channel, struct thread_page *used)
{
	(void)used;
	if (channel < FIRST || channel >= FIRST + DEVICES || fails(&kernel_fault))
		return E_HANDLE;
	if (is_open[channel - FIRST])
		return VAULT_E_BUSY;
	is_open[channel - FIRST] = true;
	*device = (struct block_device){
	    .bytes = DEVICE_SIZE, .read_only = channel == FIRST + DEVICES - 1, .has_discard = true};
	device->client.channel = channel;
	opened++;
	return E_OK;
}

void block_device_close(struct block_device *device)
{
	if (device->client.channel) {
		opened--;
		is_open[device->client.channel - FIRST] = false;
	}
	*device = (struct block_device){0};
}

static struct medium *medium_of(struct block_device *device)
{
	device->failed = device->failed || fails(&device_fault);
	return device->failed ? NULL : &media[device->client.channel - FIRST];
}

int block_device_read(void *context, uint64_t offset, void *buffer, size_t bytes)
{
	struct medium *medium = medium_of(context);
	if (!medium)
		return -1;
	memset(buffer, 0, bytes);
	if (offset < DEVICE_SIZE)
		memcpy(buffer, medium->bytes + offset,
		       bytes < DEVICE_SIZE - offset ? bytes : DEVICE_SIZE - offset);
	return 0;
}

int block_device_write(void *context, uint64_t offset, const void *buffer, size_t bytes)
{
	struct block_device *device = context;
	struct medium *medium = medium_of(device);
	if (!medium || offset > DEVICE_SIZE || bytes > DEVICE_SIZE - offset)
		return -1;
	if (device->read_only)
		abort(); /* nobody writes where it was said that it may not be */
	memcpy(medium->bytes + offset, buffer, bytes);
	medium->used = medium->used > offset + bytes ? medium->used : (size_t)offset + bytes;
	return 0;
}

int block_device_flush(void *context)
{
	return medium_of(context) ? 0 : -1;
}

int block_device_discard(void *context, uint64_t offset, uint64_t bytes)
{
	struct medium *medium = medium_of(context);
	if (medium && offset < DEVICE_SIZE)
		memset(medium->bytes + offset, 0,
		       bytes < DEVICE_SIZE - offset ? bytes : DEVICE_SIZE - offset);
	return 0;
}

/* ---- The TPM: it gives back what it was given, and goes over the thread's page as machine.c does ---- */

static int seal(void *context, const uint8_t *secret, uint8_t sealed[VDISK_SEALED_MAX], size_t *bytes)
{
	(void)context;
	memset(page->bytes, 0xa5, sizeof(page->bytes));
	memcpy(sealed, secret, VDISK_KEY_SIZE);
	*bytes = VDISK_KEY_SIZE;
	return VDISK_OK;
}

static int unseal(void *context, const uint8_t *sealed, size_t bytes, uint8_t *secret)
{
	struct keys *keys = context;
	memset(page->bytes, 0xa5, sizeof(page->bytes));
	keys->machine_error = bytes == VDISK_KEY_SIZE ? E_OK : VAULT_E_STATE;
	if (bytes != VDISK_KEY_SIZE)
		return VDISK_KEY;
	memcpy(secret, sealed, VDISK_KEY_SIZE);
	return VDISK_OK;
}

bool machine_present(void)
{
	return has_tpm;
}

int64_t machine_give(struct keys *keys)
{
	if (!has_tpm)
		return VAULT_E_NO_TPM;
	keys->sealer = (struct vdisk_sealer){.context = keys, .seal = seal, .unseal = unseal};
	keys->credentials.sealer = &keys->sealer;
	return E_OK;
}

static int find_mark(void *context, const uint8_t id[VDISK_ID_SIZE], const uint8_t key[VDISK_KEY_SIZE],
                     bool anchored, struct vdisk_mark *mark)
{
	(void)context, (void)id, (void)key, (void)mark;
	memset(page->bytes, 0xa5, sizeof(page->bytes));
	return anchored && !has_tpm ? VDISK_STALE : VDISK_OK;
}

const struct vdisk_keeper machine_keeper = {.find = find_mark};

int64_t anchor_begin(struct vdisk *disk)
{
	memset(page->bytes, 0xa5, sizeof(page->bytes));
	return has_tpm ? vault_error(vdisk_set_anchored(disk, true)) : VAULT_E_NO_TPM;
}

int64_t anchor_end(struct vdisk *disk)
{
	return vdisk_is_anchored(disk) ? vault_error(vdisk_set_anchored(disk, false)) : E_OK;
}

void anchor_renew(struct vdisk *disk)
{
	(void)disk;
	memset(page->bytes, 0xa5, sizeof(page->bytes));
}

/* ---- Who holds the control ---- */

static uint8_t take_byte(void)
{
	uint8_t byte;
	take(&byte, 1);
	return byte;
}

static uint32_t put(uint32_t at, const void *data, uint32_t bytes)
{
	(void)interface_put(page, &at, data, bytes);
	return at;
}

static uint32_t put_text(uint32_t at, const char *text)
{
	return put(at, text, (uint32_t)strlen(text) + 1);
}

/* Of what kind: N a vault's name, S a snapshot's, P a path, L a label. */
static uint32_t put_name(uint32_t at, char kind)
{
	static const char *const names[] = {"v",
	                                    "v",
	                                    "v",
	                                    "w",
	                                    "x",
	                                    "y",
	                                    "",
	                                    "a/b",
	                                    "0123456789012345678901234567890",
	                                    "01234567890123456789012345678901"};
	static const char *const snapshots[] = {"s", "s", "t", "u", "", "main", "a:b", "with room"};
	static const char *const paths[] = {"", "/", "d", "/d/e/", "f", "d/../d", "new/a/b", "d//e", "."};
	static char longest[300];
	uint8_t which = take_byte();
	memset(longest, 'x', sizeof(longest) - 1);
	if (which > 250)
		return put_text(at, longest + which % 40u);
	return put_text(at, kind == 'N'   ? names[which % 10u]
	                    : kind == 'S' ? snapshots[which % 8u]
	                    : kind == 'P' ? paths[which % 9u]
	                                  : "label");
}

static const uint8_t secret[SECRET_SIZE] = {1, 2, 3}, other_secret[SECRET_SIZE] = {4};
static char words[VDISK_RECOVERY_WORDS_SIZE]; /* that were drawn last */

/* What a struct vault_credentials counts: a bit of PARTS each for a passphrase, words, a file, the TPM. */
static uint32_t make_credentials(uint8_t *to, unsigned parts, bool wrong)
{
	struct vault_credentials head = {.flags = parts & 8 ? VAULT_CREDENTIAL_MACHINE : 0};
	uint32_t at = sizeof(head);
	const char *passphrase = wrong ? "q" : "passphrase";
	if (parts & 1) {
		head.passphrase_bytes = (uint32_t)strlen(passphrase);
		memcpy(to + at, passphrase, head.passphrase_bytes);
		at += head.passphrase_bytes;
	}
	if (parts & 2) {
		head.words_bytes = (uint32_t)strlen(words);
		memcpy(to + at, words, head.words_bytes);
		at += head.words_bytes;
	}
	if (parts & 4) {
		head.key_file_bytes = SECRET_SIZE;
		memcpy(to + at, wrong ? other_secret : secret, SECRET_SIZE);
		at += SECRET_SIZE;
	}
	memcpy(to, &head, sizeof(head));
	return at;
}

static uint32_t put_credentials(uint32_t at)
{
	uint8_t bytes[VAULT_CREDENTIALS_MAX + 300];
	uint8_t how = take_byte();
	uint32_t count = make_credentials(bytes, how < 150 ? 4 : how % 16u, how % 7u == 6);
	if (how >= 240) { /* sizes that are not what there is, or nothing that was made */
		struct vault_credentials head;
		take(&head, sizeof(head));
		memcpy(bytes, &head, sizeof(head));
		count = take_byte() * 13u;
		take(bytes + sizeof(head), count > sizeof(head) ? count - sizeof(head) : 0);
	}
	return put(at, bytes, count);
}

static uint64_t take_size(void)
{
	static const uint64_t sizes[] = {
	    0,         1, 4096, 1u << 20, 2u << 20, 4u << 20, 200ull << 30, 64ull << 40, (64ull << 40) + 4096,
	    UINT64_MAX};
	return sizes[take_byte() % 10u];
}

static uint64_t take_flags(void)
{
	uint8_t which = take_byte();
	return which < 200 ? 0 : which < 250 ? 1ull << which % 14u : (uint64_t)take_byte() << 6;
}

/* A passphrase's memory: little, or far too much. */
static uint64_t take_cost(void)
{
	uint8_t which = take_byte();
	return which < 250 ? 8u + which : UINT32_MAX;
}

/* The words of a call: f flags, F the flag that it is about, s a size, c a cost, i an index, t a time. Items: as of put_name(), C credentials. */
static const struct {
	const char *words, *items;
	bool device;
	uint32_t flag;
} shapes[] = {[VAULT_CREATE] = {"fsct", "C", true, VAULT_ERASE},
              [VAULT_OPEN] = {"ft", "NSC", true, VAULT_ANCHOR},
              [VAULT_CLOSE] = {"f", "N", false, VAULT_FORCE},
              [VAULT_LIST] = {"i", "", false, 0},
              [VAULT_GRANT] = {"f", "NP", false, VAULT_MAKE},
              [VAULT_SNAPSHOT] = {"", "NS", false, 0},
              [VAULT_SNAPSHOTS] = {"i", "N", false, 0},
              [VAULT_BACK] = {"", "NS", false, 0},
              [VAULT_FORGET] = {"", "NS", false, 0},
              [VAULT_SCRUB] = {"f", "N", false, VAULT_CONTINUE},
              [VAULT_SLOTS] = {"i", "N", false, 0},
              [VAULT_SLOT_ADD] = {"fc", "NLC", false, VAULT_WORDS},
              [VAULT_REKEY] = {"fc", "NLC", false, VAULT_WORDS},
              [VAULT_REKEY_STEP] = {"", "N", false, 0},
              [VAULT_QUOTA] = {"fss", "NP", false, VAULT_SET},
              [VAULT_SLOT_REMOVE] = {"i", "N", false, 0},
              [VAULT_GROW] = {"s", "N", false, 0},
              [VAULT_MIRROR] = {"f", "N", true, VAULT_ERASE}};
#define SHAPES (sizeof(shapes) / sizeof(*shapes))

static int64_t send(struct message *message, uint32_t bytes, handle_t device)
{
	memset(page->caps, 0, sizeof(page->caps));
	page->caps[0] = device;
	message->badge = BADGE(BADGE_CONTROL, 0, 0);
	message->info = INFO_MAKE(bytes, device != 0);
	vault_serve(&control_operations, 0, message, page);
	if (INFO_BYTES(message->info) > MESSAGE_BYTES_MAX || INFO_CAPS(message->info) > MESSAGE_CAPS_MAX)
		abort();
	return (int64_t)message->words[0];
}

static void call(void)
{
	uint8_t number = take_byte() % SHAPES;
	struct message message = {0};
	uint32_t bytes = 0;
	uint64_t flags = take_flags();
	bool about = take_byte() & 1;
	handle_t device = shapes[number].device ? FIRST + take_byte() % (DEVICES + 1u) : 0;
	message.words[0] = (uint64_t)VAULT_VERSION << 32 | number;
	for (unsigned i = 0; shapes[number].words[i]; i++) {
		char kind = shapes[number].words[i];
		message.words[1 + i] = kind == 'f'   ? flags ^ (about ? shapes[number].flag : 0)
		                       : kind == 's' ? take_size()
		                       : kind == 'c' ? take_cost()
		                       : kind == 'i' ? take_byte() % 12u
		                                     : take_byte();
	}
	for (const char *item = shapes[number].items; *item; item++)
		bytes = *item == 'C' ? put_credentials(bytes) : put_name(bytes, *item);
	int64_t result = send(&message, bytes, device);
	bool draws = number == VAULT_SLOT_ADD || number == VAULT_REKEY;
	uint32_t from = 0;
	uint32_t size;
	const void *said =
	    draws && result >= 0 ? interface_take(page, message.info, &from, &size, false) : NULL;
	if (said && size && size <= sizeof(words))
		memcpy(words, said, size);
}

/* A message that is not made of anything. */
static void call_badly(void)
{
	struct message message = {.words = {(uint64_t)VAULT_VERSION << 32 | take_byte() % 20u}};
	for (unsigned i = 1; i < MESSAGE_WORDS; i++)
		message.words[i] = take_size();
	message.words[2 + (message.words[0] == ((uint64_t)VAULT_VERSION << 32 | VAULT_CREATE))] =
	    take_cost(); /* cost_kib */
	uint32_t bytes = (uint32_t)take_byte() * 4;
	take(page->bytes, bytes);
	(void)(send(&message, bytes, FIRST + take_byte() % 8u) < 0);
}

/* A session through a mount, so that a vault is in use. */
static void open_session(void)
{
	struct message message = {.badge = service.mounts[take_byte() % 4u].badge, .info = INFO_MAKE(0, 2)};
	message.words[0] = (uint64_t)FILE_VERSION << 32 | FILE_SESSION;
	message.words[1] = take_byte() % 9u;
	page->caps[0] = 20;
	page->caps[1] = 21;
	file_serve(&mount_operations, 0, &message, page);
}

static void act(void)
{
	uint8_t kind = take_byte();
	if (kind < 220)
		call();
	else if (kind < 228)
		call_badly();
	else if (kind < 236)
		open_session();
	else if (kind < 240)
		has_tpm = kind & 1;
	else if (kind < 246) {
		for (unsigned i = 0; i < VAULTS_MAX; i++) /* as turns.c does between calls */
			if (service.vaults[i].name[0] && service.vaults[i].deletes &&
			    vault_settle(&service.vaults[i]) >= 0 &&
			    vdisk_delete_step(service.vaults[i].disk, 512) != 1)
				deletion_end(&service.vaults[i], E_OK);
	} else {
		unsigned *const counters[] = {&kernel_fault, &device_fault, &memory_fault};
		has_fault = true;
		*counters[kind % 3u] = 1u + take_byte();
	}
}

/* ---- Inputs ---- */

static void page_begin(void)
{
	page = calloc(1, sizeof(*page)); /* of its own, so that what is behind it is seen */
	service.page = page;
	file_service.touch = service_touch;
	file_service.has_failed = has_failed;
}

static void must(int64_t result)
{
	if (result < 0)
		abort();
}

static void make_base(void)
{
	struct message message = {
	    .words = {(uint64_t)VAULT_VERSION << 32 | VAULT_CREATE, VAULT_ANCHOR, 4u << 20, 8}};
	uint8_t credentials[200];
	struct holonfs_attributes made;
	page_begin();
	has_tpm = true;
	must(send(&message, put(0, credentials, make_credentials(credentials, 4, false)), FIRST));
	message = (struct message){.words = {(uint64_t)VAULT_VERSION << 32 | VAULT_OPEN}};
	must(send(&message,
	          put(put_text(put_text(0, "v"), ""), credentials, make_credentials(credentials, 4, false)),
	          FIRST));
	struct vault *vault = vault_find("v");
	must(holonfs_create(vault->fs, HOLONFS_ROOT, "d", 0040755, 0, 0, 0, 0, &made));
	must(holonfs_create(vault->fs, made.inode, "e", 0040755, 0, 0, 0, 0, &made));
	must(holonfs_create(vault->fs, HOLONFS_ROOT, "f", 0100644, 0, 0, 0, 0, &made));
	must(holonfs_write(vault->fs, made.inode, 0, media, 100000));
	message = (struct message){.words = {(uint64_t)VAULT_VERSION << 32 | VAULT_SNAPSHOT}};
	must(send(&message, put_text(put_text(0, "v"), "s"), 0));
	static const unsigned parts[] = {1, 8};
	for (unsigned i = 0; i < 2; i++) {
		message = (struct message){.words = {(uint64_t)VAULT_VERSION << 32 | VAULT_SLOT_ADD, 0, 8}};
		must(send(&message,
		          put(put_text(put_text(0, "v"), "more"), credentials,
		              make_credentials(credentials, parts[i], false)),
		          0));
	}
	message = (struct message){.words = {(uint64_t)VAULT_VERSION << 32 | VAULT_MIRROR}};
	must(send(&message, put_text(0, "v"), FIRST + 1));
	message = (struct message){.words = {(uint64_t)VAULT_VERSION << 32 | VAULT_SCRUB, VAULT_CONTINUE}};
	must(send(&message, put_text(0, "v"), 0));
	message = (struct message){.words = {(uint64_t)VAULT_VERSION << 32 | VAULT_CLOSE}};
	must(send(&message, put_text(0, "v"), 0));
	memset(media[3].bytes, 'x', 5000);
	media[3].used = 5000;
	media[4] = media[0]; /* which is read-only */
	memcpy(base, media, sizeof(base));
	free(page);
}

static void reset(void)
{
	for (unsigned i = 0; i < DEVICES; i++) {
		memcpy(media[i].bytes, base[i].bytes,
		       media[i].used > base[i].used ? media[i].used : base[i].used);
		media[i].used = base[i].used;
	}
	kernel_fault = device_fault = memory_fault = 0;
	has_tpm = true;
	has_fault = false;
	drawn = 1;
	snprintf(words, sizeof(words), "none yet");
	file_service.next_number = 1;
}

static void check_end(void)
{
	kernel_fault = device_fault = memory_fault = 0;
	for (unsigned i = 0; i < VAULTS_MAX; i++) {
		struct vault *vault = &service.vaults[i];
		struct holonfs_report report = {0};
		if (!vault->name[0])
			continue;
		sessions_clean(&vault->served, true);
		/* The check has a bit of memory for each block. */
		if (!has_fault && vdisk_blocks(vault->disk) < 1u << 20 &&
		    (holonfs_check(vault->fs, false, &report) < 0 || report.damaged || report.different))
			abort();
		(void)(vault_end(vault) < 0);
	}
	if (opened || windows)
		abort();
	for (unsigned i = 0; i < MOUNTS_MAX; i++)
		if (service.mounts[i].vault)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool made;
	if (!made)
		make_base();
	made = true;
	reset();
	input = data;
	left = size;
	page_begin();
	struct message message = {.words = {(uint64_t)VAULT_VERSION << 32 | VAULT_OPEN}};
	uint8_t credentials[200];
	if (take_byte() % 4u)
		must(send(
		    &message,
		    put(put_text(put_text(0, "v"), ""), credentials, make_credentials(credentials, 4, false)),
		    FIRST));
	for (unsigned i = 0; i < CALLS_MAX && left; i++)
		act();
	check_end();
	free(page);
	return 0;
}
