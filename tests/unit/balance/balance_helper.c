/* Shared by the tests of floor balance; linked into each. */
#include "balance_helper.h"

static const struct worker_label unnamed;

void helper_pool_init(struct helper_pool *helper, uint32_t count, const uint32_t *weights)
{
    uint32_t given[HELPER_WORKERS];

    memset(helper, 0, sizeof(*helper));
    for (uint32_t i = 0; i < count; i++) {
        helper->workers[i].index = i;
        helper->workers[i].label = &unnamed;
        helper->workers[i].weight = weights ? weights[i] : 1;
        helper->workers[i].pool = &helper->pool;
        helper->list[i] = &helper->workers[i];
        given[i] = helper->workers[i].weight;
    }
    assert_int_equal(pool_init(&helper->pool, helper->list, given, count), 0);
    helper->pool.turn = &helper->turn;
}

void helper_set_alive(struct helper_pool *helper, uint32_t alive)
{
    for (uint32_t i = 0; i < helper->pool.count; i++)
        atomic_store(&helper->workers[i].alive, ((alive >> i) & 1) != 0);
    pool_publish(&helper->pool);
}

void *helper_told_of;

static int personal_init(struct conn *conn, const void *settings, void *room)
{
    helper_told_of = room;
    return transport_plain.init(conn, settings, NULL);
}

const struct transport_use *helper_personal(void)
{
    static struct transport personal;
    static const struct transport_use use = {.transport = &personal};

    personal = transport_plain;
    personal.personal = true;
    personal.init = personal_init;
    return &use;
}
