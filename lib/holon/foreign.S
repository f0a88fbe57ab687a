/* The fault entry of programs that map memory of untrusted peers: foreign.h. */
#include "fault_entry.inc"

	.text
	fault_entry_at foreign_entry, foreign_fault
	.section .note.GNU-stack, "", @progbits
