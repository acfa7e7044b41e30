/* One configuration after another. The steps of one reload, each on the control thread:
 *
 *   asked      the keeper was told, or said so by itself, and loads
 *   proving    everything is made ready, workers that only the new one has are being asked how they are
 *   published  every reactor has it in its mail
 *   idle       all of them go by it, and the one before is given up when its last exchange ends
 *
 * Owned by the server. */
#include "control/reload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "control/admin_plan.h"
#include "control/reload_changes.h"
#include "control/reload_ready.h"

enum {
    PROVE_LOOK_MS = 10,
    PROVE_MOST_MS = 5000,   /* then it is published as it is */
    PROVE_CHANGE_MS = 2000, /* for a change of workers: the keeper has less patience, and so has who asked */
    SWEEP_MS = 1000,
    WATCH_LOOK_MS = 250,
};

/* ---- what became of it ---- */

static void say(struct reload *reload, const char *state, const char *sentence)
{
    reload->entry->state = state;
    (void)snprintf(reload->entry->sentence, sizeof(reload->entry->sentence), "%s", sentence);
}

/* A plan is none. */
static void note_result(const struct reload *reload, enum metric_reload result)
{
    if (reload->purpose != LINK_TO_PLAN)
        atomic_fetch_add_explicit(&reload->options.sources->reloads[result], 1, memory_order_relaxed);
}

static int tell_keeper(const struct reload *reload, enum link_kind kind, const char *text)
{
    struct link_message message = {.kind = kind, .purpose = reload->purpose};

    if (reload->options.link < 0)
        return -ERR_CONN_CLOSED;
    (void)snprintf(message.text, sizeof(message.text), "%s", text);
    return link_send(reload->options.link, &message);
}

/* ---- giving back what one brought ---- */

void reload_forget(struct reload *reload)
{
    for (uint32_t i = 0; reload->changes && i < reload->options.reactor_count; i++)
        if (reload->changes[i])
            reactor_change_destroy(&reload->changes[i]);
    if (reload->snapshot)
        snapshot_destroy(&reload->snapshot);
    free(reload->changes); /* not per request: once a reload */
    reload->changes = NULL;
    door_sockets_forget(&reload->sockets);
    doors_fini(&reload->next_doors);
    overlay_fini(&reload->next);
    carried_fini(&reload->carried);
    reload->config = NULL;
    reload->step = RELOAD_IDLE;
}

static void refuse(struct reload *reload, const char *sentence)
{
    say(reload, "refused", sentence);
    note_result(reload, RELOADS_REFUSED);
    log_error("the configuration is not put into use: the one before goes on", LOG_Z("why", sentence),
              LOG_N("reload", reload->entry->number));
    door_sockets_close(&reload->sockets);
    reload_forget(reload);
    (void)tell_keeper(reload, LINK_REFUSED, sentence); /* a gone keeper takes this process with it */
}

/* ---- publishing ---- */

static void publish(struct reload *reload)
{
    struct reload_totals now = reload_totals_count(reload->options.accounts, reload->options.reactor_count);

    if (reload->entry) {
        reload->before = reload_totals_since(now, reload->at_change);
        reload->at_change = now;
    }
    reload->step = RELOAD_PUBLISHED;
    atomic_store(&reload->applied, 0);
    for (uint32_t i = 0; i < reload->options.reactor_count; i++) {
        snapshot_hold(reload->snapshot);
        reactor_publish(reload->options.reactors[i], reload->changes[i]);
        reload->changes[i] = NULL;
    }
}

/* A pool that depends on new workers waits for their first probe; one that has somebody alive, or whose workers have
 * all been asked, is as good as it will be; and one that has nobody alive in the configuration in use loses nothing. */
