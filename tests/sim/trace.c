/* The lines of the running scenario. One scenario at a time, so the state is the file's, and its memory too: taking and
 * failing to take memory is what is being watched. */
#include "tests/sim/trace.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tests/sim/io_sim.h"

enum { TRACE_LINES_MAX = 60000, TRACE_BYTES_MAX = 6 << 20, TRACE_REPORT_LINES = 400 };

struct trace_entry {
    int client, request;
    const char *text;
};

static enum trace_mode mode;
static const struct io_sim_net *net;
static int64_t start_ns;
static struct trace_entry entries[TRACE_LINES_MAX];
static char texts[TRACE_BYTES_MAX];
static size_t count, used;

void trace_start(enum trace_mode wanted, const struct io_sim_net *of)
{
    mode = wanted;
    net = of;
    start_ns = io_sim_now_ns(of);
    count = 0;
    used = 0;
}

void trace_stop(void)
{
    mode = TRACE_OFF;
}

bool trace_on(void)
{
    return mode != TRACE_OFF;
}

void trace_line(int client, int request, const char *format, ...)
{
    char line[400];
    va_list arguments;
    if (mode == TRACE_OFF)
        return;
    int n = snprintf(line, sizeof(line), "%10.3f  ", (double)(io_sim_now_ns(net) - start_ns) / 1e6);
    va_start(arguments, format);
    vsnprintf(line + n, sizeof(line) - (size_t)n, format, arguments);
    va_end(arguments);
    if (mode == TRACE_PRINT) {
        printf("%s\n", line);
        return;
    }
    size_t bytes = strlen(line) + 1;
    if (count == TRACE_LINES_MAX || used + bytes > sizeof(texts))
        return;
    entries[count++] = (struct trace_entry){client, request, texts + used};
    memcpy(texts + used, line, bytes);
    used += bytes;
}

static bool concerns(const struct trace_entry *entry, int client, int request)
{
    if (entry->client == TRACE_NOBODY && entry->request == TRACE_NOBODY)
        return true;
    return (client != TRACE_NOBODY && entry->client == client) ||
           (request != TRACE_NOBODY && entry->request == request) ||
           (client == TRACE_NOBODY && request == TRACE_NOBODY);
}

void trace_report(int client, int request)
{
    size_t fitting = 0;
    for (size_t i = 0; i < count; i++)
        fitting += concerns(&entries[i], client, request);
    if (fitting > TRACE_REPORT_LINES)
        printf("  (%zu earlier lines left out)\n", fitting - TRACE_REPORT_LINES);
    for (size_t i = 0; i < count; i++)
        if (concerns(&entries[i], client, request) && fitting-- <= TRACE_REPORT_LINES)
            printf("%s\n", entries[i].text);
}
