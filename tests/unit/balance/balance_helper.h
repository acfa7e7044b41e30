/* What the tests of this floor share: cmocka with its prerequisites, and a pool to choose from.
 */
#ifndef UNIT_BALANCE_HELPER_H
#define UNIT_BALANCE_HELPER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "balance/pool.h"
#include "net/transport.h"

enum { HELPER_WORKERS = 32 };

struct helper_pool {
    struct pool pool;
    struct worker workers[HELPER_WORKERS];
    struct worker *list[HELPER_WORKERS];
    _Atomic uint64_t turn;
};

/* weights NULL: all 1. Nobody is alive. */
void helper_pool_init(struct helper_pool *helper, uint32_t count, const uint32_t *weights);
/* Bit i of alive: worker i lives. Publishes. */
void helper_set_alive(struct helper_pool *helper, uint32_t alive);

/* Plain, but each connection tells of one client: whom the last that began was told of. */
const struct transport_use *helper_personal(void);
extern void *helper_told_of;

#endif
