/* execve(2): scripts, ELF programs with and without an interpreter, the first stack.
 *
 * Everything that can be refused is read and checked first, and the new address space is made as a whole: in
 * it the task's user pointers lead there (task->building), nobody else knows it, and so execve(2) holds no
 * common lock for what takes longest, as fork does. Then comes the point of no return: the other threads and
 * the old address space go, and a failure from there on kills the process.
 */
#include "async/async.h"
#include "event/perf.h"
#include "exec/elf.h"
#include "exec/exec.h"
#include "fs/name.h"
#include "keys/keys.h"
#include "mm/area.h"
#include "proc/proc.h"
#include "trace/trace.h"
#include <processor.h>

#define SCRIPT_DEPTH 5
#define SCRIPT_LINE  256
#define STRING_MAX   (32u * 4096) /* execve(2): one string with its end */
#define STRINGS_MIN  (128u << 10)
#define STRINGS_MAX  (6u << 20) /* all of them; less where a quarter of RLIMIT_STACK is less */
#define COPY_DATA_BYTES                                                                                      \
	(128u << 10) /* writable segments up to this size are read in; larger ones are cloned */
#define STACK_TOP 0x7ffffffff000ull
#define STACK_GAP (1ull << 20)
#define PIE_BASE  0x555555554000ull

/* ---- Argument strings ---- */

/* argv strings, then envp strings, NUL terminated, in one block. */
struct strings {
	char *data;
	size_t used, capacity, most;
	uint32_t argument_count, environment_count;
	size_t environment_offset;
};

static int strings_reserve(struct strings *strings, size_t bytes)
{
	if (strings->used + bytes > strings->most)
		return -E2BIG;
	if (strings->used + bytes <= strings->capacity)
		return 0;
	size_t capacity = strings->capacity ? strings->capacity * 2 : 2000;
	while (capacity < strings->used + bytes)
		capacity *= 2;
	char *data = heap_allocate(capacity);
	if (!data)
		return -ENOMEM;
	memcpy(data, strings->data, strings->used);
	heap_free(strings->data);
	strings->data = data;
	strings->capacity = capacity;
	return 0;
}

static int strings_add(struct strings *strings, const char *text)
{
	size_t bytes = strlen(text) + 1;
	int error = strings_reserve(strings, bytes);
	if (error)
		return error;
	memcpy(strings->data + strings->used, text, bytes);
	strings->used += bytes;
	return 0;
}

static int strings_add_user(struct strings *strings, uint64_t from)
{
	size_t chunk = 256;
	for (;;) {
		if (strings->used >= strings->most)
			return -E2BIG;
		if (chunk > strings->most - strings->used)
			chunk = strings->most - strings->used;
		int error = strings_reserve(strings, chunk);
		if (error)
			return error;
		int64_t length = copy_string_from_user(strings->data + strings->used, from, chunk);
		if (length >= 0) {
			strings->used += (size_t)length + 1;
			return 0;
		}
		if (length != -ENAMETOOLONG)
			return (int)length;
		if (chunk >= STRING_MAX || chunk == strings->most - strings->used)
			return -E2BIG;
		chunk = chunk * 4 < STRING_MAX ? chunk * 4 : STRING_MAX;
	}
}

static int strings_add_vector(struct strings *strings, uint64_t vector, const char *const *kernel,
                              uint32_t *count)
{
	for (*count = 0; vector || kernel; (*count)++) {
		int error;
		if (kernel) {
			if (!kernel[*count])
				break;
			error = strings_add(strings, kernel[*count]);
		} else {
			uint64_t pointer;
			if (get_user_u64(&pointer, vector + 8ull * *count))
				return -EFAULT;
			if (!pointer)
				break;
			error = strings_add_user(strings, pointer);
		}
		if (error)
			return error;
		/* Pointers count like the bytes they lead to. */
		if (strings->most < 8)
			return -E2BIG;
		strings->most -= 8;
	}
	return 0;
}

