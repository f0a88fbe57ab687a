/* holon-vdisk: messages, files, credentials, byte ranges. */
#define _GNU_SOURCE
#include "tool.h"
#include "progress.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

_Noreturn void fail(int status, const char *format, ...)
{
	va_list arguments;
	progress_end();
	fputs("holon-vdisk: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(status);
}

static const char *advice(int status)
{
	switch (status) {
	case VDISK_KEY:
		return " (give --key-file, --passphrase-fd, --recovery-fd or --machine-file; 'key list' "
		       "shows which slots "
		       "there are)";
	case VDISK_DAMAGED:
		return " ('check' says where; with a mirror 'scrub --mirror OTHER' repairs)";
	case VDISK_NO_SPACE:
		return " (make room on the file system below, or discard and delete snapshots)";
	case VDISK_FORMAT:
		return " ('create' makes one)";
	case VDISK_STALE:
		return " (if you put back a backup on purpose, remove the anchor file)";
	default:
		return "";
	}
}

_Noreturn void fail_vdisk(int status, const char *what, const char *name)
{
	bool damaged = status == VDISK_DAMAGED || status == VDISK_IO || status == VDISK_STALE ||
	               status == VDISK_DIVERGED || status == VDISK_NO_MEMORY || status == VDISK_FORMAT;
	fail(damaged ? EXIT_DAMAGED : EXIT_WRONG, "%s %s: %s%s", what, name, vdisk_status_text(status),
	     advice(status));
}

void must(int status, const char *what, const char *name)
{
	if (status < 0)
		fail_vdisk(status, what, name);
}

void confirm(const struct options *options, const char *question)
{
	char answer[8] = "";
	if (options->yes)
		return;
	if (!isatty(0))
		fail(EXIT_WRONG, "%s Say --yes to do it.", question);
	fprintf(stderr, "%s [y/N] ", question);
	if (!fgets(answer, sizeof(answer), stdin) || (answer[0] != 'y' && answer[0] != 'Y'))
		fail(EXIT_WRONG, "nothing was done");
}

uint64_t parse_size(const char *text)
{
	static const char units[] = "KMGT";
	char *end;
	errno = 0;
	unsigned long long number = strtoull(text, &end, 10);
	unsigned shift = 0;
	const char *unit = *end ? strchr(units, *end & ~0x20) : NULL;
	if (unit) {
		shift = 10 * (unsigned)(unit - units + 1);
		end++;
		if (*end == 'i')
			end++;
		if (*end == 'B')
			end++;
	}
	if (errno || end == text || *end || text[0] == '-' || number > UINT64_MAX >> shift)
		fail(EXIT_WRONG, "'%s' is not a size: give bytes, or a number with K, M, G or T", text);
	return (uint64_t)number << shift;
}

void print_json_string(const char *text)
{
	putchar('"');
	for (; *text; text++)
		if (*text == '"' || *text == '\\')
			printf("\\%c", *text);
		else if ((unsigned char)*text < ' ')
			printf("\\u%04x", (unsigned char)*text);
		else
			putchar(*text);
	putchar('"');
}

void *read_file(const char *path, size_t most, size_t *size)
{
	FILE *file = fopen(path, "rb");
	uint8_t *bytes = malloc(most + 1);
	if (!file || !bytes)
		fail(EXIT_WRONG, "%s: %s", path, strerror(errno));
	*size = fread(bytes, 1, most + 1, file);
	if (ferror(file))
		fail(EXIT_WRONG, "%s: %s", path, strerror(errno));
	if (*size > most)
		fail(EXIT_WRONG, "%s: longer than %zu bytes, so it is not what was meant", path, most);
	fclose(file);
	return bytes;
}

char *read_fd_line(int fd)
{
	char *line = calloc(1, 4097);
	size_t length = 0;
	ssize_t got;
	if (!line)
		fail(EXIT_DAMAGED, "out of memory");
	while (length < 4096 && (got = read(fd, line + length, 1)) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			fail(EXIT_WRONG, "file descriptor %d: %s", fd, strerror(errno));
		if (line[length] == '\n')
			break;
		length++;
	}
	line[length] = 0;
	if (!length)
		fail(EXIT_WRONG, "file descriptor %d gives nothing", fd);
	return line;
}

static void open_leg(struct container *container, const char *path, enum access access)
{
	int flags = access == ACCESS_READ ? O_RDONLY : O_RDWR;
	unsigned leg = container->leg_count++;
	int fd = open(path, flags | O_CLOEXEC | (access == ACCESS_CREATE ? O_CREAT : 0), 0600);
	if (fd < 0)
		fail(EXIT_WRONG, "%s: %s", path, strerror(errno));
	if (flock(fd, (access == ACCESS_READ ? LOCK_SH : LOCK_EX) | LOCK_NB) < 0)
		fail(EXIT_WRONG, "%s: in use by another program", path);
	int status = file_backend_init(&container->files[leg], fd, &container->legs[leg]);
	if (status < 0)
		fail(EXIT_WRONG, "%s: %s", path,
		     status == -EINVAL ? "neither a file nor a block device" : strerror(-status));
}

static void fill_credentials(struct container *container, const struct options *options)
{
	struct vdisk_credentials *credentials = &container->credentials;
	size_t size;
	if (options->passphrase_fd >= 0) {
		container->passphrase = read_fd_line(options->passphrase_fd);
		credentials->passphrase = container->passphrase;
		credentials->passphrase_bytes = strlen(container->passphrase);
	}
	if (options->recovery_fd >= 0)
		credentials->recovery_words = container->words = read_fd_line(options->recovery_fd);
	if (options->key_file) {
		credentials->key_file = container->key_file = read_file(options->key_file, 65536, &size);
		credentials->key_file_bytes = size;
	}
	if (options->machine_file) {
		credentials->machine = container->machine =
		    read_file(options->machine_file, VDISK_KEY_SIZE, &size);
		if (size != VDISK_KEY_SIZE)
			fail(EXIT_WRONG, "%s: not 32 bytes", options->machine_file);
	}
}

void container_files(struct container *container, const struct options *options, enum access access)
{
	memset(container, 0, sizeof(*container));
	open_leg(container, options->arguments[0], access);
	for (unsigned i = 0; i < options->mirror_count; i++)
		open_leg(container, options->mirrors[i], access == ACCESS_WRITE ? ACCESS_CREATE : access);
	fill_credentials(container, options);
	container->anchor = options->anchor;
}

static struct vdisk_config configure(const struct container *container)
{
	return (struct vdisk_config){.legs = container->legs,
	                             .leg_count = container->leg_count,
	                             .random = host_random,
	                             .now_ns = host_now_ns};
}

static uint64_t read_anchor(const char *path)
{
	unsigned long long value = 0;
	FILE *file = fopen(path, "r");
	if (!file && errno == ENOENT)
		return 0;
	if (!file || fscanf(file, "%llu", &value) != 1)
		fail(EXIT_WRONG, "%s: not an anchor file", path);
	fclose(file);
	return value;
}

static void write_anchor(const char *path, uint64_t value)
{
	char temporary[4096];
	snprintf(temporary, sizeof(temporary), "%s.new", path);
	FILE *file = fopen(temporary, "w");
	if (!file || fprintf(file, "%llu\n", (unsigned long long)value) < 0 || fflush(file) ||
	    fsync(fileno(file)) || fclose(file) || rename(temporary, path))
		fail(EXIT_DAMAGED, "%s: %s", path, strerror(errno));
}

void container_open(struct container *container, const struct options *options, enum access access,
                    bool auto_commit)
{
	container_files(container, options, access);
	struct vdisk_config config = configure(container);
	config.read_only = access == ACCESS_READ;
	config.auto_commit = auto_commit;
	config.volume = options->volume;
	config.cache_bytes = 64u << 20;
	config.anchor = options->anchor ? read_anchor(options->anchor) : 0;
	must(vdisk_open(&container->disk, &config, &container->credentials), "opening",
	     options->arguments[0]);
	struct vdisk_info info;
	vdisk_get_info(container->disk, &info);
	if (info.legs_failed)
		fprintf(stderr, "holon-vdisk: %u of %u legs cannot be used\n", info.legs_failed, info.legs);
}

static enum vdisk_cipher parse_cipher(const char *name)
{
	if (!name)
		return VDISK_CIPHER_AUTO;
	if (!strcmp(name, "aes-256-gcm"))
		return VDISK_CIPHER_AES_256_GCM;
	if (!strcmp(name, "xchacha20-poly1305"))
		return VDISK_CIPHER_XCHACHA20_POLY1305;
	fail(EXIT_WRONG, "there is no cipher '%s': aes-256-gcm or xchacha20-poly1305", name);
}

static void refuse_used(const struct container *container, const struct options *options, unsigned leg)
{
	uint8_t first[2 * VDISK_BLOCK];
	const struct vdisk_backend *backend = &container->legs[leg];
	const char *name = leg ? options->mirrors[leg - 1] : options->arguments[0];
	char question[4200];
	if (backend->read(backend->context, 0, first, sizeof(first)) < 0)
		fail(EXIT_DAMAGED, "%s: cannot be read", name);
	for (size_t i = 0; i < sizeof(first); i++)
		if (first[i]) {
			snprintf(question, sizeof(question),
			         "%s is not empty. Everything on it will be lost.", name);
			confirm(options, question);
			return;
		}
}

void credentials_factors(const struct vdisk_credentials *credentials, bool draws,
                         enum vdisk_factor factors[2], const char *key_file)
{
	int status = vdisk_credentials_factors(credentials, draws, factors);
	if (status == VDISK_KEY && credentials->key_file)
		fail(EXIT_WRONG, "%s: neither a hybrid-kem key nor a secret of at least 32 bytes", key_file);
	if (status == VDISK_LIMIT)
		fail(EXIT_WRONG,
		     "a slot takes at most two of key file, passphrase, recovery words and machine");
}

void container_create(struct container *container, const struct options *options, uint64_t bytes)
{
	container_files(container, options, ACCESS_CREATE);
	const struct vdisk_credentials *credentials = &container->credentials;
	struct vdisk_create create = {.cipher = parse_cipher(options->cipher),
	                              .label = options->label,
	                              .blocks = (bytes + VDISK_BLOCK - 1) / VDISK_BLOCK};
	credentials_factors(credentials, false, create.factors, options->key_file);
	if (options->open_key && !create.factors[0])
		create.factors[0] = VDISK_FACTOR_OPEN;
	if (!create.factors[0])
		fail(EXIT_WRONG,
		     "say what opens it: --key-file, --passphrase-fd, --machine-file, or --no-secret");
	for (unsigned leg = 0; leg < container->leg_count; leg++)
		refuse_used(container, options, leg);
	for (unsigned leg = 0; leg < container->leg_count; leg++)
		if (!container->legs[leg].limit && ftruncate(container->files[leg].fd, 0) < 0)
			fail(EXIT_DAMAGED, "%s: %s", options->arguments[0], strerror(errno));
	struct vdisk_config config = configure(container);
	config.auto_commit = true;
	config.cache_bytes = 64u << 20;
	must(vdisk_create(&container->disk, &config, &create, credentials), "creating",
	     options->arguments[0]);
}

static void wipe(void *bytes, size_t size)
{
	if (bytes)
		explicit_bzero(bytes, size);
	free(bytes);
}

void container_close(struct container *container)
{
	if (container->disk) {
		bool read_only = vdisk_is_read_only(container->disk);
		int status = read_only ? VDISK_OK : vdisk_commit(container->disk);
		if (status == VDISK_OK && container->anchor && !read_only)
			write_anchor(container->anchor, vdisk_anchor(container->disk));
		int closed = vdisk_close(container->disk);
		must(status < 0 ? status : closed, "closing", "the container");
	}
	wipe(container->passphrase, container->passphrase ? strlen(container->passphrase) : 0);
	wipe(container->words, container->words ? strlen(container->words) : 0);
	wipe(container->key_file, container->credentials.key_file_bytes);
	wipe(container->machine, container->machine ? VDISK_KEY_SIZE : 0);
	bool failed = false;
	for (unsigned i = 0; i < container->leg_count; i++)
		failed = file_backend_close(&container->files[i]) < 0 || failed;
	must(failed ? VDISK_IO : VDISK_OK, "closing", "the container");
}

/* ---- Byte ranges ---- */

int bytes_read(struct vdisk *disk, uint64_t offset, size_t size, void *buffer)
{
	uint8_t block[VDISK_BLOCK];
	uint8_t *out = buffer;
	while (size) {
		unsigned skip = offset % VDISK_BLOCK;
		size_t part =
		    skip || size < VDISK_BLOCK ? VDISK_BLOCK - skip : size / VDISK_BLOCK * VDISK_BLOCK;
		part = part < size ? part : size;
		int status = skip || part < VDISK_BLOCK
		                 ? vdisk_read(disk, offset / VDISK_BLOCK, 1, block)
		                 : vdisk_read(disk, offset / VDISK_BLOCK, part / VDISK_BLOCK, out);
		if (status < 0)
			return status;
		if (skip || part < VDISK_BLOCK)
			memcpy(out, block + skip, part);
		out += part;
		offset += part;
		size -= part;
	}
	return VDISK_OK;
}

int bytes_write(struct vdisk *disk, uint64_t offset, size_t size, const void *buffer)
{
	uint8_t block[VDISK_BLOCK];
	const uint8_t *in = buffer;
	while (size) {
		unsigned skip = offset % VDISK_BLOCK;
		size_t part =
		    skip || size < VDISK_BLOCK ? VDISK_BLOCK - skip : size / VDISK_BLOCK * VDISK_BLOCK;
		part = part < size ? part : size;
		int status;
		if (skip || part < VDISK_BLOCK) {
			status = vdisk_read(disk, offset / VDISK_BLOCK, 1, block);
			memcpy(block + skip, in, part);
			if (status == VDISK_OK)
				status = vdisk_write(disk, offset / VDISK_BLOCK, 1, block);
		} else {
			status = vdisk_write(disk, offset / VDISK_BLOCK, part / VDISK_BLOCK, in);
		}
		if (status < 0)
			return status;
		in += part;
		offset += part;
		size -= part;
	}
	return VDISK_OK;
}

int bytes_zero(struct vdisk *disk, uint64_t offset, uint64_t size)
{
	static const uint8_t zeroes[VDISK_BLOCK];
	uint64_t end = offset + size;
	uint64_t first = (offset + VDISK_BLOCK - 1) / VDISK_BLOCK;
	uint64_t last = end / VDISK_BLOCK;
	if (first > last)
		return bytes_write(disk, offset, size, zeroes);
	int status = bytes_write(disk, offset, first * VDISK_BLOCK - offset, zeroes);
	if (status == VDISK_OK)
		status = vdisk_discard(disk, first, last - first);
	return status == VDISK_OK ? bytes_write(disk, last * VDISK_BLOCK, end - last * VDISK_BLOCK, zeroes)
	                          : status;
}
