/* What abi/tpm.interface carries. */
#pragma once

#define TPM_COMMAND_MAX 2048u /* bytes, of answers too */
