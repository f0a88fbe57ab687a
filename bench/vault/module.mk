# Vaults beside ext4 on dm-crypt with dm-integrity, in instructions: the program that both systems run, and what counts.
build/bench/vault-work: bench/vault/work.c bench/vault/mark.h
	@mkdir -p $(@D)
	@echo "  CC      $@"
	@$(CC) $(CSTD) $(WARN) -D_GNU_SOURCE -O2 -static -o $@ $<
build/bench/vault-count.so: bench/vault/count.c bench/vault/mark.h
	@mkdir -p $(@D)
	@echo "  CC      $@"
	@$(CC) $(CSTD) $(WARN) -O2 -shared -fPIC -o $@ $<
ALL += build/bench/vault-work build/bench/vault-count.so
bench-vault: build/bench/vault-work build/bench/vault-count.so $(SYSTEM) build/linux/init build/linux/vmlinuz build/linux/encrypted.cpio ## Vaults beside ext4 on dm-crypt with dm-integrity, instructions an operation
	@bench/vault/run --write
.PHONY: bench-vault
