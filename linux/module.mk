# The linux personality: one freestanding native program on lib/holon. Vector registers belong to the guest, so nothing
# here may use them. Two lists, one a side; the handlers of system calls are found by name (linux/syscalls.tbl).
LINUX_PROCESS_SOURCES := $(addprefix linux/,)
LINUX_FILE_SOURCES := $(addprefix linux/,)
