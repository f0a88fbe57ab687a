# What a bad line carries, beside Linux.
bench-netem: build/x86_64/network.bundle $(SYSTEM) build/linux/init build/linux/vmlinuz build/linux/network.cpio ## A lossy, slow line between two systems, beside Linux'
	@bench/netem/run --write
.PHONY: bench-netem
