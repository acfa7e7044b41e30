/* What the server gives up for good before it serves: files (Landlock) and system calls (seccomp).
 *
 * For a process that was told no_new_privs. What is given up cannot be had back, by threads started later neither.
 */
#ifndef MAIN_SANDBOX_H
#define MAIN_SANDBOX_H

#include <stddef.h>

/* From now on no file may be opened, made, moved or removed, but those of log_paths (NULL in it: none) and new regular
 * files in their directories, and these only to be written; no process outside may be signalled, where the kernel can
 * (Landlock version 6). Descriptors open already stay as they are. Creates the logs if there are none. Before any
 * thread is started: only those started later are bound.
 *
 * NULL with *ret_version of the kernel's Landlock, or why it is not so (a text that lives until the next call). */
const char *sandbox_limit_files(const char *const *log_paths, size_t count, int *ret_version);

/* From now on, for every thread, only the system calls of sandbox.def. NULL, or why it is not so. */
const char *sandbox_limit_calls(void);

#endif
