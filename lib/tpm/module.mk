# The TPM's registers: also on the host, against a model.
$(call host-test,tpm-port,lib/tpm/tpm_port_test.c lib/tpm/tpm_port.c)
$(call host-fuzz,tpm-port,lib/tpm/tpm_port_fuzz.c lib/tpm/tpm_port.c)
