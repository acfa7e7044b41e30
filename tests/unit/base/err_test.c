/* The error table: every code has a name of its own and numbers that fit together. */
#include "base/err.h"

#include <errno.h>
#include <string.h>

#include "base/assert.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void err_rows_are_whole(void **state)
{
    for (int code = 1; code < ERR_COUNT; code++) {
        int status = err_http_status(-code);
        size_t end = strlen(err_sentence(code)) - 1;
        assert_true(strlen(err_reason(code)) > 0);
        assert_int_equal(strspn(err_reason(code), "abcdefghijklmnopqrstuvwxyz_"), strlen(err_reason(code)));
        assert_int_equal(err_sentence(code)[end], '.');
        assert_true(strlen(err_proxy_status(code)) > 0);
        assert_true(status == 0 || (status >= 400 && status <= 599));
        assert_false(status >= 400 && status < 500 && err_fault(code) == ERR_FAULT_WORKER);
        for (int other = 1; other < code; other++)
            assert_string_not_equal(err_reason(code), err_reason(other));
    }
}

static void err_takes_either_sign(void **state)
{
    assert_string_equal(err_reason(ERR_NO_ROUTE), "no_route");
    assert_string_equal(err_reason(-ERR_NO_ROUTE), "no_route");
    assert_int_equal(err_http_status(-ERR_NO_ROUTE), 404);
    assert_int_equal(err_retry(-ERR_CONNECT_REFUSED), ERR_RETRY_UNSENT);
    assert_int_equal(err_retry(-ERR_CONN_RESET), ERR_RETRY_REPEAT);
    assert_int_equal(err_fault(-ERR_CLIENT_GONE), ERR_FAULT_CLIENT);
    assert_string_equal(err_reason(0), "ok");
    assert_int_equal(err_http_status(0), 0);
}

static void err_names_errnos(void **state)
{
    static const struct {
        int system_errno;
        int code;
    } cases[] = {
        {ENOMEM, -ERR_NO_MEMORY},
        {EMFILE, -ERR_NO_DESCRIPTORS},
        {ENFILE, -ERR_NO_DESCRIPTORS},
        {EADDRINUSE, -ERR_ADDRESS_IN_USE},
        {EACCES, -ERR_NO_PERMISSION},
        {EPERM, -ERR_NO_PERMISSION},
        {EADDRNOTAVAIL, -ERR_BAD_ADDRESS},
        {ECONNREFUSED, -ERR_CONNECT_REFUSED},
        {EHOSTUNREACH, -ERR_CONNECT_UNREACHABLE},
        {ENETUNREACH, -ERR_CONNECT_UNREACHABLE},
        {ETIMEDOUT, -ERR_CONNECT_TIMEOUT},
        {ECONNRESET, -ERR_CONN_RESET},
        {EPIPE, -ERR_CONN_RESET},
        {ECANCELED, -ERR_CANCELLED},
        {ENOSPC, -ERR_SYSTEM},
        {0, -ERR_SYSTEM},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_int_equal(err_from_errno(cases[i].system_errno), cases[i].code);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(err_rows_are_whole),
        cmocka_unit_test(err_takes_either_sign),
        cmocka_unit_test(err_names_errnos),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