/* Puts up to three words in front of the arguments, in place of the first one: a script's interpreter. */
static int strings_replace_first(struct strings *strings, const char *const *words, uint32_t count)
{
	size_t bytes = 0, first = strings->argument_count ? strlen(strings->data) + 1 : 0;
	for (uint32_t i = 0; i < count; i++)
		bytes += strlen(words[i]) + 1;
	int error = strings_reserve(strings, bytes);
	if (error)
		return error;
	memmove(strings->data + bytes, strings->data + first, strings->used - first);
	char *at = strings->data;
	for (uint32_t i = 0; i < count; i++) {
		size_t length = strlen(words[i]) + 1;
		memcpy(at, words[i], length);
		at += length;
	}
	strings->used = strings->used - first + bytes;
	strings->environment_offset = strings->environment_offset - first + bytes;
	strings->argument_count = strings->argument_count - (first ? 1 : 0) + count;
	return 0;
}

/* ---- The program file ---- */

/* Opens PATH. BESIDE: the common lock, held alone, is given up while a file service is asked what PATH is, and for its contents. */
static struct file *program_open(int directory, const char *path, int flags, bool beside, int *error)
{
	struct file *file = file_open_exec(directory, path, flags, beside, error);
	if (file && beside && file->ops->fetch && (*error = file->ops->fetch(file)) != 0) {
		file_release(file);
		file = 0;
	}
	return file;
}

struct program {
	struct file *file;
	struct elf_header header;
	struct elf_programs programs;
	uint64_t bias;
	/* What its segments are to map of the file: references, 0 where they are read in or have been mapped. */
	struct memory_object *objects[ELF_LOADS_MAX];
	uint64_t offsets[ELF_LOADS_MAX];
};

static int read_exact(struct file *file, void *to, size_t bytes, uint64_t offset)
{
	int64_t got = file_read_kernel(file, to, bytes, offset);
	return got < 0 ? (int)got : (uint64_t)got == bytes ? 0 : -ENOEXEC;
}

static int program_read(struct program *program)
{
	uint8_t header[ELF_HEADER_BYTES], programs[ELF_PROGRAMS_MAX * ELF_PROGRAM_BYTES];
	int error = read_exact(program->file, header, sizeof(header), 0);
	if (error)
		return error;
	if (!elf_read_header(&program->header, header))
		return -ENOEXEC;
	error = read_exact(program->file, programs, program->header.program_count * ELF_PROGRAM_BYTES,
	                   program->header.programs_offset);
	if (error)
		return error;
	return elf_read_programs(&program->programs, &program->header, programs, program->file->vnode->size)
	           ? 0
	           : -ENOEXEC;
}

static int interpreter_open(const struct program *program, struct program *interpreter, bool beside)
{
	char path[ELF_INTERPRETER_MAX];
	uint32_t bytes = program->programs.interpreter_bytes;
	if (bytes > 255)
		return -ENOEXEC;
	int error = read_exact(program->file, path, bytes, program->programs.interpreter_offset);
	if (error)
		return error;
	if (path[bytes - 1])
		return -ENOEXEC;
	interpreter->file = program_open(AT_FDCWD, path, 0, beside, &error);
	if (!interpreter->file)
		return error;
	error = program_read(interpreter);
	return error == -ENOEXEC ? -ELIBBAD : error;
}

