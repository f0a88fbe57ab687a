# The network beside Linux', in instructions; what counts them and sets the marks is bench/vault's.
bench-network: build/bench/vault-work build/bench/vault-count.so build/x86_64/network.bundle $(SYSTEM) build/linux/init build/linux/vmlinuz build/linux/network.cpio ## The network beside Linux', instructions an operation and a packet
	@bench/network/run --write
.PHONY: bench-network
