/* What one program leaves is what the next one finds; and what is not whole is not taken. */
#include "main/succession.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"

static struct sock_addr address(const char *text)
{
    struct sock_name name;
    struct sock_addr addr;
    const char *why;

    assert_int_equal(sock_name_parse(str_of(text), STR("127.0.0.1"), &name, &why), 0);
    assert_int_equal(sock_addr_numeric(&name, &addr), 0);
    return addr;
}

static int file_of(const char *text)
{
    int fd = memfd_create("succession-test", 0);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    return fd;
}

static void what_is_left_is_found(void **state)
{
    struct succession left = {.version = "1.2.3", .number = 7, .server = 4711, .link = 1, .admin_fd = 2}, found;
    struct succession_keys keys = {.addr = address("[::1]:8443")};

    left.admin_addr = address("unix:/run/ballast/admin with a space");
    assert_int_equal(keeper_sockets_create(2, 3, &left.sockets), 0);
    left.sockets.listeners = 2;
    left.sockets.addrs[0] = address("127.0.0.1:80");
    left.sockets.addrs[0].dual_stack = true;
    left.sockets.addrs[1] = address("unix:/run/ballast/http");
    memcpy(left.sockets.files[1].path, "/run/ballast/http", sizeof("/run/ballast/http"));
    left.sockets.files[1].device = 99;
    left.sockets.files[1].inode = 123456789;
    for (int i = 0; i < 6; i++)
        left.sockets.fds[i] = i == 4 ? -1 : 0;
    for (size_t i = 0; i < sizeof(keys.bytes); i++)
        keys.bytes[i] = (char)(255 - i);
    left.keys = &keys;
    left.key_count = 1;
    int fd = succession_write(&left);
    assert_true(fd >= 0);
    assert_int_equal(succession_read(fd, &found), 0);
    assert_string_equal(found.version, "1.2.3");
    assert_int_equal(found.number, 7);
    assert_int_equal(found.server, 4711);
    assert_int_equal(found.link, 1);
    assert_int_equal(found.admin_fd, 2);
    assert_true(sock_addr_equal(&found.admin_addr.storage, &left.admin_addr.storage));
    assert_int_equal(found.sockets.width, 3);
    assert_int_equal(found.sockets.listeners, 2);
    assert_memory_equal(found.sockets.fds, left.sockets.fds, 6 * sizeof(int));
    for (int i = 0; i < 2; i++) {
        assert_true(sock_addr_equal(&found.sockets.addrs[i].storage, &left.sockets.addrs[i].storage));
        assert_int_equal(found.sockets.addrs[i].len, left.sockets.addrs[i].len);
        assert_int_equal(found.sockets.addrs[i].dual_stack, left.sockets.addrs[i].dual_stack);
        assert_string_equal(found.sockets.files[i].path, left.sockets.files[i].path);
    }
    assert_int_equal(found.sockets.files[1].device, 99);
    assert_int_equal(found.sockets.files[1].inode, 123456789);
    assert_int_equal(found.key_count, 1);
    assert_memory_equal(found.keys[0].bytes, keys.bytes, sizeof(keys.bytes));
    succession_free(&found);
    keeper_sockets_free(&left.sockets);
}

static void exec_keeps_what_it_shall(void **state)
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    struct succession left = {.link = ends[0], .admin_fd = -1};
    succession_keep(&left, true);
    assert_int_equal(fcntl(ends[0], F_GETFD), 0);
    assert_int_equal(fcntl(ends[1], F_GETFD), FD_CLOEXEC);
    succession_keep(&left, false);
    assert_int_equal(fcntl(ends[0], F_GETFD), FD_CLOEXEC);
    close(ends[0]);
    close(ends[1]);
}

static void what_is_not_whole_is_not_taken(void **state)
{
    static const char *const texts[] = {
        "",
        "ballast-succession 2\nserver 1 1\n",
        "ballast-succession 1\n",
        "ballast-succession 1\nserver 0 1\n",
        "ballast-succession 1\nserver 1\n",
        "ballast-succession 1\nserver 1 -1\n",
        "ballast-succession 1\nserver 1 1\nlistener 00 0 - 0 0 1\n",
        "ballast-succession 1\nserver 1 1\nlisteners 1 1\nlistener 00 0 - 0 0 1\nlistener 00 0 - 0 0 1\n",
        "ballast-succession 1\nserver 1 1\nlisteners 0 1\nlisteners 0 1\n",
        "ballast-succession 1\nserver 1 1\nlisteners 64 4294967295\n",
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        struct succession found;
        assert_int_equal(succession_read(file_of(texts[i]), &found), -ERR_CONFIG);
    }
}

static void unknown_lines_are_skipped(void **state)
{
    struct succession found;

    assert_int_equal(
        succession_read(file_of("ballast-succession 1\nnews of a later version\nserver 12 1\nbefore\n"), &found), 0);
    assert_int_equal(found.server, 12);
    assert_string_equal(found.version, "");
    succession_free(&found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_left_is_found),
        cmocka_unit_test(exec_keeps_what_it_shall),
        cmocka_unit_test(what_is_not_whole_is_not_taken),
        cmocka_unit_test(unknown_lines_are_skipped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