/* Reads "#!interpreter [argument]" of FILE. 1: a script, words in LINE; 0: none. */
static int script_read(struct file *file, char line[SCRIPT_LINE], char **interpreter, char **argument)
{
	int64_t got = file_read_kernel(file, line, SCRIPT_LINE - 1, 0);
	if (got < 2 || line[0] != '#' || line[1] != '!')
		return 0;
	line[got] = 0;
	char *end = strchr(line, '\n');
	if (!end) {
		if (got == SCRIPT_LINE - 1)
			return -ENOEXEC;
		end = line + got;
	}
	while (end > line + 2 && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r'))
		end--;
	*end = 0;
	char *at = line + 2;
	while (*at == ' ' || *at == '\t')
		at++;
	if (!*at)
		return -ENOEXEC;
	*interpreter = at;
	while (*at && *at != ' ' && *at != '\t')
		at++;
	*argument = 0;
	if (*at) {
		*at++ = 0;
		while (*at == ' ' || *at == '\t')
			at++;
		if (*at)
			*argument = at;
	}
	return 1;
}

/* ---- Loading ---- */

static bool is_mapped(const struct program *program, const struct elf_load *load)
{
	return load->file_bytes && program->file->ops->mmap &&
	       (!load->write || load->file_bytes > COPY_DATA_BYTES);
}

static void program_drop(struct program *program)
{
	for (uint32_t i = 0; i < program->programs.load_count; i++) {
		if (program->objects[i])
			memory_object_release(program->objects[i]);
		program->objects[i] = 0;
	}
}

/* Asks PROGRAM's file for what its segments map. The common lock is held alone. */
static int program_take(struct program *program)
{
	for (uint32_t i = 0; i < program->programs.load_count; i++) {
		const struct elf_load *load = &program->programs.loads[i];
		if (!is_mapped(program, load))
			continue;
		uint64_t in_page = (load->address & (PAGE_SIZE_BYTES - 1));
		struct mmap_request request = {.offset = load->offset & ~(PAGE_SIZE_BYTES - 1),
		                               .bytes = page_up(in_page + load->file_bytes),
		                               .execute = load->execute};
		int64_t result = program->file->ops->mmap(program->file, &request);
		if (result < 0)
			return (int)result;
		program->objects[i] = request.object;
		program->offsets[i] = request.object_offset;
	}
	return 0;
}

/* One read of FILE, also without the common lock, which is then shared for it where that does. */
static int64_t read_part(struct file *file, struct io *io, int64_t *position)
{
	if (common_mode() == COMMON_ALONE)
		return file->ops->read(file, io, position);
	common_shared();
	int64_t got = file->ops->parallel ? file->ops->read(file, io, position) : -EALONE;
	common_shared_end();
	if (got != -EALONE)
		return got;
	personality_lock();
	got = file->ops->read(file, io, position);
	personality_unlock();
	return got;
}

static int read_to_user(struct file *file, uint64_t at, uint64_t bytes, uint64_t offset)
{
	struct linux_iovec one;
	struct io io;
	int64_t position = (int64_t)offset;
	io_init_user(&io, &one, at, bytes);
	while (io.remaining) {
		int64_t got = read_part(file, &io, &position);
		if (got <= 0)
			return got < 0 ? (int)got : -ENOEXEC;
	}
	return 0;
}

static int load_segment(struct mm *mm, struct program *program, uint32_t index)
{
	const struct elf_load *load = &program->programs.loads[index];
	uint32_t flags = (load->read ? AREA_READ : 0) | (load->write ? AREA_WRITE : 0) |
	                 (load->execute ? AREA_EXECUTE : 0);
	uint64_t address = load->address + program->bias;
	uint64_t start = address & ~(PAGE_SIZE_BYTES - 1);
	uint64_t file_end = address + load->file_bytes, end = page_up(address + load->memory_bytes);
	int error;
	if (!is_mapped(program, load)) {
		/* Written through the guest's own mapping, so it must be writable meanwhile. */
		error = mm_map(mm, start, end - start, AREA_READ | AREA_WRITE, 0, 0, 0, 0);
		if (!error && load->file_bytes)
			error = read_to_user(program->file, address, load->file_bytes, load->offset);
		if (!error && flags != (AREA_READ | AREA_WRITE))
			error = mm_protect(mm, start, end - start, flags);
		return error;
	}
	uint64_t mapped_end = page_up(file_end);
	error = mm_map(mm, start, mapped_end - start, flags | AREA_PRIVATE_FILE, program->objects[index],
	               program->offsets[index], program->file, load->offset & ~(PAGE_SIZE_BYTES - 1));
	if (error)
		return error;
	program->objects[index] = 0;
	file_reference(program->file);
	if (load->write && mapped_end > file_end)
		error = clear_user(file_end, mapped_end - file_end);
	if (!error && end > mapped_end)
		error = mm_map(mm, mapped_end, end - mapped_end, flags, 0, 0, 0, 0);
	return error;
}

static int load_program(struct mm *mm, struct program *program)
{
	for (uint32_t i = 0; i < program->programs.load_count; i++) {
		int error = load_segment(mm, program, i);
		if (error)
			return error;
	}
	return 0;
}

/* ---- The new address space ---- */

#define AT_RANDOM_BYTES 16 /* AT_RANDOM */

/* The program that is to run, and what is made for it. */
struct image {
	struct program program, interpreter;
	const struct strings *strings;
	const char *path;
	struct {
		uint32_t stack, gap, place, heap;
		char seed[AT_RANDOM_BYTES + 8]; /* and the platform's name, as on the stack */
	} random;
	struct mm *mm; /* 0: there is none yet */
	uint64_t entry, sp, platform, random_at, execfn, auxv_at;
};

/* personality(2) */
#define ADDR_NO_RANDOMIZE  0x40000
#define PER_CLEAR_ON_SETID 0x740000 /* with READ_IMPLIES_EXEC, ADDR_COMPAT_LAYOUT, MMAP_PAGE_ZERO */

/* How many pages each part of a program's memory may lie away from its place is as on Linux. Who starts a program of another's
 * identity does not choose where that lies. */
static uint64_t random_pages(const struct image *image, uint32_t value, uint32_t count)
{
	bool others = image->program.file->vnode->mode & (S_ISUID | S_ISGID);
	if ((!others && (current_task()->process->personality & ADDR_NO_RANDOMIZE)) ||
	    !sysctl_randomize.value)
		return 0;
	return value % count * (uint64_t)PAGE_SIZE_BYTES;
}

static int map_stack(struct task *task, const struct image *image)
{
	struct mm *mm = image->mm;
	uint64_t limit = task->process->limits[RLIMIT_STACK].current;
	uint64_t bytes = limit < (64ull << 20) ? page_up(limit) : 64ull << 20;
	if (bytes < (128u << 10))
		bytes = 128u << 10;
	uint64_t top = STACK_TOP - random_pages(image, image->random.stack, 1u << 22);
	bool executable = image->program.programs.executable_stack;
	mm->stack_start = top;
	mm->mmap_top = top - bytes - STACK_GAP - random_pages(image, image->random.gap, 1u << 28);
	return mm_map(mm, top - bytes, bytes,
	              AREA_READ | AREA_WRITE | AREA_STACK | (executable ? AREA_EXECUTE : 0), 0, 0, 0, 0);
}

enum {
	AT_NULL = 0,
	AT_PHDR = 3,
	AT_PHENT = 4,
	AT_PHNUM = 5,
	AT_PAGESZ = 6,
	AT_BASE = 7,
	AT_FLAGS = 8,
	AT_ENTRY = 9,
	AT_UID = 11,
	AT_EUID = 12,
	AT_GID = 13,
	AT_EGID = 14,
	AT_PLATFORM = 15,
	AT_HWCAP = 16,
	AT_CLKTCK = 17,
	AT_SECURE = 23,
	AT_RANDOM = 25,
	AT_HWCAP2 = 26,
	AT_EXECFN = 31,
	AT_SYSINFO_EHDR = 33,
	AT_MINSIGSTKSZ = 51,
};

#define AUXV_PAIRS 21u /* with that of the vDSO */

/* Fills mm->auxv. */
static void auxv_fill(const struct task *task, const struct image *image, struct mm *mm, bool secure)
{
	const struct program *program = &image->program, *interpreter = &image->interpreter;
	const struct credentials *c = &task->credentials;
	const uint64_t words[] = {
	    AT_SYSINFO_EHDR,
	    mm->vdso,
	    AT_HWCAP,
	    processor_hwcap(),
	    AT_PAGESZ,
	    PAGE_SIZE_BYTES,
	    AT_CLKTCK,
	    100,
	    AT_PHDR,
	    program->programs.programs_address ? program->programs.programs_address + program->bias : 0,
	    AT_PHENT,
	    ELF_PROGRAM_BYTES,
	    AT_PHNUM,
	    program->header.program_count,
	    AT_BASE,
	    interpreter->file ? interpreter->bias : 0,
	    AT_FLAGS,
	    0,
	    AT_ENTRY,
	    program->header.entry + program->bias,
	    AT_UID,
	    uid_seen(c->uid),
	    AT_EUID,
	    uid_seen(c->euid),
	    AT_GID,
	    gid_seen(c->gid),
	    AT_EGID,
	    gid_seen(c->egid),
	    AT_SECURE,
	    secure,
	    AT_RANDOM,
	    image->random_at,
	    AT_HWCAP2,
	    0,
	    AT_EXECFN,
	    image->execfn,
	    AT_PLATFORM,
	    image->platform,
	    AT_MINSIGSTKSZ,
	    machine.vector_bytes + 1200,
	    AT_NULL,
	    0,
	};
	_Static_assert(sizeof(words) == AUXV_PAIRS * 16 && sizeof(words) <= sizeof(mm->auxv), "AUXV_PAIRS");
	unsigned count = 0;
	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i += 2) {
		if (words[i] == AT_SYSINFO_EHDR && !mm->vdso)
			continue;
		mm->auxv[count++] = words[i];
		mm->auxv[count++] = words[i + 1];
	}
}

