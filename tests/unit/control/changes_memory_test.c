/* What a server writes is what the next one reads, and nothing that another left there can do harm. */
#include "control/changes_memory.h"

#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control_helper.h"
#include "tests/unit/alloc_fail.h"

static struct change change_of(const char *address, enum change_kind kind)
{
    struct change change = {.kind = kind, .weight = 2, .keep = true, .at_ns = 7, .by = "somebody", .pool = "web"};
    struct sock_name name;
    const char *why;
    assert_int_equal(sock_name_parse(str_of(address), STR("127.0.0.1"), &name, &why), 0);
    assert_int_equal(sock_addr_numeric(&name, &change.addr), 0);
    change_text(change.address, sizeof(change.address), str_of(address));
    return change;
}

static void write_of(struct changes_memory *memory, const struct change *items, size_t count)
{
    struct changes changes = {.items = (struct change *)(uintptr_t)items, .count = count};
    assert_int_equal(changes_memory_write(memory, &changes), 0);
}

static size_t count_of_sound(struct changes_memory *memory, const struct change *item)
{
    struct changes changes;
    write_of(memory, item, 1);
    assert_int_equal(changes_memory_count(memory), 1);
    assert_int_equal(changes_memory_read(memory, &changes), 0);
    size_t count = changes.count;
    changes_fini(&changes);
    return count;
}

static void test_the_next_process_reads_what_the_last_wrote(void **state)
{
    struct changes_memory *memory;
    struct changes changes;
    assert_int_equal(changes_memory_create(&memory), 0);
    assert_int_equal(changes_memory_count(memory), 0);
    assert_int_equal(changes_memory_read(memory, &changes), 0);
    assert_int_equal(changes.count, 0);
    for (size_t count = 3; count > 0; count--) {
        pid_t child = fork();
        if (child == 0) {
            struct change items[] = {change_of("3001", CHANGE_ADDED), change_of("3002", CHANGE_REMOVED),
                                     change_of("3003", CHANGE_SET)};
            write_of(memory, items, 1);
            write_of(memory, items, count);
            _exit(0);
        }
        assert_int_equal(waitpid(child, NULL, 0), child);
        assert_int_equal(changes_memory_count(memory), count);
        assert_int_equal(changes_memory_read(memory, &changes), 0);
        assert_int_equal(changes.count, count);
        struct change first = change_of("3001", CHANGE_ADDED);
        const struct change *found = changes_find(&changes, STR("web"), STR("3001"), &first.addr);
        assert_true(found && found->kind == CHANGE_ADDED && found->keep && found->at_ns == 7 && found->weight == 2);
        assert_string_equal(found->by, "somebody");
        changes_fini(&changes);
    }
    write_of(memory, NULL, 0);
    assert_int_equal(changes_memory_count(memory), 0);
    changes_memory_destroy(&memory);
    assert_null(memory);
    changes_memory_destroy(&memory);
}

static void test_what_makes_no_sense_is_left_out(void **state)
{
    const struct change good = change_of("3001", CHANGE_ADDED);
    struct changes_memory *memory;
    assert_int_equal(changes_memory_create(&memory), 0);
    assert_int_equal(count_of_sound(memory, &good), 1);
#define BAD(...)                                           \
    do {                                                   \
        struct change bad = good;                          \
        __VA_ARGS__;                                       \
        assert_int_equal(count_of_sound(memory, &bad), 0); \
    } while (0)
    BAD(bad.kind = (enum change_kind)3);
    BAD(bad.mode = (enum worker_mode) - 1);
    BAD(bad.weight = 0);
    BAD(bad.weight = POOL_WEIGHT_MAX + 1);
    BAD(bad.pool[0] = '\0');
    BAD(bad.address[0] = '\0');
    BAD(memset(bad.pool, 'x', sizeof(bad.pool)));
    BAD(memset(bad.address, 'x', sizeof(bad.address)));
    BAD(memset(bad.name, 'x', sizeof(bad.name)));
    BAD(memset(bad.by, 'x', sizeof(bad.by)));
    BAD(memset(&bad.keep, 2, 1));
    BAD(memset(&bad.addr.dual_stack, 255, 1));
    BAD(bad.addr.len = 0);
    BAD(bad.addr.len = sizeof(bad.addr.storage) + 1);
    BAD(bad.addr.storage.ss_family = AF_UNSPEC);
#undef BAD
    changes_memory_destroy(&memory);
}

static void test_bounds(void **state)
{
    const struct change one = change_of("3001", CHANGE_SET);
    struct changes too_many = {.items = (struct change *)(uintptr_t)&one, .count = CHANGES_MEMORY_MAX + 1}, changes;
    struct changes_memory *memory;
    assert_int_equal(changes_memory_create(&memory), 0);
    write_of(memory, &one, 1);
    alloc_fail_at(1);
    assert_int_equal(changes_memory_read(memory, &changes), -ERR_NO_MEMORY);
    assert_true(alloc_fail_stop());
    assert_int_equal(changes_memory_write(memory, &too_many), -ERR_FULL);
    assert_int_equal(changes_memory_count(memory), 0); /* not the ones of before, which are no longer so */
    changes_memory_destroy(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_the_next_process_reads_what_the_last_wrote),
                                       cmocka_unit_test(test_what_makes_no_sense_is_left_out),
                                       cmocka_unit_test(test_bounds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
