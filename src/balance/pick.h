/* How a pool chooses the worker for a request: one small file for each policy.
 */
#ifndef BALANCE_PICK_H
#define BALANCE_PICK_H

#include "balance/pool.h"

enum { PICK_TRIED_MAX = 8 };

/* Workers this request was already sent to. */
struct pick_tried {
    uint32_t count;
    const struct worker *workers[PICK_TRIED_MAX];
};

struct pick_ops {
    const char *name; /* the word in the configuration */
    /* A living worker that was not tried, or NULL. Any thread; never blocks. */
    struct worker *(*pick)(struct pool *pool, const struct pick_tried *tried);
    /* What pick would answer now, and nothing changed by asking: for explanations. */
    struct worker *(*peek)(struct pool *pool, const struct pick_tried *tried);
};

extern const struct pick_ops pick_round_robin;

/* The policy with this name, or NULL. */
const struct pick_ops *pick_find(struct str name);
/* It may be picked again. */
void pick_forget(struct pick_tried *tried, const struct worker *worker);
bool pick_was_tried(const struct pick_tried *tried, const struct worker *worker);

#endif
