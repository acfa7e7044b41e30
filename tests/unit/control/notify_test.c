/* What a service manager gets: the test is one. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "control_helper.h"

#include "control/notify.h"

static void says_it_to(const char *name, socklen_t extra)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char got[64];
    int manager = socket(AF_UNIX, SOCK_DGRAM, 0);

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", name);
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name) + extra);
    if (name[0] == '@')
        address.sun_path[0] = '\0';
    assert_int_equal(bind(manager, (struct sockaddr *)&address, length), 0);
    assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
    int notify = notify_open();
    assert_true(notify >= 0);
    notify_say(notify, "READY=1\nSTATUS=x");
    assert_int_equal(recv(manager, got, sizeof(got), MSG_DONTWAIT), 16);
    assert_memory_equal(got, "READY=1\nSTATUS=x", 16);
    close(manager);
    notify_say(notify, "STOPPING=1"); /* nobody there: nothing happens */
    close(notify);
}

static void says_it_to_a_path(void **state)
{
    char name[64];

    (void)snprintf(name, sizeof(name), "/tmp/notify-test-%d", (int)getpid());
    says_it_to(name, 1);
    assert_int_equal(notify_open(), -1); /* it is gone */
    assert_int_equal(unlink(name), 0);
}

static void says_it_to_an_abstract_name(void **state)
{
    char name[64];

    (void)snprintf(name, sizeof(name), "@notify-test-%d", (int)getpid());
    says_it_to(name, 0);
}

static void says_nothing_to_nobody(void **state)
{
    unsetenv("NOTIFY_SOCKET");
    assert_int_equal(notify_open(), -1);
    notify_say(-1, "READY=1");
    setenv("NOTIFY_SOCKET", "vsock:2:1234", 1);
    assert_int_equal(notify_open(), -1);
    char longer[200];
    memset(longer, 'x', sizeof(longer));
    longer[0] = '/';
    longer[sizeof(longer) - 1] = '\0';
    setenv("NOTIFY_SOCKET", longer, 1);
    assert_int_equal(notify_open(), -1);
}

static void watchdog_is_half(void **state)
{
    static const struct {
        const char *text;
        uint32_t ms;
    } cases[] = {{"10000000", 5000}, {"1", 1}, {"0", 0}, {"", 0}, {"x", 0}, {"-5", 0}};

    unsetenv("WATCHDOG_USEC");
    assert_int_equal(notify_watchdog_ms(), 0);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        setenv("WATCHDOG_USEC", cases[i].text, 1);
        assert_int_equal(notify_watchdog_ms(), cases[i].ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_it_to_a_path),
        cmocka_unit_test(says_it_to_an_abstract_name),
        cmocka_unit_test(says_nothing_to_nobody),
        cmocka_unit_test(watchdog_is_half),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
