/* What an operator changes of workers between two files, as a reload meets it. Control thread.
 */
#ifndef CONTROL_RELOAD_CHANGES_H
#define CONTROL_RELOAD_CHANGES_H

#include "control/reload_parts.h"

/* What there is to be laid over another file: with the configuration before (back) come the changes that it had, and
 * those that were made since. 0 or -ERR_NO_MEMORY. */
MUST_CHECK int reload_list_changes(const struct reload *reload, bool back, struct changes *ret_changes);
/* Another file is put into use: its predecessor's changes are kept for when that comes back, and it is said which do
 * not go on. */
void reload_remember_changes(struct reload *reload);

#endif
