/* Who rests, and when: by time, and by how many are whole. */
#include "http/rest.h"

#include "http_cmocka.h"

#include "tests/unit/net/world.h"

enum { MANY = REST_WHOLE + 3 };

static struct world world;
static struct rest rest;
static struct session sessions[MANY];
static bool refuses[MANY];
static int rested[MANY], order[MANY], count;

static bool try_rest(struct session *session)
{
    return !refuses[session - sessions];
}

static const struct session_ops ops = {.rest = try_rest};
static const struct session_ops never = {.rest = NULL};

static void on_rested(struct session *session)
{
    rested[session - sessions]++;
    order[count++] = (int)(session - sessions);
}

static int setup(void **state)
{
    world_create(&world, 1);
    rest_init(&rest, on_rested);
    memset(sessions, 0, sizeof(sessions));
    memset(refuses, 0, sizeof(refuses));
    memset(rested, 0, sizeof(rested));
    count = 0;
    for (int i = 0; i < MANY; i++) {
        sessions[i].ops = &ops;
        sessions[i].conn.io = world.io;
        list_init(&sessions[i].link);
    }
    return 0;
}

static int teardown(void **state)
{
    world_destroy(&world);
    return 0;
}

static void run_after(int64_t ms)
{
    world_run(&world, ms);
    rest_run(&rest, io_now_ms(world.io));
}

static void rest_comes_with_time(void **state)
{
    rest_add(&rest, &sessions[0]);
    run_after(500);
    rest_add(&rest, &sessions[1]);
    run_after(400);
    assert_int_equal(count, 0);
    run_after(101);
    assert_int_equal(count, 1);
    assert_int_equal(rested[0], 1);
    run_after(500);
    assert_int_equal(rested[1], 1);
    assert_int_equal(rest.count, 0);
    run_after(5000);
    assert_int_equal(count, 2);
}

static void rest_is_broken_off(void **state)
{
    rest_add(&rest, &sessions[0]);
    rest_add(&rest, &sessions[1]);
    rest_remove(&rest, &sessions[0]);
    rest_remove(&rest, &sessions[0]);
    assert_int_equal(rest.count, 1);
    run_after(2000);
    assert_int_equal(rested[0], 0);
    assert_int_equal(rested[1], 1);
}

/* Who cannot rest now is asked again after as long, and holds nobody up. */
static void rest_waits_for_who_cannot(void **state)
{
    refuses[0] = true;
    sessions[1].ops = &never;
    for (int i = 0; i < 3; i++)
        rest_add(&rest, &sessions[i]);
    run_after(1001);
    assert_int_equal(count, 1);
    assert_int_equal(rested[2], 1);
    refuses[0] = false;
    run_after(900);
    assert_int_equal(count, 1);
    run_after(101);
    assert_int_equal(count, 2);
    assert_int_equal(rested[0], 1);
    assert_int_equal(rest.count, 1);
    rest_remove(&rest, &sessions[1]);
}

/* Above so many the longest idle one rests at once. */
static void rest_comes_with_many(void **state)
{
    for (int i = 0; i < MANY; i++) {
        rest_add(&rest, &sessions[i]);
        assert_int_equal(count, i < REST_WHOLE ? 0 : i - REST_WHOLE + 1);
    }
    for (int i = 0; i < MANY - REST_WHOLE; i++)
        assert_int_equal(order[i], i);
    assert_int_equal(rest.count, REST_WHOLE);
    for (int i = 0; i < MANY; i++)
        rest_remove(&rest, &sessions[i]);
    assert_int_equal(rest.count, 0);
}

#define REST_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        REST_TEST(rest_comes_with_time),
        REST_TEST(rest_is_broken_off),
        REST_TEST(rest_waits_for_who_cannot),
        REST_TEST(rest_comes_with_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
