/* Operations of io_uring(7) on names: opening, closing, stat, links and directories, attributes. */
#include "operations.h"
#include "../fs/name.h"

int64_t sys_openat(int directory, uint64_t path, uint32_t flags, uint32_t mode);
int64_t sys_openat2(int directory, uint64_t path, uint64_t how_address, uint64_t size);
int64_t sys_statx(int directory, uint64_t path, uint32_t flags, uint32_t mask, uint64_t out);
int64_t sys_renameat2(int from_directory, uint64_t from_path, int to_directory, uint64_t to_path,
                      uint32_t flags);
int64_t sys_unlinkat(int directory, uint64_t path, uint32_t flags);
int64_t sys_mkdirat(int directory, uint64_t path, uint32_t mode);
int64_t sys_symlinkat(uint64_t target_address, int directory, uint64_t path);
int64_t sys_linkat(int from_directory, uint64_t from_path, int to_directory, uint64_t to_path,
                   uint32_t flags);
int64_t sys_fsetxattr(int fd, uint64_t name, uint64_t value, uint64_t bytes, uint32_t flags);
int64_t sys_setxattr(uint64_t path, uint64_t name, uint64_t value, uint64_t bytes, uint32_t flags);
int64_t sys_fgetxattr(int fd, uint64_t name, uint64_t value, uint64_t bytes);
int64_t sys_getxattr(uint64_t path, uint64_t name, uint64_t value, uint64_t bytes);

#define XATTR_NAME_BYTES  256u
#define XATTR_VALUE_BYTES 65536u
#define OPEN_HOW_BYTES    4096u

/* A path or name of at most SIZE - 1 characters. */
static int memory_string(struct request *request, uint64_t from, uint32_t size, uint64_t *at)
{
	char text[PATH_MAX_BYTES];
	int64_t length = copy_string_from_user(text, from, size);
	if (length < 0)
		return (int)length;
	int error = request_memory_add(request, (uint64_t)length + 1, at);
	if (!error)
		memcpy(request->memory + *at, text, (size_t)length + 1);
	return error;
}

static int path_copy(struct request *request, uint64_t from, unsigned number)
{
	return memory_string(request, from, PATH_MAX_BYTES, &request->arguments[number]);
}

int open_prepare(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	if (sqe->buffer || (sqe->flags & SQE_FIXED_FILE))
		return sqe->buffer ? -EINVAL : -EBADF;
	uint64_t flags = sqe->operation_flags;
	int error = 0;
	if (sqe->opcode == OP_OPENAT2) {
		if (sqe->length < 24)
			return -EINVAL;
		if (sqe->length > OPEN_HOW_BYTES)
			return -E2BIG;
		error = request_memory_copy(request, sqe->offset, sqe->length, &request->arguments[1]);
		if (!error)
			memcpy(&flags, request->memory + request->arguments[1], sizeof(flags));
	}
	if (!error && sqe->index && (flags & O_CLOEXEC))
		return -EINVAL;
	return error ? error : path_copy(request, sqe->address, 0);
}

int64_t open_issue(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	int64_t fd =
	    sqe->opcode == OP_OPENAT
	        ? sys_openat(sqe->fd, argument_of(request, 0), sqe->operation_flags, sqe->length)
	        : sys_openat2(sqe->fd, argument_of(request, 0), argument_of(request, 1), sqe->length);
	return request_placed(request, fd);
}

int close_prepare(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	if (sqe->offset || sqe->address || sqe->length || sqe->operation_flags || sqe->buffer)
		return -EINVAL;
	if (sqe->flags & SQE_FIXED_FILE)
		return -EBADF;
	return sqe->index && sqe->fd ? -EINVAL : 0;
}

int64_t close_issue(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	if (sqe->index)
		return uring_file_remove(request->ring, sqe->index - 1);
	struct file *file = sqe->fd < 0 ? 0 : file_get(sqe->fd);
	bool ring = file && file->ops == &uring_ops;
	if (file)
		file_release(file);
	return !file || ring ? -EBADF : sys_close(sqe->fd);
}

