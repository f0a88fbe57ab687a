"""What is proved, the mutants that must break a proof, and changes that must not: see prove.

FILES: a source, the folders of its headers, and the functions that are proved; WITHOUT names those that are not, each with
why. Together they are all of the file's. CAST marks files in which bytes are seen as uint8_t and as char: the contracts of
memcpy and memset name both kinds of memory (model.h).
"""
CAST = "Typed+Cast"
KERNEL = [f"kernel/{folder}" for folder in
          ("call", "guest", "device", "ipc", "thread", "unit", "memory", "sched", "object", "quota", "arch", "base", "sim")]
OPEN = "nothing is stated of it in the code: its goals were open"
LARGE = "it assigns a large structure as a whole: some goals of its contract were open"
TREE = "its nodes are kept as numbers, which the memory model does not follow"
LIFE = "the objects and locks of the kernel have no contracts yet"

FILES = {
    "boot/loader/bundle.c": {
        "include": ["boot/loader"],
        "functions": ["entry_check", "entry_empty", "bundle_check", "bundle_find"]},
    "boot/loader/handoff_check.c": {
        "include": ["boot/loader"],
        "functions": ["text_ends", "lies_in", "check_memory", "check_modules", "check_framebuffer", "check_machine",
                      "handoff_check"]},
    "lib/little_endian.h": {
        "include": [],
        "functions": ["little_endian"]},
    "boot/loader/elf.c": {
        "include": ["boot/loader"], "model": CAST,
        "functions": ["header_read", "segment_read", "header_check", "segment_check", "elf_check"],
        "without": {name: "of a file that elf_check has passed; its test and fuzzer cover it" for name in ("elf_access", "elf_segment", "elf_place")}},
    "boot/loader/acpi.c": {
        "include": ["boot/loader"], "model": CAST,
        "functions": ["sum_is_zero", "table_view", "field", "add_cpu", "parse_madt_entry", "parse_madt", "parse_byte",
                      "parse_sleep", "parse_fadt", "find_root"],
        "without": {"acpi_parse": LARGE}},
    "boot/loader/memory.c": {
        "include": ["boot/loader"],
        "functions": ["strictness", "range_end", "remove_at", "insert_at", "insert", "memory_claim", "memory_add",
                      "memory_allocate", "memory_end"]},
    "boot/loader/string.c": {
        "include": ["boot/loader"], "model": CAST,
        "functions": ["memcmp", "strlen", "strncmp", "strcmp"],
        "without": {"memmove": "compares addresses of different objects"}},
    "lib/holon/text.c": {
        "include": ["lib/holon", "lib/holon/arch/x86_64"], "model": CAST,
        "functions": ["memcmp", "memchr", "strlen", "strnlen", "strcmp", "strncmp", "strchr", "strrchr", "text_copy"],
        "without": {"memcpy": "the processor's instruction", "memset": "the processor's instruction",
                    "memmove": "compares addresses of different objects"}},
    "lib/holon/elf.c": {
        "include": ["lib/holon"], "model": CAST,
        "functions": ["program_read", "segment_valid", "elf_parse", "elf_relocations_begin"],
        "without": {"elf_relocations_next": "its pointer moves; its fuzzer covers it"}},
    "lib/manifest/manifest.c": {
        "include": ["lib/manifest", "lib/holon"], "model": CAST,
        "functions": ["word_equals", "word_copy", "word_number", "word_time", "parse_budget", "plain_kind", "parse_port",
                      "parse_registers", "parse_irq", "parse_place", "parse_give", "parse_argument",
                      "parse_channel", "parse_command", "parse_resident", "parse_limit", "parse_unit", "parse_reserve",
                      "manifest_budget_share", "manifest_gives", "unit_finish", "shares_fit", "line_split"],
        "without": {name: LARGE for name in ("parse_line", "manifest_parse")}},
    "lib/sysimg/sysimg.c": {
        "include": ["lib/sysimg"], "model": CAST,
        "functions": ["blocks", "inside", "check_header", "node_valid", "check_nodes", "compare", "sysimg_lookup", "sysimg_path",
                      "sysimg_entry", "sysimg_verify"],
        "without": {name: "sees the bytes as structures" for name in ("metadata_valid", "sysimg_open")}},
    "lib/usb/descriptors.c": {
        "include": ["lib/usb", "lib/holon"],
        "functions": ["get16", "usb_device_parse", "endpoint_add", "usb_hub_parse", "usb_string_parse", "usb_endpoint_find",
                      "usb_endpoint_fits"],
        "without": {"usb_configuration_parse": LARGE}},
    "lib/trust/record.c": {
        "include": ["lib/trust"], "model": CAST,
        "functions": ["load", "store", "record_error_text", "record_number", "record_next", "is_text", "compare",
                      "list_good", "value_good", "record_size", "record_read", "take", "record_begin", "record_put",
                      "record_put_number", "record_list_begin", "record_list_add", "record_list_end", "record_end"]},
    "kernel/sched/budget.c": {
        "include": KERNEL,
        "functions": ["refill_at", "refills_init", "refill_pop", "refills_available", "refills_next", "budget_share",
                      "budget_check"],
        "without": dict({name: OPEN for name in ("refill_append", "refills_charge", "refills_activate")},
                        **{name: LIFE for name in
                           ("budget_replenish", "budget_configure", "budget_setup", "share_change",
                            "budget_teardown", "budget_create", "sys_budget_create", "sys_budget_configure",
                            "sys_budget_info")})},
    "kernel/base/bytes.h": {
        "include": KERNEL,
        "functions": ["table_next"]},
    "kernel/memory/memory_calls.c": {
        "include": KERNEL,
        "functions": ["page_range"],
        "without": {name: LIFE for name in
                    ("is_device", "sys_memory_create", "clone_device", "clone_building", "sys_memory_clone", "discard_range",
                     "sys_memory_resize", "sys_memory_discard", "sys_memory_supply", "sys_memory_dirty", "sys_memory_info",
                     "sys_memory_label")}},
    "kernel/object/table.c": {
        "include": KERNEL,
        "functions": ["slot_at", "view_of", "view_check"],
        "without": {name: LIFE for name in
                    ("cap_lookup", "cap_lookup_dead", "slot_unit", "table_init", "table_deinit", "table_drop_page", "table_grow",
                     "cap_reserve", "cap_unreserve", "slot_take", "slot_give_back")}},
    "kernel/object/derive.c": {
        "include": KERNEL,
        "functions": ["children_of", "is_own_mapping", "still"],
        "without": {name: LIFE for name in
                    ("link_cap", "unlink_cap", "end_cap", "fill_slot", "cap_insert_reserved", "cap_insert", "few_children",
                     "cap_move_reserved", "cap_delete", "first_below", "cap_first_mapping", "end_leashed", "cap_revoke_slice",
                     "cap_revoke_all_slice", "cap_attach", "cap_split", "cap_same_origin", "cap_made_with", "cap_drop",
                     "cap_detach", "cap_target")}},
    "kernel/memory/space_calls.c": {
        "include": KERNEL,
        "functions": ["in_space", "check_access"],
        "without": {name: LIFE for name in ("sys_space_create", "sys_space_map", "sys_space_unmap", "sys_space_protect")}},
    "kernel/memory/radix.c": {
        "include": KERNEL,
        "functions": ["radix_height"],
        "without": {name: TREE for name in
                    ("node_place", "node_create", "node_free", "radix_grow", "radix_find", "radix_make", "radix_next",
                     "radix_used", "radix_drop_leaf", "radix_free_slice")}},
    "kernel/quota/frames.c": {
        "include": KERNEL,
        "functions": ["push", "pop"],
        "without": {name: LIFE for name in
                    ("frame_address", "region_open", "region_take", "refill", "frame_allocate_dirty", "frame_allocate",
                     "frame_free", "frame_free_batch", "frame_zero_one", "frame_free_bytes", "frame_total_bytes", "is_ram",
                     "memory_init", "memory_init_loader", "memory_is_ram", "memory_is_module", "memory_wipe")}},
}

