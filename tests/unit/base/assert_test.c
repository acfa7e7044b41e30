/* A failed assertion says where and ends the process; a true one does nothing. */
#include "base/assert.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct thing {
    uint32_t magic;
    int value;
};

static void fail_here(void)
{
    struct thing thing = {.magic = 1};
    ASSERT_MAGIC(&thing, 2);
}

static void assert_failure_says_and_aborts(void **state)
{
    int ends[2];
    char text[512] = "";
    int status;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        signal(SIGABRT, SIG_DFL);
        dup2(ends[1], STDERR_FILENO);
        fail_here();
        _exit(0);
    }
    close(ends[1]);
    size_t n = 0;
    ssize_t part;
    while ((part = read(ends[0], text + n, sizeof(text) - 1 - n)) > 0)
        n += (size_t)part;
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_non_null(strstr(text, "assert_test.c:"));
    assert_non_null(strstr(text, "fail_here: assertion failed: "));
    assert_non_null(strstr(text, "magic"));
    assert_int_equal(text[n - 1], '\n');
}

static void assert_truth_evaluates_once(void **state)
{
    int calls = 0;
    ASSERT(++calls == 1);
    assert_int_equal(calls, 1);
}

static void container_of_finds_its_struct(void **state)
{
    struct thing thing = {0};
    assert_ptr_equal(CONTAINER_OF(&thing.value, struct thing, value), &thing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(assert_failure_says_and_aborts),
        cmocka_unit_test(assert_truth_evaluates_once),
        cmocka_unit_test(container_of_finds_its_struct),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
