/* Checking a finished handoff (abi/holon/handoff.h). */
#pragma once

#include <holon/handoff.h>

/*@ predicate ranges_ordered(struct handoff *handoff, integer count) =
      \forall integer i; 0 <= i < count ==>
        handoff->memory[i].base % 4096 == 0 && handoff->memory[i].size % 4096 == 0 &&
        handoff->memory[i].size > 0 && handoff->memory[i].base + handoff->memory[i].size <= UINT64_MAX &&
        (\forall integer j; 0 <= j < i ==>
          handoff->memory[j].base + handoff->memory[j].size <= handoff->memory[i].base);
    predicate modules_named(struct handoff *handoff, integer count) =
      \forall integer i; 0 <= i < count ==>
        is_text(&handoff->modules[i].name[0]) && handoff->modules[i].base % 4096 == 0;
    predicate modules_good(struct handoff *handoff) =
      handoff->module_count <= HANDOFF_MODULE_MAX && modules_named(handoff, handoff->module_count);
*/

/* NULL when the handoff keeps every rule of its header, else what is wrong with it. Reads only the struct
 * itself. */
/*@ requires \valid_read(handoff);
    assigns \nothing;
    ensures \result == \null ==> 0 < handoff->memory_count <= HANDOFF_MEMORY_MAX;
    ensures \result == \null ==> ranges_ordered(handoff, handoff->memory_count);
    ensures \result == \null ==> modules_good(handoff);
    ensures \result == \null ==> 0 < handoff->machine.cpu_count <= HANDOFF_CPU_MAX;
    ensures \result == \null ==> is_text(&handoff->command_line[0]);
*/
const char *handoff_check(const struct handoff *handoff);
