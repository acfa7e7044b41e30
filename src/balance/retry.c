/* The rule is pure. The budget is a counter and a line, first come first served: whoever asks while others wait stands
 * behind them, so that nobody is passed over for ever. */
#include "balance/retry.h"

#include "base/assert.h"
#include "base/err.h"

static const char *const words[RETRY_REFUSALS] = {
#define REFUSAL(name, word, means) word,
#include "balance/retry.def"
#undef REFUSAL
};

const char *retry_refusal_word(enum retry_refusal why)
{
    return words[why];
}

bool retry_is_stale(const struct retry_facts *facts)
{
    bool ended = err_retry(facts->error) == ERR_RETRY_REPEAT && facts->error != -ERR_STREAM_RESET;

    return facts->reused && facts->age_ms < RETRY_STALE_MS && ended;
}

static bool is_safe(const struct retry_facts *facts, enum retry_refusal *ret_why)
{
    bool unseen = err_retry(facts->error) == ERR_RETRY_UNSENT;

    if (!unseen && err_retry(facts->error) != ERR_RETRY_REPEAT)
        *ret_why = RETRY_ERROR;
    else if (!unseen && !facts->repeatable && facts->sent)
        *ret_why = RETRY_METHOD;
    else if (!facts->replayable)
        *ret_why = RETRY_BODY;
    else
        return true;
    return false;
}

enum retry_verdict retry_judge(const struct retry_facts *facts, enum retry_refusal *ret_why)
{
    if (!is_safe(facts, ret_why))
        return RETRY_REFUSED;
    if (facts->tries >= facts->tries_max) {
        *ret_why = RETRY_TRIES;
        return RETRY_REFUSED;
    }
    bool cheap = err_retry(facts->error) == ERR_RETRY_UNSENT || !facts->sent || retry_is_stale(facts);
    return cheap ? RETRY_CHEAP : RETRY_COSTLY;
}

void retry_budget_init(struct retry_budget *budget, void (*granted)(struct retry_place *place))
{
    *budget = (struct retry_budget){.granted = granted};
    list_init(&budget->line);
}

uint32_t retry_budget_limit(uint64_t live)
{
    uint64_t share = live * RETRY_PERCENT / 100;

    return share > RETRY_LEAST ? (uint32_t)share : RETRY_LEAST;
}

static void hold(struct retry_budget *budget, struct retry_place *place)
{
    place->held = true;
    budget->running++;
}

static void leave_line(struct retry_budget *budget, struct retry_place *place)
{
    list_remove(&place->link);
    place->waiting = false;
    budget->waiting--;
}

static void grant(struct retry_budget *budget, uint64_t live)
{
    while (budget->waiting > 0 && budget->running < retry_budget_limit(live)) {
        struct retry_place *place = CONTAINER_OF(budget->line.next, struct retry_place, link);
        leave_line(budget, place);
        hold(budget, place);
        budget->granted(place);
    }
}

bool retry_budget_ask(struct retry_budget *budget, struct retry_place *place, uint64_t live)
{
    ASSERT(!place->waiting);
    if (place->held)
        return true;
    if (budget->waiting == 0 && budget->running < retry_budget_limit(live)) {
        hold(budget, place);
        return true;
    }
    list_init(&place->link);
    list_append(&budget->line, &place->link);
    place->waiting = true;
    budget->waiting++;
    return false;
}

void retry_budget_leave(struct retry_budget *budget, struct retry_place *place, uint64_t live)
{
    if (place->waiting)
        leave_line(budget, place);
    if (!place->held)
        return;
    place->held = false;
    budget->running--;
    grant(budget, live);
}