static uint64_t auxv_bytes(const struct mm *mm)
{
	return (AUXV_PAIRS - (mm->vdso ? 0 : 1)) * 16;
}

/* Builds the first stack (System V x86_64 ABI, "Process Initialization"), but for the auxiliary vector. */
static int build_stack(struct image *image)
{
	struct mm *mm = image->mm;
	const struct strings *strings = image->strings;
	size_t path_bytes = strlen(image->path) + 1;
	uint64_t execfn = mm->stack_start - 8 - path_bytes;
	uint64_t text = execfn - strings->used;
	image->execfn = execfn;
	image->platform = (text - 7) & ~15ull;
	image->random_at = image->platform - AT_RANDOM_BYTES;
	mm->argument_start = text;
	mm->argument_end = mm->environment_start = text + strings->environment_offset;
	mm->environment_end = text + strings->used;
	uint64_t words = 3ull + strings->argument_count + strings->environment_count;
	uint64_t at = (image->random_at - words * 8 - auxv_bytes(mm)) & ~15ull;
	image->sp = at;
	image->auxv_at = at + words * 8;
	uint64_t *table = heap_allocate(words * 8);
	if (!table)
		return -ENOMEM;
	uint64_t *word = table;
	*word++ = strings->argument_count;
	const char *string = strings->data;
	for (uint32_t i = 0; i < strings->argument_count + strings->environment_count; i++) {
		if (i == strings->argument_count)
			*word++ = 0;
		*word++ = text + (uint64_t)(string - strings->data);
		string += strlen(string) + 1;
	}
	if (!strings->environment_count)
		*word++ = 0;
	*word++ = 0;
	int error = copy_to_user(execfn, image->path, path_bytes);
	if (!error)
		error = copy_to_user(text, strings->data, strings->used);
	if (!error)
		error =
		    copy_to_user(image->random_at, image->random.seed, AT_RANDOM_BYTES + sizeof("x86_64"));
	if (!error)
		error = copy_to_user(at, table, words * 8);
	heap_free(table);
	return error;
}

