/* The terminal's control sequences (CSI ... FINAL), for its interpreter alone. */
#pragma once

#include "terminal.h"

/* Carries out the sequence whose parameters the terminal has gathered. */
void control_sequence(struct terminal *terminal, uint8_t final);
