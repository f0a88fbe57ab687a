/* bcryptprimitives.dll, which Wine 8 lacks: ProcessPrng alone, the random bytes that Go's and Rust's programs start with. */

typedef unsigned char byte;

/* RtlGenRandom of advapi32, under its exported name; Wine's reads the system's random numbers. */
__declspec(dllimport) byte SystemFunction036(void *buffer, unsigned bytes);

__declspec(dllexport) int ProcessPrng(byte *buffer, unsigned long long bytes);
int DllMainCRTStartup(void *module, unsigned reason, void *reserved);

#define PART_MAX 0x10000000u

int ProcessPrng(byte *buffer, unsigned long long bytes)
{
	while (bytes) {
		unsigned part = bytes < PART_MAX ? (unsigned)bytes : PART_MAX;
		if (!SystemFunction036(buffer, part))
			return 0;
		buffer += part;
		bytes -= part;
	}
	return 1;
}

int DllMainCRTStartup(void *module, unsigned reason, void *reserved)
{
	(void)module;
	(void)reason;
	(void)reserved;
	return 1;
}
