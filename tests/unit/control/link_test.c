/* Messages arrive whole, with their descriptors, and a gone end is noticed. */
#include "control/link.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_messages_stay_apart(void **state)
{
    static struct link_message in, out;
    int ends[2], pipe_ends[2];
    char byte = 0;
    assert_int_equal(link_create(ends), 0);
    assert_int_equal(pipe(pipe_ends), 0);
    assert_int_equal(link_receive(ends[1], &in), 0);

    out = (struct link_message){.kind = LINK_SOCKETS, .number = 7, .fd_count = 1, .fds = {pipe_ends[1]}};
    assert_int_equal(link_send(ends[0], &out), 0);
    out = (struct link_message){.kind = LINK_FAILED, .purpose = LINK_TO_PLAN, .number = 8};
    memset(out.text, 'x', LINK_TEXT_MAX); /* no NUL: it is cut */
    assert_int_equal(link_send(ends[0], &out), 0);

    assert_int_equal(link_receive(ends[1], &in), 1);
    assert_true(in.kind == LINK_SOCKETS && in.number == 7 && in.fd_count == 1 && in.text[0] == '\0');
    assert_int_equal(write(in.fds[0], "y", 1), 1);
    assert_int_equal(read(pipe_ends[0], &byte, 1), 1);
    assert_int_equal(byte, 'y');
    close(in.fds[0]);
    assert_int_equal(link_receive(ends[1], &in), 1);
    assert_true(in.kind == LINK_FAILED && in.purpose == LINK_TO_PLAN && in.number == 8 && in.fd_count == 0);
    assert_int_equal(strlen(in.text), LINK_TEXT_MAX - 1);
    assert_int_equal(link_receive(ends[1], &in), 0);

    close(ends[0]);
    assert_true(link_receive(ends[1], &in) < 0);
    assert_true(link_send(ends[1], &out) < 0);
    close(ends[1]);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
}

static void test_many_descriptors(void **state)
{
    static struct link_message in, out;
    int ends[2];
    assert_int_equal(link_create(ends), 0);
    out = (struct link_message){.kind = LINK_SOCKETS, .fd_count = LINK_FDS_MAX};
    for (int i = 0; i < LINK_FDS_MAX; i++)
        out.fds[i] = ends[0];
    assert_int_equal(link_send(ends[0], &out), 0);
    assert_int_equal(link_receive(ends[1], &in), 1);
    assert_int_equal(in.fd_count, LINK_FDS_MAX);
    for (int i = 0; i < LINK_FDS_MAX; i++)
        close(in.fds[i]);
    close(ends[0]);
    close(ends[1]);
}

static void test_descriptors_of_what_is_no_message(void **state)
{
    static struct link_message in;
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.head = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
    struct iovec part = {(char[]){"short"}, 5};
    struct msghdr packet = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control.bytes)};
    int ends[2], pipe_ends[2];
    char byte;
    assert_int_equal(link_create(ends), 0);
    assert_int_equal(pipe(pipe_ends), 0);
    memcpy(CMSG_DATA(&control.head), &pipe_ends[1], sizeof(int));
    assert_int_equal(sendmsg(ends[0], &packet, 0), 5);
    close(pipe_ends[1]);
    assert_true(link_receive(ends[1], &in) < 0);
    assert_int_equal(read(pipe_ends[0], &byte, 1), 0); /* nobody has its other end */
    close(pipe_ends[0]);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages_stay_apart),
        cmocka_unit_test(test_many_descriptors),
        cmocka_unit_test(test_descriptors_of_what_is_no_message),
    };
    return cmocka_run_group_tests_name("link", tests, NULL, NULL);
}
