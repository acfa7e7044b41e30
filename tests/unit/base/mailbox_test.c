/* Mailboxes: order, fullness, wrapping round, and four posters at once. */
#include "base/mailbox.h"

#include <pthread.h>
#include <sched.h>

#include "base/err.h"

#include "tests/unit/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void mailbox_is_a_queue(void **state)
{
    struct mailbox box;
    struct mail mail;
    int subject;
    assert_int_equal(mailbox_init(&box, 4), 0);
    assert_false(mailbox_take(&box, &mail));
    uint64_t posted = 0;
    uint64_t taken = 0;
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < 4; i++)
            assert_int_equal(mailbox_post(&box, (struct mail){3, &subject, posted++}), 0);
        assert_int_equal(mailbox_post(&box, (struct mail){3, NULL, 999}), -ERR_FULL);
        for (int i = 0; i < 3 + round % 2; i++) {
            assert_true(mailbox_take(&box, &mail));
            assert_int_equal(mail.kind, 3);
            assert_ptr_equal(mail.subject, &subject);
            assert_int_equal(mail.value, taken++);
        }
        while (mailbox_take(&box, &mail))
            assert_int_equal(mail.value, taken++);
        assert_int_equal(taken, posted);
    }
    mailbox_fini(&box);
}

static void mailbox_survives_no_memory(void **state)
{
    struct mailbox box;
    alloc_fail_at(1);
    assert_int_equal(mailbox_init(&box, 64), -ERR_NO_MEMORY);
    assert_true(alloc_fail_stop());
}

enum { POSTERS = 4, MAILS = 20000 };

struct poster {
    struct mailbox *box;
    uint32_t number;
    uint64_t refused;
};

static void *poster_run(void *argument)
{
    struct poster *poster = argument;
    for (uint64_t i = 0; i < MAILS; i++) {
        /* What the subject points to must be seen by the reader as it was when posted. */
        while (mailbox_post(poster->box, (struct mail){poster->number, poster, i}) != 0) {
            poster->refused++;
            sched_yield();
        }
    }
    return NULL;
}

static void mailbox_takes_from_many(void **state)
{
    struct mailbox box;
    struct poster posters[POSTERS];
    pthread_t threads[POSTERS];
    uint64_t next[POSTERS] = {0};
    assert_int_equal(mailbox_init(&box, 64), 0);
    for (uint32_t i = 0; i < POSTERS; i++) {
        posters[i] = (struct poster){&box, i, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, poster_run, &posters[i]), 0);
    }
    for (uint64_t taken = 0; taken < (uint64_t)POSTERS * MAILS;) {
        struct mail mail;
        if (!mailbox_take(&box, &mail)) {
            sched_yield();
            continue;
        }
        assert_in_range(mail.kind, 0, POSTERS - 1);
        assert_ptr_equal(mail.subject, &posters[mail.kind]);
        assert_int_equal(mail.value, next[mail.kind]++);
        taken++;
    }
    for (int i = 0; i < POSTERS; i++)
        pthread_join(threads[i], NULL);
    struct mail none;
    assert_false(mailbox_take(&box, &none));
    mailbox_fini(&box);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mailbox_is_a_queue),
        cmocka_unit_test(mailbox_survives_no_memory),
        cmocka_unit_test(mailbox_takes_from_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
