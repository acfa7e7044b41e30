/* What the tests of floor control share: loading texts, and comparing what is said about them.
 */
#ifndef UNIT_CONTROL_HELPER_H
#define UNIT_CONTROL_HELPER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "control/config.h"

/* A text and all that must be said about it, lines separated by \n. */
struct bad_case {
    const char *text;
    const char *lines;
};

/* Loads text as ballast.yaml, without looking at files, names or the environment; the test fails if that fails. */
struct config *helper_load(const char *text);
/* Everything that is said about text, without the file's name before each line's place; valid until the next call. */
const char *helper_errors(const char *text);
/* Fails unless exactly the expected is said, and the load fails unless all lines are warnings. */
void helper_check_cases(const struct bad_case *cases, size_t count);
/* What print writes; freed by the caller. */
char *helper_print(void (*print)(FILE *out));
/* The whole of a file in the source tree, or NULL; freed by the caller. */
char *helper_source(const char *path);
#define assert_str(slice, expected)                    \
    do {                                               \
        assert_non_null((slice).p);                    \
        assert_string_equal((slice).p, expected);      \
        assert_int_equal((slice).n, strlen(expected)); \
    } while (0)

#endif