static bool is_proved(const struct reload *reload, const struct pool *pool)
{
    struct health health;
    struct probe_stats stats;

    if (pool_alive(pool) > 0 || (pool->older && pool_alive(pool->older) == 0))
        return true;
    for (uint32_t i = 0; i < pool->count; i++) {
        prober_read(reload->options.prober, pool->workers[i], &health, &stats);
        if (health.state == HEALTH_UNKNOWN && atomic_load(&pool->workers[i]->mode) != WORKER_DISABLED)
            return false;
    }
    return true;
}

static bool all_proved(const struct reload *reload)
{
    for (uint32_t i = 0; i < reload->snapshot->pool_count; i++)
        if (!is_proved(reload, reload->snapshot->pools[i]))
            return false;
    return true;
}

static void on_step(struct timer *timer)
{
    struct reload *reload = CONTAINER_OF(timer, struct reload, step_timer);
    int64_t now_ms = io_now_ms(reload->options.io);

    if (all_proved(reload) || now_ms >= reload->prove_end_ms)
        publish(reload);
    else
        io_timer_set(reload->options.io, timer, now_ms + PROVE_LOOK_MS);
}

/* Made ready, it cannot fail any more. */
void reload_bring(struct reload *reload)
{
    struct reload_options *options = &reload->options;
    struct snapshot *snapshot = reload->snapshot;

    snapshot_enter(snapshot, options->roster, options->newest);
    snapshot->older->config = NULL;
    if (reload->entry)
        reload_remember_changes(reload);
    overlay_fini(&reload->in_use);
    reload->in_use = reload->next;
    reload->next = (struct overlay){.config = NULL};
    reload_note_changes(reload);
    options->sources->snapshot = snapshot;
    prober_adopt(options->prober, snapshot->pools, snapshot->pool_count, snapshot->index_end);
    overlay_set_modes(&reload->in_use.changes, snapshot->workers, snapshot->worker_count, options->prober);
    reload->step = RELOAD_PROVING;
    reload->prove_end_ms = io_now_ms(options->io) + (reload->entry ? PROVE_MOST_MS : PROVE_CHANGE_MS);
    on_step(&reload->step_timer);
}

/* ---- afterwards ---- */

static void on_sweep(struct timer *timer)
{
    struct reload *reload = CONTAINER_OF(timer, struct reload, sweep_timer);

    if (snapshot_sweep(reload->options.newest) > 1)
        io_timer_set(reload->options.io, timer, io_now_ms(reload->options.io) + SWEEP_MS);
}

static void roll_back(struct reload *reload, struct reload_totals since)
{
    char sentence[160];

    (void)snprintf(sentence, sizeof(sentence), "%llu of %llu requests failed since the reload, more than %u %%",
                   (unsigned long long)since.failed, (unsigned long long)since.ended,
                   reload->options.config->reload.max_failed_percent);
    log_error("the configuration before comes back", LOG_Z("why", sentence));
    atomic_store_explicit(&reload->options.sources->rollback_ended, since.ended, memory_order_relaxed);
    atomic_store_explicit(&reload->options.sources->rollback_failed, since.failed, memory_order_relaxed);
    struct reload_entry *entry = reload_history_add(&reload->history, "watchdog");
    reload->entry = entry;
    reload->purpose = LINK_TO_ROLL_BACK;
    say(reload, "waiting", sentence);
    if (tell_keeper(reload, LINK_ROLLBACK, sentence) == 0)
        reload->step = RELOAD_ASKED;
    else
        say(reload, "failed", "There is no keeper to ask.");
}

static void on_watch(struct timer *timer)
{
    struct reload *reload = CONTAINER_OF(timer, struct reload, watch_timer);
    struct reload_totals now = reload_totals_count(reload->options.accounts, reload->options.reactor_count);
    struct reload_totals since = reload_totals_since(now, reload->at_change);
    int64_t now_ms = io_now_ms(reload->options.io);

    if ((reload->step != RELOAD_IDLE && reload->entry) || now_ms >= reload->watch_end_ms)
        return;
    if (reload->step == RELOAD_IDLE &&
        reload_went_wrong(since, reload->before, reload->options.config->reload.max_failed_percent))
        roll_back(reload, since);
    else
        io_timer_set(reload->options.io, timer, now_ms + WATCH_LOOK_MS);
}