# FILE, function whose proof must break, text (its first place counts), what stands there instead.
BUNDLE, HANDOFF, ELF = "boot/loader/bundle.c", "boot/loader/handoff_check.c", "boot/loader/elf.c"
ACPI, MANIFEST, IMAGE = "boot/loader/acpi.c", "lib/manifest/manifest.c", "lib/sysimg/sysimg.c"
STRING, TEXT, RECORD, BUDGET = "boot/loader/string.c", "lib/holon/text.c", "lib/trust/record.c", "kernel/sched/budget.c"
PROGRAM, TABLE, SPACE = "lib/holon/elf.c", "kernel/object/table.c", "kernel/memory/space_calls.c"
FRAMES, RADIX = "kernel/quota/frames.c", "kernel/memory/radix.c"
MUTANTS = [
    (BUNDLE, "entry_check", "length < sizeof(entry->name) && entry", "length <= sizeof(entry->name) && entry"),
    (BUNDLE, "entry_check", "if (entry->offset % PAGE_SIZE)", "if (entry->offset % 2048)"),
    (BUNDLE, "bundle_check", "header->size > available", "header->size > available + 1"),
    (BUNDLE, "bundle_check", "header->entry_count > BUNDLE_ENTRY_MAX", "header->entry_count > BUNDLE_ENTRY_MAX + 1"),
    (BUNDLE, "bundle_check", "used = page_up(entry->offset + entry->size)", "used = page_up(entry->offset)"),
    (BUNDLE, "bundle_check", "entry->offset > header->size || ", ""),
    (BUNDLE, "bundle_find", "return &header->entries[i]", "return &header->entries[i + 1]"),
    (HANDOFF, "text_ends", "i < size; i++", "i <= size; i++"),
    (HANDOFF, "lies_in", "base >= range->base && ", ""),
    (HANDOFF, "check_memory", "range->base < end", "range->base + 1 < end"),
    (HANDOFF, "check_memory", "range->size > UINT64_MAX - range->base", "range->size > UINT64_MAX - 1"),
    (HANDOFF, "check_modules", "handoff->module_count > HANDOFF_MODULE_MAX", "handoff->module_count > 99"),
    (HANDOFF, "check_machine", "machine->cpu_count > HANDOFF_CPU_MAX", "machine->cpu_count > HANDOFF_CPU_MAX + 1"),
    (ELF, "header_check", "size < HEADER_BYTES", "size < HEADER_BYTES - 1"),
    (ELF, "header_check", "header->program_offset > size ||", "header->program_offset > size + 1 ||"),
    (ELF, "segment_check", "segment->file_size > size - segment->offset", "segment->file_size > size"),
    (ELF, "elf_check", "end = segment.address + segment.memory_size;", "end = segment.address - segment.memory_size;"),
    (ELF, "elf_check", "page_up(end) - first > ELF_SPAN_MAX", "page_up(end) - first > 2 * ELF_SPAN_MAX"),
    (STRING, "memcmp", "i < size; i++", "i <= size; i++"),
    (STRING, "strncmp", " || !a[i]", ""),
    (PROGRAM, "elf_parse", "program.offset <= size &&", "program.offset <= size + 8 &&"),
    (PROGRAM, "segment_valid", "program->memory_bytes > high - program->address", "program->memory_bytes > high"),
    (TEXT, "strcmp", "*a && *a == *b", "*a == *b"),
    (TEXT, "strnlen", "length < size && text[length]", "text[length]"),
    (TEXT, "text_copy", "length = size - 1", "length = size"),
    (RECORD, "record_next", "count > list->count - *at - 2", "count > list->count - *at"),
    (RECORD, "record_read", "length > count - at", "length > count"),
    (RECORD, "list_good", "item.count > field->count - at", "item.count > field->count"),
    (RECORD, "take", "count > writer->room - writer->count", "count > writer->room"),
    (BUDGET, "refill_pop", "(refills->head + 1) % REFILLS_MAX", "refills->head + 1"),
    (BUDGET, "budget_share", "+ spec->period_ns - 1)", ")"),
    ("kernel/base/bytes.h", "table_next", "index < 512 && !table[index]", "!table[index]"),
    ("kernel/memory/memory_calls.c", "page_range", "*first + *count <= MEMORY_PAGES_MAX", "*first <= MEMORY_PAGES_MAX"),
    (RADIX, "radix_height", "pages > 1ull << (height", "pages >= 1ull << (height"),
    (FRAMES, "pop", "list->first = frame->next;", "list->first = frame;"),
    (TABLE, "slot_at", "index / CAP_PAGE_SLOTS % CAP_DIRECTORY", "index / CAP_PAGE_SLOTS"),
    (TABLE, "view_of", "!view->object || ", ""),
    (TABLE, "view_check", "(view->rights & rights) == rights", "(view->rights & rights)"),
    ("kernel/object/derive.c", "still", "!cap || ", ""),
    (SPACE, "in_space", "bytes > USER_END - address", "address + bytes > USER_END"),
    (SPACE, "in_space", "end <= NATIVE_BASE || address >= NATIVE_END", "end <= NATIVE_BASE || address >= NATIVE_BASE"),
    (SPACE, "check_access", "access && !(access & MAP_READ)", "!access"),
    (ACPI, "table_view", "table->length < HEADER_BYTES || ", ""),
    (ACPI, "add_cpu", "info->cpu_count >= ACPI_CPUS", "info->cpu_count > ACPI_CPUS"),
    (ACPI, "parse_madt", "length > table->length - at", "length > table->length"),
    (ACPI, "parse_madt_entry", "entry[3] < ACPI_OVERRIDES", "entry[3] <= ACPI_OVERRIDES"),
    (MANIFEST, "word_copy", "line->lengths[index] >= size", "line->lengths[index] > size"),
    (MANIFEST, "parse_give", "== MANIFEST_GIVES_MAX)\n\t\treturn \"too many capabilities for one unit\";\n\tstruct manifest_give *give = "
     "&unit->gives[unit->give_count++];\n\tif (", "> MANIFEST_GIVES_MAX)\n\t\treturn \"too many capabilities for one unit\";\n"
     "\tstruct manifest_give *give = &unit->gives[unit->give_count++];\n\tif ("),
    (MANIFEST, "parse_reserve", "(uint32_t)value * 10000;\n\treturn 0;\n}", "(uint32_t)value * 10001;\n\treturn 0;\n}"),
    (IMAGE, "inside", "offset <= limit && ", ""),
    (IMAGE, "check_header", "header->entry_count > limit / sizeof(struct sysimg_entry) ||", ""),
]

# The same for changes that change nothing: the proof must stand.
HARMLESS = [
    (BUNDLE, "bundle_check", "available < sizeof(*header)", "sizeof(*header) > available"),
    (HANDOFF, "check_memory", "range->base < end", "end > range->base"),
    (ELF, "header_check", "size < HEADER_BYTES", "size <= HEADER_BYTES - 1"),
    (BUDGET, "refill_pop", "(refills->head + 1) % REFILLS_MAX", "(1 + refills->head) % REFILLS_MAX"),
]
