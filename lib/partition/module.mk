# Partition tables.
$(call host-test,partition,lib/partition/partition_test.c lib/partition/partition.c)
$(call host-fuzz,partition,lib/partition/partition_fuzz.c lib/partition/partition.c)
