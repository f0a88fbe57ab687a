/* See filesystem.h: what all file systems do when the disk fails, or holds what makes no sense. */
#include "filesystem.h"

#include <stdarg.h>
#include <stdio.h>

static void report(const struct filesystem *fs, const char *format, va_list arguments)
{
	char text[200];
	vsnprintf(text, sizeof(text), format, arguments);
	if (fs->options.report)
		fs->options.report(fs->options.report_context, text);
}

void filesystem_report(const struct filesystem *fs, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	report(fs, format, arguments);
	va_end(arguments);
}

void filesystem_damage(struct filesystem *fs, const char *format, ...)
{
	va_list arguments;
	if (!fs->read_only)
		filesystem_report(fs, "damaged: from now on nothing is written; check it (fsck)");
	va_start(arguments, format);
	report(fs, format, arguments);
	va_end(arguments);
	fs->read_only = true;
}

int filesystem_read(struct filesystem *fs, uint64_t offset, void *buffer, size_t bytes)
{
	if (offset > fs->disk.bytes || bytes > fs->disk.bytes - offset)
		return filesystem_damaged(fs, "something lies at %llu, beyond the disk's end",
		                          (unsigned long long)offset);
	return fs->disk.read(fs->disk.context, offset, buffer, bytes) < 0 ? FILE_E_IO : E_OK;
}

static int lost(struct filesystem *fs)
{
	if (!fs->failed)
		filesystem_report(
		    fs, "the disk failed: what was not synced is lost, and nothing more is written");
	fs->failed = fs->read_only = true;
	return FILE_E_IO;
}

int filesystem_write(struct filesystem *fs, uint64_t offset, const void *buffer, size_t bytes)
{
	if (fs->failed)
		return FILE_E_IO;
	if (offset > fs->disk.bytes || bytes > fs->disk.bytes - offset)
		return filesystem_damaged(fs, "something lies at %llu, beyond the disk's end",
		                          (unsigned long long)offset);
	return fs->disk.write(fs->disk.context, offset, buffer, bytes) < 0 ? lost(fs) : E_OK;
}

int filesystem_flush(struct filesystem *fs)
{
	if (fs->failed)
		return FILE_E_IO;
	return fs->disk.flush(fs->disk.context) < 0 ? lost(fs) : E_OK;
}
