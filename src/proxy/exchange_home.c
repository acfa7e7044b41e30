/* Memory of exchanges, from a slab that the reactor's limit of connections caps. A few that ended are kept with the
 * first block of their arena, which the slab would give back, so that a small request allocates nothing. */
#include "proxy/exchange_home.h"

#include "base/clock.h"
#include "http/date.h"
#include "proxy/exchange_parts.h"

/* How many. None where the sanitizer is to see each lifetime. */
#ifdef BALLAST_SANITIZE
enum { EXCHANGE_SPARE_MAX = 0 };
#else
enum { EXCHANGE_SPARE_MAX = 256 };
#endif

static void on_granted(struct retry_place *place)
{
    struct exchange *x = CONTAINER_OF(place, struct exchange, again);

    io_task_queue(x->home->io, &x->task);
}

void exchange_home_init(struct exchange_home *home, size_t max_exchanges)
{
    slab_init(&home->exchanges, sizeof(struct exchange), max_exchanges, 0);
    home->epoch = NULL;
    retry_budget_init(&home->retries, on_granted);
    list_init(&home->alive);
    home->spare = NULL;
    home->spare_count = 0;
    home->spare_max = EXCHANGE_SPARE_MAX;
    home->date_s = -1;
}

void exchange_home_fini(struct exchange_home *home)
{
    while (home->spare) {
        struct exchange *x = home->spare;
        home->spare = x->next_spare;
        arena_fini(&x->arena);
        slab_give(&home->exchanges, x);
    }
    slab_fini(&home->exchanges);
}

struct exchange *exchange_home_take(struct exchange_home *home)
{
    struct exchange *x = home->spare;
    struct arena arena;

    if (x) {
        home->spare = x->next_spare;
        home->spare_count--;
        arena = x->arena;
        arena.max_bytes = EXCHANGE_ARENA_BYTES;
    } else {
        x = slab_take(&home->exchanges);
        arena_init(&arena, EXCHANGE_ARENA_BYTES);
    }
    if (!x)
        return NULL;
    memset(x, 0, offsetof(struct exchange, attempts));
    x->arena = arena;
    x->home = home;
    x->epoch = home->epoch;
    x->rules = x->epoch->rules;
    x->epoch->users++;
    list_init(&x->link);
    list_append(&home->alive, &x->link);
    return x;
}

static void leave(struct exchange_epoch *epoch)
{
    if (--epoch->users == 0 && epoch->past)
        epoch->on_idle(epoch);
}

void exchange_home_turn(struct exchange_home *home, struct exchange_epoch *epoch)
{
    struct exchange_epoch *before = home->epoch;

    home->epoch = epoch;
    if (!before)
        return;
    before->past = true;
    if (before->users == 0)
        before->on_idle(before);
}

void exchange_home_give(struct exchange_home *home, struct exchange *x)
{
    leave(x->epoch);
    list_remove(&x->link);
    if (home->spare_count < home->spare_max) {
        arena_reset(&x->arena);
        x->next_spare = home->spare;
        home->spare = x;
        home->spare_count++;
        return;
    }
    arena_fini(&x->arena);
    slab_give(&home->exchanges, x);
}

struct str exchange_home_date(struct exchange_home *home)
{
    int64_t wall_s = clock_wall_ns() / 1000000000;

    if (wall_s != home->date_s) {
        home->date_s = wall_s;
        date_format(home->date, wall_s);
    }
    return str_slice(home->date, sizeof(home->date));
}
