/* A Windows console program that checks what such programs need, one line each, and ends with status 17, or 1. */
#include <windows.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdexcept>
#include <string>

static int failures;
static void check(const char *what, bool good)
{
	printf(good ? "ok windows: %s\n" : "not ok windows: %s\n", what);
	fflush(stdout);
	failures += !good;
}
static volatile LONG counted;
static CRITICAL_SECTION section;
static DWORD WINAPI count(void *)
{
	for (int i = 0; i < 1000; i++) {
		EnterCriticalSection(&section);
		counted++;
		LeaveCriticalSection(&section);
	}
	return 7;
}
static LONG CALLBACK vectored(EXCEPTION_POINTERS *info)
{
	if (info->ExceptionRecord->ExceptionCode != EXCEPTION_ACCESS_VIOLATION)
		return EXCEPTION_CONTINUE_SEARCH;
	DWORD old;
	VirtualProtect((void *)info->ExceptionRecord->ExceptionInformation[1], 1, PAGE_READWRITE, &old);
	return EXCEPTION_CONTINUE_EXECUTION;
}
int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "child")) {
		char line[100];
		if (!fgets(line, sizeof line, stdin))
			return 3;
		printf("child got %s", line);
		return 42;
	}
	if (argc > 1 && !strcmp(argv[1], "exit"))
		return atoi(argv[2]);
	check("arguments", argc == 4 && !strcmp(argv[1], "one") && !strcmp(argv[2], "two three") &&
	                       !strcmp(argv[3], "a\"b"));
	check("environment", getenv("CONSOLE") && !strcmp(getenv("CONSOLE"), "a b"));
	// Files.
	FILE *file = fopen("console.tmp", "wb");
	check("file made", file && fwrite("line\n", 1, 5, file) == 5 && !fclose(file));
	char buffer[64] = "";
	file = fopen("console.tmp", "rb");
	check("file read",
	      file && fread(buffer, 1, 64, file) == 5 && !fclose(file) && !strcmp(buffer, "line\n"));
	HANDLE mapped_file =
	    CreateFileA("console.tmp", GENERIC_READ | GENERIC_WRITE, 0, 0, OPEN_EXISTING, 0, 0);
	HANDLE again = CreateFileA("CONSOLE.TMP", GENERIC_READ, 0, 0, OPEN_EXISTING, 0, 0);
	check("sharing violation, whatever the case",
	      again == INVALID_HANDLE_VALUE && GetLastError() == ERROR_SHARING_VIOLATION);
	HANDLE mapping = CreateFileMappingA(mapped_file, 0, PAGE_READWRITE, 0, 4096, 0);
	char *view = (char *)MapViewOfFile(mapping, FILE_MAP_ALL_ACCESS, 0, 0, 0);
	check("file mapped", view && !memcmp(view, "line", 4));
	view[0] = 'm';
	UnmapViewOfFile(view);
	CloseHandle(mapping);
	LARGE_INTEGER size;
	check("file grown by mapping", GetFileSizeEx(mapped_file, &size) && size.QuadPart == 4096);
	CloseHandle(mapped_file);
	check("file gone",
	      DeleteFileA("console.tmp") && GetFileAttributesA("console.tmp") == INVALID_FILE_ATTRIBUTES);
	CreateDirectoryA("console.dir", 0);
	WIN32_FIND_DATAA found;
	HANDLE find = FindFirstFileA("console.*", &found);
	int names = 0;
	if (find != INVALID_HANDLE_VALUE) {
		do
			names++;
		while (FindNextFileA(find, &found));
		FindClose(find);
	}
	check("directory", names >= 1 && RemoveDirectoryA("console.dir"));
	// Threads.
	InitializeCriticalSection(&section);
	HANDLE threads[8];
	for (HANDLE &thread : threads)
		thread = CreateThread(0, 0, count, 0, 0, 0);
	check("threads", WaitForMultipleObjects(8, threads, TRUE, 30000) == WAIT_OBJECT_0 && counted == 8000);
	DWORD code = 0;
	check("thread's code", GetExitCodeThread(threads[0], &code) && code == 7);
	HANDLE event = CreateEventA(0, FALSE, FALSE, "console-event");
	DWORD start = GetTickCount();
	check("event times out",
	      WaitForSingleObject(event, 50) == WAIT_TIMEOUT && GetTickCount() - start >= 40);
	SetEvent(event);
	check("event", WaitForSingleObject(event, 1000) == WAIT_OBJECT_0);
	// Exceptions.
	bool caught = false;
	try {
		throw std::runtime_error("thrown");
	} catch (std::exception &error) {
		caught = !strcmp(error.what(), "thrown");
	}
	check("C++ exception", caught);
	void *handler = AddVectoredExceptionHandler(1, vectored);
	volatile char *page = (char *)VirtualAlloc(0, 4096, MEM_COMMIT | MEM_RESERVE, PAGE_READONLY);
	page[5] = 1;
	check("fault handled and gone on", page[5] == 1);
	RemoveVectoredExceptionHandler(handler);
	// Memory: a JIT, a fixed low address, a huge reservation.
	unsigned char *code_page = (unsigned char *)VirtualAlloc(
	    (void *)0x10000000, 4096, MEM_COMMIT | MEM_RESERVE, PAGE_EXECUTE_READWRITE);
	if (code_page)
		memcpy(code_page, "\xb8\x2a\0\0\0\xc3", 6);
	check("code made and run", code_page && ((int (*)())code_page)() == 42);
	check("huge reservation", VirtualAlloc(0, 64ull << 30, MEM_RESERVE, PAGE_NOACCESS));
	// A child process with pipes.
	SECURITY_ATTRIBUTES inherit = {sizeof inherit, 0, TRUE};
	HANDLE in_read, in_write, out_read, out_write;
	CreatePipe(&in_read, &in_write, &inherit, 0);
	CreatePipe(&out_read, &out_write, &inherit, 0);
	SetHandleInformation(in_write, HANDLE_FLAG_INHERIT, 0);
	SetHandleInformation(out_read, HANDLE_FLAG_INHERIT, 0);
	STARTUPINFOA startup = {};
	startup.cb = sizeof startup;
	startup.dwFlags = STARTF_USESTDHANDLES;
	startup.hStdInput = in_read;
	startup.hStdOutput = out_write;
	startup.hStdError = GetStdHandle(STD_ERROR_HANDLE);
	PROCESS_INFORMATION child;
	char path[MAX_PATH], line[MAX_PATH + 20];
	GetModuleFileNameA(0, path, sizeof path);
	snprintf(line, sizeof line, "\"%s\" child", path);
	check("child started", CreateProcessA(0, line, 0, 0, TRUE, 0, 0, 0, &startup, &child));
	CloseHandle(in_read);
	CloseHandle(out_write);
	DWORD moved;
	WriteFile(in_write, "text\n", 5, &moved, 0);
	CloseHandle(in_write);
	std::string said;
	while (ReadFile(out_read, buffer, sizeof buffer, &moved, 0) && moved)
		said.append(buffer, moved);
	check("child's output", said == "child got text\r\n");
	check("child's status", WaitForSingleObject(child.hProcess, 30000) == WAIT_OBJECT_0 &&
	                            GetExitCodeProcess(child.hProcess, &code) && code == 42);
	HKEY key;
	check("registry", !RegCreateKeyA(HKEY_CURRENT_USER, "Software\\Console", &key) &&
	                      !RegSetValueExA(key, "v", 0, REG_SZ, (const BYTE *)"x", 2) &&
	                      !RegCloseKey(key));
	return failures ? 1 : 17;
}
