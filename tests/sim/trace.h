/* What happened in a scenario, line by line, each with the client, request and worker it concerns: printed at once, or
 * kept for the report of a failure.
 */
#ifndef TESTS_SIM_TRACE_H
#define TESTS_SIM_TRACE_H

#include <stdbool.h>
#include <stdint.h>

struct io_sim_net;

enum trace_mode { TRACE_OFF, TRACE_KEEP, TRACE_PRINT };
enum { TRACE_NOBODY = -1 };

void trace_start(enum trace_mode mode, const struct io_sim_net *net);
void trace_stop(void);
bool trace_on(void);
/* client, request: TRACE_NOBODY when the line concerns everyone (client) or no request in particular. */
void trace_line(int client, int request, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Prints the kept lines that concern this client or request, and those that concern everyone. */
void trace_report(int client, int request);

#endif
