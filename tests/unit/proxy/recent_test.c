/* The rings: what is found again, what makes room, and what is cut. */
#include "proxy/recent.h"

#include <stdio.h>

#include "base/err.h"
#include "tests/unit/alloc_fail.h"
#include "tests/unit/balance/balance_helper.h"

/* Everything in a record follows from its number. */
static void note(struct recent *recent, uint64_t number, int error, uint32_t total_us)
{
    char id[32];
    struct recent_record *draft = recent_next(recent, error || total_us >= RECENT_SLOW_US);
    int n = snprintf(id, sizeof(id), "id-%llu", (unsigned long long)number);
    draft->bytes_in = draft->bytes_out = number;
    draft->total_us = total_us;
    draft->error = (uint16_t)error;
    draft->status = 200;
    draft->tries = (uint8_t)(number % (PICK_TRIED_MAX + 1));
    struct recent_texts texts = {
        str_slice(id, (size_t)n), STR("192.0.2.1"), STR("GET"), STR("web"), STR("/a?b"), STR("why")};
    recent_set_texts(draft, &texts);
    for (uint32_t i = 0; i < draft->tries; i++) {
        recent_set_worker(&draft->attempts[i], STR("blue"));
        draft->attempts[i].picked_us = (uint32_t)number;
    }
}

static const struct recent_record *find(const struct recent *recent, uint64_t number)
{
    char id[32];
    int n = snprintf(id, sizeof(id), "id-%llu", (unsigned long long)number);
    return recent_find(recent, str_slice(id, (size_t)n));
}

static void recent_finds_again(void **state)
{
    struct recent recent = {0};
    assert_int_equal(recent_init(&recent), 0);
    assert_null(find(&recent, 5));
    note(&recent, 5, 0, 100);
    note(&recent, 6, ERR_CONN_RESET, 100);
    const struct recent_record *record = find(&recent, 5);
    assert_non_null(record);
    struct recent_texts texts = recent_texts(record);
    assert_true(str_eq(texts.id, STR("id-5")) && str_eq(texts.client, STR("192.0.2.1")));
    assert_true(str_eq(texts.method, STR("GET")) && str_eq(texts.pool, STR("web")));
    assert_true(str_eq(texts.target, STR("/a?b")) && str_eq(texts.detail, STR("why")));
    assert_int_equal(record->tries, 5);
    assert_string_equal(record->attempts[4].worker, "blue");
    assert_int_equal(find(&recent, 6)->error, ERR_CONN_RESET);
    assert_null(recent_find(&recent, STR("id-")));
    assert_null(recent_find(&recent, STR_NONE));
    recent_fini(&recent);
}

/* Failed and slow ones are not pushed out by those that go well. */
static void recent_keeps_the_ill_longer(void **state)
{
    struct recent recent = {0};
    assert_int_equal(recent_init(&recent), 0);
    note(&recent, 1, ERR_ANSWER_CUT, 100);
    note(&recent, 2, 0, RECENT_SLOW_US);
    note(&recent, 3, 0, RECENT_SLOW_US - 1);
    for (uint64_t i = 0; i < RECENT_WELL - 1; i++)
        note(&recent, 1000 + i, 0, 100);
    assert_non_null(find(&recent, 3));
    note(&recent, 9999, 0, 100);
    assert_null(find(&recent, 3));
    assert_non_null(find(&recent, 2));
    assert_non_null(find(&recent, 1));
    for (uint64_t i = 0; i < RECENT_ILL - 1; i++)
        note(&recent, 5000 + i, ERR_NO_WORKER, 100);
    assert_null(find(&recent, 1));
    assert_non_null(find(&recent, 2));
    recent_fini(&recent);
}

/* A client may send the same id again: the last one counts, in whichever ring it is. */
static void recent_finds_the_last(void **state)
{
    struct recent recent = {0};
    assert_int_equal(recent_init(&recent), 0);
    for (int turn = 0; turn < 4; turn++) {
        struct recent_record *record = recent_next(&recent, turn % 2);
        recent_set_texts(record, &(struct recent_texts){.id = STR("same")});
        assert_ptr_equal(recent_find(&recent, STR("same")), record);
    }
    recent_fini(&recent);
}

static void recent_cuts_what_is_long(void **state)
{
    struct recent recent = {0};
    char text[400];
    memset(text, 'x', sizeof(text));
    struct str all = str_slice(text, sizeof(text));
    assert_int_equal(recent_init(&recent), 0);
    struct recent_record *record = recent_next(&recent, false);
    recent_set_texts(record, &(struct recent_texts){str_slice(text, 128), all, all, all, all, all});
    recent_set_worker(&record->attempts[0], all);
    assert_ptr_equal(recent_find(&recent, str_slice(text, 128)), record); /* ids of 128 bytes are well formed */
    struct recent_texts texts = recent_texts(record);
    assert_int_equal(texts.id.n, RECENT_ID_MAX);
    assert_int_equal(texts.id.n + texts.client.n + texts.method.n + texts.pool.n + texts.detail.n, RECENT_TEXT_MAX);
    assert_int_equal(texts.target.n, 0);
    recent_set_texts(record, &(struct recent_texts){.id = STR("id"), .detail = all, .target = all});
    texts = recent_texts(record);
    assert_int_equal(texts.detail.n, RECENT_DETAIL_MAX);
    assert_int_equal(texts.target.n, RECENT_TEXT_MAX - 2 - RECENT_DETAIL_MAX);
    assert_int_equal(strlen(record->attempts[0].worker), RECENT_NAME_MAX);
    recent_fini(&recent);
}

static void recent_survives_no_memory(void **state)
{
    for (unsigned n = 1; n <= 2; n++) {
        struct recent recent = {0};
        alloc_fail_at(n);
        assert_int_equal(recent_init(&recent), -ERR_NO_MEMORY);
        assert_true(alloc_fail_stop());
        recent_fini(&recent);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recent_finds_again),        cmocka_unit_test(recent_keeps_the_ill_longer),
        cmocka_unit_test(recent_finds_the_last),     cmocka_unit_test(recent_cuts_what_is_long),
        cmocka_unit_test(recent_survives_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
