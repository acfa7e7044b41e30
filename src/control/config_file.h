/* Reads a file into memory.
 */
#ifndef CONTROL_CONFIG_FILE_H
#define CONTROL_CONFIG_FILE_H

#include "base/arena.h"
#include "base/err.h"

enum { CONFIG_FILE_BYTES_MAX = 8 << 20 };

/* All that the path, or the descriptor, holds, in the arena. 0; -ERR_SYSTEM with *ret_errno (EFBIG: more than
 * CONFIG_FILE_BYTES_MAX); -ERR_NO_MEMORY. Blocks. */
MUST_CHECK int config_file_read(struct arena *arena, const char *path, struct str *ret_text, int *ret_errno);
MUST_CHECK int config_file_take(struct arena *arena, int fd, struct str *ret_text, int *ret_errno);

#endif
