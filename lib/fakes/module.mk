# Services in memory, for host tests of their clients.
$(call host-test,file-fake,lib/fakes/file_fake_test.c lib/fakes/file_fake.c lib/holon/format.c,-DHOLON_FAKE_KERNEL -Ilib/holon -Ibuild/abi)
$(call object-names,host/test/file-fake.o.d,lib/fakes/file_fake_test.c lib/fakes/file_fake.c): | $(INTERFACES)
