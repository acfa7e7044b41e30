/* One writes, the others read: at the same place, and with no way back. */
#include "base/region.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { ROOM = 1 << 20 };

static void test_pieces_fit_until_it_is_full(void **state)
{
    struct region region;
    assert_int_equal(region_create(&region, ROOM), 0);
    char *first = region_take(&region, 3), *second = region_take(&region, ROOM / 2);
    assert_ptr_equal(first, region.base);
    assert_int_equal((uintptr_t)second % _Alignof(max_align_t), 0);
    assert_null(region_take(&region, ROOM / 2));
    assert_non_null(region_take(&region, ROOM / 4));
    region_reset(&region);
    assert_ptr_equal(region_take(&region, ROOM), first);
    region_destroy(&region);
    region_destroy(&region);
}

static int status_of(void (*child)(struct region *region, char *text), struct region *region, char *text)
{
    int status = 0;
    pid_t process = fork();
    if (process == 0) {
        signal(SIGSEGV, SIG_DFL);
        child(region, text);
        _exit(0);
    }
    assert_int_equal(waitpid(process, &status, 0), process);
    return status;
}

static void read_it(struct region *region, char *text)
{
    if (region_read_only(region) || strcmp(text, "seen by both") != 0)
        _exit(1);
}

static void write_it(struct region *region, char *text)
{
    if (region_read_only(region))
        _exit(1);
    *text = 'X';
}

static void undo_it(struct region *region, char *text)
{
    int fd = dup(region->fd);
    if (region_read_only(region))
        _exit(1);
    if (mprotect(region->base, ROOM, PROT_READ | PROT_WRITE) == 0 ||
        mmap(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED || ftruncate(fd, 0) == 0)
        _exit(2);
}

static void test_readers_cannot_write(void **state)
{
    struct region region;
    struct arena arena;
    assert_int_equal(region_create(&region, ROOM), 0);
    arena_init_in(&arena, &region, ROOM);
    char *text = arena_take(&arena, 20000);
    assert_non_null(text);
    assert_true(text > region.base && text + 20000 <= region.base + ROOM);
    memcpy(text, "seen by both", sizeof("seen by both"));
    assert_int_equal(status_of(read_it, &region, text), 0);
    int status = status_of(write_it, &region, text);
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) > 1); /* a sanitizer ends it in its own way */
    assert_int_equal(status_of(undo_it, &region, text), 0);
    assert_string_equal(text, "seen by both");
    arena_fini(&arena);
    region_destroy(&region);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces_fit_until_it_is_full),
        cmocka_unit_test(test_readers_cannot_write),
    };
    return cmocka_run_group_tests_name("region", tests, NULL, NULL);
}