static void set_state(struct task *task, uint64_t entry, uint64_t sp)
{
	struct guest_state *state = task->state;
	memset(state, 0, sizeof(*state));
	state->rip = entry;
	state->rsp = sp;
	state->rflags = 0x202;
	vector_reset();
}

/* Set-user-ID and set-group-ID files (execve(2)) and what becomes of capabilities (capabilities(7), "Transformation
 * of capabilities during execve"); true when the program must not trust its environment. */
static bool credentials_exec(struct task *task, const struct file *file)
{
	struct credentials *c = &task->credentials;
	const struct vnode *vnode = file->vnode;
	uint32_t uid = c->uid, gid = c->gid, euid = c->euid, egid = c->egid;
	/* What a file service has to be asked for comes first: the lock may be given up for it, in nothing below. */
	uint64_t permitted = 0, inheritable = 0;
	bool effective = false, grants = file_grants_privileges(file);
	bool caps = grants && file_capabilities(file, &permitted, &inheritable, &effective);
	/* Its mode may have become another since it was opened: who may not run it any more gets nothing by it. */
	grants = grants && !access_check(file->vnode, 1);
	/* Who traces a program may do what it may: it gets no more than its tracer could have. */
	const struct trace *trace = task_traced(task);
	grants = grants && !task->no_new_privileges && (!trace || trace->privileged);
	caps = caps && grants;
	if (!caps) {
		permitted = inheritable = 0;
		effective = false;
	}
	if (grants) {
		/* Whoever has no id here cannot be become. */
		bool known = c->user == &user_namespace_first ||
		             (id_up(c->user, &c->user->uids, vnode->uid) != ID_NONE &&
		              id_up(c->user, &c->user->gids, vnode->gid) != ID_NONE);
		if (known && (vnode->mode & S_ISUID))
			c->euid = vnode->uid;
		if (known && (vnode->mode & (S_ISGID | 010)) == (S_ISGID | 010))
			c->egid = vnode->gid;
	}
	bool changes = c->euid != uid || c->egid != gid;
	bool root = !(c->securebits & SECBIT_NOROOT);
	c->suid = c->fsuid = c->euid;
	c->sgid = c->fsgid = c->egid;
	if (changes || caps)
		c->cap_ambient = 0;
	/* A file that becomes root's for another user brings its own capabilities alone. */
	uint32_t zero = uid_named(0); /* ID_NONE where nobody is */
	if (root && (c->euid == zero || c->uid == zero) && !(caps && c->uid != zero && c->euid == zero)) {
		permitted = inheritable = CAP_ALL;
		effective = c->euid == zero || effective;
	}
	uint64_t before = c->cap_permitted;
	c->cap_permitted =
	    (c->cap_inheritable & inheritable) | (c->cap_bounding & permitted) | c->cap_ambient;
	c->cap_effective = effective ? c->cap_permitted : c->cap_ambient;
	if (c->uid != zero && (c->cap_permitted & ~before & ~c->cap_ambient))
		changes = true;
	c->securebits &= ~(uint32_t)SECBIT_KEEP_CAPS;
	bool secure = changes || (c->uid != zero && effective);
	if (secure) {
		task->process->parent_death_signal = 0;
		task->process->personality &= ~(uint64_t)PER_CLEAR_ON_SETID;
	}
	task->process->dumpable_off = c->euid != euid || c->egid != egid || (c->cap_permitted & ~before);
	return secure;
}

