# Disks beside Linux', in instructions; what counts them and sets the marks is bench/vault's.
bench-disks: build/bench/vault-work build/bench/vault-count.so $(SYSTEM) build/linux/init build/linux/vmlinuz ## Disks beside Linux', instructions a request of fio's
	@bench/disks/run --write
.PHONY: bench-disks
