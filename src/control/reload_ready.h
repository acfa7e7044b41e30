/* The part of a reload that may fail, before anything shows of it. Control thread.
 */
#ifndef CONTROL_RELOAD_READY_H
#define CONTROL_RELOAD_READY_H

#include "control/reload_parts.h"

/* Makes snapshot and changes of reload->next; 0 or a code, and reload_forget gives back what was made. */
MUST_CHECK int reload_make_ready(struct reload *reload);

#endif