int statx_prepare(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	if (sqe->buffer || sqe->index)
		return -EINVAL;
	return sqe->flags & SQE_FIXED_FILE ? -EBADF : path_copy(request, sqe->address, 0);
}

int64_t statx_issue(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	return sys_statx(sqe->fd, argument_of(request, 0), sqe->operation_flags, sqe->length, sqe->offset);
}

/* RENAMEAT, LINKAT: two paths, the second's directory in `length`; SYMLINKAT: two, the first a text. */
int two_names_prepare(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	bool text = sqe->opcode == OP_SYMLINKAT;
	if (sqe->buffer || sqe->index || (text && (sqe->length || sqe->operation_flags)))
		return -EINVAL;
	if (sqe->flags & SQE_FIXED_FILE)
		return -EBADF;
	int error = path_copy(request, sqe->address, 0);
	return error ? error : path_copy(request, sqe->offset, 1);
}

int64_t two_names_issue(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	uint64_t first = argument_of(request, 0), second = argument_of(request, 1);
	if (sqe->opcode == OP_SYMLINKAT)
		return sys_symlinkat(first, sqe->fd, second);
	return sqe->opcode == OP_RENAMEAT
	           ? sys_renameat2(sqe->fd, first, (int)sqe->length, second, sqe->operation_flags)
	           : sys_linkat(sqe->fd, first, (int)sqe->length, second, sqe->operation_flags);
}

int one_name_prepare(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	bool unlink = sqe->opcode == OP_UNLINKAT;
	if (sqe->offset || sqe->buffer || sqe->index || (unlink ? sqe->length : sqe->operation_flags))
		return -EINVAL;
	if (sqe->flags & SQE_FIXED_FILE)
		return -EBADF;
	if (unlink && (sqe->operation_flags & ~(uint32_t)AT_REMOVEDIR))
		return -EINVAL;
	return path_copy(request, sqe->address, 0);
}

int64_t one_name_issue(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	return sqe->opcode == OP_UNLINKAT
	           ? sys_unlinkat(sqe->fd, argument_of(request, 0), sqe->operation_flags)
	           : sys_mkdirat(sqe->fd, argument_of(request, 0), sqe->length);
}

/* The name at `address`, the value at `offset`, the path at `address3`. */
int xattr_prepare(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	bool set = sqe->opcode == OP_FSETXATTR || sqe->opcode == OP_SETXATTR;
	bool path = sqe->opcode == OP_SETXATTR || sqe->opcode == OP_GETXATTR;
	if (path && (sqe->flags & SQE_FIXED_FILE))
		return -EBADF;
	if (!set && sqe->operation_flags)
		return -EINVAL;
	int error = memory_string(request, sqe->address, XATTR_NAME_BYTES, &request->arguments[0]);
	if (error)
		return error == -ENAMETOOLONG ? -ERANGE : error;
	if (path && (error = path_copy(request, sqe->address3, 1)) != 0)
		return error;
	if (set && sqe->length > XATTR_VALUE_BYTES)
		return -E2BIG;
	return set && sqe->length
	           ? request_memory_copy(request, sqe->offset, sqe->length, &request->arguments[2])
	           : 0;
}

int64_t xattr_issue(struct request *request)
{
	const struct uring_sqe *sqe = &request->sqe;
	uint64_t name = argument_of(request, 0), path = argument_of(request, 1);
	uint64_t value = sqe->length ? argument_of(request, 2) : 0;
	switch (sqe->opcode) {
	case OP_FSETXATTR:
		return sys_fsetxattr(REQUEST_FD, name, value, sqe->length, sqe->operation_flags);
	case OP_SETXATTR:
		return sys_setxattr(path, name, value, sqe->length, sqe->operation_flags);
	case OP_FGETXATTR:
		return sys_fgetxattr(REQUEST_FD, name, sqe->offset, sqe->length);
	default:
		return sys_getxattr(path, name, sqe->offset, sqe->length);
	}
}
