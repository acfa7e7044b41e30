/* How a failed assertion ends the process: one line on standard error, then SIGABRT.
 *
 * Called from any thread, at a moment when nothing can be trusted: no lock, no allocation, no buffered output. The log
 * is not used for the same reason.
 */
#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

_Noreturn void assert_fail(const char *condition, const char *file, int line, const char *function)
{
    char text[512];
    int n = snprintf(text, sizeof(text) - 1, "%s:%d: %s: assertion failed: %s", file, line, function, condition);
    size_t bytes = n < 0 ? 0 : (size_t)n;
    if (bytes > sizeof(text) - 2)
        bytes = sizeof(text) - 2;
    text[bytes++] = '\n';
    ssize_t written = write(STDERR_FILENO, text, bytes);
    (void)written; /* there is nobody left to tell */
    abort();
}
