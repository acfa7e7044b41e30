/* Whom an exchange waits for in each of its states, for how long, and when that was too long. */
#include "proxy/patience.h"

#include "still_life.h"

/* Where an exchange stands, and what the silence of the one it waits for comes to. */
static const struct {
    bool up_done, up_blocked, expects, answering, down_done, down_blocked, own;
    int error;
    size_t ms; /* where the time stands in the rules */
} states[] = {
    {.error = -ERR_REQUEST_BODY_TIMEOUT, .ms = offsetof(struct exchange_rules, request_body_ms)},
    {.expects = true, .error = -ERR_ANSWER_TIMEOUT, .ms = offsetof(struct exchange_rules, response_head_ms)},
    {.up_done = true, .error = -ERR_ANSWER_TIMEOUT, .ms = offsetof(struct exchange_rules, response_head_ms)},
    {.up_blocked = true, .error = -ERR_SEND_TIMEOUT, .ms = offsetof(struct exchange_rules, response_idle_ms)},
    {.answering = true, .error = -ERR_ANSWER_STALLED, .ms = offsetof(struct exchange_rules, response_idle_ms)},
    {.answering = true,
     .down_blocked = true,
     .error = -ERR_CLIENT_STALLED,
     .ms = offsetof(struct exchange_rules, client_stall_ms)},
    {.answering = true,
     .down_done = true,
     .error = -ERR_CLIENT_STALLED,
     .ms = offsetof(struct exchange_rules, client_stall_ms)},
    {.answering = true,
     .own = true,
     .error = -ERR_CLIENT_STALLED,
     .ms = offsetof(struct exchange_rules, client_stall_ms)},
};

static void patience_knows_whom_it_waits_for(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
        struct still_life s;
        still_life_init(&s);
        s.x->up.done = states[i].up_done;
        s.x->up.blocked = states[i].up_blocked;
        s.x->client.head.expect_continue = states[i].expects;
        s.x->answering = states[i].answering;
        s.x->down.done = states[i].down_done;
        s.x->down.blocked = states[i].down_blocked;
        s.x->own_answer = states[i].own;
        int64_t ms = *(const int64_t *)(const void *)((const char *)&s.rules + states[i].ms);
        patience_set(s.x);
        assert_int_equal(patience_error(s.x), states[i].error);
        still_life_pass(&s, ms - 1);
        assert_false(s.x->timed_out);
        assert_false(patience_is_lost(s.x));
        still_life_pass(&s, 1);
        assert_true(s.x->timed_out);
        assert_true(patience_is_lost(s.x));
        still_life_fini(&s);
    }
}

/* Who reads without an event up here is slow, not silent. */
static void patience_sees_a_reader_move(void **state)
{
    struct still_life s;
    still_life_init(&s);
    s.x->answering = true;
    s.x->down.blocked = true;
    patience_set(s.x);
    s.seat.sent++;
    still_life_pass(&s, s.rules.client_stall_ms);
    assert_true(s.x->timed_out);
    assert_false(patience_is_lost(s.x));
    still_life_fini(&s);
}

/* With a least rate the deadline is the window's end, and silence within it is judged when it is due. */
static void patience_judges_the_rate_too(void **state)
{
    struct still_life s;
    still_life_init(&s);
    s.rules.min_rate = 1000;
    s.rules.request_body_ms = 100000;
    patience_set(s.x);
    still_life_pass(&s, PACE_WINDOW_MS);
    assert_true(s.x->timed_out);
    assert_false(patience_is_lost(s.x)); /* its grace */
    patience_set(s.x);
    s.x->up.bytes += 1000 * PACE_WINDOW_MS / 1000 - 1;
    still_life_pass(&s, PACE_WINDOW_MS);
    assert_true(patience_is_lost(s.x));
    still_life_fini(&s);
}

static void patience_ends_with_the_half_closed(void **state)
{
    struct still_life s;
    still_life_init(&s);
    s.x->up.done = true;
    patience_set(s.x);
    patience_note_half_closed(s.x);
    still_life_pass(&s, s.rules.half_closed_ms - 1);
    assert_false(patience_with_half_closed_ends(s.x));
    patience_set(s.x); /* waits no longer for having been set again */
    still_life_pass(&s, 1);
    assert_true(s.x->timed_out);
    assert_true(patience_with_half_closed_ends(s.x));
    s.x->answering = true; /* once an answer has begun it may take its time */
    assert_false(patience_with_half_closed_ends(s.x));
    still_life_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patience_knows_whom_it_waits_for),
        cmocka_unit_test(patience_sees_a_reader_move),
        cmocka_unit_test(patience_judges_the_rate_too),
        cmocka_unit_test(patience_ends_with_the_half_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
