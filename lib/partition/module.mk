# Partition tables.
$(call host-test,partition,lib/partition/partition_test.c lib/partition/partition.c)
$(call host-fuzz,partition,lib/partition/partition_fuzz.c lib/partition/partition.c)
$(call host-test,partition-gpt,$(addprefix lib/partition/,gpt_test.c gpt.c partition.c))
$(call host-fuzz,partition-gpt,$(addprefix lib/partition/,gpt_fuzz.c gpt.c partition.c))
