/* The rule of abi/file.interface for names, which every server of it keeps. */
#pragma once

#include <string.h>
#include <holon/types.h>
#include <holon/file.h>

/* E_OK, FILE_E_NAME_TOO_LONG, or E_ARGUMENT: NAME is empty, ".", ".." or has a slash. */
static inline int64_t file_name_check(const char *name)
{
	size_t bytes = strnlen(name, FILE_NAME_MAX + 1);
	if (bytes > FILE_NAME_MAX)
		return FILE_E_NAME_TOO_LONG;
	if (!bytes || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strchr(name, '/'))
		return E_ARGUMENT;
	return E_OK;
}
