/* What every test of this floor needs: cmocka with its prerequisites, and comparing slices.
 */
#ifndef UNIT_NET_CMOCKA_H
#define UNIT_NET_CMOCKA_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"

#define assert_str(actual, expected) assert_str_at(actual, expected, __FILE__, __LINE__)

static inline void assert_str_at(struct str actual, struct str expected, const char *file, int line)
{
    if (str_eq(actual, expected))
        return;
    print_error("\"%.*s\" is not \"%.*s\"\n", STR_ARG(actual), STR_ARG(expected));
    _fail(file, line);
}

#endif
