/* What kind of worker to be: the command line of ballast-worker.
 *
 * One table gives each option its name, range, place and help text. Read once at start, constant afterwards.
 */
#ifndef WORKER_SETTINGS_H
#define WORKER_SETTINGS_H

#include <stdio.h>

#include "base/str.h"

enum { SETTINGS_PORTS_MAX = 256 };

struct settings {
    const char *ports[SETTINGS_PORTS_MAX]; /* checked numbers, as text */
    const char *names[SETTINGS_PORTS_MAX]; /* the n-th belongs to the n-th port; the rest are named by their port */
    int64_t port_count;
    int64_t name_count;
    const char *bind;
    int64_t delay_ms;
    int64_t status;
    int64_t body_bytes;     /* -1: the text that says who answers */
    int64_t close_after;    /* 0: never */
    int64_t keep_alive_ms;  /* 0: idle connections stay */
    int64_t truncate_after; /* -1: never */
    int64_t reset_after;    /* -1: never */
    int64_t health_status;
    int64_t health_delay_ms;
    int64_t slow_bytes_per_s; /* 0: as fast as they go */
    bool chunked;
    bool trailers;
    bool close_delimited;
    bool no_answer;
    bool http10;
    bool early;
    bool help;
    bool version;
};

enum { SETTINGS_WHY_BYTES = 256 };

/* 0, or -ERR_CONFIG with one sentence in why. Points into argv. */
MUST_CHECK int settings_parse(struct settings *settings, int argc, char **argv, char why[SETTINGS_WHY_BYTES]);
void settings_print_help(FILE *out);

#endif
