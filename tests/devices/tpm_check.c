/* Commands to the machine's TPM by /dev/tpm0, for tpm_test.py. Structures: TPM 2.0 Library, parts 2 and 3. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEADER 10
static uint8_t answer[4096];
static int file, failures;

static void check(const char *name, int right, long why)
{
	printf(right ? "ok %s\n" : "not ok %s - %ld\n", name, why);
	failures += !right;
	fflush(stdout);
}

/* Sends COMMAND, in hexadecimal, without the size in its header, which is put in; the size of the answer, its code in *CODE. */
static ssize_t send(const char *hex, uint32_t *code)
{
	uint8_t command[512];
	unsigned size = 0;
	while (*hex) {
		char pair[3] = {hex[0], hex[1], 0};
		hex += *hex == ' ' ? 1 : 2;
		if (pair[0] != ' ')
			command[size++] = (uint8_t)strtoul(pair, 0, 16);
	}
	command[4] = (uint8_t)(size >> 8);
	command[5] = (uint8_t)size;
	if (write(file, command, size) != (ssize_t)size)
		return -errno;
	/* The header first: the rest stays for the next read. */
	ssize_t bytes = read(file, answer, HEADER);
	if (bytes == HEADER)
		bytes += read(file, answer + HEADER, sizeof(answer) - HEADER);
	*code = (uint32_t)answer[6] << 24 | (uint32_t)answer[7] << 16 | (uint32_t)answer[8] << 8 | answer[9];
	return bytes == (ssize_t)((uint32_t)answer[4] << 8 | answer[5]) ? bytes : -EPROTO;
}

#define PCR_READ   "8001 00000000 0000017e 00000001 000b 03 00 02 00"
#define GET_RANDOM "8001 00000000 0000017b 0010"

static void test_numbers(void)
{
	uint32_t code;
	uint8_t first[16];
	ssize_t bytes = send(PCR_READ, &code);
	check("a PCR is read", bytes == HEADER + 4 + 10 + 4 + 2 + 32 && !code, bytes);
	printf("pcr 9 ");
	for (int i = 0; i < 32; i++)
		printf("%02x", answer[HEADER + 20 + i]);
	printf("\n");
	bytes = send(GET_RANDOM, &code);
	check("randomness", bytes == HEADER + 2 + 16 && !code, bytes);
	memcpy(first, answer + HEADER + 2, sizeof(first));
	bytes = send(GET_RANDOM, &code);
	check("other randomness",
	      bytes == HEADER + 2 + 16 && memcmp(first, answer + HEADER + 2, sizeof(first)), bytes);
}

/* A storage key, as sealing needs: an answer of several bursts, and the command takes its time. */
static void test_key(void)
{
	uint32_t code;
	char flush[64];
	ssize_t bytes =
	    send("8002 00000000 00000131 40000001 00000009 40000009 0000 00 0000 0004 0000 0000"
	         " 001a 0023 000b 00030072 0000 0006 0080 0043 0010 0003 0010 0000 0000 0000 00000000",
	         &code);
	check("a key is made", bytes > 200 && !code, bytes < 0 ? bytes : (long)code);
	snprintf(flush, sizeof(flush), "8001 00000000 00000165 %02x%02x%02x%02x", answer[HEADER],
	         answer[HEADER + 1], answer[HEADER + 2], answer[HEADER + 3]);
	bytes = send(flush, &code);
	check("and goes", bytes == HEADER && !code, (long)code);
}

static void test_wrong(void)
{
	uint8_t small[4] = {0x80, 1, 0, 0}, lying[12] = {0x80, 1, 0, 0, 0, 99, 0, 0, 1, 0x7b, 0, 16},
	        large[4096] = {0};
	struct pollfd poller = {.fd = file, .events = POLLIN | POLLOUT};
	uint32_t code;
	check("a piece of a command is refused", write(file, small, sizeof(small)) < 0 && errno == EINVAL,
	      errno);
	check("one of another size than it says, too",
	      write(file, lying, sizeof(lying)) < 0 && errno == EINVAL, errno);
	check("and one that is too long", write(file, large, sizeof(large)) < 0 && errno == E2BIG, errno);
	check("the TPM's own errors are answers",
	      send("8001 00000000 00000fff", &code) == HEADER && code == 0x143, (long)code);
	lying[5] = sizeof(lying);
	check("the answer is to be read first",
	      write(file, lying, sizeof(lying)) == sizeof(lying) && write(file, lying, sizeof(lying)) < 0 &&
	          errno == EBUSY,
	      errno);
	check("which poll tells", poll(&poller, 1, 0) == 1 && poller.revents == POLLIN, poller.revents);
	check("and then another goes",
	      read(file, answer, sizeof(answer)) == HEADER + 18 && poll(&poller, 1, 0) == 1 &&
	          poller.revents == POLLOUT,
	      poller.revents);
	check("one program at a time", open("/dev/tpm0", O_RDWR) < 0 && errno == EBUSY, errno);
}

/* COUNT times numbers, while the driver is killed: what is not answered is an error, and the next command may do. */
static int again(int count)
{
	int good = 0, bad = 0;
	for (int i = 0; i < count; i++) {
		uint32_t code;
		ssize_t bytes = send(GET_RANDOM, &code);
		good += bytes == HEADER + 18 && !code;
		bad += bytes != HEADER + 18;
		usleep(10000);
	}
	printf("good %d bad %d\n", good, bad);
	uint32_t code;
	return send(GET_RANDOM, &code) == HEADER + 18 || send(GET_RANDOM, &code) == HEADER + 18 ? 0 : 1;
}

/* The machine is in another state from now on: PCR 12 is extended. */
static int extend(void)
{
	uint32_t code;
	ssize_t bytes = send("8002 00000000 00000182 0000000c 00000009 40000009 0000 00 0000 00000001 000b"
	                     " 0000000000000000000000000000000000000000000000000000000000000001",
	                     &code);
	return bytes > 0 && !code ? 0 : 1;
}

int main(int count, char **arguments)
{
	file = open("/dev/tpm0", O_RDWR);
	if (file < 0) {
		printf("no TPM: %s\n", strerror(errno));
		return 2;
	}
	if (count > 1 && strcmp(arguments[1], "extend") == 0)
		return extend();
	if (count > 1)
		return again(atoi(arguments[1]));
	test_numbers();
	test_key();
	test_wrong();
	close(file);
	file = open("/dev/tpm0", O_RDWR);
	check("and again, when it was closed", file >= 0, errno);
	return failures != 0;
}
