/* `ballast status`, `ballast explain` and `ballast why`: what the administration API tells, for people and scripts.
 */
#ifndef MAIN_ADMIN_STATUS_H
#define MAIN_ADMIN_STATUS_H

#include "main/options.h"

enum { STATUS_EXIT_OK = 0, STATUS_EXIT_DEGRADED = 1, STATUS_EXIT_DOWN = 2, STATUS_EXIT_UNKNOWN = 3 };

/* Prints one screen, or the Status object with --json. Returns how the process should exit: what the health is, or that
 * nobody could be asked. */
int admin_status_run(const struct options *options);
/* Prints which route, pool and worker a request would get. 0 when a worker would be asked, 1 when Ballast would answer
 * itself, STATUS_EXIT_UNKNOWN. */
int admin_explain_run(const struct options *options);
/* Prints what became of the request options->id. 0, or STATUS_EXIT_UNKNOWN: nobody remembers it, or could be asked. */
int admin_why_run(const struct options *options);

/* Seconds in words: "42 s", "3 min 5 s", "2 h 10 min", "3 d 4 h"; with a NUL. */
enum { STATUS_SPAN_MAX = 32 };
void admin_status_span(uint64_t seconds, char out[STATUS_SPAN_MAX]);

#endif
