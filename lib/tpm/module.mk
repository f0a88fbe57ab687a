# The TPM's registers: also on the host, against a model.
$(call host-test,tpm-port,lib/tpm/tpm_port_test.c lib/tpm/tpm_port.c)
$(call host-fuzz,tpm-port,lib/tpm/tpm_port_fuzz.c lib/tpm/tpm_port.c)
# What is asked of it, against swtpm.
TPM_SEAL_SOURCES := lib/tpm/tpm_seal.c lib/crypto/util.c
$(call host-test,tpm-seal,lib/tpm/tpm_seal_test.c $(TPM_SEAL_SOURCES),-D_GNU_SOURCE)
$(call host-fuzz,tpm-seal,lib/tpm/tpm_seal_fuzz.c $(TPM_SEAL_SOURCES))
