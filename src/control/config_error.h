/* What is wrong with a configuration: at most 20 errors and 20 warnings of one line each, with their places.
 *
 * Kept apart from the configuration, because errors outlive the one that did not load.
 */
#ifndef CONTROL_CONFIG_ERROR_H
#define CONTROL_CONFIG_ERROR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/str.h"

struct config_place {
    const char *file; /* or a flag, such as `--listen` */
    unsigned line;    /* from 1; 0: the whole file, or a flag */
    unsigned column;  /* from 1 */
};

enum { CONFIG_ERRORS_MAX = 20, CONFIG_LINE_MAX = 1024, CONFIG_PLACE_MAX = 512 };

struct config_error {
    struct str text;   /* the whole line, without its end; a NUL stands behind it */
    size_t file_bytes; /* of text, the name of the file */
    unsigned line;
    unsigned column;
    bool warning;
};

struct config_errors {
    struct config_error items[2 * CONFIG_ERRORS_MAX];
    size_t count;
    unsigned error_count; /* all, those left out of items too */
    unsigned warning_count;
    struct arena arena;
};

void config_errors_init(struct config_errors *errors);
void config_errors_fini(struct config_errors *errors);
/* Has the list of errors no room left? Reading on is then of no use to anyone. */
bool config_errors_full(const struct config_errors *errors);
/* Into the order of files and lines. */
void config_errors_sort(struct config_errors *errors);

/* Adds `FILE:LINE:COLUMN: sentence`. Bytes that would end the line or move a cursor are replaced by `?`. */
void config_error_add(struct config_errors *errors, const struct config_place *place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Adds `FILE:LINE:COLUMN: warning: sentence`. */
void config_warning_add(struct config_errors *errors, const struct config_place *place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* `FILE:LINE:COLUMN` into out with a NUL; returns out. */
const char *config_place_print(char out[CONFIG_PLACE_MAX], const struct config_place *place);
/* As much of a user's text as fits a sentence, cut between characters. */
struct str config_shown(struct str text);

#endif