static void start_watch(struct reload *reload)
{
    const struct config *config = reload->options.config;

    if (reload->purpose != LINK_TO_APPLY || config->reload.watch_ms == 0)
        return;
    reload->watch_end_ms = io_now_ms(reload->options.io) + config->reload.watch_ms;
    io_timer_set(reload->options.io, &reload->watch_timer, io_now_ms(reload->options.io) + WATCH_LOOK_MS);
}

static void note_applied(struct reload *reload)
{
    bool back = reload->purpose == LINK_TO_ROLL_BACK;
    char text[PLAN_TEXT_MAX];

    plan_text(reload->entry->plan, text);
    if (!back)
        say(reload, "applied", text);
    else
        reload->entry->state = "rolled_back";
    note_result(reload, back ? RELOADS_ROLLED_BACK : RELOADS_APPLIED);
    log_info(back ? "configuration is the one before again" : "configuration is reloaded", LOG_Z("changes", text),
             LOG_Z("cause", reload->entry->cause), LOG_N("reload", reload->entry->number));
    reload->options.applied(reload->options.context, reload->options.config);
    (void)tell_keeper(reload, LINK_APPLIED, "");
    start_watch(reload);
}

/* The snapshot before is held by exchanges alone from now on. */
static void finish(struct reload *reload)
{
    struct snapshot *before = reload->snapshot->older;

    doors_fini(&reload->doors);
    reload->doors = reload->next_doors;
    reload->next_doors = (struct doors){NULL, 0};
    reload->options.config = reload->config;
    reload->snapshot = NULL;
    reload_forget(reload);
    snapshot_let_go(before);
    on_sweep(&reload->sweep_timer);
    if (reload->entry)
        note_applied(reload);
    else if (reload->done)
        reload->done(reload->done_context);
}

/* ---- from the keeper ---- */

/* The entry that this answers: the one that asked, or a new one for what the keeper was told itself. */
static void take_up(struct reload *reload, const struct link_message *message)
{
    if (reload->step == RELOAD_ASKED)
        return;
    reload->entry = reload_history_add(&reload->history, "signal");
    reload->purpose = message->purpose;
    reload->expected[0] = '\0';
}

static void consider(struct reload *reload)
{
    char id[PLAN_ID_MAX];

    plan_id(reload->in_use.config, reload->next.config, id);
    if (reload->purpose == LINK_TO_PLAN) {
        say(reload, "planned", "This is what a reload would change now.");
        door_sockets_close(&reload->sockets);
        reload_forget(reload);
        (void)tell_keeper(reload, LINK_REFUSED, "");
    } else if (reload->expected[0] && strcmp(reload->expected, id) != 0) {
        refuse(reload, "The configuration in use, or the files, are no longer those that the plan was made of.");
    } else {
        int error = reload_make_ready(reload);
        if (error)
            refuse(reload, err_sentence(error));
        else
            reload_bring(reload);
    }
}

/* The file's and what goes on of the changes, compared with what is in use. */
static int compare(struct reload *reload)
{
    struct plan_world world = {reload->options.roster, reload->options.accounts, reload->options.reactor_count};
    bool back = reload->purpose == LINK_TO_ROLL_BACK;
    int error = reload_list_changes(reload, back, &reload->carried.changes);

    if (!error)
        error = overlay_carry(reload->config, &reload->carried, back, &reload->next);
    plan_destroy(&reload->entry->plan);
    if (!error)
        error = plan_create(reload->in_use.config, reload->next.config, &reload->carried, &world, &reload->entry->plan);
    return error;
}

static void on_config(struct reload *reload, const struct link_message *message)
{
    take_up(reload, message);
    reload->config = config_slot_config(&reload->options.slots[message->number]);
    int error = compare(reload);
    if (error)
        refuse(reload, err_sentence(error));
    else
        consider(reload);
}

