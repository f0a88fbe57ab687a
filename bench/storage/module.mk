.PHONY: bench-storage
bench-storage: build/host/bin/holon-vdisk build/host/bin/holonfs ## Storage side by side: vdisk and qcow2 with LUKS, holonfs and ext4 by FUSE
	@bench/storage/bench.py
