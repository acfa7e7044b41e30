/* Whether a request that failed may be sent again, and when: the rule, and the budget.
 *
 * A retry is safe when the worker cannot have seen the request, or when seeing it twice changes nothing. It is cheap
 * when no worker has spent anything on the try before; retries that are not cheap are what turns a stumbling pool into
 * a falling one, so only RETRY_PERCENT of the live requests (and at least RETRY_LEAST) may be under way as such at a
 * time. The others wait in line (ADR 0009). One budget for each reactor, on its thread.
 */
#ifndef BALANCE_RETRY_H
#define BALANCE_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

enum { RETRY_PERCENT = 20, RETRY_LEAST = 3, RETRY_STALE_MS = 100 };

enum retry_refusal {
#define REFUSAL(name, word, means) RETRY_##name,
#include "balance/retry.def"
#undef REFUSAL
    RETRY_REFUSALS
};

enum retry_verdict { RETRY_REFUSED, RETRY_CHEAP, RETRY_COSTLY };

/* A try that failed without an answer. */
struct retry_facts {
    int error;
    bool repeatable; /* the method may be repeated (RFC 9110 section 9.2.2) */
    bool replayable; /* what has left of the body is kept */
    bool sent;       /* some byte of the request may have left */
    bool reused;     /* on a connection that had idled, and on which no answer has begun since */
    int64_t age_ms;  /* since the connection was there */
    uint32_t tries, tries_max;
};

/* An idle connection that was ended as the request came, without a byte of an answer: the worker let go of it, and has
 * done nothing for the request. Later than RETRY_STALE_MS it had taken it. */
bool retry_is_stale(const struct retry_facts *facts);
/* With RETRY_REFUSED *ret_why is set. */
enum retry_verdict retry_judge(const struct retry_facts *facts, enum retry_refusal *ret_why);
const char *retry_refusal_word(enum retry_refusal why);

/* A request's place in the budget; all zero begins. */
struct retry_place {
    struct list link;
    bool held, waiting;
};

struct retry_budget {
    uint32_t running; /* places held */
    uint32_t waiting;
    struct list line;
    void (*granted)(struct retry_place *place); /* a place that waited is held now */
};

void retry_budget_init(struct retry_budget *budget, void (*granted)(struct retry_place *place));
/* How many may be held while so many requests are live. */
uint32_t retry_budget_limit(uint64_t live);
/* True: held (or was already, for the try before). False: it waits in line; granted will tell. */
bool retry_budget_ask(struct retry_budget *budget, struct retry_place *place, uint64_t live);
/* Held or waiting or neither: it is not any more, and those in line may go. */
void retry_budget_leave(struct retry_budget *budget, struct retry_place *place, uint64_t live);

#endif
