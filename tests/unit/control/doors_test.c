/* Listeners keep their numbers while their addresses stay; sockets are found by listener and reactor. */
#include "control/doors.h"

#include <fcntl.h>
#include <unistd.h>

#include "control_helper.h"

static void test_numbers(void **state)
{
    struct config *first = helper_load("listeners: [8001, 8002]\npools: {web: {workers: [3001]}}");
    struct config *second = helper_load("listeners: [8003, 8002]\npools: {web: {workers: [3001]}}");
    struct doors none = {NULL, 0}, before, after;
    uint32_t next = 0;
    assert_int_equal(doors_list(&none, &first->listeners, &next, &before), 0);
    assert_int_equal(doors_list(&before, &second->listeners, &next, &after), 0);
    assert_true(before.count == 2 && before.items[0].id == 0 && before.items[1].id == 1);
    assert_true(after.count == 2 && after.items[0].id == 2 && after.items[1].id == 1);
    assert_null(doors_find(&after, &first->listeners.items[0].address.addr));
    assert_ptr_equal(doors_find(&after, &first->listeners.items[1].address.addr), &after.items[1]);
    doors_fini(&before);
    doors_fini(&after);
    doors_fini(&after);
    config_destroy(&first);
    config_destroy(&second);
}

static void test_sockets(void **state)
{
    static struct link_message message;
    struct door_sockets sockets = {NULL, NULL, 0};
    assert_int_equal(door_sockets_fd(&sockets, 0, 0), -1);
    message = (struct link_message){.number = 3, .fd_count = 1, .fds = {dup(STDIN_FILENO)}};
    assert_int_equal(door_sockets_note(&sockets, 2, &message), 0);
    int first = message.fds[0];
    message.fds[0] = dup(STDIN_FILENO);
    assert_int_equal(door_sockets_note(&sockets, 2, &message), 0);
    assert_int_equal(door_sockets_fd(&sockets, 3, 0), first);
    assert_int_equal(door_sockets_fd(&sockets, 3, 1), message.fds[0]);
    assert_int_equal(door_sockets_fd(&sockets, 2, 1), -1);
    door_sockets_close(&sockets);
    assert_int_equal(fcntl(first, F_GETFD), -1);
    assert_int_equal(fcntl(message.fds[0], F_GETFD), -1);
    door_sockets_close(&sockets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_numbers), cmocka_unit_test(test_sockets)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
