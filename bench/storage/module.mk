.PHONY: bench-storage
bench-storage: build/host/bin/holon-vdisk build/host/bin/holonfs build/host/bin/vdisk-seal-bench ## Storage side by side: vdisk and qcow2 with LUKS, holonfs and ext4 by FUSE
	@build/host/bin/vdisk-seal-bench
	@bench/storage/bench.py
