/* The list of policies, and what they share. */
#include "balance/pick.h"

static const struct pick_ops *const policies[] = {&pick_round_robin};

const struct pick_ops *pick_find(struct str name)
{
    for (size_t i = 0; i < ARRAY_SIZE(policies); i++)
        if (str_eq(name, str_of(policies[i]->name)))
            return policies[i];
    return NULL;
}

bool pick_was_tried(const struct pick_tried *tried, const struct worker *worker)
{
    for (uint32_t i = 0; i < tried->count; i++)
        if (tried->workers[i] == worker)
            return true;
    return false;
}

void pick_forget(struct pick_tried *tried, const struct worker *worker)
{
    for (uint32_t i = 0; i < tried->count; i++) {
        if (tried->workers[i] == worker) {
            tried->workers[i] = tried->workers[--tried->count];
            return;
        }
    }
}