static void set_name(struct task *task, const char *path)
{
	const char *base = strrchr(path, '/');
	memset(task->name, 0, sizeof(task->name));
	text_copy(task->name, sizeof(task->name), base ? base + 1 : path);
}

static uint64_t choose_bias(const struct image *image, const struct program *program)
{
	struct mm *mm = image->mm;
	if (!program->header.relocatable)
		return 0;
	uint64_t bytes = program->programs.high - program->programs.low;
	uint64_t base = program == &image->interpreter
	                    ? mm_place(mm, bytes, mm->mmap_top)
	                    : PIE_BASE + random_pages(image, image->random.place, 1u << 28);
	return base - program->programs.low;
}

static int image_fill(struct task *task, struct image *image)
{
	struct mm *mm = image->mm;
	struct program *program = &image->program, *interpreter = &image->interpreter;
	mm->executable = file_reference(program->file);
	int error = map_stack(task, image);
	if (error)
		return error;
	program->bias = choose_bias(image, program);
	error = load_program(mm, program);
	if (error)
		return error;
	uint64_t end = program->programs.high + program->bias;
	mm->brk_start = mm->brk =
	    end + (sysctl_randomize.value > 1 ? random_pages(image, image->random.heap, 8192) : 0);
	mm->code_start = program->programs.low + program->bias;
	mm->code_end = mm->data_start = mm->data_end = end;
	image->entry = program->header.entry + program->bias;
	if (interpreter->file) {
		interpreter->bias = choose_bias(image, interpreter);
		error = load_program(mm, interpreter);
		if (error)
			return error;
		image->entry = interpreter->header.entry + interpreter->bias;
	}
	vdso_map(mm);
	return build_stack(image);
}

/* Makes IMAGE's address space of what its files gave. What fails leaves it to image_drop. */
static int image_build(struct task *task, struct image *image)
{
	image->mm = mm_create();
	if (!image->mm)
		return -ENOMEM;
	task->building = image->mm;
	thread_use_mm(image->mm);
	int error = image_fill(task, image);
	thread_use_mm(task->mm);
	task->building = 0;
	return error;
}

static int image_take(struct image *image)
{
	int error = program_take(&image->program);
	return error || !image->interpreter.file ? error : program_take(&image->interpreter);
}

/* The common lock is held alone. */
static void image_drop(struct image *image)
{
	program_drop(&image->program);
	program_drop(&image->interpreter);
	if (image->mm)
		mm_release(image->mm, false);
	image->mm = 0;
}

static int image_build_again(struct task *task, struct image *image)
{
	image_drop(image);
	int error = image_take(image);
	return error ? error : image_build(task, image);
}

/* The point of no return has passed: any failure kills. The old address space is *OLD. */
static int become(struct task *task, struct image *image, struct mm **old)
{
	bool secure = credentials_exec(task, image->program.file);
	task_keyrings_exec(task);
	*old = task_change_mm(task, image->mm);
	struct mm *mm = image->mm;
	image->mm = 0;
	task->restart = 0;
	task->altstack_base = task->altstack_bytes = task->robust_list = task->rseq = task->set_child_tid = 0;
	handlers_exec(task->handlers);
	files_exec(task->files);
	process_timers_exit(task->process);
	set_name(task, image->path);
	int error = namespaces_enter_time(&task->namespaces);
	if (!error)
		error = vdso_follow(mm, task->namespaces);
	if (error)
		return error;
	auxv_fill(task, image, mm, secure);
	error = copy_to_user(image->auxv_at, mm->auxv, auxv_bytes(mm));
	if (error)
		return error;
	set_state(task, image->entry, image->sp);
	perf_exec(task);
	task->process->did_exec = true;
	return 0;
}

