# Linux for comparison: Debian's kernel, an initramfs of the same root trees, and a small static init.
build/linux/init: tests/linux-init/init.c abi/holon/command.h
	@mkdir -p $(@D)
	@echo "  CC      $<"
	@$(CC) $(CSTD) $(WARN) -O2 -static -Iabi -o $@ $<
build/linux/vmlinuz: tools/debs
	@tools/debs --file linux-image-amd64 '/boot/vmlinuz-*' $@
	@touch $@
build/linux/%.cpio: build/root/%.stamp tools/runner/archive.py
	@mkdir -p $(@D)
	@echo "  CPIO    $@"
	@cd tools && python3 -B -m runner.archive ../build/root/$* ../$@
