/* Handshakes wait for their turn: how many at once, how many steps in one turn, and in which order. */
#include "net/tls_room.h"

#include "tests/unit/net/net_cmocka.h"
#include "tests/unit/net/world.h"

enum { STEPS = 3 * TLS_ROOM_STEPS + 1 };

static struct world world;
static struct tls_room room;
static struct tls_step steps[STEPS];
static int ran, told[TLS_NOTES];
static char order[64]; /* S: a step, E: a request of somebody established */

static void on_step(struct tls_step *step)
{
    assert_ptr_equal(step, &steps[ran]);
    order[strlen(order)] = 'S';
    ran++;
}

static void on_established(struct io_task *task)
{
    order[strlen(order)] = 'E';
}

static void on_note(void *context, enum tls_note note)
{
    assert_ptr_equal(context, &world);
    told[note]++;
}

static int setup(void **state)
{
    world_create(&world, 8);
    tls_room_init(&room, world.io, 2);
    room.note = on_note;
    room.context = &world;
    ran = 0;
    memset(told, 0, sizeof(told));
    memset(order, 0, sizeof(order));
    for (int i = 0; i < STEPS; i++)
        tls_step_init(&steps[i], on_step);
    return 0;
}

static int teardown(void **state)
{
    tls_room_fini(&room);
    world_destroy(&world);
    return 0;
}

static void test_few_steps_a_turn(void **state)
{
    for (int i = 0; i < STEPS; i++) {
        tls_room_queue(&room, &steps[i]);
        tls_room_queue(&room, &steps[i]); /* harmless */
    }
    assert_int_equal(ran, 0);
    for (int turn = 1; ran < STEPS; turn++) {
        io_turn(world.io, 0);
        assert_int_equal(ran, turn * TLS_ROOM_STEPS < STEPS ? turn * TLS_ROOM_STEPS : STEPS);
    }
}

/* All of a flood is there before the first request: it waits for the steps of one turn, and never for more. */
static void test_established_requests_go_between(void **state)
{
    struct io_task established;

    io_task_init(&established, on_established);
    for (int i = 0; i < STEPS; i++)
        tls_room_queue(&room, &steps[i]);
    for (int turn = 0; turn < 4; turn++) {
        io_task_queue(world.io, &established);
        io_turn(world.io, 0);
    }
    assert_string_equal(order, "SSSSSSSSESSSSSSSSESSSSSSSSESE");
    assert_int_equal(told[TLS_NOTE_STEP], STEPS);
    assert_int_equal(told[TLS_NOTE_PUT_OFF], 3);
}

static void test_nothing_is_put_off_without_need(void **state)
{
    for (int i = 0; i < TLS_ROOM_STEPS; i++)
        tls_room_queue(&room, &steps[i]);
    world_settle(&world);
    assert_int_equal(told[TLS_NOTE_STEP], TLS_ROOM_STEPS);
    assert_int_equal(told[TLS_NOTE_PUT_OFF], 0);
}

static void test_a_step_is_taken_back(void **state)
{
    tls_room_queue(&room, &steps[1]);
    tls_room_queue(&room, &steps[0]);
    tls_step_cancel(&steps[1]);
    world_settle(&world);
    assert_int_equal(ran, 1);
}

static void test_no_more_than_allowed(void **state)
{
    assert_true(tls_room_enter(&room));
    assert_true(tls_room_enter(&room));
    assert_false(tls_room_enter(&room));
    tls_room_leave(&room, TLS_NOTE_FULL);
    assert_true(tls_room_enter(&room));
    tls_room_leave(&room, TLS_NOTE_RESUMED);
    tls_room_leave(&room, TLS_NOTE_FAILED);
    for (int i = 0; i < TLS_RESULTS; i++)
        assert_int_equal(told[i], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_few_steps_a_turn, setup, teardown),
        cmocka_unit_test_setup_teardown(test_established_requests_go_between, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nothing_is_put_off_without_need, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_step_is_taken_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_more_than_allowed, setup, teardown),
    };
    return cmocka_run_group_tests_name("tls_room", tests, NULL, NULL);
}
