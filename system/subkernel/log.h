/* What is kept of the output of detached children that have ended (command_run.c, command_copy.c). */
#pragma once

#define LOG_DIRECTORY "/run/subkernel"
#define LOG_BYTES     32768u
#define LOGS_KEPT     64u