/* Makes the tables that other processes or threads may share the task's own. */
static int unshare_tables(struct task *task)
{
	if (task->files->references > 1) {
		struct files *files = files_clone(task->files);
		if (!files)
			return -ENOMEM;
		files_release(task->files);
		task->files = files;
	}
	if (task->handlers->references > 1) {
		struct signal_handlers *handlers = handlers_clone(task->handlers);
		if (!handlers)
			return -ENOMEM;
		handlers_release(task->handlers);
		task->handlers = handlers;
	}
	return 0;
}

/* Follows scripts to the program that is to run. PROGRAM->file is replaced on the way. */
static int resolve_scripts(struct program *program, struct strings *strings, const char *path, bool beside)
{
	char line[SCRIPT_LINE], script[SCRIPT_LINE * 2], *interpreter, *argument;
	text_copy(script, sizeof(script), path);
	for (int depth = 0;; depth++) {
		int is_script = script_read(program->file, line, &interpreter, &argument);
		if (is_script <= 0)
			return is_script;
		if (depth == SCRIPT_DEPTH)
			return -ELOOP;
		const char *words[3] = {interpreter, argument ? argument : script, script};
		int error = strings_replace_first(strings, words, argument ? 3 : 2);
		if (error)
			return error;
		struct file *file = program_open(AT_FDCWD, interpreter, 0, beside, &error);
		if (!file)
			return error;
		file_release(program->file);
		program->file = file;
		text_copy(script, sizeof(script), interpreter);
	}
}

/* Reads and checks the files of IMAGE; BESIDE as in program_open. */
static int image_read(struct image *image, struct strings *strings, bool beside)
{
	int error = resolve_scripts(&image->program, strings, image->path, beside);
	if (!error)
		error = program_read(&image->program);
	if (!error && image->program.programs.interpreter_offset)
		error = interpreter_open(&image->program, &image->interpreter, beside);
	return error ? error : image_take(image);
}

/* Reads, checks and builds IMAGE; BESIDE: the common lock, held alone, is given up for what takes long. */
static int image_make(struct task *task, struct image *image, struct strings *strings, bool beside)
{
	vdso_ready();
	uint64_t changes = mm_file_changes();
	int error = image_read(image, strings, beside);
	if (error)
		return error;
	enum common_mode before = beside ? common_give() : COMMON_NOT;
	error = image_build(task, image);
	common_take(before);
	/* Memory may have lacked that somebody has to give, for which it takes the lock. */
	if (beside && error)
		error = image_build_again(task, image);
	if (error)
		return error;
	if (process_single_thread())
		return -ERESTARTNOINTR; /* another thread ends the process: this one will not return to its
		                           guest */
	async_task_end();
	error = unshare_tables(task);
	/* Nobody knows the new address space: mapped files that changed meanwhile have not changed there. */
	if (!error && changes != mm_file_changes())
		error = image_build_again(task, image);
	return error;
}

static int image_run(struct task *task, struct image *image)
{
	const struct trace *traced = task_traced(task);
	int32_t old_tid = traced ? pid_seen_by(traced->tracer->process, task->tid) : 0;
	struct mm *old;
	task_become_leader(task);
	int error = become(task, image, &old);
	if (error) {
		linux_log("linux: exec of %s failed with error %d after the old program was gone\n",
		          image->path, -error);
		task->process->exiting = true;
		task->process->exit_status = SIGKILL;
		task_kick(task, TASK_WORK_EXIT);
	}
	if (old)
		mm_release(old, true);
	if (!error) {
		vfork_release(task);
		trace_exec(old_tid);
	}
	return error;
}