static void on_failed(struct reload *reload, const struct link_message *message)
{
    take_up(reload, message);
    say(reload, "failed", message->text);
    note_result(reload, RELOADS_FAILED);
    log_error("the configuration does not load: the one in use goes on", LOG_Z("why", message->text),
              LOG_N("reload", reload->entry->number));
    reload_forget(reload);
}

bool reload_hear(struct reload *reload, const struct link_message *message)
{
    switch (message->kind) {
    case LINK_SOCKETS:
        if (door_sockets_note(&reload->sockets, reload->options.reactor_count, message))
            log_error("sockets cannot be kept", LOG_Z("reason", err_reason(-ERR_NO_MEMORY)));
        return true;
    case LINK_CONFIG: on_config(reload, message); return true;
    case LINK_FAILED: on_failed(reload, message); return true;
    default: return false;
    }
}

void reload_look(struct reload *reload)
{
    if (reload->step == RELOAD_PUBLISHED && atomic_load(&reload->applied) == reload->options.reactor_count)
        finish(reload);
}

/* ---- asking ---- */

int reload_ask(struct reload *reload, enum link_purpose purpose, const char *expected, const char *cause,
               uint32_t *ret_number)
{
    if (reload->step != RELOAD_IDLE)
        return -ERR_FULL;
    reload->purpose = purpose;
    int error = tell_keeper(reload, LINK_RELOAD, "");
    if (error)
        return error;
    reload->entry = reload_history_add(&reload->history, cause);
    (void)snprintf(reload->expected, sizeof(reload->expected), "%s", expected);
    reload->step = RELOAD_ASKED;
    *ret_number = reload->entry->number;
    return 0;
}

uint32_t reload_newest(const struct reload *reload)
{
    return reload->history.numbers;
}

const struct reload_entry *reload_entry(const struct reload *reload, uint32_t number)
{
    return reload_history_find(&reload->history, number);
}

struct reload_history *reload_past(struct reload *reload)
{
    return &reload->history;
}

/* ---- life ---- */

/* start-up only: one a server. */
int reload_create(const struct reload_options *options, struct reload **ret_reload)
{
    struct reload *reload = calloc(1, sizeof(*reload));

    if (!reload)
        return -ERR_NO_MEMORY;
    reload->options = *options;
    reload->in_use = *options->overlay;
    *options->overlay = (struct overlay){.config = NULL};
    timer_init(&reload->step_timer, on_step);
    timer_init(&reload->sweep_timer, on_sweep);
    timer_init(&reload->watch_timer, on_watch);
    /* Ids are the places: as the server numbered them. */
    int error = doors_list(&reload->doors, &options->config->listeners, &reload->next_door, &reload->doors);
    if (error) {
        overlay_fini(&reload->in_use);
        free(reload);
        return error;
    }
    *ret_reload = reload;
    return 0;
}

/* start-up only: the other end of reload_create. */
void reload_destroy(struct reload **destroyed)
{
    struct reload *reload = *destroyed;

    *destroyed = NULL;
    if (!reload)
        return;
    io_timer_fini(reload->options.io, &reload->step_timer);
    io_timer_fini(reload->options.io, &reload->sweep_timer);
    io_timer_fini(reload->options.io, &reload->watch_timer);
    if (reload->step == RELOAD_PROVING || reload->step == RELOAD_PUBLISHED)
        snapshot_let_go(reload->snapshot->older); /* both are on the server's list */
    if (reload->step == RELOAD_PROVING || reload->step == RELOAD_PUBLISHED)
        reload->snapshot = NULL;
    reload_forget(reload);
    overlay_fini(&reload->in_use);
    changes_fini(&reload->changes_before);
    doors_fini(&reload->doors);
    reload_history_fini(&reload->history);
    free(reload);
}
