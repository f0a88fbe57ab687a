# The TPM's registers: also on the host, against a model.
$(call host-test,tpm-port,lib/tpm/tpm_port_test.c lib/tpm/tpm_port.c)
$(call host-fuzz,tpm-port,lib/tpm/tpm_port_fuzz.c lib/tpm/tpm_port.c)
# What is asked of it, against swtpm.
TPM_SEAL_SOURCES := lib/tpm/tpm_seal.c lib/tpm/tpm_quote.c lib/tpm/tpm_command.c lib/crypto/util.c lib/crypto/cpu.c lib/crypto/sha2.c lib/crypto/sha2_blocks.c
$(call host-test,tpm-seal,lib/tpm/tpm_seal_test.c tools/holon-verify/tpm_check.c $(TPM_SEAL_SOURCES),-D_GNU_SOURCE -DCRYPTO_NO_VECTOR,-lbearssl)
$(call host-fuzz,tpm-seal,lib/tpm/tpm_seal_fuzz.c $(TPM_SEAL_SOURCES),-DCRYPTO_NO_VECTOR)