/* The argument and environment strings of a call, or of a kernel's own: KERNEL_ARGV. */
static int strings_collect(struct strings *strings, uint64_t argv_address, uint64_t envp_address,
                           const char *const *kernel_argv, const char *const *kernel_envp)
{
	uint64_t quarter = current_task()->process->limits[RLIMIT_STACK].current / 4;
	*strings = (struct strings){.most = quarter < STRINGS_MIN   ? STRINGS_MIN
	                                    : quarter > STRINGS_MAX ? STRINGS_MAX
	                                                            : quarter};
	int error = strings_add_vector(strings, argv_address, kernel_argv, &strings->argument_count);
	if (!error && !strings->argument_count) {
		error = strings_add(strings, "");
		strings->argument_count = 1;
	}
	strings->environment_offset = strings->used;
	if (!error)
		error = strings_add_vector(strings, envp_address, kernel_envp, &strings->environment_count);
	return error;
}

/* What of an exec needs no more of the common lock than a share: the random numbers, and the strings. */
static int image_begin(struct task *task, struct image *image, struct strings *strings, uint64_t argv_address,
                       uint64_t envp_address, const char *const *kernel_argv, const char *const *kernel_envp)
{
	enum common_mode before = kernel_argv ? COMMON_NOT : common_give();
	if (!kernel_argv)
		common_shared();
	task->pressed = false;
	(void)random_ready(); /* a new seed, where one is due */
	random_bytes(&image->random, sizeof(image->random) - 8);
	memcpy(image->random.seed + AT_RANDOM_BYTES, "x86_64", sizeof("x86_64"));
	int error = strings_collect(strings, argv_address, envp_address, kernel_argv, kernel_envp);
	if (kernel_argv)
		return error;
	common_shared_end();
	common_take(before);
	if (error == -EFAULT && task->pressed) { /* as in image_make */
		heap_free(strings->data);
		error = strings_collect(strings, argv_address, envp_address, 0, 0);
	}
	return error;
}

int exec_load(struct task *task, struct file *file, const char *path, uint64_t argv_address,
              uint64_t envp_address, const char *const *kernel_argv, const char *const *kernel_envp)
{
	struct image *image = heap_allocate(sizeof(*image));
	struct strings strings = {0};
	if (!image) {
		file_release(file);
		return -ENOMEM;
	}
	image->program.file = file;
	image->path = path;
	image->strings = &strings;
	int error = image_begin(task, image, &strings, argv_address, envp_address, kernel_argv, kernel_envp);
	if (!error)
		error = image_make(task, image, &strings, !kernel_argv);
	if (!error)
		error = image_run(task, image);
	image_drop(image);
	file_release(image->program.file);
	if (image->interpreter.file) {
		file_allow_writing(image->interpreter.file); /* it may still be mapped */
		file_release(image->interpreter.file);
	}
	heap_free(strings.data);
	heap_free(image);
	return error;
}

/* The common lock is held alone. */
static int64_t exec_named(int directory, const char *path, int flags, uint64_t argv, uint64_t envp)
{
	char *found = 0;
	int error;
	struct file *file = program_open(directory, path, flags, true, &error);
	if (!file)
		return error;
	if (directory != AT_FDCWD && path[0] != '/') {
		found = heap_allocate(PATH_MAX_BYTES);
		if (found)
			file_path(file, found, PATH_MAX_BYTES);
		else
			error = -ENOMEM;
	}
	if (error)
		file_release(file);
	else
		error = exec_load(current_task(), file, found ? found : path, argv, envp, 0, 0);
	heap_free(found);
	return error;
}

/* The path at ADDRESS, for heap_free; 0 with *RESULT. Its buffer is on the stack no longer than it has to be. */
static __attribute__((noinline)) char *path_copy(uint64_t address, int64_t *result)
{
	char text[PATH_MAX_BYTES];
	*result = copy_string_from_user(text, address, sizeof(text));
	char *path = *result < 0 ? 0 : heap_string(text);
	if (*result >= 0 && !path)
		*result = -ENOMEM;
	return path;
}

static int64_t exec_path(int directory, uint64_t path_address, uint64_t argv, uint64_t envp, int flags)
{
	int64_t result;
	char *path = path_copy(path_address, &result);
	if (!path)
		return result;
	enum common_mode before = common_alone();
	result = exec_named(directory, path, flags, argv, envp);
	common_back(before);
	heap_free(path);
	return result;
}

SYSCALL_HANDLER(execve, uint64_t path, uint64_t argv, uint64_t envp)
{
	return exec_path(AT_FDCWD, path, argv, envp, 0);
}

SYSCALL_HANDLER(execveat, int directory, uint64_t path, uint64_t argv, uint64_t envp, int flags)
{
	if (flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW))
		return -EINVAL;
	return exec_path(directory, path, argv, envp, flags);
}
